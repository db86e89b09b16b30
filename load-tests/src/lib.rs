//! Virtual callers and provider simulators.
