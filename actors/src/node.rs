//! Node: the root of the tree. Starts the process-wide actors, restarts them, drains and ends the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ractor::ActorId;
use store::{HangupCause, SpentMinute, Store as Database};
use tokio::sync::oneshot;

use crate::calls::{Calls, CallsArgs, CallsMsg};
use crate::config::{Directory, NodeConfig};
use crate::cpu::CpuMeter;
use crate::identity::Identity;
use crate::kind::ActorKind;
use crate::mailbox::{Lane, Letter, Mailbox, flush_metrics};
use crate::media_threads::MediaThreads;
use crate::recovery;
use crate::shared::Shared;
use crate::sip_endpoint::{SipEndpoint, SipEndpointArgs, SipMsg};
use crate::spend::first_minute;
use crate::store::{Store, StoreMsg};
use crate::supervision::{Budget, Verdict, count_death};
use crate::trunk::config::TrunkConfig;
use crate::trunk::{Trunk, TrunkArgs, TrunkEntry, TrunkMsg};
use crate::worker::{Ended, Failure, Worker, spawn, spawn_root};

/// What the Node is told.
#[derive(Debug)]
pub enum NodeMsg {
    /// By a timer, once a second: write out metrics.
    Flush,
    /// By itself after a wait: start a child again.
    Restart(ActorKind),
    /// By itself after a wait: start this Trunk, if it is still there.
    StartTrunk(Arc<TrunkEntry>),
    /// By the process: from now on there are these trunks.
    TrunksChanged(Vec<TrunkConfig>),
    /// By the process, on SIGTERM: take no new calls, let the others end, then stop.
    Drain,
    /// By the process, on SIGHUP: read the certificate again.
    ReloadCertificate,
    /// By the drain: the last call has ended.
    Drained,
    /// By a timer: `node.drain_timeout_s` is over.
    DrainLate,
    /// By a test: make a process-wide actor fail.
    #[cfg(feature = "fault-injection")]
    Inject(ActorKind, crate::fault::Fault),
}

impl Letter for NodeMsg {
    const KIND: ActorKind = ActorKind::Node;
    const AUDIO_MAX: u32 = 0;
    /// A minute of flushes: more means that the node has stopped.
    const SIGNALS_MAX: u32 = 64;

    fn lane(&self) -> Lane {
        Lane::Signal
    }
}

/// After the drain time, calls are hung up and get this long for their BYE and their record.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Registrars get this long to hear that we leave: a REGISTER, a challenge and a REGISTER. Looked at so often.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
const GOODBYE_LOOK: Duration = Duration::from_millis(10);

/// A running node, seen from outside the tree.
#[derive(Clone)]
pub struct NodeHandle {
    mailbox: Mailbox<NodeMsg>,
    /// What all actors read.
    pub shared: Arc<Shared>,
}

/// Resolves when the node has ended: true after a drain, false when it could not go on.
pub struct NodeEnd(tokio::task::JoinHandle<()>, oneshot::Receiver<()>);

impl NodeEnd {
    /// Waits for the end.
    pub async fn wait(self) -> bool {
        let Self(task, mut drained) = self;
        let _aborted_is_ended = task.await;
        drained.try_recv().is_ok()
    }
}

impl NodeHandle {
    /// Takes no new calls, lets the running ones end, then stops. Twice is the same as once.
    pub fn drain(&self) {
        let _ended_already = self.mailbox.send(NodeMsg::Drain);
    }

    /// Reads the certificate of SIP again; connections that are up are not touched.
    pub fn reload_certificate(&self) {
        let _ended_already = self.mailbox.send(NodeMsg::ReloadCertificate);
    }

    /// From now on there are these trunks: those that are the same go on, others come and go.
    pub fn change_trunks(&self, trunks: Vec<TrunkConfig>) {
        let _ended_already = self.mailbox.send(NodeMsg::TrunksChanged(trunks));
    }

    /// Makes a process-wide actor fail.
    #[cfg(feature = "fault-injection")]
    pub fn inject(&self, actor: ActorKind, fault: crate::fault::Fault) {
        let _ended_already = self.mailbox.send(NodeMsg::Inject(actor, fault));
    }
}

/// Starts a node: closes what a crash left open, then opens for calls.
///
/// # Errors
/// Names the configuration key and the reason, for the operator.
pub async fn start(config: NodeConfig, directory: Directory, database: Database) -> Result<(NodeHandle, NodeEnd), String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let media = MediaThreads::start(cores).map_err(|error| format!("no media threads: {error}"))?;
    let identity = Identity::load(&config.identity)?;
    recovery::close_lost(&config, &database, HangupCause::NodeLost).await?;
    let shared = Arc::new(Shared::new(config, directory, media, identity, database.seals().clone()));
    let (ended, end) = oneshot::channel();
    let args = NodeArgs { shared: Arc::clone(&shared), database, drained: ended };
    let (mailbox, task) = spawn_root::<Node>(args).await?;
    Ok((NodeHandle { mailbox, shared }, NodeEnd(task, end)))
}

