//! Traces on their way to a collector: sampled by the call's id, queued in a bound, drawn as spans and sent by OTLP over HTTP.
//!
//! The SDK's own batch processor hides what it loses and its thread cannot run an async client, so the loop is ours: it counts each
//! span that was sent and each that was not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::trace::{Trace, TraceSink};
use anyhow::Context as _;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::KeyValue;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use store::CallId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};

use super::spans::draw;
use crate::config::TelemetryConfig;

/// Turns and ends of calls that wait: 20 s of 500 calls that end a turn each three seconds.
const QUEUE_MAX: usize = 4_096;

/// How often what waits is sent; nobody watches a trace live, and fewer requests cost less.
const EXPORT_EVERY: Duration = Duration::from_secs(2);

/// Turns and ends of calls in one request, about 250 KiB of it: collectors take 4 MiB and more.
const PARTS_A_REQUEST: usize = 256;

/// What a request may take, with its repetitions; then its spans are given up.
const EXPORT_MAX: Duration = Duration::from_secs(5);

/// What is still queued at the end of the process is sent within this, or lost.
const STOP_MAX: Duration = Duration::from_secs(3);

/// A collector that is away is told of this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Last bits of a call's id, which are random in each. Those before them in a UUIDv7 are a clock, constants and a counter: the SDK's own
/// sampler looks at them too, and would trace no call at a ratio of a half and all of them at three quarters.
const RANDOM_BITS: u32 = 32;

/// The sending of traces, while it runs.
pub struct Traces {
    sink: Arc<Queue>,
    stop: oneshot::Sender<()>,
    sending: JoinHandle<()>,
}

/// What the node is given.
#[derive(Debug)]
struct Queue {
    /// Calls whose random bits are below this are traced.
    threshold: u64,
    waiting: mpsc::Sender<Trace>,
}

impl Traces {
    /// Starts to send to `telemetry.otlp_endpoint`; `None` when there is none. `node` names this process in the traces.
    ///
    /// # Errors
    /// An endpoint that is no URL; the error names the key.
    pub fn start(config: &TelemetryConfig, node: &str) -> anyhow::Result<Option<Self>> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
        let exporter = exporter(endpoint.as_str(), node).context("telemetry.otlp_endpoint")?;
        let (waiting, queue) = mpsc::channel(QUEUE_MAX);
        let (stop, stopped) = oneshot::channel();
        let sending = tokio::spawn(send(queue, stopped, exporter));
        let sink = Arc::new(Queue { threshold: threshold(config.trace_ratio), waiting });
        Ok(Some(Self { sink, stop, sending }))
    }

    /// Where the node's traces go.
    pub fn sink(&self) -> Arc<dyn TraceSink> {
        Arc::clone(&self.sink) as Arc<dyn TraceSink>
    }

    /// Sends what is queued, and ends. What a slow collector has not taken by then is lost.
    pub async fn stop(self) {
        let Self { sink, stop, mut sending } = self;
        let _ended_already = stop.send(());
        if timeout(STOP_MAX, &mut sending).await.is_err() {
            sending.abort();
            let waiting = QUEUE_MAX - sink.waiting.capacity();
            tracing::warn!(waiting, "the collector was too slow: the last traces are lost");
        }
    }
}

impl TraceSink for Queue {
    fn wants(&self, call: CallId) -> bool {
        call.to_bits() as u64 & ((1 << RANDOM_BITS) - 1) < self.threshold
    }

    fn take(&self, trace: Trace) {
        if let Err(refused) = self.waiting.try_send(trace) {
            count("queue_full", draw(&refused.into_inner()).len());
        }
    }
}

/// Below which random bits a call is traced: all of them at 1, none at 0.
fn threshold(ratio: f64) -> u64 {
    (ratio.clamp(0.0, 1.0) * (1_u64 << RANDOM_BITS) as f64) as u64
}

fn count(outcome: &'static str, spans: usize) {
    metrics::counter!("offhook_trace_spans_total", "outcome" => outcome).increment(spans as u64);
}

/// What speaks OTLP. It takes headers from `OTEL_EXPORTER_OTLP_HEADERS` by itself.
fn exporter(endpoint: &str, node: &str) -> anyhow::Result<SpanExporter> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(provider)
        .context("no TLS")?
        .https_or_http()
        .enable_http1()
        .build();
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(HyperClient::new(connector, EXPORT_MAX, None))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .with_timeout(EXPORT_MAX)
        .build()?;
    let service = [
        KeyValue::new("service.name", "offhook"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", node.to_owned()),
    ];
    exporter.set_resource(&Resource::builder_empty().with_attributes(service).build());
    Ok(exporter)
}

