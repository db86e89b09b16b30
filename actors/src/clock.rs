//! The 20 ms clock of a media thread's legs: one kernel timer, phases, no timer per call.
//!
//! ```text
//! phase 0   |tick 0 ..............|tick 1 ..............|      each call is in one phase, so the work of 200 calls
//! phase 1        |tick 0 ..............|tick 1 .........       comes in four small bursts 5 ms apart, not in one
//! phase 2             |tick 0 ..............|tick 1
//! phase 3                  |tick 0 ..............|
//!           0    5    10   15   20   25   30   35   40 ms
//! ```
//! A timer for each call costs four times as much, and jitters ten times as much. The runtime's own timers have steps of 1 ms; the
//! kernel's wakes the thread's loop when it is due.
//!
//! A leg is told twice a frame: in its phase to receive, and in the next, 5 ms later, to send. What the caller's frame brings about,
//! a pause above all, is then in the frame that the leg sends, and not in the one after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use media::clock::{PhasedClock, PhasedSchedule, Slot};
use media::units::FRAME;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use crate::conference::ConferenceMsg;
use crate::leg::LegMsg;
use crate::mailbox::{Mailbox, Port};

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

/// What a leg is told each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beats {
    /// To receive, then to send: its packets wait in the kernel until it looks.
    ReceiveAndSend,
    /// To send: what it receives, someone brings.
    Send,
}

/// A place on the clock; dropping it ends the ticks.
#[derive(Debug)]
pub struct Ticking(Arc<AtomicBool>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

struct Subscriber {
    who: Who,
    wanted: Arc<AtomicBool>,
}

/// Who is told.
enum Who {
    Conference(Mailbox<ConferenceMsg>),
    Leg(Port<LegMsg>, Beats),
}

impl Who {
    fn tell_receive(&self, tick: Tick) {
        if let Self::Leg(leg, Beats::ReceiveAndSend) = self {
            leg.tell(LegMsg::Receive(tick));
        }
    }

    fn tell_send(&self, tick: Tick) {
        match self {
            Self::Conference(conference) => {
                let _counted_when_full = conference.send(ConferenceMsg::Tick(tick));
            }
            Self::Leg(leg, _) => leg.tell(LegMsg::Send(tick)),
        }
    }
}

/// The handle of a clock, which ends when its handle is dropped.
#[derive(Debug)]
pub struct Clock {
    newcomers: mpsc::Sender<Subscriber>,
    late: Arc<AtomicU64>,
}

/// A tick that starts later than this after its due time counts as late: a quarter of a phase's distance is lost.
const LATE: Duration = Duration::from_millis(2);

impl Clock {
    /// Starts the clock as a task of a media thread's runtime.
    ///
    /// # Errors
    /// When the system has no timer to give.
    pub fn start(thread: &Handle) -> std::io::Result<Self> {
        let (newcomers, queue) = mpsc::channel();
        let late = Arc::new(AtomicU64::new(0));
        let _registers_there = thread.enter();
        let ticker = Ticker::new(queue, Arc::clone(&late));
        // Started after the schedule, so that it fires when a slot is due and not just before.
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        timer.set(Expiration::Interval((FRAME / PHASES as u32).into()), TimerSetTimeFlags::empty())?;
        #[expect(
            deprecated,
            reason = "unsound only for a type that lies about its descriptor; the sound one is unsafe, which is forbidden here"
        )]
        let timer = AsyncFd::new(timer)?;
        thread.spawn(ticker.run(timer));
        Ok(Self { newcomers, late })
    }

    /// Tells a leg every 20 ms from now on, in the phase with the fewest legs. A clock that has ended tells nobody.
    pub fn subscribe(&self, leg: Port<LegMsg>, beats: Beats) -> Ticking {
        self.admit(Who::Leg(leg, beats))
    }

    /// Tells a conference every 20 ms, when legs of its phase are told to send.
    pub fn subscribe_conference(&self, conference: Mailbox<ConferenceMsg>) -> Ticking {
        self.admit(Who::Conference(conference))
    }

    fn admit(&self, who: Who) -> Ticking {
        let wanted = Arc::new(AtomicBool::new(true));
        let _ended_with_its_thread = self.newcomers.send(Subscriber { who, wanted: Arc::clone(&wanted) });
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

    async fn run(mut self, timer: AsyncFd<TimerFd>) {
        while let Ok(mut due) = timer.readable().await {
            // How often it fired meanwhile does not matter: the schedule knows what is due.
            let _fired = timer.get_ref().wait();
            due.clear_ready();
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

    /// Takes in newcomers; false when the handle is gone.
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
            if wanted {
                subscriber.who.tell_receive(tick);
            }
            wanted
        });
        if let Some(before) = before(slot) {
            let tick = Tick { number: before.tick, due };
            let wanted = |subscriber: &&Subscriber| subscriber.wanted.load(Relaxed);
            for subscriber in self.phases[before.phase as usize].iter().filter(wanted) {
                subscriber.who.tell_send(tick);
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
