//! Cartesia: Sonic speaks, Ink writes down what the caller says.

pub mod ink;
pub mod sonic;

use media::codec::Codec;
use serde::Deserialize;

use crate::engine::EngineError;
use crate::json::Field;
use crate::vendor::{by_status, read};

/// The codec's name.
fn encoding(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcma => "pcm_alaw",
        Codec::Pcmu => "pcm_mulaw",
    }
}

/// What a message of type `error` says.
#[derive(Deserialize)]
struct Complaint<'a> {
    #[serde(borrow, default)]
    status_code: Field<'a>,
    #[serde(borrow, default)]
    title: Field<'a>,
    #[serde(borrow, default)]
    message: Field<'a>,
    #[serde(borrow, default)]
    error: Field<'a>,
    #[serde(borrow, default)]
    error_code: Field<'a>,
}

/// What such a message means.
fn fault(text: &str) -> EngineError {
    read::<Complaint<'_>>(text).map_or_else(
        |error| error,
        |told| {
            let message = [&told.message, &told.error, &told.title].into_iter().find_map(Field::text);
            by_status(told.status_code.number(), told.error_code.text().unwrap_or("error"), message.unwrap_or_default())
        },
    )
}
