//! Every actor of Offhook, their bounded mailboxes, their supervision, and the media clock.
//!
//! [`node::start`] opens a node: the root actor, and under it SIP, the calls and the database queue. What decides is in the pure
//! crates `sip` and `media` and in the engines of `ai`; an actor feeds its core one input, drains it, and carries out what came
//! out. This crate knows no HTTP, and reads neither files of configuration nor the environment.

pub mod ai_session;
mod alarm;
pub mod bridge;
pub mod call;
pub mod calls;
pub mod capture;
pub mod clock;
pub mod conference;
pub mod config;
mod cpu;
mod directory;
#[cfg(feature = "fault-injection")]
pub mod fault;
mod hearing;
pub mod identity;
pub mod jitter_buffer;
pub mod kind;
pub mod leg;
pub mod mailbox;
pub mod media_threads;
mod metric;
pub mod node;
pub mod recall;
pub mod recorder;
mod recovery;
pub mod route;
pub mod shared;
pub mod sip_endpoint;
pub mod spend;
pub mod store;
pub mod supervision;
pub mod trace;
pub mod trunk;
pub mod turn;
pub mod vad;
pub mod webrtc;
pub mod worker;
