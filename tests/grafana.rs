//! What `grafana/` holds: dashboards that Grafana can draw, alerts that somebody can act on, and only metrics that exist.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../src/telemetry/catalogue.rs"]
mod catalogue;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use catalogue::{METRICS, PROCESS};
use serde_json::Value;

/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &str) -> String {
    fs::read_to_string(folder(path)).unwrap()
}

/// Every dashboard with its file's name.
fn dashboards() -> Vec<(String, Value)> {
    let entries = fs::read_dir(folder("grafana")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let board = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), board)
    };
    paths.into_iter().map(read).collect()
}

/// The panels that show something; the others are headings of rows.
fn panels(board: &Value) -> Vec<&Value> {
    board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The metrics that `text` names, without the suffix of a histogram's series.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("offhook_").map(|(at, _)| &text[at..]);
    let names = starts.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap());
    let base = |name: &str| ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix).map(str::to_owned));
    names.map(|name| base(name).unwrap_or_else(|| name.to_owned())).collect()
}

fn known() -> BTreeSet<String> {
    METRICS.iter().chain(PROCESS).map(|metric| metric.name.to_owned()).collect()
}

/// Names and texts of the rules of `alerts.yml`.
fn alerts(rules: &str) -> Vec<(&str, &str)> {
    let parts = rules.split("- alert: ").skip(1);
    parts.map(|rule| rule.split_once('\n').unwrap()).map(|(name, rule)| (name.trim(), rule)).collect()
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_metrics_that_exist_are_asked_for() {
    let known = known();
    let mut texts = vec![("alerts.yml".to_owned(), read("grafana/alerts.yml"))];
    texts.push(("alerts_test.yml".to_owned(), read("grafana/alerts_test.yml")));
    texts.extend(dashboards().into_iter().map(|(file, board)| (file, board.to_string())));
    let mut wrong = Vec::new();
    for (file, text) in texts {
        wrong.extend(metrics_in(&text).difference(&known).map(|name| format!("grafana/{file}: no metric {name}")));
    }
    none(&wrong);
}

#[test]
fn every_metric_is_on_a_dashboard() {
    let shown: BTreeSet<String> = dashboards().iter().flat_map(|(_, board)| metrics_in(&board.to_string())).collect();
    let unseen: Vec<_> = known().difference(&shown).map(|name| format!("{name} is on no dashboard")).collect();
    none(&unseen);
}

#[test]
fn panels_can_be_read() {
    let mut wrong = Vec::new();
    for (file, board) in dashboards() {
        let mut say = |panel: &Value, what: &str| wrong.push(format!("grafana/{file}: {}: {what}", panel["title"]));
        for panel in panels(&board) {
            let description = text(&panel["description"]);
            if description.is_empty() || description.contains('\n') {
                say(panel, "a description of one line");
            }
            let overridden = panel["type"] == "table" || panel["type"] == "heatmap";
            if text(&panel["fieldConfig"]["defaults"]["unit"]).is_empty() && !overridden {
                say(panel, "a unit");
            }
            if panel["datasource"]["uid"] != "${datasource}" {
                say(panel, "the data source is the variable's");
            }
            let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
            if targets.is_empty() || targets.iter().any(|target| text(&target["expr"]).is_empty()) {
                say(panel, "something to ask for");
            }
            if targets.iter().any(|target| text(&target["legendFormat"]).is_empty()) {
                say(panel, "a legend for each line");
            }
            let references: BTreeSet<&str> = targets.iter().map(|target| text(&target["refId"])).collect();
            if references.len() != targets.len() || references.contains("") {
                say(panel, "each target has a letter of its own");
            }
        }
    }
    none(&wrong);
}

#[test]
fn panels_have_their_own_place_and_number() {
    let mut wrong = Vec::new();
    for (file, board) in dashboards() {
        let all = board["panels"].as_array().unwrap();
        let place = |panel: &Value| ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        for (index, panel) in all.iter().enumerate() {
            let [x, y, w, h] = place(panel);
            if w == 0 || h == 0 || x + w > COLUMNS {
                wrong.push(format!("grafana/{file}: {} lies beside the grid", panel["title"]));
            }
            for other in &all[..index] {
                let [ox, oy, ow, oh] = place(other);
                if x < ox + ow && ox < x + w && y < oy + oh && oy < y + h {
                    wrong.push(format!("grafana/{file}: {} lies over {}", panel["title"], other["title"]));
                }
                if panel["id"] == other["id"] {
                    wrong.push(format!("grafana/{file}: {} and {} have the same id", panel["title"], other["title"]));
                }
            }
        }
    }
    none(&wrong);
}

#[test]
fn dashboards_can_be_imported_side_by_side() {
    let boards = dashboards();
    let files: Vec<&str> = boards.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(files, ["actors.json", "fleet.json", "node.json", "providers.json", "quality.json", "sip.json"]);
    let ids: BTreeSet<&str> = boards.iter().map(|(_, board)| text(&board["uid"])).collect();
    assert!(ids.len() == boards.len() && !ids.contains(""), "each dashboard has a uid of its own: {ids:?}");
    for (file, board) in &boards {
        let variables = board["templating"]["list"].as_array().unwrap();
        assert!(variables.iter().any(|variable| variable["type"] == "datasource" && variable["name"] == "datasource"), "{file}");
        // Grafana's own begin with two underscores.
        let queries = panels(board).into_iter().flat_map(|panel| panel["targets"].as_array().unwrap());
        for expr in queries.map(|target| text(&target["expr"])) {
            for name in expr.split('$').skip(1).filter(|rest| !rest.starts_with("__")) {
                let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                assert!(variables.iter().any(|variable| variable["name"] == name.as_str()), "{file}: ${name} in {expr}");
            }
        }
    }
}

#[test]
fn every_alert_says_whom_it_wakes_and_what_to_do() {
    let (rules, runbook) = (read("grafana/alerts.yml"), read("docs/runbook.md"));
    let alerts = alerts(&rules);
    assert!(alerts.len() > 20, "the rules were not understood");
    let mut wrong = Vec::new();
    for (name, rule) in &alerts {
        let anchor = format!("runbook.md#{}\n", name.to_lowercase());
        let severity = ["page", "ticket"].iter().any(|severity| rule.contains(&format!("severity: {severity}}}")));
        for (has, what) in [
            (severity, "severity page or ticket"),
            (rule.contains("summary: "), "summary"),
            (rule.contains("description: "), "description"),
            (rule.contains(&anchor), "runbook_url that ends with its own name"),
        ] {
            if !has {
                wrong.push(format!("grafana/alerts.yml: {name}: {what} is missing"));
            }
        }
    }
    let names: Vec<&str> = alerts.iter().map(|(name, _)| *name).collect();
    let sections: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## Offhook").map(|_| &line[3..])).collect();
    assert_eq!(sections, names, "docs/runbook.md has a section for each alert, in the order of grafana/alerts.yml");
    for section in runbook.split("\n## ").skip(1) {
        for part in ["**Means:**", "**Callers:**", "**Look:**", "**Mend:**"] {
            if !section.contains(part) {
                wrong.push(format!("docs/runbook.md: {}: {part} is missing", section.lines().next().unwrap()));
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_alert_has_a_case_in_which_it_fires() {
    let (rules, tests) = (read("grafana/alerts.yml"), read("grafana/alerts_test.yml"));
    let fires = |name: &str| {
        let mut cases = tests.split("- name: ").skip(1);
        // What is sick fires and, being all that is expected, what is well beside it does not.
        cases.any(|case| case.contains(&format!("alertname=\"{name}\", alertstate=\"firing\"")) && case.contains("value: 1}"))
    };
    let rules = alerts(&rules);
    let missing = rules.iter().map(|(name, _)| *name).filter(|name| !fires(name));
    none(&missing.map(|name| format!("grafana/alerts_test.yml: nothing makes {name} fire")).collect::<Vec<_>>());
}
