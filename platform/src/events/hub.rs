//! Who listens, and what each has been given.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use store::{Event, EventFilter, OrganizationId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{ReaderLimits, TooManyReaders};

/// Events that wait for one reader: some seconds of a busy node. With more, it reads the log itself.
pub(super) const QUEUE: usize = 256;

/// A reader for which something waits, and which takes nothing for so long, is gone or stuck.
pub(super) const STUCK_MAX: Duration = Duration::from_secs(10);

/// A reader that has not caught up after so long never will.
pub(super) const BEHIND_MAX: Duration = Duration::from_secs(60);

/// All who listen here.
#[derive(Debug)]
pub(super) struct Hub {
    /// The last event that was given to all who want it.
    sent: u64,
    readers: HashMap<u64, Listening>,
    next: u64,
}

#[derive(Debug)]
struct Listening {
    organization: OrganizationId,
    filter: EventFilter,
    /// `None`: it reads the log itself.
    queue: Option<mpsc::Sender<Arc<Event>>>,
    /// Since when its queue has been too short for it.
    behind: Option<Instant>,
    /// Since when something waits that it has not come for.
    waiting: Option<Instant>,
}

impl Hub {
    pub(super) fn new(sent: u64) -> Self {
        Self { sent, readers: HashMap::new(), next: 0 }
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// A place for one more.
    pub(super) fn join(
        &mut self,
        organization: &OrganizationId,
        filter: EventFilter,
        limits: ReaderLimits,
        now: Instant,
    ) -> Result<u64, TooManyReaders> {
        if self.readers.len() >= limits.in_all {
            return Err(TooManyReaders::InAll);
        }
        if self.readers.values().filter(|one| one.organization == *organization).count() >= limits.of_organization {
            return Err(TooManyReaders::OfOrganization);
        }
        self.next += 1;
        let organization = organization.clone();
        self.readers.insert(self.next, Listening { organization, filter, queue: None, behind: None, waiting: Some(now) });
        self.publish();
        Ok(self.next)
    }

    /// From here on a reader is given what comes behind the event with the number that is answered; `None`: it was dropped.
    pub(super) fn attach(&mut self, id: u64) -> Option<(u64, mpsc::Receiver<Arc<Event>>)> {
        let (queue, given) = mpsc::channel(QUEUE);
        self.readers.get_mut(&id)?.queue = Some(queue);
        Some((self.sent, given))
    }

    /// A reader comes for more, and is behind or not; false: it was dropped.
    pub(super) fn comes(&mut self, id: u64, behind: bool, now: Instant) -> bool {
        let Some(reader) = self.readers.get_mut(&id) else { return false };
        reader.waiting = behind.then_some(now);
        if !behind {
            reader.behind = None;
        }
        true
    }

    /// Gives an event to those who want it.
    pub(super) fn give(&mut self, event: &Arc<Event>, now: Instant) {
        self.sent = self.sent.max(event.number);
        for reader in self.readers.values_mut().filter(|one| one.organization == event.organization) {
            let Some(queue) = reader.queue.as_ref().filter(|_| reader.filter.takes(event.kind)) else { continue };
            reader.waiting.get_or_insert(now);
            if queue.try_send(Arc::clone(event)).is_err() {
                reader.queue = None;
                reader.behind.get_or_insert(now);
            }
        }
    }

    /// Drops those who are stuck, or never catch up.
    pub(super) fn look_after(&mut self, now: Instant) {
        let late = |since: Option<Instant>, most| since.is_some_and(|since| now.saturating_duration_since(since) >= most);
        let before = self.readers.len();
        self.readers.retain(|_, reader| !late(reader.waiting, STUCK_MAX) && !late(reader.behind, BEHIND_MAX));
        let dropped = before - self.readers.len();
        if dropped > 0 {
            tracing::info!(dropped, "readers of events were too slow");
            metrics::counter!("offhook_event_readers_dropped_total").increment(dropped as u64);
            self.publish();
        }
    }

    pub(super) fn leave(&mut self, id: u64) {
        self.readers.remove(&id);
        self.publish();
    }

    fn publish(&self) {
        metrics::gauge!("offhook_event_readers").set(self.readers.len() as f64);
    }
}
