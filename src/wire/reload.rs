//! What changes while calls are up: who answers, how and with what. Running calls end as they began.
//!
//! ```text
//! SIGHUP -> file, read whole -> mistakes: nothing changes, each is logged
//!                            -> none: the next call finds the new assistants, numbers, tools and providers;
//!                               other sections that changed are logged, since they need a restart
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::node::NodeHandle;
use platform::analysis::Analyst;
use platform::knowledge::Service;
use tokio::sync::Mutex;

use super::cascade::Breakers;
use super::tools::Tools;
use super::{Clients, analysis, assistants, knowledge, node};
use crate::config::Config;
use crate::telemetry;

/// Sections that the next call has as they are in the file.
const TAKEN_OVER: [&str; 6] = ["assistants", "mcp_servers", "numbers", "providers", "routing", "tools"];

/// Puts a changed file into effect.
pub(super) struct Reload {
    pub(super) node: NodeHandle,
    pub(super) knowledge: Service,
    pub(super) analyst: Arc<Analyst>,
    pub(super) clients: Clients,
    pub(super) breakers: Breakers,
    /// One reload at a time.
    pub(super) running: Mutex<Running>,
}

/// What is in effect.
pub(super) struct Running {
    pub(super) tools: Tools,
    /// As `offhook check` prints it; what needs a restart stays as it was at the start.
    pub(super) lines: Vec<String>,
}

impl Reload {
    /// Reads the file and the certificate of SIP again. A file with a mistake changes nothing.
    pub(super) async fn run(&self, file: Option<PathBuf>) {
        self.node.reload_certificate();
        // Before the file is read: of two reloads the later one reads later.
        let mut running = self.running.lock().await;
        match Config::load(file.as_deref(), &crate::environment()) {
            Ok(config) => self.put(&mut running, &config, file.as_deref()),
            Err(problems) => refuse(&problems.to_string()),
        }
    }

    fn put(&self, running: &mut Running, config: &Config, file: Option<&Path>) {
        let tools = running.tools.changed(config);
        let directory = match node::directory(config, &tools, &self.breakers) {
            Ok(directory) => directory,
            Err(error) => return refuse(&format!("{error:#}")),
        };
        let now = config.effective();
        let changes = Changes::between(&running.lines, &now);
        telemetry::preset(&assistants::providers(config));
        self.knowledge.set_profiles(knowledge::profiles(config));
        self.analyst.set_plans(analysis::plans(config, &self.clients.http));
        self.node.shared.directory.store(Arc::new(directory));
        running.tools = tools;
        let waits = |line: &String| !taken_over(section(line));
        let kept = running.lines.iter().filter(|line| waits(line)).cloned();
        running.lines = kept.chain(now.into_iter().filter(|line| !waits(line))).collect();
        outcome("taken");
        let file = file.map(|file| file.display().to_string()).unwrap_or_default();
        tracing::info!(file, changed = changes.taken_over.join(", "), "the configuration was read again");
        if !changes.restart.is_empty() {
            tracing::warn!(sections = changes.restart.join(", "), "changed, and take effect at the next start only");
        }
    }
}

/// Tells each mistake, a line of `problems` each.
fn refuse(problems: &str) {
    outcome("refused");
    for problem in problems.lines() {
        tracing::error!(problem, "the configuration stays as it was");
    }
}

fn outcome(outcome: &'static str) {
    metrics::counter!("offhook_config_reloads_total", "outcome" => outcome).increment(1);
}

/// Sections that differ, each once.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    taken_over: Vec<String>,
    restart: Vec<String>,
}

impl Changes {
    fn between(before: &[String], now: &[String]) -> Self {
        let (before, now): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), now.iter().collect());
        let sections: BTreeSet<&str> = before.symmetric_difference(&now).map(|line| section(line)).collect();
        let (taken_over, restart): (Vec<&str>, Vec<&str>) = sections.into_iter().partition(|section| taken_over(section));
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Self { taken_over: owned(taken_over), restart: owned(restart) }
    }
}

/// `assistants[0].voice` of `[assistants[0].voice] provider=openai ...`.
fn section(line: &str) -> &str {
    let head = line.split_once(' ').map_or(line, |(head, _)| head);
    head.strip_prefix('[').and_then(|head| head.strip_suffix(']')).unwrap_or(head)
}

fn taken_over(section: &str) -> bool {
    let name = section.split(['.', '[']).next().unwrap_or_default();
    TAKEN_OVER.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, now: &str, taken_over: &str, restart: &str) {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let changes = Changes::between(&lines(before), &lines(now));
        assert_eq!((changes.taken_over.join(" ").as_str(), changes.restart.join(" ").as_str()), (taken_over, restart));
    }

    #[test]
    fn what_changed_is_named_by_its_section() {
        let before = "[sip] listen=127.0.0.1:5060\n[assistants[0]] name=demo\n[assistants[0].voice] provider=openai";
        check(before, before, "", "");
        check(before, &before.replace("openai", "acme"), "assistants[0].voice", "");
        check(before, &before.replace("5060", "5070"), "", "sip");
        check(before, &format!("{before}\n[numbers[0]] number=+49301"), "numbers[0]", "");
        check(before, "[assistants[0]] name=demo", "assistants[0].voice", "sip");
    }
}
