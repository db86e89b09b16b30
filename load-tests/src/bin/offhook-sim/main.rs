//! offhook-sim.

fn main() {}
