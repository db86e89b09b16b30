//! The offhook server.

fn main() {}
