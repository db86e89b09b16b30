//! Logs, metrics and traces of the process: how a line looks, which buckets a histogram has, what a span of a call holds.

mod catalogue;
mod logs;
mod process;
mod spans;
mod traces;

use anyhow::Context as _;
use metrics::Label;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::config::TelemetryConfig;
use catalogue::{Kind, Labels, METRICS};
pub use process::Process;
pub use traces::Traces;

/// Starts logs and metrics for the process; `render` of the handle is the text of `/metrics`. The caller runs
/// `run_upkeep` of it every few seconds, or histograms grow with each sample until the next scrape.
///
/// # Errors
/// When either was started before.
pub fn start(config: &TelemetryConfig) -> anyhow::Result<PrometheusHandle> {
    logs::start(config)?;
    let recorder = recorder()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("metrics were started before")?;
    describe();
    Ok(handle)
}

/// A recorder with the buckets of every histogram.
fn recorder() -> anyhow::Result<PrometheusRecorder> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(buckets) = metric.kind {
            let name = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(name, buckets)?;
        }
    }
    Ok(builder.build_recorder())
}

/// Gives every metric its help text, and says which build this is.
fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram(_) => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
    metrics::gauge!("offhook_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Makes every series whose labels are known before, at zero: a series that begins with its first event hides that event from
/// `rate`, and an alert cannot tell missing from zero. `providers` are those that assistants speak through.
pub fn preset(providers: &[&str]) {
    for metric in METRICS {
        for labels in series(metric.labels, providers) {
            // To name it is to make it.
            match metric.kind {
                Kind::Counter => drop(metrics::counter!(metric.name, labels)),
                Kind::Gauge => drop(metrics::gauge!(metric.name, labels)),
                Kind::Histogram(_) => drop(metrics::histogram!(metric.name, labels)),
            }
        }
    }
}

/// Every combination of the labels' values; none when the values of one are not known.
fn series(labels: Labels, providers: &[&str]) -> Vec<Vec<Label>> {
    let mut all = vec![Vec::new()];
    for (name, values) in labels {
        let values = if *name == "provider" { providers } else { values };
        let with = |begun: &Vec<Label>| {
            let begun = begun.clone();
            values.iter().map(move |value| [&begun[..], &[Label::new(*name, (*value).to_owned())]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actors::kind::ActorKind;
    use store::{LegKind, Outcome};

    use super::catalogue::PROCESS;
    use super::{Kind, METRICS, describe, preset, recorder};

    #[test]
    fn a_histogram_has_its_own_buckets_and_every_metric_its_help() {
        let recorder = recorder().unwrap();
        metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::histogram!("offhook_response_gap_seconds", "engine" => "offline").record(0.42);
        });
        let text = recorder.handle().render();
        assert!(text.contains("# HELP offhook_build_info "), "{text}");
        assert!(text.contains("offhook_build_info{version=\""), "{text}");
        let bucket = "offhook_response_gap_seconds_bucket{engine=\"offline\",le=\"0.5\"} 1";
        assert!(text.contains(bucket), "{text}");
    }

    #[test]
    fn what_has_not_happened_yet_is_zero_and_not_missing() {
        let recorder = recorder().unwrap();
        metrics::with_local_recorder(&recorder, || preset(&["acme"]));
        let text = recorder.handle().render();
        for line in [
            "offhook_calls_active{leg=\"twilio\"} 0",
            "offhook_calls_total{leg=\"sip\",direction=\"inbound\",outcome=\"failed\"} 0",
            "offhook_provider_errors_total{provider=\"acme\",kind=\"rate_limited\"} 0",
            "offhook_provider_request_seconds_count{provider=\"acme\",stage=\"connect\"} 0",
            "offhook_turns_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        // Any number of statuses and queries: they appear when they are known.
        for open in ["offhook_db_query_seconds", "offhook_sip_responses_total"] {
            assert!(!text.contains(open), "{text}");
        }
    }

    #[test]
    fn labels_have_the_words_of_those_who_use_them() {
        let values = |metric: &str, label: &str| {
            let metric = METRICS.iter().find(|row| row.name == metric).unwrap();
            metric.labels.iter().find(|(name, _)| *name == label).unwrap().1.to_vec()
        };
        let mut outcomes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
        outcomes.sort_unstable();
        assert_eq!(values("offhook_calls_total", "outcome"), outcomes);
        assert_eq!(values("offhook_calls_active", "leg"), LegKind::ALL.iter().map(|leg| leg.as_str()).collect::<Vec<_>>());
        assert_eq!(values("offhook_mailbox_depth", "actor"), ActorKind::ALL.map(ActorKind::name));
    }

    #[test]
    fn names_have_the_prefix_their_unit_and_one_entry() {
        let mut seen = Vec::new();
        for metric in METRICS.iter().chain(PROCESS) {
            let name = metric.name;
            assert!(name.starts_with("offhook_"), "{name}");
            assert_eq!(matches!(metric.kind, Kind::Counter), name.ends_with("_total"), "{name}");
            assert!(!metric.help.ends_with('.'), "{name}");
            assert!(!seen.contains(&name), "{name} is there twice");
            seen.push(name);
        }
    }

    #[test]
    fn buckets_rise() {
        for metric in METRICS {
            if let Kind::Histogram(buckets) = metric.kind {
                assert!(buckets.is_sorted(), "{}", metric.name);
                assert!(buckets.len() >= 5, "{}", metric.name);
            }
        }
    }
}
