//! What an assistant says though nobody asked.

use ai::remark::Occasion;

use super::*;

/// What is said to a silent caller, and in farewell; empty: the model's own words.
fn check_said(assistant: &str, expected: [&str; 2]) {
    let config = load(&format!("[[assistants]]\nname = \"a\"\n{assistant}"), &[]);
    let phrases = &config.assistant("a").unwrap().phrases;
    assert_eq!([Occasion::StillThere, Occasion::Farewell].map(|occasion| phrases.text(occasion)), expected, "{assistant}");
}

#[test]
fn phrases_follow_the_language_unless_they_are_written() {
    check_said("", ["Are you still there?", "Goodbye."]);
    check_said("language = \"de\"", ["Sind Sie noch da?", "Auf Wiederhören."]);
    check_said("language = \"auto\"", ["", ""]);
    let own = "language = \"cy\"\n[assistants.phrases]\nstill_there = \"Helo?\"";
    check_said(own, ["Helo?", ""]);
    check_said("[assistants.phrases]\nstill_there = \"\"\ngoodbye = \"Bye.\"", ["", "Bye."]);
}

#[test]
fn a_phrase_is_not_a_speech() {
    check(
        &format!("[[assistants]]\nname = \"a\"\n[assistants.phrases]\nclosing = \"{}\"", "x".repeat(2_001)),
        "assistants[0].phrases.closing: 2001 bytes are above 2000",
    );
}
