//! Bounded mailboxes over ractor's unbounded ones: count what is queued, and shed by lane.
//!
//! ractor's queues have no bound (its issue #84), so every send goes through [`Mailbox`]. A message belongs to one of three lanes:
//!
//! ```text
//! lane     when full                                   who gets it
//! Audio    the oldest queued audio is dropped, counted  frames and ticks: late audio is worthless
//! Lazy     the last one wakes the receiver              what is not worth a wake-up: frames to be recorded
//! Signal   refused, the sender gets it back             commands and events: the sender must answer for it
//! ```
//!
//! Waking an actor costs more than most letters take to handle. A lazy letter waits for company: it is read before the next letter of
//! another lane, or when [`Letter::LAZY_MAX`] wait. No letter of one sender overtakes another.
//!
//! ractor cannot take a message out of the middle of a queue, so dropping the oldest is done by the receiver: the sender notes one
//! stale letter, and the next audio letter to come up is thrown away unread. A receiver that stands still altogether would let
//! that grow, so past twice the bound the newest is dropped instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwapOption;
use crossbeam_queue::ArrayQueue;
use ractor::ActorRef;

use crate::kind::ActorKind;

/// What a full mailbox does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The oldest is dropped.
    Audio,
    /// As audio, once enough of them wait to wake the receiver.
    Lazy,
    /// The newest is refused.
    Signal,
}

/// A message that an actor takes.
pub trait Letter: Send + 'static {
    /// Whose mailbox it is for.
    const KIND: ActorKind;
    /// Audio letters that may wait. Zero for actors that take no audio.
    const AUDIO_MAX: u32;
    /// Lazy letters that wait without waking the receiver; one more wakes it. Zero for actors that take none.
    const LAZY_MAX: usize = 0;
    /// Signal letters that may wait.
    const SIGNALS_MAX: u32;

    /// The lane it travels in.
    fn lane(&self) -> Lane;
}

/// What is in an actor's queue: a letter, or in tests a fault to carry out.
#[derive(Debug)]
pub enum Envelope<M> {
    /// An ordinary message.
    Letter(M),
    /// Makes the handler fail as asked.
    #[cfg(feature = "fault-injection")]
    Fault(crate::fault::Fault),
}

/// Why a message was not delivered; the message comes back.
#[derive(Debug)]
pub enum Undelivered<M> {
    /// The receiver has ended, or is being restarted.
    Gone(M),
    /// The receiver has as much queued as it may have.
    Full(M),
}

/// What is queued for one actor.
#[derive(Debug)]
pub(crate) struct Queued<M> {
    audio: AtomicU32,
    /// Those that nobody was woken for.
    lazy: Option<ArrayQueue<M>>,
    signals: AtomicU32,
    /// Audio letters at the front of the queue that are to be thrown away unread.
    stale: AtomicU32,
}

impl<M: Letter> Queued<M> {
    /// Nothing.
    pub(crate) fn new() -> Self {
        let lazy = (M::LAZY_MAX > 0).then(|| ArrayQueue::new(M::LAZY_MAX));
        Self { audio: AtomicU32::new(0), lazy, signals: AtomicU32::new(0), stale: AtomicU32::new(0) }
    }

    /// The next letter that nobody was woken for: they come before the one that did.
    pub(crate) fn take_lazy(&self) -> Option<M> {
        self.lazy.as_ref()?.pop()
    }

    /// Lets a letter wait, unless the receiver is awake anyway, where it would overtake, or there are enough to wake it.
    fn defer(&self, message: M) -> Result<(), M> {
        let awake = || self.audio.load(Relaxed) + self.signals.load(Relaxed) > 0;
        match &self.lazy {
            Some(lazy) if !awake() => lazy.push(message),
            _ => Err(message),
        }
    }

    /// Counts one letter out; false when it is stale and must not be read.
    pub(crate) fn take(&self, lane: Lane) -> bool {
        match lane {
            Lane::Signal => {
                self.signals.fetch_sub(1, Relaxed);
                true
            }
            Lane::Audio | Lane::Lazy => {
                self.audio.fetch_sub(1, Relaxed);
                let drop_one = |stale: u32| stale.checked_sub(1);
                self.stale.fetch_update(Relaxed, Relaxed, drop_one).is_err()
            }
        }
    }
}

/// The sending side of an actor's bounded queue. Cheap to clone.
#[derive(Debug)]
pub struct Mailbox<M: Letter> {
    actor: ActorRef<Envelope<M>>,
    queued: Arc<Queued<M>>,
}

impl<M: Letter> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone(), queued: Arc::clone(&self.queued) }
    }
}

impl<M: Letter> Mailbox<M> {
    pub(crate) fn new(actor: ActorRef<Envelope<M>>, queued: Arc<Queued<M>>) -> Self {
        Self { actor, queued }
    }

    /// Queues a message.
    ///
    /// # Errors
    /// [`Undelivered::Full`] for a signal past the bound, or audio past twice the bound; [`Undelivered::Gone`] when the actor has
    /// ended. The message is in the error.
    pub fn send(&self, message: M) -> Result<(), Undelivered<M>> {
        match message.lane() {
            Lane::Signal => self.send_signal(message),
            Lane::Audio => self.send_audio(message),
            Lane::Lazy => self.queued.defer(message).or_else(|message| self.send_audio(message)),
        }
    }

    fn send_signal(&self, message: M) -> Result<(), Undelivered<M>> {
        let tally = &TALLIES[M::KIND as usize];
        let waiting = self.queued.signals.fetch_add(1, Relaxed) + 1;
        if waiting > M::SIGNALS_MAX {
            self.queued.signals.fetch_sub(1, Relaxed);
            tally.dropped.fetch_add(1, Relaxed);
            return Err(Undelivered::Full(message));
        }
        tally.depth.fetch_max(waiting, Relaxed);
        self.post(message, &self.queued.signals)
    }

