//! The trace of a call as it grows. Its end is told when the call is, or else when this is dropped: so a call that crashes has one too.

use std::sync::Arc;
use std::time::Instant;

use media::line::LineCodec;
use store::{HangupCause, Usage};

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
    /// Of a call that has just arrived, or is to be placed.
    pub(super) fn new(sink: Option<&Arc<dyn TraceSink>>, call: TracedCall) -> Self {
        Self(sink.filter(|sink| sink.wants(call.id)).map(|sink| {
            let (arrived, call) = (call.arrived, Arc::new(call));
            Box::new(Open { sink: Arc::clone(sink), call, trace: CallTrace::new(arrived) })
        }))
    }

    /// A step of the set-up is done.
    pub(super) fn reached(&mut self, step: fn(&mut SetupTrace) -> &mut Option<Instant>) {
        self.note(|trace| {
            step(&mut trace.setup).get_or_insert_with(Instant::now);
        });
    }

    pub(super) fn media(&mut self, codec: LineCodec) {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;
    use std::time::SystemTime;

    use store::{CallId, Direction, LegKind};

    use super::*;

    /// Keeps what it is told, of every call or of none.
    #[derive(Debug, Default)]
    struct Kept {
        refuses: bool,
        traces: Mutex<Vec<Trace>>,
    }

    impl TraceSink for Kept {
        fn wants(&self, _: CallId) -> bool {
            !self.refuses
        }

        fn take(&self, trace: Trace) {
            self.traces.lock().unwrap().push(trace);
        }
    }

    fn call() -> TracedCall {
        let (arrived, arrived_at) = (Instant::now(), SystemTime::now());
        TracedCall {
            id: CallId::generate(),
            leg: LegKind::Sip,
            direction: Direction::Inbound,
            assistant: None,
            arrived,
            arrived_at,
        }
    }

    /// The end that a call tells after `run`.
    fn end_of(run: impl FnOnce(&mut CallTracer)) -> CallTrace {
        let kept = Arc::new(Kept::default());
        let sink = Arc::clone(&kept) as Arc<dyn TraceSink>;
        let mut tracer = CallTracer::new(Some(&sink), call());
        run(&mut tracer);
        drop(tracer);
        let mut traces = std::mem::take(&mut *kept.traces.lock().unwrap());
        let (Some(Trace { part: TracePart::Call(end), .. }), None) = (traces.pop(), traces.pop()) else { panic!("want one end") };
        *end
    }

    #[test]
    fn the_end_is_told_once_whether_it_was_finished_or_dropped() {
        let dropped = end_of(|_| {});
        assert_eq!((dropped.ended, dropped.mos), (None, None));
        let finished = end_of(|tracer| {
            tracer.ended(HangupCause::AgentHangup);
            tracer.finish(Some(4.2));
        });
        assert_eq!(finished.ended.map(|(_, cause)| cause), Some(HangupCause::AgentHangup));
        assert_eq!(finished.mos, Some(4.2));
    }

    #[test]
    fn a_step_that_is_reached_twice_counts_the_first_time() {
        let mut first = None;
        let end = end_of(|tracer| {
            tracer.reached(|setup| &mut setup.up);
            first = tracer.0.as_ref().unwrap().trace.setup.up;
            tracer.reached(|setup| &mut setup.up);
        });
        assert!(first.is_some() && end.setup.up == first, "{end:?}");
    }

    #[test]
    fn events_beyond_the_bound_are_not_told() {
        let end = end_of(|tracer| {
            tracer.event(CallEvent::FellBack);
            (0..EVENTS_MAX).for_each(|_| tracer.event(CallEvent::RecordingFault));
        });
        assert_eq!((end.events.len(), end.events[0].1.clone()), (EVENTS_MAX, CallEvent::FellBack));
        assert_eq!(end.events[EVENTS_MAX - 1].1, CallEvent::RecordingFault);
    }

    #[test]
    fn a_call_that_nobody_wants_to_trace_tells_nothing() {
        let kept = Arc::new(Kept { refuses: true, ..Kept::default() });
        let sink = Arc::clone(&kept) as Arc<dyn TraceSink>;
        CallTracer::new(Some(&sink), call()).finish(None);
        assert!(kept.traces.lock().unwrap().is_empty());
    }
}
