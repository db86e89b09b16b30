//! What the operator tells the process by signals, taken from its first moment on: one that comes while it starts waits.

use std::sync::Arc;

use actors::node::NodeHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::live::Live;

/// The signals that are listened to.
pub struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on: none of them ends the process any more by itself.
    ///
    /// # Errors
    /// When the system has no more of them to give.
    pub fn listen() -> std::io::Result<Self> {
        let [hangup, interrupt, terminate] = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        Ok(Self { hangup: hangup?, interrupt: interrupt?, terminate: terminate? })
    }

    /// SIGHUP reads the file again. SIGTERM and Ctrl-C drain; the second of them ends the process at once.
    pub(super) fn obey(self, node: NodeHandle, live: Arc<Live>) -> JoinHandle<()> {
        let Self { mut hangup, mut interrupt, mut terminate } = self;
        tokio::spawn(async move {
            let mut told = false;
            loop {
                tokio::select! {
                    _ = hangup.recv() => {
                        // Apart, so that the node can be stopped meanwhile.
                        let live = Arc::clone(&live);
                        // What is wrong was told.
                        tokio::spawn(async move { drop(Box::pin(live.read_again()).await) });
                        continue;
                    }
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if told {
                    tracing::warn!("told twice to stop: calls are cut off");
                    std::process::exit(1);
                }
                told = true;
                node.drain();
            }
        })
    }
}
