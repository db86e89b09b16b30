//! Logs, metrics and traces of the process: how a line looks, which buckets a histogram has, what a span of a call holds.

mod catalogue;
mod logs;
mod spans;
mod traces;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::config::TelemetryConfig;
use catalogue::{Kind, METRICS};
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
    // A gauge that nobody has set is missing, and a dashboard cannot tell that from zero.
    metrics::gauge!("offhook_node_draining").set(0.0);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Kind, METRICS, describe, recorder};

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
    fn names_have_the_prefix_their_unit_and_one_entry() {
        let mut seen = Vec::new();
        for metric in METRICS {
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
