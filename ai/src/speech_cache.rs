//! Speech that was made before.
