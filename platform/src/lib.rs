//! Services over the store and the AI providers.
