//! What of the network is ours to guard: which addresses there are, and where requests that others word may go.

pub mod address;
pub mod certificates;
pub mod guard;
