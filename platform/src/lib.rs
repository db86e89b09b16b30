//! Services over the store and the AI providers.

pub mod analysis;
pub mod memory;
