//! Simulator of the AI providers, and of a payment service: their side of a call, without a network or a key.
//!
//! One process and one port for all of them, told apart by path, so that the server's `base_url` of each points at it
//! ([`Simulator::url_for`]). Written from the wire facts alone, without the server's own types, so that the two check each
//! other. It refuses what the real services refuse. What is heard and said comes from one [`Script`].
//!
//! Every WebSocket protocol is a pure core (`socket::Core`): one input, then drain. Every HTTP answer is a list of parts
//! with the time of each after its request (`answer::Answer`). Only `server` and `socket` know sockets.

mod answer;
mod anthropic;
mod brain;
mod cartesia;
mod deepgram;
mod elevenlabs;
mod faults;
mod hearing;
mod log;
mod openai;
mod provider;
mod query;
mod realtime;
mod route;
mod script;
mod server;
mod socket;
mod sound;
mod speaker;
mod speech_once;
#[cfg(test)]
mod story;
mod stripe;

pub use faults::{Fault, FaultPlan, Stage};
pub use log::Request;
pub use provider::Provider;
pub use script::{Answer, Pace, Reply, Script, Tool, Turn};
pub use server::{SimOptions, Simulator};
