//! The 20 ms clock of all legs: one thread, phases, no timer per call.
//!
//! ```text
//! phase 0   |tick 0 ..............|tick 1 ..............|      each call is in one phase, so the work of 200 calls
//! phase 1        |tick 0 ..............|tick 1 .........       comes in four small bursts 5 ms apart, not in one
//! phase 2             |tick 0 ..............|tick 1
//! phase 3                  |tick 0 ..............|
//!           0    5    10   15   20   25   30   35   40 ms
//! ```
//! A timer for each call costs four times as much, and jitters ten times as much.
//!
//! Of one call, the JitterBuffer is ticked in its phase and the leg in the next, 5 ms later: what the caller's frame brings about,
//! a pause above all, is then in the frame that the leg sends, and not in the one after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use media::clock::{PhasedClock, PhasedSchedule, Slot};
use media::units::FRAME;

use crate::jitter_buffer::JitterMsg;
use crate::leg::LegMsg;
use crate::mailbox::Port;

/// Bursts into which a period is cut.
pub const PHASES: usize = 4;

/// One beat of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Grows by one a frame, from the clock's start on; it jumps only after a stall of more than 100 ms.
    pub number: u64,
    /// When it was due.
    pub due: Instant,
}

/// Who is ticked for one leg: first its JitterBuffer, if it has one, then, a phase later, the leg.
#[derive(Debug)]
pub struct Entry {
    /// Plays one frame out.
    pub jitter: Option<Port<JitterMsg>>,
    /// Sends one frame out.
    pub leg: Port<LegMsg>,
}

/// A leg's place on the clock; dropping it ends the ticks.
#[derive(Debug)]
pub struct Ticking(Arc<AtomicBool>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

struct Subscriber {
    entry: Entry,
    wanted: Arc<AtomicBool>,
}

/// The handle of the clock thread, which ends when the last handle is dropped.
#[derive(Debug)]
pub struct Clock {
    newcomers: mpsc::Sender<Subscriber>,
    late: Arc<AtomicU64>,
}

/// A tick that starts later than this after its due time counts as late: a quarter of a phase's distance is lost.
const LATE: Duration = Duration::from_millis(2);

impl Clock {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start() -> std::io::Result<Self> {
        let (newcomers, queue) = mpsc::channel();
        let late = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&late);
        std::thread::Builder::new().name("offhook-clock".into()).spawn(move || Ticker::new(queue, counter).run())?;
        Ok(Self { newcomers, late })
    }

    /// Ticks an entry every 20 ms from now on, in the phase with the fewest legs.
    pub fn subscribe(&self, entry: Entry) -> Ticking {
        let wanted = Arc::new(AtomicBool::new(true));
        let subscriber = Subscriber { entry, wanted: Arc::clone(&wanted) };
        self.newcomers.send(subscriber).expect("the clock thread outlives its handle");
        Ticking(wanted)
    }

    /// Bursts that started more than 2 ms late since the last call.
    pub(crate) fn take_late(&self) -> u64 {
        self.late.swap(0, Relaxed)
    }
}

struct Ticker {
    queue: mpsc::Receiver<Subscriber>,
    late: Arc<AtomicU64>,
    schedule: PhasedSchedule,
    clock: PhasedClock,
    phases: [Vec<Subscriber>; PHASES],
}

impl Ticker {
    fn new(queue: mpsc::Receiver<Subscriber>, late: Arc<AtomicU64>) -> Self {
        let schedule = PhasedSchedule::new(Instant::now(), FRAME, PHASES as u32);
        Self { queue, late, schedule, clock: PhasedClock::new(schedule), phases: [const { Vec::new() }; PHASES] }
    }

    fn run(mut self) {
        loop {
            std::thread::sleep(self.clock.poll_timeout().saturating_duration_since(Instant::now()));
            if !self.admit() {
                return;
            }
            let now = Instant::now();
            while let Some(slot) = self.clock.handle_timeout(now) {
                let due = self.schedule.deadline(slot);
                if now.saturating_duration_since(due) > LATE {
                    self.late.fetch_add(1, Relaxed);
                }
                self.beat(slot, due);
            }
        }
    }

    /// Takes in newcomers; false when every handle is gone.
    fn admit(&mut self) -> bool {
        loop {
            match self.queue.try_recv() {
                Ok(subscriber) => {
                    let emptiest = self.phases.iter_mut().min_by_key(|phase| phase.len());
                    emptiest.expect("there are phases").push(subscriber);
                }
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn beat(&mut self, slot: Slot, due: Instant) {
        let tick = Tick { number: slot.tick, due };
        self.phases[slot.phase as usize].retain(|subscriber| {
            let wanted = subscriber.wanted.load(Relaxed);
            if let Some(jitter) = subscriber.entry.jitter.as_ref().filter(|_| wanted) {
                jitter.tell(JitterMsg::Tick(tick));
            }
            wanted
        });
        if let Some(before) = before(slot) {
            let tick = Tick { number: before.tick, due };
            let wanted = |subscriber: &&Subscriber| subscriber.wanted.load(Relaxed);
            for subscriber in self.phases[before.phase as usize].iter().filter(wanted) {
                subscriber.entry.leg.tell(LegMsg::Tick(tick));
            }
        }
    }
}

/// The slot a phase earlier, whose legs are due now; none before the clock's first.
fn before(slot: Slot) -> Option<Slot> {
    match slot.phase.checked_sub(1) {
        Some(phase) => Some(Slot { phase, ..slot }),
        None => slot.tick.checked_sub(1).map(|tick| Slot { tick, phase: PHASES as u32 - 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legs_keep_the_number_of_the_tick_that_their_jitter_buffers_had() {
        let slot = |tick, phase| Slot { tick, phase };
        assert_eq!(before(slot(0, 0)), None);
        assert_eq!(before(slot(0, 1)), Some(slot(0, 0)));
        assert_eq!(before(slot(7, 3)), Some(slot(7, 2)));
        assert_eq!(before(slot(8, 0)), Some(slot(7, 3)));
    }
}
