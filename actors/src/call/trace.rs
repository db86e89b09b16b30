//! The trace of a call as it grows. Its end is told when the call is, or else when this is dropped: so a call that crashes has one too.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use media::codec::Codec;
use store::{CallId, HangupCause, LegKind, Usage};

use crate::config::Assistant;
use crate::shared::Shared;
use crate::trace::{CallEvent, CallTrace, EVENTS_MAX, SetupTrace, Trace, TracePart, TraceSink, TracedCall, TurnTrace};
use crate::turn::TurnReport;

/// What is to be told of a call; nothing of one that nobody wants to trace.
pub(super) struct CallTracer(Option<Box<Open>>);

struct Open {
    sink: Arc<dyn TraceSink>,
    call: Arc<TracedCall>,
    trace: CallTrace,
}

impl CallTracer {
    pub(super) fn new(id: CallId, leg: LegKind, assistant: Option<Arc<Assistant>>, arrived: Instant, shared: &Shared) -> Self {
        let sink = shared.config.traces.as_ref().filter(|sink| sink.wants(id));
        Self(sink.map(|sink| {
            let arrived_at = SystemTime::now() - arrived.elapsed();
            let call = Arc::new(TracedCall { id, leg, assistant, arrived, arrived_at });
            Box::new(Open { sink: Arc::clone(sink), call, trace: CallTrace::new(arrived) })
        }))
    }

    /// A step of the set-up is done.
    pub(super) fn reached(&mut self, step: fn(&mut SetupTrace) -> &mut Option<Instant>) {
        self.note(|trace| {
            step(&mut trace.setup).get_or_insert_with(Instant::now);
        });
    }

    pub(super) fn media(&mut self, codec: Codec) {
        self.note(|trace| trace.codec = Some(codec));
    }

    pub(super) fn event(&mut self, event: CallEvent) {
        self.note(|trace| {
            if trace.events.len() < EVENTS_MAX {
                trace.events.push((Instant::now(), event));
            }
        });
    }

    pub(super) fn used(&mut self, total: Usage) {
        self.note(|trace| trace.usage = total);
    }

    pub(super) fn ended(&mut self, cause: HangupCause) {
        self.note(|trace| trace.ended = Some((Instant::now(), cause)));
    }

    /// Tells of a turn that is over.
    pub(super) fn turn(&mut self, number: u32, report: &TurnReport) {
        let Some(open) = &mut self.0 else { return };
        open.trace.turns = number + 1;
        let turn = TurnTrace {
            number,
            role: report.role,
            engine: report.engine,
            spoken: report.spoken,
            interrupted: report.interrupted,
            first_audio: report.first_audio,
            waterfall: report.waterfall,
            generation: report.generation,
        };
        open.sink.take(Trace { call: Arc::clone(&open.call), part: TracePart::Turn(Box::new(turn)) });
    }

    /// Tells of the call itself, once. `mos` is how the caller sounded.
    pub(super) fn finish(&mut self, mos: Option<f64>) {
        if let Some(open) = self.0.take() {
            let Open { sink, call, trace } = *open;
            let trace = CallTrace { mos, finished: Instant::now(), ..trace };
            sink.take(Trace { call, part: TracePart::Call(Box::new(trace)) });
        }
    }

    fn note(&mut self, note: impl FnOnce(&mut CallTrace)) {
        if let Some(open) = &mut self.0 {
            note(&mut open.trace);
        }
    }
}

impl Drop for CallTracer {
    fn drop(&mut self) {
        self.finish(None);
    }
}
