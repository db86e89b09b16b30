//! What is refused before a process is started, and what happens when there is no program.

#![allow(clippy::unwrap_used)]

use super::*;

async fn refused(text: &str, voice: &str, rate: u16) -> String {
    Espeak::new("no-such-program").synthesize(text, voice, rate).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let expected = "no-such-program is not installed (on Debian: apt install espeak-ng)";
    assert_eq!(refused("hello", "en-us", 175).await, expected);
    let error = EngineError::from(SpeakError::Missing { program: "espeak-ng".to_owned() });
    assert_eq!(error.to_string(), "speech synthesizer failed: espeak-ng is not installed (on Debian: apt install espeak-ng)");
}

#[tokio::test]
async fn text_voice_and_rate_are_checked_first() {
    assert_eq!(refused(" \n", "en", 175).await, "text of 2 bytes is outside 1 to 2000");
    assert_eq!(refused(&"a".repeat(2_001), "en", 175).await, "text of 2001 bytes is outside 1 to 2000");
    assert_eq!(refused("a", "en", 79).await, "rate 79 is outside 80 to 450 words a minute");
    for voice in ["", "--path=/tmp", "-w", "../en", "en us", "en;ls"] {
        let expected = format!("voice {voice:?} is not a name such as \"en-us\" or \"de+f2\"");
        assert_eq!(refused("a", voice, 175).await, expected);
    }
}