/// Sends what waits, each time it is due, until it is told to stop; then once more.
async fn send(mut queue: mpsc::Receiver<Trace>, mut stopped: oneshot::Receiver<()>, exporter: SpanExporter) {
    let mut due = tokio::time::interval(EXPORT_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut complaints = Complaints::default();
    loop {
        let last = tokio::select! {
            _ = &mut stopped => true,
            _ = due.tick() => false,
        };
        loop {
            let spans = next_request(&mut queue);
            if spans.is_empty() {
                break;
            }
            export(&exporter, spans, &mut complaints).await;
        }
        if last {
            return;
        }
    }
}

/// The spans of what waits, as many as a request takes.
fn next_request(queue: &mut mpsc::Receiver<Trace>) -> Vec<SpanData> {
    let mut spans = Vec::new();
    for _ in 0..PARTS_A_REQUEST {
        let Ok(trace) = queue.try_recv() else { break };
        spans.extend(draw(&trace));
    }
    spans
}

async fn export(exporter: &SpanExporter, spans: Vec<SpanData>, complaints: &mut Complaints) {
    let number = spans.len();
    let error = match timeout(EXPORT_MAX, exporter.export(spans)).await {
        Ok(Ok(())) => return count("sent", number),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", EXPORT_MAX.as_secs()),
    };
    count("failed", number);
    complaints.add(number, &error);
}

/// Says that spans are lost, but not each time.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    /// Lost and not yet told.
    spans: usize,
}

impl Complaints {
    fn add(&mut self, spans: usize, error: &str) {
        self.spans += spans;
        if self.last.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY) {
            self.last = Some(Instant::now());
            tracing::warn!(spans = std::mem::take(&mut self.spans), error, "the collector did not take traces");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::SystemTime;

    use actors::trace::{TracePart, TracedCall, TurnTrace};
    use metrics_exporter_prometheus::PrometheusBuilder;
    use store::{Direction, LegKind, Role};

    use super::*;

    fn wanted(ratio: f64) -> usize {
        let (waiting, _queue) = mpsc::channel(1);
        let queue = Queue { threshold: threshold(ratio), waiting };
        (0..10_000).filter(|_| queue.wants(CallId::generate())).count()
    }

    #[test]
    fn the_ratio_is_the_share_of_calls_that_are_traced() {
        assert_eq!((wanted(0.0), wanted(1.0)), (0, 10_000));
        // Ten standard deviations: it fails once in 10^23 runs.
        for (ratio, share) in [(0.1, 1_000), (0.5, 5_000), (0.75, 7_500)] {
            let wanted = wanted(ratio);
            assert!(wanted.abs_diff(share) < 500, "{wanted} of 10,000 at {ratio}");
        }
    }

    #[test]
    fn when_full_the_newest_is_dropped_and_its_spans_are_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (waiting, mut queue) = mpsc::channel(1);
        let full = Queue { threshold: threshold(1.0), waiting };
        let (id, now) = (CallId::generate(), Instant::now());
        let (leg, arrived_at) = (LegKind::Sip, SystemTime::now());
        let call = Arc::new(TracedCall { id, leg, direction: Direction::Inbound, assistant: None, arrived: now, arrived_at });
        metrics::with_local_recorder(&recorder, || {
            for number in 0..3 {
                // An agent's turn that was heard: itself, its sendout and its playing.
                let (role, first_audio, spoken) = (Role::Agent, Some(now), (now, now));
                let (interrupted, waterfall, generation) = (None, None, None);
                let turn = TurnTrace { number, role, engine: "offline", spoken, interrupted, first_audio, waterfall, generation };
                full.take(Trace { call: Arc::clone(&call), part: TracePart::Turn(Box::new(turn)) });
            }
        });
        let text = recorder.handle().render();
        assert!(text.contains("offhook_trace_spans_total{outcome=\"queue_full\"} 6"), "{text}");
        let Trace { part: TracePart::Turn(kept), .. } = queue.try_recv().unwrap() else { panic!("want a turn") };
        assert_eq!((kept.number, queue.try_recv().is_err()), (0, true));
    }

    #[test]
    fn the_same_call_is_always_or_never_traced() {
        // Three quarters of the range of its random bits.
        let id: CallId = "018f6b1e-0000-7000-8000-0000c0000000".parse().unwrap();
        let wants = |ratio| Queue { threshold: threshold(ratio), waiting: mpsc::channel(1).0 }.wants(id);
        assert_eq!([0.0, 0.5, 0.74, 0.76, 1.0].map(wants), [false, false, false, true, true]);
    }
}
