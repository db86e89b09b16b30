//! Log lines: RFC 3339 times and the event's fields, pretty or JSON. A line about a call has its id as the field `call`.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;

use anyhow::Context as _;
use serde_json::Value;
use store::CallId;
use tracing::field::{Field, Visit};
use tracing::subscriber::set_global_default;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

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
        LogFormat::Json => Box::new(lines.event_format(JsonLine).finish()),
        LogFormat::Pretty => Box::new(lines.finish()),
    })
}

/// One JSON object a line: time, level, message, the event's fields, target. A line with `call` gets `trace_id` beside it, which is
/// the same id as traces write it: here, since what is derived in one place is forgotten in none.
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let Fields { message, rest } = fields;
        writeln!(line, "\",\"level\":\"{level}\",\"message\":{},{rest}\"target\":{}}}", Value::from(message), Value::from(target))
    }
}

/// The fields of an event as members of an object.
#[derive(Default)]
struct Fields {
    message: String,
    /// Each member with a comma behind it.
    rest: String,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        // A text takes whatever is written to it.
        let _ = write!(self.rest, "{}:{value},", Value::from(field.name()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
            return;
        }
        let call = (field.name() == "call").then(|| text.parse::<CallId>().ok()).flatten();
        self.add(field, text.into());
        if let Some(call) = call {
            let _ = write!(self.rest, "\"trace_id\":\"{:032x}\",", call.to_bits());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use store::CallId;

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
        let config = TelemetryConfig {
            log_format,
            log_level: log_level.to_owned(),
            otlp_endpoint: None,
            trace_ratio: 1.0,
            sip_ladders: true,
            hep_endpoint: None,
            hep_agent: 0,
            hep_key: None,
        };
        let subscriber = subscriber(&config, move || writer.clone()).unwrap();
        let call: CallId = "018f6b1e-0000-7000-8000-0000000000ab".parse().unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(call = %call, leg = "sip", tries = 3, "said \"hello\"");
            tracing::debug!(ratio = 0.5, "hidden");
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
        assert!(text.contains("said \"hello\" call=018f6b1e-0000-7000-8000-0000000000ab leg=\"sip\" tries=3"), "{text}");
    }

    #[test]
    fn a_json_line_has_its_time_its_call_and_its_trace() {
        let text = log(LogFormat::Json, "info");
        assert_eq!(text.lines().count(), 1, "{text}");
        let time = text.strip_prefix("{\"timestamp\":\"").unwrap();
        assert!(is_rfc3339(time.split('"').next().unwrap()), "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"said \"hello\"".into()));
        assert_eq!(line["call"], "018f6b1e-0000-7000-8000-0000000000ab");
        assert_eq!(line["trace_id"], "018f6b1e0000700080000000000000ab");
        assert_eq!((&line["leg"], &line["tries"]), (&"sip".into(), &3.into()));
        assert_eq!(line["target"], "offhook::telemetry::logs::tests");
    }

    #[test]
    fn the_level_decides_what_is_shown() {
        assert_eq!(log(LogFormat::Pretty, "debug").lines().count(), 2);
        let debug = log(LogFormat::Json, "debug");
        assert!(debug.lines().nth(1).unwrap().contains("\"message\":\"hidden\",\"ratio\":0.5,\"target\""), "{debug}");
        assert_eq!(log(LogFormat::Pretty, "warn"), "");
    }
}
