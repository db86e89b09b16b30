//! Campaigns: people on a list are called one after the other, at times that suit them, and nobody twice by mistake.
//!
//! ```text
//! list (CSV) ──► list ──► contacts ──┐
//!                                    ├─► plan: (now, what is under way) ──► whom to dial, who waits until when
//! settings: windows, pace, retries ──┘          │
//! claim: the attempt is on the record ──► Dialer ──► call ──► its record ──► retry: again, or done
//! ```
//! What is decided is decided by pure functions: [`plan`], [`window`], [`retry`], [`list`], [`phone`]. The [`Runner`] alone has a clock.

pub mod csv;
mod dial;
pub mod list;
pub mod opt_out;
pub mod phone;
pub mod plan;
pub mod retry;
mod runner;
pub mod settings;
pub mod window;
pub mod zones;

pub use dial::{DialWish, Dialed, Dialer, OnMachine};
pub use opt_out::OptOutTool;
pub use runner::Runner;
pub use settings::{MachineAction, Settings};

#[cfg(test)]
mod tests;