    fn send_audio(&self, message: M) -> Result<(), Undelivered<M>> {
        let tally = &TALLIES[M::KIND as usize];
        let waiting = self.queued.audio.fetch_add(1, Relaxed) + 1;
        if waiting > M::AUDIO_MAX {
            tally.dropped.fetch_add(1, Relaxed);
            if waiting > 2 * M::AUDIO_MAX {
                self.queued.audio.fetch_sub(1, Relaxed);
                return Err(Undelivered::Full(message));
            }
            self.queued.stale.fetch_add(1, Relaxed);
        }
        tally.depth.fetch_max(waiting, Relaxed);
        self.post(message, &self.queued.audio)
    }

    fn post(&self, message: M, counter: &AtomicU32) -> Result<(), Undelivered<M>> {
        match self.actor.send_message(Envelope::Letter(message)) {
            Ok(()) => Ok(()),
            Err(error) => {
                counter.fetch_sub(1, Relaxed);
                match error {
                    ractor::MessagingErr::SendErr(Envelope::Letter(message)) => Err(Undelivered::Gone(message)),
                    other => unreachable!("a queue gives back the letter it did not take: {other:?}"),
                }
            }
        }
    }

    /// Whether less than half of the signals that may wait do: a sender that can hold back asks first, and so leaves room for those
    /// that cannot.
    pub(crate) fn has_room(&self) -> bool {
        self.queued.signals.load(Relaxed) < M::SIGNALS_MAX / 2
    }

    /// Ends the actor after the message it is at.
    pub fn stop(&self) {
        self.actor.stop(None);
    }

    /// The identity under which supervision reports this actor.
    pub fn id(&self) -> ractor::ActorId {
        self.actor.get_id()
    }

    pub(crate) fn cell(&self) -> ractor::ActorCell {
        self.actor.get_cell()
    }

    /// Makes the actor fail as its next message.
    #[cfg(feature = "fault-injection")]
    pub fn inject(&self, fault: crate::fault::Fault) {
        let _ended_already = self.actor.send_message(Envelope::Fault(fault));
    }
}

/// Where a message goes whose receiver may be restarted: its parent publishes the present mailbox, senders read it without a lock.
#[derive(Debug)]
pub struct Port<M: Letter>(Arc<ArcSwapOption<Mailbox<M>>>);

impl<M: Letter> Clone for Port<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Letter> Default for Port<M> {
    fn default() -> Self {
        Self(Arc::new(ArcSwapOption::empty()))
    }
}

impl<M: Letter> Port<M> {
    /// Publishes the receiver of today, or that there is none.
    pub fn publish(&self, mailbox: Option<Mailbox<M>>) {
        self.0.store(mailbox.map(Arc::new));
    }

    /// The receiver of today.
    pub fn mailbox(&self) -> Option<Mailbox<M>> {
        self.0.load().as_deref().cloned()
    }

    /// Whether there is a receiver: what only it would need is not made without one.
    pub(crate) fn is_there(&self) -> bool {
        self.0.load().is_some()
    }

    /// Queues a message for the receiver of today.
    ///
    /// # Errors
    /// As [`Mailbox::send`]; [`Undelivered::Gone`] also while there is no receiver.
    pub fn send(&self, message: M) -> Result<(), Undelivered<M>> {
        match self.0.load().as_ref() {
            Some(mailbox) => mailbox.send(message),
            None => Err(Undelivered::Gone(message)),
        }
    }

    /// Queues a message whose loss needs no answer: the mailbox counts it when it is full, and a receiver that has ended, or that
    /// there never was, like the Recorder of a call that is not recorded, needs none.
    pub fn tell(&self, message: M) {
        let _counted_when_full = self.send(message);
    }
}

/// Depth and losses of all mailboxes of one kind.
struct Tally {
    /// The deepest since the last flush.
    depth: AtomicU32,
    /// The deepest between the two flushes before.
    depth_shown: AtomicU32,
    /// Since the last flush.
    dropped: AtomicU64,
    /// Until then.
    dropped_before: AtomicU64,
}

impl Tally {
    const fn new() -> Self {
        let (depth, depth_shown) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { depth, depth_shown, dropped: AtomicU64::new(0), dropped_before: AtomicU64::new(0) }
    }
}

static TALLIES: [Tally; ActorKind::ALL.len()] = [const { Tally::new() }; ActorKind::ALL.len()];

/// Of the mailboxes of a kind: the deepest in the last full second, and what was dropped since the process began.
pub fn depth_and_dropped(kind: ActorKind) -> (u32, u64) {
    let tally = &TALLIES[kind as usize];
    (tally.depth_shown.load(Relaxed), tally.dropped_before.load(Relaxed) + tally.dropped.load(Relaxed))
}

/// Writes `offhook_mailbox_depth` (the deepest since the last call) and `offhook_mailbox_dropped_total`; the node calls it once a second.
pub(crate) fn flush_metrics() {
    for kind in ActorKind::ALL {
        let tally = &TALLIES[kind as usize];
        let (depth, dropped) = (tally.depth.swap(0, Relaxed), tally.dropped.swap(0, Relaxed));
        tally.depth_shown.store(depth, Relaxed);
        tally.dropped_before.fetch_add(dropped, Relaxed);
        metrics::gauge!("offhook_mailbox_depth", "actor" => kind.name()).set(f64::from(depth));
        metrics::counter!("offhook_mailbox_dropped_total", "actor" => kind.name()).increment(dropped);
    }
}

#[cfg(test)]
mod tests;
