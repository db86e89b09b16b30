//! The threads that carry calls: one a core, each with its own clock, and each call whole on one of them.
//!
//! ```text
//! main runtime     SipEndpoint, Calls, Store, HTTP                    work stealing, waits for the world
//! media thread 0   clock, and the whole trees of some calls           one loop: a frame passes from actor to actor of its call
//! media thread 1   clock, and the whole trees of others               without a lock, a wake-up of a core or a stolen task
//! ```
//! A thread has its first calls while the others sleep, since waking is most of what a few calls cost; beyond [`FIRST`] on each, calls are
//! spread evenly.
//!
//! A frame wakes half a dozen actors. On a runtime that spreads tasks over all cores, each of them may wake another core, which costs
//! more than what the actor does; on one thread a wake-up is a push onto a queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::clock::{BURST, Clock, PHASES};

/// Calls of a thread before the next is woken: each phase of its clock full, about a sixth of a core.
pub const FIRST: usize = BURST * PHASES;

/// The media threads of a node. They end when this is dropped.
#[derive(Debug)]
pub struct MediaThreads(Vec<MediaThread>);

#[derive(Debug)]
struct MediaThread {
    runtime: Handle,
    clock: Arc<Clock>,
    calls: Arc<AtomicUsize>,
    _ends_when_dropped: oneshot::Sender<()>,
}

/// A call's place on a media thread; dropping it gives the place back.
#[derive(Debug)]
pub struct Seat {
    /// The thread's runtime: what is spawned there stays there.
    pub runtime: Handle,
    /// The thread's clock.
    pub clock: Arc<Clock>,
    calls: Arc<AtomicUsize>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.calls.fetch_sub(1, Relaxed);
    }
}

impl MediaThreads {
    /// Starts `count` threads, at least one.
    ///
    /// # Errors
    /// When the system has no thread, timer or epoll to give.
    pub fn start(count: usize) -> std::io::Result<Self> {
        (0..count.max(1)).map(MediaThread::start).collect::<Result<_, _>>().map(Self)
    }

    /// A place on the first thread that has less than [`FIRST`] calls, else on the one with the fewest.
    pub fn seat(&self) -> Seat {
        let calls = |thread: &&MediaThread| thread.calls.load(Relaxed);
        let open = self.0.iter().find(|thread| calls(thread) < FIRST);
        let thread = open.or_else(|| self.0.iter().min_by_key(calls)).expect("there is at least one thread");
        let MediaThread { runtime, clock, calls, .. } = thread;
        calls.fetch_add(1, Relaxed);
        Seat { runtime: runtime.clone(), clock: Arc::clone(clock), calls: Arc::clone(calls) }
    }

    /// Bursts of frames that a clock began more than 2 ms late since the last call.
    pub(crate) fn take_late(&self) -> u64 {
        self.0.iter().map(|thread| thread.clock.take_late()).sum()
    }

    /// Tasks alive on all media threads.
    pub(crate) fn tasks(&self) -> usize {
        self.0.iter().map(|thread| thread.runtime.metrics().num_alive_tasks()).sum()
    }
}

impl MediaThread {
    fn start(number: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().thread_name("offhook-blocking").build()?;
        let handle = runtime.handle().clone();
        let clock = Arc::new(Clock::start(&handle)?);
        let (stop, stopped) = oneshot::channel::<()>();
        let run = move || {
            // An error is the sender's end, which is the signal.
            let _dropped = runtime.block_on(stopped);
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name(format!("offhook-media-{number}")).spawn(run)?;
        Ok(Self { runtime: handle, clock, calls: Arc::default(), _ends_when_dropped: stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_filled_in_turn_then_evenly_and_places_given_back() {
        let threads = MediaThreads::start(2).expect("two threads");
        let taken = |threads: &MediaThreads| threads.0.iter().map(|thread| thread.calls.load(Relaxed)).collect::<Vec<_>>();
        let mut seats: Vec<_> = (0..FIRST + 5).map(|_| threads.seat()).collect();
        assert_eq!(taken(&threads), [FIRST, 5]);
        seats.extend((0..FIRST).map(|_| threads.seat()));
        assert_eq!(taken(&threads), [FIRST + 3, FIRST + 2]);
        seats.clear();
        assert_eq!(taken(&threads), [0, 0]);
    }

    #[test]
    fn what_is_spawned_on_a_seat_stays_on_its_thread() {
        let threads = MediaThreads::start(1).expect("a thread");
        let seat = threads.seat();
        let names = (0..3).map(|_| {
            let task = seat.runtime.spawn(async {
                tokio::task::yield_now().await;
                std::thread::current().name().map(str::to_owned)
            });
            futures_of(task)
        });
        assert!(names.into_iter().all(|name| name.as_deref() == Some("offhook-media-0")));
    }

    fn futures_of(task: tokio::task::JoinHandle<Option<String>>) -> Option<String> {
        let runtime = Builder::new_current_thread().build().expect("a runtime to wait on");
        runtime.block_on(task).expect("the task ends")
    }
}
