//! SIP as pure state machines: messages, transactions, dialogs, SDP.
//!
//! Bytes and time go in, bytes and events come out: no clock, socket, task or lock is in here, and randomness comes from a
//! seed. The main types are [`endpoint::Endpoint`], which is a whole user agent, [`message::Message`], which is what goes
//! over the wire, and [`sdp::Negotiated`], which is what two sides agreed to say to each other.
//!
//! It refuses to be a registrar, a proxy or a presence server. It asks nobody: [`locate`] decides what is to be asked of the DNS, and
//! whoever has sockets does it.

pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod flow;
pub mod guard;
pub mod identity;
pub mod keepalive;
pub mod locate;
pub mod message;
pub mod reason;
pub mod registration;
pub mod replaces;
pub mod sdp;
pub mod sipfrag;
pub mod trace;
pub mod transaction;
pub mod uri;
