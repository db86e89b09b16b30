//! What of a changed file takes effect while the node runs, and what only at its next start.

use std::collections::BTreeSet;
use std::path::Path;

/// Sections that the next call has as they are in the file.
const TAKEN_OVER: [&str; 6] = ["assistants", "mcp_servers", "numbers", "providers", "routing", "tools"];

/// Tells each mistake, a line of `problems` each.
pub(super) fn refuse(problems: &str) {
    outcome("refused");
    for problem in problems.lines() {
        tracing::error!(problem, "the configuration stays as it was");
    }
}

pub(super) fn outcome(outcome: &'static str) {
    metrics::counter!("offhook_config_reloads_total", "outcome" => outcome).increment(1);
}

/// Sections that differ, each once.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    taken_over: Vec<String>,
    restart: Vec<String>,
}

impl Changes {
    /// Those of two configurations, as `offhook check` prints them.
    pub(super) fn between(before: &[String], now: &[String]) -> Self {
        let (before, now): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), now.iter().collect());
        let sections: BTreeSet<&str> = before.symmetric_difference(&now).map(|line| section(line)).collect();
        let (taken_over, restart): (Vec<&str>, Vec<&str>) = sections.into_iter().partition(|section| taken_over(section));
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Self { taken_over: owned(taken_over), restart: owned(restart) }
    }

    /// Tells of them.
    pub(super) fn tell(&self, file: Option<&Path>) {
        let file = file.map(|file| file.display().to_string()).unwrap_or_default();
        tracing::info!(file, changed = self.taken_over.join(", "), "the configuration was read again");
        if !self.restart.is_empty() {
            tracing::warn!(sections = self.restart.join(", "), "changed, and take effect at the next start only");
        }
    }
}

/// `assistants[0].voice` of `[assistants[0].voice] provider=openai ...`.
pub(super) fn section(line: &str) -> &str {
    let head = line.split_once(' ').map_or(line, |(head, _)| head);
    head.strip_prefix('[').and_then(|head| head.strip_suffix(']')).unwrap_or(head)
}

/// Whether the next call has it.
pub(super) fn taken_over(section: &str) -> bool {
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
