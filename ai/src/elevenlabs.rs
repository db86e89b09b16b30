//! ElevenLabs: speech over one socket with a context for each piece, and Scribe, which writes down what the caller says.

pub mod scribe;
pub mod speech;