struct NodeArgs {
    shared: Arc<Shared>,
    database: Database,
    drained: oneshot::Sender<()>,
}

struct Node {
    shared: Arc<Shared>,
    database: Database,
    children: HashMap<ActorId, ActorKind>,
    budgets: HashMap<ActorKind, Budget>,
    /// Trunk actors, and the deaths of each by its name.
    trunks: HashMap<ActorId, Arc<TrunkEntry>>,
    trunk_budgets: HashMap<Arc<str>, Budget>,
    drained: Option<oneshot::Sender<()>>,
    cpu: CpuMeter,
}

impl Worker for Node {
    type Msg = NodeMsg;
    type Args = NodeArgs;

    async fn start(args: NodeArgs, me: &Mailbox<NodeMsg>) -> Result<Self, Failure> {
        let NodeArgs { shared, database, drained } = args;
        let (children, budgets, trunks) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (trunk_budgets, drained, cpu) = (HashMap::new(), Some(drained), CpuMeter::default());
        let mut node = Self { shared, database, children, budgets, trunks, trunk_budgets, drained, cpu };
        for child in [ActorKind::Store, ActorKind::Calls, ActorKind::SipEndpoint] {
            node.start_child(child, me).await?;
        }
        node.shared.identity.announce();
        for trunk in node.shared.trunks.all().iter() {
            node.start_trunk(trunk, me).await?;
        }
        every_second(me.clone());
        Ok(node)
    }

    async fn handle(&mut self, message: NodeMsg, me: &Mailbox<NodeMsg>) -> Result<(), Failure> {
        match message {
            NodeMsg::Flush => self.flush(),
            NodeMsg::Restart(child) => self.restart(child, me).await?,
            NodeMsg::StartTrunk(trunk) if self.shared.trunks.has(&trunk) => self.start_trunk(&trunk, me).await?,
            NodeMsg::StartTrunk(_) => {}
            NodeMsg::TrunksChanged(trunks) => self.change_trunks(trunks, me).await?,
            NodeMsg::Drain => self.drain(me),
            NodeMsg::ReloadCertificate => self.shared.sip.tell(SipMsg::ReloadCertificate),
            NodeMsg::Drained => self.leave(me).await,
            NodeMsg::DrainLate => {
                tracing::warn!(calls = self.shared.calls_up(), "drain time is over; the calls left are hung up");
                self.shared.calls.tell(CallsMsg::EndAll);
                self.after(LAST_WORDS, NodeMsg::Drained, me);
            }
            #[cfg(feature = "fault-injection")]
            NodeMsg::Inject(actor, fault) => self.inject(actor, fault),
        }
        Ok(())
    }

    async fn handle_ended(&mut self, child: ActorId, ended: Ended, me: &Mailbox<NodeMsg>) -> Result<(), Failure> {
        if let Some(trunk) = self.trunks.remove(&child) {
            if let Ended::Failed(reason) = ended {
                self.handle_trunk_death(&trunk, &reason, me);
            }
            return Ok(());
        }
        let Some(kind) = self.children.remove(&child) else { return Ok(()) };
        if let Ended::Failed(reason) = ended {
            self.handle_death(kind, &reason, me).await?;
        }
        Ok(())
    }
}

