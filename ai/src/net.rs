//! What of the network is ours to guard: where requests that others word may go.

pub mod guard;
