//! A provider at work for a call, and the way to it: what the first and the last stage have in common.

use std::time::{Duration, Instant};

use media::codec::Codec;

use super::chain::{Chain, Verdict};
use super::config::{MakeSynthesizer, MakeTranscriber};
use super::ports::{Ports, Wire};
use crate::engine::{EngineError, Output, Words};
use crate::link::{Frame, Target};
use crate::synthesizer::Synthesizer;
use crate::transcriber::{Intake, Transcriber};

/// How a provider is reached.
pub(super) enum Way {
    /// A request each time, as this one, which is not made.
    Requests(Target),
    /// One socket.
    Socket(Target),
}

/// What a stage is made of for one call.
pub(super) trait Part {
    /// How it is reached.
    fn way(&self, codec: Codec) -> Result<Way, EngineError>;

    /// What keeps its socket open, and how often.
    fn alive(&self) -> Option<(Duration, Frame)>;
}

impl Part for dyn Transcriber {
    fn way(&self, codec: Codec) -> Result<Way, EngineError> {
        match self.intake() {
            Intake::Utterances => self.request(codec, &[]).map(Way::Requests),
            Intake::Continuous | Intake::Turns => self.socket().map(Way::Socket),
        }
    }

    fn alive(&self) -> Option<(Duration, Frame)> {
        self.keep_alive()
    }
}

impl Part for dyn Synthesizer {
    fn way(&self, _codec: Codec) -> Result<Way, EngineError> {
        match self.socket()? {
            Some(target) => Ok(Way::Socket(target)),
            None => self.request(&Words::from("Hello.")).map(Way::Requests),
        }
    }

    fn alive(&self) -> Option<(Duration, Frame)> {
        self.keep_alive()
    }
}

/// What makes a part for a call.
pub(super) trait Make<P: ?Sized> {
    /// One for a leg that speaks `codec`.
    fn part(&self, codec: Codec) -> Box<P>;
}

impl Make<dyn Transcriber> for dyn MakeTranscriber {
    fn part(&self, codec: Codec) -> Box<dyn Transcriber> {
        self.make(codec)
    }
}

impl Make<dyn Synthesizer> for dyn MakeSynthesizer {
    fn part(&self, codec: Codec) -> Box<dyn Synthesizer> {
        self.make(codec)
    }
}

/// The provider of a stage that works now.
pub(super) struct Post<M: ?Sized, P: ?Sized> {
    pub(super) chain: Chain<M>,
    pub(super) part: Box<P>,
    pub(super) wire: Wire,
    pub(super) codec: Codec,
    /// How often its socket must be sent something.
    alive_every: Option<Duration>,
}

impl<M: Make<P> + ?Sized, P: Part + ?Sized> Post<M, P> {
    /// The first of the chain, which is not connected yet.
    pub(super) fn new(chain: Chain<M>, codec: Codec) -> Self {
        let part = chain.part().part(codec);
        let alive_every = part.alive().map(|(every, _)| every);
        Self { chain, part, wire: Wire::Down, codec, alive_every }
    }

    /// Takes the provider that is chosen now, which is not connected yet.
    pub(super) fn remake(&mut self) {
        self.part = self.chain.part().part(self.codec);
        self.alive_every = self.part.alive().map(|(every, _)| every);
    }

    /// Gets the way to the provider ready.
    ///
    /// # Errors
    /// What only the operator can mend; the provider has failed.
    pub(super) fn connect(&mut self, now: Instant, ports: &mut Ports) -> Result<(), EngineError> {
        self.wire = match self.part.way(self.codec)? {
            Way::Requests(target) => {
                ports.push(Output::Warm { url: target.url });
                Wire::Requests
            }
            Way::Socket(target) => Wire::connect(now, target, ports),
        };
        Ok(())
    }

    /// The provider failed. True when the next is to begin now.
    pub(super) fn failed(&mut self, now: Instant, error: EngineError, ports: &mut Ports) -> bool {
        self.wire.close(ports);
        match self.chain.failed(now, error, ports) {
            Verdict::Retry(until) => self.wire = Wire::Waiting { until },
            Verdict::Next => return true,
            Verdict::Exhausted => {}
        }
        false
    }

    /// Whether a wait is over, and the provider to be connected again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.wire, Wire::Waiting { until } if now >= until)
    }

    /// Whether it is time to look again for somebody who may be asked.
    pub(super) fn must_look(&self, now: Instant) -> bool {
        self.chain.look_at().is_some_and(|at| now >= at)
    }

    /// Keeps a socket open that nothing was sent over for a while.
    pub(super) fn keep_alive(&mut self, now: Instant, ports: &mut Ports) {
        if self.wire.is_quiet(now, self.alive_every)
            && let Some((_, frame)) = self.part.alive()
        {
            self.wire.send(now, frame, ports);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.wire.poll_timeout(self.alive_every), self.chain.look_at()].into_iter().flatten().min()
    }
}
