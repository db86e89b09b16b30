//! What is measured: each part of a call is defined once, for its time and for its instructions.

use std::time::Duration;

/// One part at work, and what it may cost.
pub struct Workload {
    /// As in `instructions.toml` and on the command line.
    pub name: &'static str,
    /// What one iteration does.
    pub what: &'static str,
    /// Time of one iteration on one core.
    pub budget: Duration,
    /// Iterations whose instructions are counted: a whole number of its cycles, and enough for what varies to even out.
    pub counted: u64,
    /// Makes what the iterations need.
    pub start: fn() -> Step,
}

/// Does one iteration.
pub type Step = Box<dyn FnMut()>;

/// All parts that this build has.
pub fn all() -> impl Iterator<Item = &'static Workload> {
    let parts = [
        crate::signalling::WORKLOADS,
        crate::audio::WORKLOADS,
        crate::coding::WORKLOADS,
        crate::background::WORKLOADS,
        crate::bridging::WORKLOADS,
        crate::hearing::WORKLOADS,
        crate::wire::WORKLOADS,
        crate::mailbox::WORKLOADS,
    ];
    parts.into_iter().flatten()
}

/// The part of this name.
pub fn find(name: &str) -> Option<&'static Workload> {
    all().find(|workload| workload.name == name)
}
