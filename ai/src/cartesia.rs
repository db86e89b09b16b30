//! Cartesia: Sonic speaks, Ink writes down what the caller says.

pub mod ink;
pub mod sonic;

use media::codec::Codec;

/// The codec's name.
fn encoding(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcma => "pcm_alaw",
        Codec::Pcmu => "pcm_mulaw",
    }
}
