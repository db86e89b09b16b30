//! Deepgram: Nova and Flux write down what the caller says, Aura speaks.

pub mod aura;
pub mod flux;
pub mod listen;

use media::codec::Codec;

/// The codec's name in a query.
fn encoding(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcma => "alaw",
        Codec::Pcmu => "mulaw",
    }
}
