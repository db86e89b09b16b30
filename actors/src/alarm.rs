//! One pending deadline of a core, as a message to its actor.

use std::time::Instant;

use tokio::task::JoinHandle;

use crate::mailbox::{Letter, Mailbox};

/// Sends an actor a message when its core's next deadline comes.
///
/// A core is asked for `poll_timeout` after each input; [`Alarm::set`] then replaces the sleeping task only when the deadline
/// came nearer. A deadline that moved away lets the old task fire: the core finds nothing due, and the alarm is set anew.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    pending: Option<(Instant, JoinHandle<()>)>,
}

impl Alarm {
    /// Makes sure that `message` arrives no later than `deadline`; `None` cancels.
    pub(crate) fn set<M: Letter>(&mut self, deadline: Option<Instant>, me: &Mailbox<M>, message: fn() -> M) {
        let Some(deadline) = deadline else {
            self.cancel();
            return;
        };
        if self.pending.as_ref().is_some_and(|(at, task)| *at <= deadline && !task.is_finished()) {
            return;
        }
        self.cancel();
        let me = me.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep_until(deadline.into()).await;
            let _ended_already = me.send(message());
        });
        self.pending = Some((deadline, task));
    }

    /// Call when the message has come.
    pub(crate) fn rang(&mut self) {
        self.pending = None;
    }

    fn cancel(&mut self) {
        if let Some((_, task)) = self.pending.take() {
            task.abort();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// A task that ends with its owner.
#[derive(Debug)]
pub(crate) struct Owned(pub(crate) JoinHandle<()>);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}
