//! Real child processes: espeak-ng where it is installed, and programs that misbehave in its place.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ai::espeak::{Espeak, SpeakError};
use media::units::Dbov;

/// A shell script in the place of espeak-ng, removed at the end of the test.
struct Fake(PathBuf);

impl Fake {
    fn new(name: &str, script: &str) -> Self {
        let path = std::env::temp_dir().join(format!("offhook-espeak-{}-{name}", std::process::id()));
        // Written by a process of its own: a child that another test forks meanwhile would inherit our descriptor,
        // and what somebody has open for writing cannot be run.
        let write = ["-c", "umask 077; printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 700 \"$0\""];
        let written = std::process::Command::new("sh").args(write).arg(&path).arg(script).status().unwrap();
        assert!(written.success(), "{} was not written", path.display());
        Self(path)
    }

    async fn speak(&self, text: &str) -> Result<Arc<[i16]>, SpeakError> {
        Espeak::new(self.0.to_str().unwrap()).synthesize(text, "en-us", 175).await
    }

    async fn fails(&self) -> String {
        let spoken = self.speak("hello").await.map(|speech| speech.len());
        let error = spoken.unwrap_err().to_string();
        error.replace(self.0.to_str().unwrap(), "fake")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Octal escapes of a WAV header, 16-bit mono at 8 kHz.
const HEADER: &str = r"RIFF\044\360\377\177WAVEfmt \020\0\0\0\001\0\001\0\100\037\0\0\200\076\0\0\002\0\020\0data\0\360\377\177";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_espeak_speaks_and_repeats_itself_from_memory() {
    let espeak = Arc::new(Espeak::default());
    let text = "Hello, how can I help you?";
    let speech = match espeak.synthesize(text, "en-us", 175).await {
        Err(SpeakError::Missing { program }) => {
            return println!("skipped: {program} is not installed");
        }
        other => other.unwrap(),
    };
    let (seconds, level) = (speech.len() as f32 / 8_000.0, Dbov::of(&speech).0);
    assert!((1.0..4.0).contains(&seconds), "seven syllables took {seconds} s");
    assert!((-24.0..-18.0).contains(&level), "{level} dBov, pauses included");
    assert!(speech.iter().any(|sample| sample.unsigned_abs() > 3_000));

    let again = espeak.synthesize(text, "en-us", 175).await.unwrap();
    assert!(Arc::ptr_eq(&speech, &again));
    let slower = espeak.synthesize(text, "en-us", 100).await.unwrap();
    assert!(slower.len() > speech.len() * 5 / 4, "{} against {}", slower.len(), speech.len());

    let unknown = espeak.synthesize(text, "xx-none", 175).await;
    let error = unknown.map(|speech| speech.len()).unwrap_err().to_string();
    assert!(error.starts_with("espeak-ng failed (exit status: 1): Error: The specified espeak-ng voice"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_hundred_calls_with_one_greeting_start_two_programs_at_most() {
    let counter = std::env::temp_dir().join(format!("offhook-espeak-{}-count", std::process::id()));
    let script = format!("echo run >> {}; cat > /dev/null; printf '{HEADER}'; yes | head -c 4000", counter.display());
    let fake = Fake::new("greeting", &script);
    let espeak = Arc::new(Espeak::new(fake.0.to_str().unwrap()));
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let espeak = Arc::clone(&espeak);
            tokio::spawn(async move { espeak.synthesize("hello", "en-us", 175).await.map(|speech| speech.len()) })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 2_000);
    }
    let runs = std::fs::read_to_string(&counter).unwrap().lines().count();
    let _ = std::fs::remove_file(&counter);
    assert!((1..=2).contains(&runs), "{runs} runs, as many as may run at once");
}

#[tokio::test]
async fn real_text_goes_in_by_stdin_and_not_by_arguments() {
    let script =
        format!("case \"$*\" in *secret*) exit 3;; esac; grep -q '^secret$' || exit 4; printf '{HEADER}'; yes | head -c 4000");
    assert_eq!(Fake::new("stdin", &script).speak("secret").await.unwrap().len(), 2_000);
}

#[tokio::test]
async fn real_failures_are_named() {
    let fails = Fake::new("fails", "echo no such voice >&2; exit 1");
    assert_eq!(fails.fails().await, "fake failed (exit status: 1): no such voice");
    let silent = Fake::new("silent", "exit 2");
    assert_eq!(silent.fails().await, "fake failed (exit status: 2): no message");
    let chatty = Fake::new("chatty", "cat > /dev/null; echo this is not a sound file, it is only a line of text");
    assert_eq!(chatty.fails().await, "fake gave no speech: not a WAV file");
    let directory = Espeak::new("/").synthesize("hello", "en", 175).await.unwrap_err();
    assert_eq!(directory.to_string(), "/ cannot be run: Permission denied (os error 13)");
}

#[tokio::test]
async fn real_endless_speech_is_cut() {
    let endless = Fake::new("endless", &format!("printf '{HEADER}'; yes"));
    let speech = endless.speak("hello").await.unwrap();
    assert_eq!(speech.len(), (120 * 22_050 * 2 - 44) / 2);
}

#[tokio::test]
async fn real_hanging_program_is_given_up_and_killed() {
    let hanging = Fake::new("hanging", "exec sleep 600");
    let start = Instant::now();
    assert_eq!(hanging.speak("hello").await, Err(SpeakError::Late));
    let took = start.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(8)).contains(&took), "{took:?}");
}
