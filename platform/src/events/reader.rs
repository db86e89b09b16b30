//! One who listens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use store::{Event, EventFilter, OrganizationId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Events, PAGE};

/// After the database gave no answer.
const AGAIN: Duration = Duration::from_secs(1);

/// Why a reader gets nothing more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReaderEnd {
    /// It was too slow.
    Slow,
}

/// One who listens. Dropped, its place is another's.
#[derive(Debug)]
pub struct Reader {
    events: Events,
    id: u64,
    organization: OrganizationId,
    filter: EventFilter,
    /// The last event that was taken from the log or the queue.
    read: u64,
    /// What was read from the log.
    ready: VecDeque<Arc<Event>>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// From the next event on, and no earlier one.
    New,
    /// It reads the log.
    Behind,
    /// It reads the end of the log, while what comes next is put in its queue.
    Joining(mpsc::Receiver<Arc<Event>>),
    /// It takes what is in its queue.
    Live(mpsc::Receiver<Arc<Event>>),
}

impl Reader {
    pub(super) fn new(events: Events, id: u64, organization: OrganizationId, filter: EventFilter, after: Option<u64>) -> Self {
        let state = if after.is_some() { State::Behind } else { State::New };
        let latest = events.hub().sent();
        let mut reader = Self { events, id, organization, filter, read: 0, ready: VecDeque::new(), state };
        match after {
            // A number from before the records were put back is none of theirs.
            Some(after) => reader.read = after.min(latest),
            None => reader.attach(),
        }
        reader
    }

    /// The next event. What was begun and dropped is begun again, and loses nothing.
    ///
    /// # Errors
    /// [`ReaderEnd`]: there is nothing more.
    pub async fn next(&mut self) -> Result<Arc<Event>, ReaderEnd> {
        loop {
            let behind = !matches!(self.state, State::Live(_)) || !self.ready.is_empty();
            if !self.events.hub().comes(self.id, behind, Instant::now()) {
                return Err(ReaderEnd::Slow);
            }
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            match &mut self.state {
                State::New => self.attach(),
                State::Live(queue) => match queue.recv().await {
                    Some(event) if event.number > self.read => {
                        self.read = event.number;
                        return Ok(event);
                    }
                    Some(_) => {}
                    // It was full, or this reader is dropped.
                    None => self.state = State::Behind,
                },
                State::Behind | State::Joining(_) => self.read_on().await,
            }
        }
    }

    fn attach(&mut self) {
        let Some((sent, queue)) = self.events.hub().attach(self.id) else { return };
        self.state = match self.state {
            State::New => {
                self.read = sent;
                State::Live(queue)
            }
            _ => State::Joining(queue),
        };
    }

    /// Reads a part of the log; at its end it joins the others.
    async fn read_on(&mut self) {
        let page = match self.events.store.events(&self.organization, self.read, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "a reader of events waits for the database");
                return tokio::time::sleep(AGAIN).await;
            }
        };
        let full = page.len() >= PAGE as usize;
        self.read = page.last().map_or(self.read, |event| event.number);
        self.ready.extend(page.into_iter().filter(|event| self.filter.takes(event.kind)).map(Arc::new));
        if full {
            return;
        }
        match std::mem::replace(&mut self.state, State::Behind) {
            State::Joining(queue) => self.state = State::Live(queue),
            _ => self.attach(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.events.hub().leave(self.id);
    }
}
