//! Providers of a cascade, made of plain settings.

use std::sync::Arc;

use media::codec::Codec;

use super::config::{MakeSynthesizer, MakeTranscriber, Member};
use crate::breaker::SharedBreaker;
use crate::engine::EngineError;
use crate::responder::Responder;
use crate::synthesizer::Synthesizer;
use crate::transcriber::Transcriber;
use crate::vendor::{self, ResponderConfig, SynthesizerConfig, TranscriberConfig};

/// That the same settings made a part once; a leg's codec changes nothing of whether they can.
const MADE_BEFORE: &str = "the same settings made one before";

struct Ears(TranscriberConfig);

impl MakeTranscriber for Ears {
    fn make(&self, codec: Codec) -> Box<dyn Transcriber> {
        vendor::transcriber(&TranscriberConfig { codec, ..self.0.clone() }).expect(MADE_BEFORE)
    }
}

struct Voice {
    config: SynthesizerConfig,
    identity: String,
}

impl MakeSynthesizer for Voice {
    fn make(&self, codec: Codec) -> Box<dyn Synthesizer> {
        vendor::synthesizer(&SynthesizerConfig { codec, ..self.config.clone() }).expect(MADE_BEFORE)
    }

    fn voice(&self) -> &str {
        &self.identity
    }
}

impl Member<dyn MakeTranscriber> {
    /// A transcriber of these settings.
    ///
    /// # Errors
    /// As [`vendor::transcriber`].
    pub fn transcriber(config: TranscriberConfig, breaker: Arc<SharedBreaker>) -> Result<Self, EngineError> {
        vendor::transcriber(&config)?;
        Ok(Self { provider: Arc::clone(&config.account.provider), part: Arc::new(Ears(config)), breaker })
    }
}

impl Member<dyn Responder> {
    /// A responder of these settings.
    ///
    /// # Errors
    /// As [`vendor::responder`].
    pub fn responder(config: &ResponderConfig, breaker: Arc<SharedBreaker>) -> Result<Self, EngineError> {
        Ok(Self { provider: Arc::clone(&config.account.provider), part: vendor::responder(config)?, breaker })
    }
}

impl Member<dyn MakeSynthesizer> {
    /// A synthesizer of these settings.
    ///
    /// # Errors
    /// As [`vendor::synthesizer`].
    pub fn synthesizer(config: SynthesizerConfig, breaker: Arc<SharedBreaker>) -> Result<Self, EngineError> {
        vendor::synthesizer(&config)?;
        let (provider, identity) = (Arc::clone(&config.account.provider), config.identity());
        Ok(Self { provider, part: Arc::new(Voice { config, identity }), breaker })
    }
}
