//! What the stages of a cascade share: the way out, and the numbers of links.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{EngineError, Output, Stage, Usage};
use crate::link::{Frame, LinkId, Target};

/// Outputs in order, and numbers that are used once.
#[derive(Default)]
pub(super) struct Ports {
    outputs: VecDeque<Output>,
    links: u64,
}

impl Ports {
    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    pub(super) fn open(&mut self, target: Target) -> LinkId {
        self.links += 1;
        let link = LinkId(self.links);
        self.push(Output::Open { link, target: Box::new(target) });
        link
    }

    pub(super) fn send(&mut self, link: LinkId, frame: Frame) {
        self.push(Output::Send { link, frame });
    }

    /// What a provider counted, or was sent.
    pub(super) fn used(&mut self, provider: &Arc<str>, stage: &'static str, usage: Usage) {
        self.push(Output::Usage { provider: Some(Arc::clone(provider)), stage, usage });
    }

    pub(super) fn took(&mut self, provider: &Arc<str>, stage: &'static str, took: Duration) {
        self.push(Output::ProviderTook { provider: Arc::clone(provider), stage, took });
    }
}

/// A stage's socket as the engine sees it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire {
    Connecting {
        link: LinkId,
        deadline: Instant,
        limit: Duration,
    },
    Down,
    /// There is none: each time a request is made.
    Requests,
    /// Open, and when something was last sent.
    Up {
        link: LinkId,
        sent: Instant,
    },
    /// To be connected then.
    Waiting {
        until: Instant,
    },
}

impl Wire {
    pub(super) fn connect(now: Instant, target: Target, ports: &mut Ports) -> Self {
        let limit = target.connect_timeout;
        Self::Connecting { link: ports.open(target), deadline: now + limit, limit }
    }

    pub(super) fn link(&self) -> Option<LinkId> {
        match *self {
            Self::Connecting { link, .. } | Self::Up { link, .. } => Some(link),
            Self::Down | Self::Requests | Self::Waiting { .. } => None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }

    /// Whether something may be asked for.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Requests | Self::Up { .. })
    }

    /// The socket is open.
    pub(super) fn opened(&mut self, now: Instant) {
        if let Self::Connecting { link, .. } = *self {
            *self = Self::Up { link, sent: now };
        }
    }

    pub(super) fn send(&mut self, now: Instant, frame: Frame, ports: &mut Ports) {
        if let Self::Up { link, sent } = self {
            *sent = now;
            ports.send(*link, frame);
        }
    }

    /// Whether nothing was sent for `every`.
    pub(super) fn is_quiet(&self, now: Instant, every: Option<Duration>) -> bool {
        matches!((*self, every), (Self::Up { sent, .. }, Some(every)) if now >= sent + every)
    }

    /// Closes it, if there is one.
    pub(super) fn close(&mut self, ports: &mut Ports) {
        if let Some(link) = self.link() {
            ports.push(Output::Close(link));
        }
        *self = Self::Down;
    }

    /// The socket did not open in time.
    pub(super) fn is_late(&self, now: Instant) -> Option<EngineError> {
        match *self {
            Self::Connecting { deadline, limit, .. } if now >= deadline => {
                Some(EngineError::Late { stage: Stage::Connect, limit })
            }
            _ => None,
        }
    }

    /// When to look again; `every` is how often something must be sent.
    pub(super) fn poll_timeout(&self, every: Option<Duration>) -> Option<Instant> {
        match *self {
            Self::Connecting { deadline: at, .. } | Self::Waiting { until: at } => Some(at),
            Self::Up { sent, .. } => every.map(|every| sent + every),
            Self::Down | Self::Requests => None,
        }
    }
}
