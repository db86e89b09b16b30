//! The ports to AI providers and one module per vendor.
//!
//! An [`engine::Engine`] is the agent's side of one call as a pure core: [`engine::Input`] in, [`engine::Output`] out,
//! time as an argument. [`realtime`] speaks OpenAI Realtime, [`stream`] hands the call to an external bot. What an engine
//! needs from outside goes over [`link`]s. [`transcriber`], [`responder`] and [`synthesizer`] are the ports of a cascade's
//! stages; [`vendor`] knows who serves them. [`media_streams`] is the wire
//! protocol of Twilio Media Streams, and [`tools`] what the model may do besides talking. [`prompt`] is what a model is told before a
//! call, [`language`] which one it is held in, and [`remark`] what the agent says though nobody asked.
//!
//! Nothing here decides whose turn it is (that is `media::turn`), paces audio (`media::sendout`) or transcodes the
//! leg's G.711.

pub mod anthropic;
pub mod breaker;
pub mod cartesia;
pub mod cascade;
pub mod deepgram;
pub mod elevenlabs;
pub mod engine;
pub mod espeak;
mod heard;
mod json;
mod keypad;
pub mod knowledge;
pub mod language;
pub mod link;
pub mod media_streams;
pub mod net;
pub mod offline;
pub mod openai;
pub mod prompt;
pub mod realtime;
pub mod redact;
pub mod remark;
pub mod responder;
pub mod secret;
pub mod speakable;
pub mod speech_cache;
pub mod stream;
pub mod synthesizer;
pub mod tools;
pub mod transcriber;
mod uplink;
pub mod vendor;
