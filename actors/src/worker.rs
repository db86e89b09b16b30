//! The one adapter between our actors and ractor: counted mailboxes, typed starts, supervision as an [`Ended`].

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::mailbox::{Envelope, Letter, Mailbox, Queued};

/// What a handler fails with; it goes to the parent, which looks up its restart table.
pub type Failure = ActorProcessingErr;

/// How a child ended.
#[derive(Debug)]
pub enum Ended {
    /// It failed: an error from a handler, or a panic.
    Failed(String),
    /// It was told to stop, or stopped itself.
    Stopped,
}

/// An actor of ours: a state, and what each message does to it.
pub trait Worker: Sized + 'static {
    /// Its closed set of messages.
    type Msg: Letter;
    /// What it is made from.
    type Args: Send + 'static;

    /// Opens what it needs. Fallible, so that the parent learns of it at once.
    fn start(args: Self::Args, me: &Mailbox<Self::Msg>) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Handles one message.
    fn handle(&mut self, message: Self::Msg, me: &Mailbox<Self::Msg>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// A child ended.
    fn handle_ended(
        &mut self,
        child: ActorId,
        ended: Ended,
        me: &Mailbox<Self::Msg>,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (child, ended, me);
        async { Ok(()) }
    }
}

struct Runner<W: Worker> {
    queued: Arc<Queued<W::Msg>>,
    worker: PhantomData<fn() -> W>,
}

/// A worker and its own mailbox, as ractor keeps them.
struct Running<W: Worker> {
    worker: W,
    me: Mailbox<W::Msg>,
}

impl<W: Worker + Send> Actor for Runner<W> {
    type Msg = Envelope<W::Msg>;
    type State = Running<W>;
    type Arguments = W::Args;

    async fn pre_start(&self, myself: ActorRef<Self::Msg>, args: W::Args) -> Result<Running<W>, Failure> {
        let me = Mailbox::new(myself, Arc::clone(&self.queued));
        let worker = W::start(args, &me).await?;
        Ok(Running { worker, me })
    }

    async fn handle(&self, _: ActorRef<Self::Msg>, envelope: Self::Msg, state: &mut Running<W>) -> Result<(), Failure> {
        match envelope {
            Envelope::Letter(message) => {
                while let Some(waited) = self.queued.take_lazy() {
                    state.worker.handle(waited, &state.me).await?;
                }
                if !self.queued.take(message.lane()) {
                    return Ok(());
                }
                state.worker.handle(message, &state.me).await
            }
            #[cfg(feature = "fault-injection")]
            Envelope::Fault(fault) => fault.strike(),
        }
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Running<W>,
    ) -> Result<(), Failure> {
        let (child, ended) = match event {
            SupervisionEvent::ActorFailed(child, error) => (child, Ended::Failed(error.to_string())),
            SupervisionEvent::ActorTerminated(child, _, _) => (child, Ended::Stopped),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        state.worker.handle_ended(child.get_id(), ended, &state.me).await
    }
}

/// Starts an actor under a parent and waits until its start has succeeded.
///
/// # Errors
/// What [`Worker::start`] returned, as text.
pub async fn spawn<W: Worker + Send>(args: W::Args, parent: ActorCell) -> Result<Mailbox<W::Msg>, String> {
    let queued = Arc::new(Queued::new());
    let runner = Runner::<W> { queued: Arc::clone(&queued), worker: PhantomData };
    match Actor::spawn_linked(None, runner, args, parent).await {
        Ok((actor, _)) => Ok(Mailbox::new(actor, queued)),
        Err(error) => Err(start_reason(error)),
    }
}

/// Starts the actor at the top of the tree; the handle resolves when it has ended.
///
/// # Errors
/// What [`Worker::start`] returned, as text.
pub async fn spawn_root<W: Worker + Send>(args: W::Args) -> Result<(Mailbox<W::Msg>, tokio::task::JoinHandle<()>), String> {
    let queued = Arc::new(Queued::new());
    let runner = Runner::<W> { queued: Arc::clone(&queued), worker: PhantomData };
    match Actor::spawn(None, runner, args).await {
        Ok((actor, handle)) => Ok((Mailbox::new(actor, queued), handle)),
        Err(error) => Err(start_reason(error)),
    }
}

/// The reason alone, without ractor's words around it: it is shown to the operator.
fn start_reason(error: ractor::SpawnErr) -> String {
    match error {
        ractor::SpawnErr::StartupFailed(reason) => reason.to_string(),
        other => other.to_string(),
    }
}
