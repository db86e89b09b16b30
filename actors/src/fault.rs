//! Faults that a test injects into a running actor. Only with the feature `fault-injection`.

/// How an actor is made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The handler returns an error.
    Error,
    /// The handler panics.
    Panic,
}

impl Fault {
    /// Carries the fault out.
    ///
    /// # Errors
    /// Always, unless it panics first: that is its purpose.
    pub(crate) fn strike(self) -> Result<(), ractor::ActorProcessingErr> {
        match self {
            Self::Error => Err("injected error".into()),
            Self::Panic => panic!("injected panic"),
        }
    }
}
