//! One 20 ms clock for all calls, in phases.

use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tokio::task::JoinHandle;

/// Calls send in this many phases, so that they do not all burst at once.
const PHASES: usize = 4;
const PHASE: Duration = Duration::from_millis(20 / PHASES as u64);
/// Ticks that a call may lag behind before it loses some: 160 ms.
const TICKS_KEPT: usize = 8;

/// The clock; it stops when dropped.
pub(crate) struct Pace {
    phases: [broadcast::Sender<Instant>; PHASES],
    task: JoinHandle<()>,
}

impl Pace {
    pub(crate) fn start() -> Self {
        let phases = [(); PHASES].map(|()| broadcast::Sender::new(TICKS_KEPT));
        let senders = phases.clone();
        let task = tokio::spawn(async move {
            let mut due = Instant::now();
            for phase in senders.iter().cycle() {
                // Nobody listens in a phase without calls.
                let _ = phase.send(due);
                due += PHASE;
                tokio::time::sleep_until(due.into()).await;
            }
        });
        Self { phases, task }
    }

    /// The ticks of call `number`: when each was due.
    pub(crate) fn ticks(&self, number: u64) -> broadcast::Receiver<Instant> {
        self.phases[number as usize % PHASES].subscribe()
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.task.abort();
    }
}
