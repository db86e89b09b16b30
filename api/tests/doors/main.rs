//! The front doors from outside: requests by `oneshot`, streams over loopback sockets.

#![allow(clippy::unwrap_used)]

mod calls;
mod dashboard;
mod directory;
mod fake;
mod http;
mod injection;
mod knowledge;
mod people;
mod privacy;
mod real_server;
mod real_sessions;
mod real_stream;
mod told;
mod v1;
mod webhooks;
mod webrtc;
