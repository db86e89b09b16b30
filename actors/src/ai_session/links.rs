//! The links of a session: providers' sockets, each run by a task beside the actor that tells it what comes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ai::engine::{EngineError, Stage};
use ai::link::http::HttpClient;
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
pub(super) struct Links {
    links: HashMap<LinkId, Link>,
    http: HttpClient,
}

/// A link that has opened.
#[derive(Debug)]
pub enum Opened {
    /// The answer of a request.
    Answer(mpsc::Receiver<LinkInput>),
    /// A socket.
    Socket(Socket),
}

struct Link {
    /// The longest a write may take.
    write_limit: Duration,
    outgoing: Option<mpsc::Sender<Frame>>,
    _task: Owned,
}

impl Links {
    /// Without any yet; requests go over the node's client.
    pub(super) fn new(http: HttpClient) -> Self {
        Self { links: HashMap::new(), http }
    }

    /// Gets a connection ready, beside the actor; bounded by the client.
    pub(super) fn warm(&self, url: String) {
        let http = self.http.clone();
        tokio::spawn(async move { http.warm(&url).await });
    }

    /// Opens a link; [`AiMsg::Opened`] tells how that went.
    pub(super) fn open(&mut self, link: LinkId, target: Box<Target>, me: &Mailbox<AiMsg>) {
        let write_limit = match target.protocol {
            Protocol::WebSocket { ping_every, .. } => ping_every,
            Protocol::Http { .. } => target.connect_timeout,
        };
        let (me, http) = (me.clone(), self.http.clone());
        let task = Owned(tokio::spawn(async move {
            let asked = Instant::now();
            let opened = match target.protocol {
                // The head of an answer comes when the model has thought, so it says nothing of the connection.
                Protocol::Http { .. } => http.open(*target).await.map(Opened::Answer),
                Protocol::WebSocket { .. } => {
                    let opened = socket::connect(&target).await;
                    if opened.is_ok() {
                        record(&target.provider, "connect", asked.elapsed());
                    }
                    opened.map(Opened::Socket)
                }
            };
            let _ended_meanwhile = me.send(AiMsg::Opened(link, opened));
        }));
        self.links.insert(link, Link { write_limit, outgoing: None, _task: task });
    }

    /// Takes an open link over: its words are read by a task from now on. What the engine is told of it, unless it was closed.
    pub(super) fn adopt(&mut self, link: LinkId, opened: Result<Opened, EngineError>, me: &Mailbox<AiMsg>) -> Option<LinkInput> {
        let present = self.links.get_mut(&link)?;
        match opened {
            Ok(opened) => {
                let me = me.clone();
                let (outgoing, mut events) = match opened {
                    Opened::Answer(events) => (None, events),
                    Opened::Socket(Socket { send, events }) => (Some(send), events),
                };
                present.outgoing = outgoing;
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
                self.links.remove(&link);
                Some(LinkInput::Closed { error })
            }
        }
    }

    /// Whether a word of a link is still wanted; its last one is, and ends it.
    pub(super) fn is_wanted(&mut self, link: LinkId, input: &LinkInput) -> bool {
        match input {
            LinkInput::Closed { .. } | LinkInput::Ended => self.links.remove(&link).is_some(),
            LinkInput::Binary(_) | LinkInput::Opened | LinkInput::Text(_) => self.links.contains_key(&link),
        }
    }

    /// Closes a link.
    pub(super) fn close(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// Hands a frame to a socket. A provider that reads nothing for seconds is as good as gone.
    ///
    /// # Errors
    /// The link is closed, and why.
    pub(super) fn send(&mut self, link: LinkId, frame: Frame) -> Result<(), EngineError> {
        let Some(Link { outgoing: Some(outgoing), write_limit, .. }) = self.links.get(&link) else { return Ok(()) };
        if outgoing.try_send(frame).is_ok() {
            return Ok(());
        }
        let limit = *write_limit;
        self.links.remove(&link);
        Err(EngineError::Late { stage: Stage::Write, limit })
    }
}

/// What a provider took for a stage of its work.
pub(super) fn record(provider: &str, stage: &'static str, took: Duration) {
    metrics::histogram!("offhook_provider_request_seconds", "provider" => provider.to_owned(), "stage" => stage).record(took);
}
