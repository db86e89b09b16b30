//! Hands on what happens to those who listen, in order and without waiting for any of them.
//!
//! One task reads the log of events and gives each to the readers that want it, through a queue of bounded length. A reader whose queue
//! is full is left to read the log itself until it has caught up; one that cannot, or takes nothing, is dropped. So nobody's slowness
//! costs memory, or holds up others, and who comes back with the number of the last event misses nothing.

mod hub;
mod reader;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{EventFilter, EventsKept, OrganizationId, Store, StoreError, WallTime};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use hub::Hub;
pub use reader::{Reader, ReaderEnd};

/// Events read at a time.
const PAGE: u32 = 200;

/// How often readers are looked after.
const TICK: Duration = Duration::from_secs(1);

/// How often the log is looked at when nobody told of anything new: for what another process wrote to SQLite, or was lost on the way.
const LOOK: Duration = Duration::from_secs(5);

/// How often what is too old, or too much, is forgotten.
const PRUNE: Duration = Duration::from_secs(600);

/// How many may listen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReaderLimits {
    /// Readers of one organization.
    pub of_organization: usize,
    /// Readers in all.
    pub in_all: usize,
}

impl Default for ReaderLimits {
    fn default() -> Self {
        Self { of_organization: 32, in_all: 256 }
    }
}

/// Why nobody more may listen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TooManyReaders {
    /// The organization has as many as it may.
    #[error("too many listen to the events of this organization")]
    OfOrganization,
    /// The node has.
    #[error("too many listen to events on this node")]
    InAll,
}

/// Hands on events. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    store: Store,
    hub: Arc<Mutex<Hub>>,
    limits: ReaderLimits,
}

impl Events {
    /// Over the log, from here on; [`Events::start`] sets it going.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(store: Store, limits: ReaderLimits) -> Result<Self, StoreError> {
        let hub = Arc::new(Mutex::new(Hub::new(store.latest_event().await?)));
        Ok(Self { store, hub, limits })
    }

    /// Hands on what happens, and forgets what is too old, for as long as the task lives.
    #[must_use]
    pub fn start(&self, kept: EventsKept) -> JoinHandle<()> {
        let events = self.clone();
        tokio::spawn(async move {
            tokio::join!(events.feed(), events.follow_others(), events.prune(kept));
        })
    }

    /// A reader of what one organization does, behind the event with this number; `None`: from now on.
    ///
    /// # Errors
    /// [`TooManyReaders`].
    pub fn reader(
        &self,
        organization: &OrganizationId,
        filter: EventFilter,
        after: Option<u64>,
    ) -> Result<Reader, TooManyReaders> {
        let id = self.hub().join(organization, filter.clone(), self.limits, Instant::now())?;
        Ok(Reader::new(self.clone(), id, organization.clone(), filter, after))
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn feed(&self) {
        let mut news = self.store.news();
        let mut looked = Instant::now();
        let mut due = true;
        loop {
            if due || looked.elapsed() >= LOOK {
                looked = Instant::now();
                if let Err(error) = self.hand_on().await {
                    tracing::warn!(%error, "events wait for the database");
                }
            }
            self.hub().look_after(Instant::now());
            due = tokio::select! {
                changed = news.changed() => changed.is_ok(),
                () = tokio::time::sleep(TICK) => false,
            };
        }
    }

    /// Gives all that is new to its readers.
    async fn hand_on(&self) -> Result<(), StoreError> {
        loop {
            let sent = self.hub().sent();
            let page = self.store.all_events(sent, PAGE).await?;
            let full = page.len() >= PAGE as usize;
            let mut hub = self.hub();
            for event in page {
                hub.give(&Arc::new(event), Instant::now());
            }
            if !full {
                return Ok(());
            }
        }
    }

    async fn follow_others(&self) {
        while let Err(error) = self.store.follow_others().await {
            tracing::warn!(%error, "other nodes' events are looked for every few seconds");
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn prune(&self, kept: EventsKept) {
        loop {
            match self.store.prune_events(kept, WallTime::now()).await {
                Ok(0) => {}
                Ok(gone) => tracing::debug!(gone, "events were forgotten"),
                Err(error) => tracing::warn!(%error, "events that are too old stay for now"),
            }
            tokio::time::sleep(PRUNE).await;
        }
    }
}
