//! Store: the one write queue to the database, in batches. Nothing in a call waits for it, but for the first record.

use std::time::Duration;

use store::{Store as Database, StoreError, StoreWrite};

use crate::call::CallMsg;
use crate::kind::ActorKind;
use crate::mailbox::{Lane, Letter, Mailbox, Undelivered};
use crate::worker::{Failure, Worker};

/// What the Store is told.
#[derive(Debug)]
pub enum StoreMsg {
    /// By a call: write this when convenient. When full it is refused, and the call counts it as lost.
    Write(StoreWrite),
    /// By a call: write this and tell me when it is safe.
    WriteAndTell(StoreWrite, Mailbox<CallMsg>),
    /// By itself: everything that was queued before this is in; write the batch.
    Commit,
    /// By the node while it ends: answer when nothing waits.
    Settle(tokio::sync::oneshot::Sender<()>),
}

impl Letter for StoreMsg {
    const KIND: ActorKind = ActorKind::Store;
    const AUDIO_MAX: u32 = 0;
    /// A minute without a database at 300 calls that finish a turn every ten seconds.
    const SIGNALS_MAX: u32 = 4096;

    fn lane(&self) -> Lane {
        Lane::Signal
    }
}

/// Writes kept while the database is away. Past it the oldest are given up, with an error in the log.
const PENDING_MAX: usize = 16_384;

/// One transaction's writes: long enough to share the cost of a commit, short enough to hold SQLite's one writer a few milliseconds.
pub(crate) const BATCH_MAX: usize = 256;

/// Wait after a failed batch.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The actor.
pub struct Store {
    database: Database,
    pending: Vec<StoreWrite>,
    waiting: Vec<Mailbox<CallMsg>>,
    settling: Vec<tokio::sync::oneshot::Sender<()>>,
    commit_queued: bool,
}

impl Worker for Store {
    type Msg = StoreMsg;
    type Args = Database;

    async fn start(database: Database, _: &Mailbox<StoreMsg>) -> Result<Self, Failure> {
        Ok(Self { database, pending: Vec::new(), waiting: Vec::new(), settling: Vec::new(), commit_queued: false })
    }

    async fn handle(&mut self, message: StoreMsg, me: &Mailbox<StoreMsg>) -> Result<(), Failure> {
        match message {
            StoreMsg::Write(write) => self.pending.push(write),
            StoreMsg::WriteAndTell(write, call) => {
                self.pending.push(write);
                self.waiting.push(call);
            }
            StoreMsg::Settle(settled) => self.settling.push(settled),
            StoreMsg::Commit => {
                self.commit_queued = false;
                self.commit(me).await;
            }
        }
        self.queue_commit(me);
        Ok(())
    }
}

impl Store {
    /// Commits behind what is queued already, so that a burst becomes one transaction.
    fn queue_commit(&mut self, me: &Mailbox<StoreMsg>) {
        let idle = self.pending.is_empty() && self.settling.is_empty();
        if !idle && !self.commit_queued {
            self.commit_queued = me.send(StoreMsg::Commit).is_ok();
        }
    }

    async fn commit(&mut self, me: &Mailbox<StoreMsg>) {
        while !self.pending.is_empty() {
            let batch = self.pending.len().min(BATCH_MAX);
            let Err(error) = self.database.write_batch(&self.pending[..batch]).await else {
                self.pending.drain(..batch);
                continue;
            };
            if let StoreError::Refused { index, .. } = error {
                // It can never succeed, and must not hold up what stands behind it.
                tracing::error!(%error, "a record was refused by the database and is dropped");
                self.pending.remove(index);
            } else {
                tracing::error!(%error, waiting = self.pending.len(), "records wait for the database");
                self.shed();
                // Their calls have waited long enough, and go on without.
                self.waiting.clear();
                self.commit_queued = true;
                let me = me.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(RETRY_AFTER).await;
                    while let Err(Undelivered::Full(_)) = me.send(StoreMsg::Commit) {
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                });
                return;
            }
        }
        for call in self.waiting.drain(..) {
            let _call_ended_already = call.send(CallMsg::Recorded);
        }
        for settled in self.settling.drain(..) {
            let _asker_left = settled.send(());
        }
    }

    fn shed(&mut self) {
        let excess = self.pending.len().saturating_sub(PENDING_MAX);
        if excess > 0 {
            tracing::error!(excess, "records are given up: the database has been away too long");
            self.pending.drain(..excess);
        }
    }
}
