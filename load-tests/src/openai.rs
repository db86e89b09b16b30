//! Simulator of the OpenAI Realtime API (GA, WebSocket): the provider's side of a call, without a network or a key.
//!
//! Written from the wire facts alone, without the server's own types, so that the two check each other. It refuses what
//! the real service refuses. [`Session`] is a pure core: one input, then drain; [`Simulator`] gives it sockets.

mod input;
mod response;
mod script;
mod server;
mod session;
mod settings;
mod voice;

pub use script::{Answer, Fault, Script, Tool, Turn};
pub use server::{FaultPlan, SimOptions, Simulator};
pub use session::{Output, Session};
