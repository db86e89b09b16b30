//! offhook-load.

fn main() {}
