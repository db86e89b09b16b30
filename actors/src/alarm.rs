//! One pending deadline of a core, as a message to its actor.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::mailbox::{Letter, Mailbox, Undelivered};

/// How soon a message that found the mailbox full is sent again.
const AGAIN: Duration = Duration::from_millis(10);

/// Sends an actor a message when its core's next deadline comes.
///
/// A core is asked for `poll_timeout` after each input; [`Alarm::set`] then replaces the sleeping task only when the deadline
/// came nearer. A deadline that moved away lets the old task fire: the core finds nothing due, and the alarm is set anew.
///
/// There is one message at a time: until [`Alarm::rang`], a task that has fired counts as one that sleeps. A second one would be followed by
/// a second chain of alarms, a third one by a third, until they fill the mailbox.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    pending: Option<(Instant, JoinHandle<()>)>,
}

impl Alarm {
    /// Makes sure that `message` arrives no later than `deadline`; `None` cancels. Late by 10 ms and more when the mailbox is full.
    pub(crate) fn set<M: Letter>(&mut self, deadline: Option<Instant>, me: &Mailbox<M>, message: fn() -> M) {
        let Some(deadline) = deadline else {
            self.cancel();
            return;
        };
        if self.pending.as_ref().is_some_and(|(at, _)| *at <= deadline) {
            return;
        }
        self.cancel();
        let me = me.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep_until(deadline.into()).await;
            while let Err(Undelivered::Full(_)) = me.send(message()) {
                tokio::time::sleep(AGAIN).await;
            }
        });
        self.pending = Some((deadline, task));
    }

    /// Call when the message has come, before the alarm is set anew.
    pub(crate) fn rang(&mut self) {
        self.cancel();
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;
    use crate::kind::ActorKind;
    use crate::mailbox::Lane;
    use crate::worker::{Failure, Worker, spawn_root};

    /// Has a deadline until it is told that it came, and is given other things to do meanwhile.
    struct Busy {
        deadline: Option<Instant>,
        alarm: Alarm,
        rung: Arc<AtomicU32>,
    }

    #[derive(Debug)]
    enum BusyMsg {
        Work,
        TimerDue,
    }

    impl Letter for BusyMsg {
        const KIND: ActorKind = ActorKind::Vad;
        const AUDIO_MAX: u32 = 0;
        const SIGNALS_MAX: u32 = 64;

        fn lane(&self) -> Lane {
            Lane::Signal
        }
    }

    impl Worker for Busy {
        type Msg = BusyMsg;
        type Args = Arc<AtomicU32>;

        async fn start(rung: Arc<AtomicU32>, _: &Mailbox<BusyMsg>) -> Result<Self, Failure> {
            Ok(Self { deadline: Some(Instant::now()), alarm: Alarm::default(), rung })
        }

        async fn handle(&mut self, message: BusyMsg, me: &Mailbox<BusyMsg>) -> Result<(), Failure> {
            match message {
                // The alarm's task runs, and its message waits behind the rest of the work.
                BusyMsg::Work => let_others_run().await,
                BusyMsg::TimerDue => {
                    self.alarm.rang();
                    self.rung.fetch_add(1, Relaxed);
                    self.deadline = None;
                }
            }
            self.alarm.set(self.deadline, me, || BusyMsg::TimerDue);
            Ok(())
        }
    }

    /// All of them are on this thread.
    async fn let_others_run() {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_busy_actor_is_told_once_of_a_deadline() {
        let rung = Arc::new(AtomicU32::new(0));
        let (busy, ended) = spawn_root::<Busy>(Arc::clone(&rung)).await.expect("nothing to fail");
        for _ in 0..20 {
            busy.send(BusyMsg::Work).expect("there is room for 64");
        }
        while rung.load(Relaxed) == 0 {
            let_others_run().await;
        }
        // Others would be in the mailbox by now.
        for _ in 0..20 {
            let_others_run().await;
        }
        busy.stop();
        ended.await.expect("it does not panic");
        assert_eq!(rung.load(Relaxed), 1);
    }
}
