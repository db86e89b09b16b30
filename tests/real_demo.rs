//! `offhook demo` as a person runs it: the whole conversation is shown, and nothing is left behind.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

#[test]
fn the_demo_shows_a_conversation_with_its_latency_and_leaves_nothing_behind() {
    let folder = support::Folder::new();
    // The programs that it starts lie beside it.
    support::program("offhook-load");
    support::program("offhook-sim");
    let output = Command::new(env!("CARGO_BIN_EXE_offhook"))
        .arg("demo")
        .current_dir(folder.path())
        .env_remove("OPENAI_API_KEY")
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let (text, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{errors}{text}");
    assert_eq!(text.matches("= gap").count(), 4, "{text}");
    for said in ["Hello, this is Offhook. How can I help?", "caller  Ask not\n", "agent   What should I not ask?\n"] {
        assert!(text.contains(said), "{text}");
    }
    assert!(text.contains("ended: caller_hangup"), "{text}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
