//! Virtual callers and provider simulators: what the binaries `offhook-load`, `offhook-sim` and `offhook-bot` are made of.
//!
//! It never talks to anything but the target it was given, and to that only on loopback unless its owner says so. The
//! wire formats of Twilio and of the AI providers are written here a second time, from their facts, so that the server is not
//! checked against itself. Start at [`simulator::Simulator`].

pub mod api_load;
pub mod arrivals;
pub mod bot;
pub mod caller;
mod crowd;
pub mod datagrams;
pub mod ear;
mod http;
pub mod impair;
pub mod mark;
pub mod monitor;
pub mod mouth;
pub mod narrate;
mod pace;
pub mod plan;
pub mod player;
mod prepared;
pub mod process;
pub mod report;
pub mod rtp;
pub mod schedule;
pub mod simulator;
pub mod sip_caller;
pub mod slo;
pub mod speech;
mod talk;
pub mod tally;
pub mod twilio_caller;
pub mod ws_caller;
