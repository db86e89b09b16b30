//! Services over the store and the AI providers: what the API, the command line and the calls ask for, and no call runs in.
//!
//! [`knowledge`] is the knowledge base: documents in, passages out. [`analysis`] looks at calls after their end, and [`memory`]
//! is what is known of callers. [`billing`] is what usage costs, [`campaigns`] calls people on lists. [`events`] hands on what happens
//! to those who listen, [`webhooks`] to those who are told. [`privacy`] gives out and erases what is known of a person, [`retention`]
//! forgets what is too old, and an [`archive`] is a file that shows whether it is whole. Nothing here knows SIP, audio or HTTP routes.

pub mod analysis;
pub mod archive;
pub mod billing;
pub mod campaigns;
pub mod events;
pub mod knowledge;
pub mod memory;
pub mod people;
pub mod privacy;
pub mod retention;
pub mod sessions;
pub mod webhooks;