impl Node {
    async fn start_child(&mut self, kind: ActorKind, me: &Mailbox<NodeMsg>) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let id = match kind {
            ActorKind::Store => {
                let store = spawn::<Store>(self.database.clone(), me.cell()).await?;
                self.shared.store.publish(Some(store.clone()));
                store.id()
            }
            ActorKind::Calls => {
                let spent = self.spent_before().await?;
                let calls = spawn::<Calls>(CallsArgs { shared, spent }, me.cell()).await?;
                self.shared.calls.publish(Some(calls.clone()));
                calls.id()
            }
            ActorKind::SipEndpoint => {
                let args = SipEndpointArgs {
                    config: shared.config.sip.clone(),
                    calls: shared.calls.clone(),
                    trunks: Arc::clone(&shared.trunks),
                    watch: shared.config.watch.clone(),
                    store: shared.store.clone(),
                };
                let sip = spawn::<SipEndpoint>(args, me.cell()).await?;
                self.shared.sip.publish(Some(sip.clone()));
                sip.id()
            }
            other => return Err(format!("{} is not a child of the node", other.name()).into()),
        };
        self.children.insert(id, kind);
        Ok(())
    }

    /// What calls of ours cost before, where that is capped. A node that cannot know takes none.
    async fn spent_before(&self) -> Result<Vec<SpentMinute>, Failure> {
        let config = &self.shared.config;
        if !config.spend.is_capped() {
            return Ok(Vec::new());
        }
        let spent = self.database.spent_since(&config.name, first_minute(SystemTime::now())).await;
        spent.map_err(|error| format!("what was spent before cannot be read: {error}").into())
    }

    async fn start_trunk(&mut self, entry: &Arc<TrunkEntry>, me: &Mailbox<NodeMsg>) -> Result<(), Failure> {
        let args = TrunkArgs { entry: Arc::clone(entry), sip: self.shared.sip.clone() };
        let trunk = spawn::<Trunk>(args, me.cell()).await?;
        entry.port.publish(Some(trunk.clone()));
        self.trunks.insert(trunk.id(), Arc::clone(entry));
        Ok(())
    }

    /// Those that are gone tell their registrars and end. One that has changed starts behind that, or its old self would take the new
    /// one's registration away.
    async fn change_trunks(&mut self, trunks: Vec<TrunkConfig>, me: &Mailbox<NodeMsg>) -> Result<(), Failure> {
        if self.shared.draining() {
            return Ok(());
        }
        let (added, gone) = self.shared.trunks.replace(trunks);
        for entry in &added {
            tracing::info!(trunk = &*entry.config.name, "a trunk is new, or has changed");
            let before = gone.iter().find(|before| before.config.name == entry.config.name);
            if before.is_none_or(|before| before.port.mailbox().is_none()) {
                self.start_trunk(entry, me).await?;
            }
        }
        for entry in gone {
            let next = added.iter().find(|next| next.config.name == entry.config.name).cloned();
            tracing::info!(trunk = &*entry.config.name, "a trunk is there no more as it was");
            let Some(actor) = entry.port.mailbox() else { continue };
            entry.port.tell(TrunkMsg::Leave);
            let me = me.clone();
            tokio::spawn(async move {
                let heard = async {
                    while entry.state().registered == Some(true) {
                        tokio::time::sleep(GOODBYE_LOOK).await;
                    }
                };
                let _heard_or_late = tokio::time::timeout(GOODBYE_MAX, heard).await;
                actor.stop();
                if let Some(next) = next {
                    let _ended_meanwhile = me.send(NodeMsg::StartTrunk(next));
                }
            });
        }
        Ok(())
    }

    /// A trunk that dies too often stays dead: calls over it go on, and none of the others notices.
    fn handle_trunk_death(&mut self, entry: &Arc<TrunkEntry>, reason: &str, me: &Mailbox<NodeMsg>) {
        let name = entry.config.name.to_string();
        tracing::error!(actor = ActorKind::Trunk.name(), trunk = name, reason, "actor died");
        count_death(ActorKind::Trunk);
        let budget = self.trunk_budgets.entry(Arc::clone(&entry.config.name)).or_insert_with(|| Budget::new(ActorKind::Trunk));
        match budget.handle_death(Instant::now()) {
            Verdict::RestartAfter(wait) => self.after(wait, NodeMsg::StartTrunk(Arc::clone(entry)), me),
            Verdict::Stop(_) => tracing::error!(trunk = name, "a trunk died too often and is not registered any more"),
        }
    }

    fn tell_trunks(&self, message: fn() -> TrunkMsg) {
        for entry in self.shared.trunks.all().iter() {
            entry.port.tell(message());
        }
    }

    async fn handle_death(&mut self, kind: ActorKind, reason: &str, me: &Mailbox<NodeMsg>) -> Result<(), Failure> {
        tracing::error!(actor = kind.name(), reason, "actor died");
        count_death(kind);
        if kind == ActorKind::SipEndpoint {
            // Not ready until it listens again.
            self.shared.sip.publish(None);
        }
        match self.budgets.entry(kind).or_insert_with(|| Budget::new(kind)).handle_death(Instant::now()) {
            Verdict::RestartAfter(Duration::ZERO) => self.restart(kind, me).await,
            Verdict::RestartAfter(wait) => {
                self.after(wait, NodeMsg::Restart(kind), me);
                Ok(())
            }
            Verdict::Stop(_) => Err(format!("{} died too often: {reason}", kind.name()).into()),
        }
    }

    /// Starts a child again and mends what its death tore. A start that fails is one more death.
    async fn restart(&mut self, kind: ActorKind, me: &Mailbox<NodeMsg>) -> Result<(), Failure> {
        if kind == ActorKind::Calls {
            self.bury_calls().await;
        }
        if let Err(error) = self.start_child(kind, me).await {
            return Box::pin(self.handle_death(kind, &error.to_string(), me)).await;
        }
        match kind {
            ActorKind::SipEndpoint => {
                self.shared.calls.tell(CallsMsg::SipRestarted);
                self.tell_trunks(|| TrunkMsg::SipRestarted);
                if self.shared.draining() {
                    self.shared.sip.tell(SipMsg::StopAccepting);
                }
            }
            ActorKind::Calls if self.shared.draining() => self.ask_for_the_last_call(me),
            _ => {}
        }
        Ok(())
    }

    /// All calls died with Calls: their peers get a BYE, their records an end. New calls are refused meanwhile, so that none of them is
    /// taken for one of the dead.
    async fn bury_calls(&mut self) {
        self.shared.calls.publish(None);
        self.shared.sip.tell(SipMsg::HangUpAll);
        self.shared.publish_calls(0);
        self.settle().await;
        if let Err(error) = recovery::close_lost(&self.shared.config, &self.database, HangupCause::Crashed).await {
            tracing::error!(%error, "records of crashed calls stay open until the next start");
        }
    }

    /// Waits until registrars have heard that we leave.
    async fn wait_for_trunks(&self) {
        let registered = || self.shared.trunks.all().iter().any(|entry| entry.state().registered == Some(true));
        let heard = async {
            while registered() {
                tokio::time::sleep(GOODBYE_LOOK).await;
            }
        };
        if tokio::time::timeout(GOODBYE_MAX, heard).await.is_err() {
            tracing::warn!("a registrar did not hear that we leave, and leads calls here for a while");
        }
    }

    /// Waits until the Store has written what waits.
    async fn settle(&self) {
        let (settled, done) = oneshot::channel();
        self.shared.store.tell(StoreMsg::Settle(settled));
        if !matches!(tokio::time::timeout(LAST_WORDS, done).await, Ok(Ok(()))) {
            tracing::error!("the last records could not be written in time");
        }
    }

    fn drain(&mut self, me: &Mailbox<NodeMsg>) {
        if self.shared.draining() {
            return;
        }
        tracing::info!(calls = self.shared.calls_up(), "draining");
        self.shared.publish_draining();
        self.shared.sip.tell(SipMsg::StopAccepting);
        self.tell_trunks(|| TrunkMsg::Leave);
        self.ask_for_the_last_call(me);
        self.after(self.shared.config.drain_timeout, NodeMsg::DrainLate, me);
    }

    fn ask_for_the_last_call(&self, me: &Mailbox<NodeMsg>) {
        let (drained, all_ended) = oneshot::channel();
        self.shared.calls.tell(CallsMsg::Drain(drained));
        let me_again = me.clone();
        tokio::spawn(async move {
            // An error means that Calls died; the next one is asked again.
            if all_ended.await.is_ok() {
                let _ended_already = me_again.send(NodeMsg::Drained);
            }
        });
    }

    /// Everything has ended: the last records are written, then the node stops.
    async fn leave(&mut self, me: &Mailbox<NodeMsg>) {
        self.wait_for_trunks().await;
        self.settle().await;
        if let Some(drained) = self.drained.take() {
            let _process_left = drained.send(());
        }
        me.stop();
    }

    fn flush(&mut self) {
        flush_metrics();
        // What cannot be read now is as it was.
        if let Some(busy) = self.cpu.look() {
            self.shared.publish_cpu(busy);
        }
        metrics::counter!("offhook_clock_late_total").increment(self.shared.media.take_late());
        self.shared.sip.tell(SipMsg::FlushStats);
    }

    fn after(&self, wait: Duration, message: NodeMsg, me: &Mailbox<NodeMsg>) {
        let me = me.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let _ended_meanwhile = me.send(message);
        });
    }

    #[cfg(feature = "fault-injection")]
    fn inject(&self, actor: ActorKind, fault: crate::fault::Fault) {
        match actor {
            ActorKind::Calls => self.shared.calls.mailbox().map(|mailbox| mailbox.inject(fault)),
            ActorKind::SipEndpoint => self.shared.sip.mailbox().map(|mailbox| mailbox.inject(fault)),
            ActorKind::Store => self.shared.store.mailbox().map(|mailbox| mailbox.inject(fault)),
            ActorKind::Trunk => {
                self.shared.trunks.all().first().and_then(|entry| entry.port.mailbox()).map(|mailbox| mailbox.inject(fault))
            }
            _ => None,
        };
    }
}

fn every_second(me: Mailbox<NodeMsg>) {
    tokio::spawn(async move {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            if let Err(crate::mailbox::Undelivered::Gone(_)) = me.send(NodeMsg::Flush) {
                return;
            }
        }
    });
}
