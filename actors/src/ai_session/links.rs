//! The links of a session: providers' sockets, each run by a task beside the actor that tells it what comes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ai::engine::{EngineError, Stage};
use ai::link::socket::{self, Socket};
use ai::link::{Frame, LinkId, LinkInput, Protocol, Target};
use tokio::sync::mpsc;

use super::AiMsg;
use crate::alarm::Owned;
use crate::mailbox::Mailbox;

/// How long a link's reader waits when the session's mailbox is half full: the provider is held back meanwhile, and the words of the
/// leg and the call still get in.
const HOLD_BACK: Duration = Duration::from_millis(5);

/// What is open, or being opened.
#[derive(Default)]
pub(super) struct Links(HashMap<LinkId, Link>);

struct Link {
    /// The longest a write may take.
    write_limit: Duration,
    outgoing: Option<mpsc::Sender<Frame>>,
    _task: Owned,
}

impl Links {
    /// Opens a link; [`AiMsg::Socket`] tells how that went.
    pub(super) fn open(&mut self, link: LinkId, target: Box<Target>, me: &Mailbox<AiMsg>) {
        let write_limit = match target.protocol {
            Protocol::WebSocket { ping_every } => ping_every,
            Protocol::Http { .. } => target.connect_timeout,
        };
        let me = me.clone();
        let task = Owned(tokio::spawn(async move {
            let asked = Instant::now();
            let opened = socket::connect(&target).await;
            if opened.is_ok() {
                record(&target.provider, "connect", asked.elapsed());
            }
            let _ended_meanwhile = me.send(AiMsg::Socket(link, opened));
        }));
        self.0.insert(link, Link { write_limit, outgoing: None, _task: task });
    }

    /// Takes an open socket over: its words are read by a task from now on. What the engine is told of it, unless it was closed.
    pub(super) fn adopt(&mut self, link: LinkId, opened: Result<Socket, EngineError>, me: &Mailbox<AiMsg>) -> Option<LinkInput> {
        let present = self.0.get_mut(&link)?;
        match opened {
            Ok(Socket { send, mut events }) => {
                let me = me.clone();
                present.outgoing = Some(send);
                present._task = Owned(tokio::spawn(async move {
                    while let Some(input) = events.recv().await {
                        while !me.has_room() {
                            tokio::time::sleep(HOLD_BACK).await;
                        }
                        if me.send(AiMsg::Link(link, input)).is_err() {
                            return;
                        }
                    }
                }));
                Some(LinkInput::Opened)
            }
            Err(error) => {
                self.0.remove(&link);
                Some(LinkInput::Closed { error })
            }
        }
    }

    /// Whether a word of a link is still wanted; its last one is, and ends it.
    pub(super) fn is_wanted(&mut self, link: LinkId, input: &LinkInput) -> bool {
        match input {
            LinkInput::Closed { .. } | LinkInput::Ended => self.0.remove(&link).is_some(),
            LinkInput::Binary(_) | LinkInput::Opened | LinkInput::Text(_) => self.0.contains_key(&link),
        }
    }

    /// Closes a link.
    pub(super) fn close(&mut self, link: LinkId) {
        self.0.remove(&link);
    }

    /// Hands a frame to a socket. A provider that reads nothing for seconds is as good as gone.
    ///
    /// # Errors
    /// The link is closed, and why.
    pub(super) fn send(&mut self, link: LinkId, frame: Frame) -> Result<(), EngineError> {
        let Some(Link { outgoing: Some(outgoing), write_limit, .. }) = self.0.get(&link) else { return Ok(()) };
        if outgoing.try_send(frame).is_ok() {
            return Ok(());
        }
        let limit = *write_limit;
        self.0.remove(&link);
        Err(EngineError::Late { stage: Stage::Write, limit })
    }
}

/// What a provider took for a stage of its work.
pub(super) fn record(provider: &str, stage: &'static str, took: Duration) {
    metrics::histogram!("offhook_provider_request_seconds", "provider" => provider.to_owned(), "stage" => stage).record(took);
}
