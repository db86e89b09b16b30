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
//! kernel's wakes the thread's loop when a slot is due that has work, and never while there are no calls: waking is most of what a few
//! calls cost, so a phase is filled before the next is begun.
//!
//! A leg is told twice a frame: in its phase to receive, and in the next, 5 ms later, to send. What the caller's frame brings about,
//! a pause above all, is then in the frame that the leg sends, and not in the one after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use media::clock::{PhasedClock, PhasedSchedule, Slot};
use media::units::FRAME;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::conference::ConferenceMsg;
use crate::leg::LegMsg;
use crate::mailbox::{Mailbox, Port};

/// Bursts into which a period is cut.
pub const PHASES: usize = 4;

/// Legs of a phase before the next phase is begun: a burst of 12 takes under 1 ms, which the last of them is late by. With all phases
/// this full, a newcomer goes to the emptiest.
pub const BURST: usize = 12;

/// One beat of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Grows by one a frame, from the clock's start on; it jumps only after a stall of more than 100 ms.
    pub number: u64,
    /// When it was due.
    pub due: Instant,
    /// Nothing hangs on it: it may be read with the next letter.
    pub waits: bool,
}

/// Who is told of beats says here that those to send can wait: while packets are passed on, nothing is made on them.
#[derive(Clone, Debug, Default)]
pub struct Leisure(Arc<AtomicBool>);

impl Leisure {
    /// From the next beat on.
    pub fn set(&self, leisure: bool) {
        self.0.store(leisure, Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Relaxed)
    }
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
    leisure: Leisure,
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
    newcomers: mpsc::UnboundedSender<Subscriber>,
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
        // As long as there are newcomers, which admission bounds.
        let (newcomers, queue) = mpsc::unbounded_channel();
        let late = Arc::new(AtomicU64::new(0));
        let _registers_there = thread.enter();
        let ticker = Ticker::new(queue, Arc::clone(&late));
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "unsound only for a type that lies about its descriptor; the sound one is unsafe, which is forbidden here"
        )]
        let timer = AsyncFd::new(timer)?;
        thread.spawn(ticker.run(timer));
        Ok(Self { newcomers, late })
    }

    /// Tells a leg every 20 ms from now on. A clock that has ended tells nobody.
    pub fn subscribe(&self, leg: Port<LegMsg>, beats: Beats, leisure: Leisure) -> Ticking {
        self.admit(Who::Leg(leg, beats), leisure)
    }

    /// Tells a conference every 20 ms, when legs of its phase are told to send.
    pub fn subscribe_conference(&self, conference: Mailbox<ConferenceMsg>, leisure: Leisure) -> Ticking {
        self.admit(Who::Conference(conference), leisure)
    }

    fn admit(&self, who: Who, leisure: Leisure) -> Ticking {
        let wanted = Arc::new(AtomicBool::new(true));
        let _ended_with_its_thread = self.newcomers.send(Subscriber { who, leisure, wanted: Arc::clone(&wanted) });
        Ticking(wanted)
    }

    /// Bursts that started more than 2 ms late since the last call.
    pub(crate) fn take_late(&self) -> u64 {
        self.late.swap(0, Relaxed)
    }
}

struct Ticker {
    queue: mpsc::UnboundedReceiver<Subscriber>,
    late: Arc<AtomicU64>,
    schedule: PhasedSchedule,
    clock: PhasedClock,
    phases: [Vec<Subscriber>; PHASES],
}

impl Ticker {
    fn new(queue: mpsc::UnboundedReceiver<Subscriber>, late: Arc<AtomicU64>) -> Self {
        let schedule = PhasedSchedule::new(Instant::now(), FRAME, PHASES as u32);
        Self { queue, late, schedule, clock: PhasedClock::new(schedule), phases: [const { Vec::new() }; PHASES] }
    }

    async fn run(mut self, timer: AsyncFd<TimerFd>) {
        loop {
            let idle = !self.arm(timer.get_ref());
            tokio::select! {
                biased;
                newcomer = self.queue.recv() => {
                    let Some(newcomer) = newcomer else { return };
                    if idle {
                        self.clock.resume(Instant::now());
                    }
                    let legs = self.phases.each_ref().map(Vec::len);
                    self.phases[phase_for(legs)].push(newcomer);
                }
                due = timer.readable(), if !idle => {
                    let Ok(mut due) = due else { return };
                    due.clear_ready();
                    self.beat_all(Instant::now());
                }
            }
        }
    }

    /// Sets the timer to the next slot that has work, which also takes back that it fired; false when no slot has.
    fn arm(&self, timer: &TimerFd) -> bool {
        let Some(due) = self.next_due() else { return false };
        // Nothing would be never.
        let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        timer.set(Expiration::OneShot(wait.into()), TimerSetTimeFlags::empty()).is_ok()
    }

    fn next_due(&self) -> Option<Instant> {
        let following = std::iter::successors(Some(self.clock.next()), |slot| Some(self.schedule.after(*slot)));
        following.take(PHASES).find(|slot| self.has_work(*slot)).map(|slot| self.schedule.deadline(slot))
    }

    /// Whether there are legs to receive or, from the phase before, to send.
    fn has_work(&self, slot: Slot) -> bool {
        let phase = slot.phase as usize;
        !self.phases[phase].is_empty() || !self.phases[(phase + PHASES - 1) % PHASES].is_empty()
    }

    fn beat_all(&mut self, now: Instant) {
        while let Some(slot) = self.clock.handle_timeout(now) {
            let due = self.schedule.deadline(slot);
            if self.has_work(slot) && now.saturating_duration_since(due) > LATE {
                self.late.fetch_add(1, Relaxed);
            }
            self.beat(slot, due);
        }
    }

    fn beat(&mut self, slot: Slot, due: Instant) {
        let tick = Tick { number: slot.tick, due, waits: false };
        self.phases[slot.phase as usize].retain(|subscriber| {
            let wanted = subscriber.wanted.load(Relaxed);
            if wanted {
                subscriber.who.tell_receive(tick);
            }
            wanted
        });
        if let Some(before) = before(slot) {
            let tick = Tick { number: before.tick, due, waits: false };
            let wanted = |subscriber: &&Subscriber| subscriber.wanted.load(Relaxed);
            for subscriber in self.phases[before.phase as usize].iter().filter(wanted) {
                subscriber.who.tell_send(Tick { waits: subscriber.leisure.get(), ..tick });
            }
        }
    }
}

/// Where a newcomer goes, with so many legs in each phase.
fn phase_for(legs: [usize; PHASES]) -> usize {
    let open = legs.iter().position(|legs| *legs < BURST);
    open.or_else(|| (0..PHASES).min_by_key(|phase| legs[*phase])).unwrap_or_default()
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

    #[test]
    fn a_phase_is_filled_before_the_next_is_begun() {
        assert_eq!(phase_for([0; PHASES]), 0);
        assert_eq!(phase_for([BURST - 1, 0, 0, 0]), 0);
        assert_eq!(phase_for([BURST, 3, 0, 0]), 1);
        assert_eq!(phase_for([BURST, BURST, 2, BURST]), 2);
        assert_eq!(phase_for([BURST + 2, BURST + 1, BURST, BURST]), 2);
    }
}
