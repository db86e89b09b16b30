//! Log lines: RFC 3339 times, fields of the spans they happen in (call and leg ids), pretty or JSON.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing::Subscriber;
use tracing::subscriber::set_global_default;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFormat, TelemetryConfig};

/// Sends the process's log to standard error.
pub(super) fn start(config: &TelemetryConfig) -> anyhow::Result<()> {
    set_global_default(subscriber(config, std::io::stderr)?).context("logs were started before")
}

/// What writes the lines of `config` to `writer`.
fn subscriber<W>(config: &TelemetryConfig, writer: W) -> anyhow::Result<Box<dyn Subscriber + Send + Sync>>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Libraries speak of themselves at every level; their own words are wanted only when something is wrong.
    let filter = EnvFilter::try_new(format!("ractor=warn,sqlx=warn,{}", config.log_level)).context("telemetry.log_level")?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(config.log_format == LogFormat::Pretty && std::io::stderr().is_terminal())
        .with_writer(writer);
    Ok(match config.log_format {
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_span_list(false).finish()),
        LogFormat::Pretty => Box::new(lines.finish()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::subscriber;
    use crate::config::{LogFormat, TelemetryConfig};

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(log_format: LogFormat, log_level: &str) -> String {
        let page = Page::default();
        let writer = page.clone();
        let config = TelemetryConfig { log_format, log_level: log_level.to_owned() };
        let subscriber = subscriber(&config, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let _call = tracing::info_span!("call", call = "c1").entered();
            tracing::info!(leg = "sip", "answered");
            tracing::debug!("hidden");
        });
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// `2026-11-21T09:00:00.000000Z`, by its shape.
    fn is_rfc3339(text: &str) -> bool {
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        shape == "0000-00-00T00:00:00.000000Z"
    }

    #[test]
    fn a_pretty_line_has_its_time_and_its_call() {
        let text = log(LogFormat::Pretty, "info");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(is_rfc3339(text.split(' ').next().unwrap()), "{text}");
        assert!(text.contains("call{call=\"c1\"}"), "{text}");
        assert!(text.contains("answered leg=\"sip\""), "{text}");
    }

    #[test]
    fn a_json_line_has_its_time_and_its_call() {
        let text = log(LogFormat::Json, "info");
        assert_eq!(text.lines().count(), 1, "{text}");
        let time = text.strip_prefix("{\"timestamp\":\"").unwrap();
        assert!(is_rfc3339(time.split('"').next().unwrap()), "{text}");
        assert!(text.contains("\"message\":\"answered\",\"leg\":\"sip\""), "{text}");
        assert!(text.contains("\"span\":{\"call\":\"c1\""), "{text}");
    }

    #[test]
    fn the_level_decides_what_is_shown() {
        assert_eq!(log(LogFormat::Pretty, "debug").lines().count(), 2);
        assert_eq!(log(LogFormat::Pretty, "warn"), "");
    }
}
