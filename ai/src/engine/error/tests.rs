//! Every error, as a table.

use super::*;

fn every_error() -> Vec<EngineError> {
    let text = || "x".to_owned();
    let limit = Duration::from_millis(1_500);
    vec![
        EngineError::Closed { code: Some(1001), reason: text() },
        EngineError::Closed { code: None, reason: text() },
        EngineError::Configuration { code: text(), message: text() },
        EngineError::HalfOpen { silent: Duration::from_secs(40) },
        EngineError::Key { code: "401".to_owned() },
        EngineError::Late { stage: Stage::Connect, limit },
        EngineError::Late { stage: Stage::FirstAudio, limit },
        EngineError::Late { stage: Stage::NextAudio, limit },
        EngineError::Late { stage: Stage::Write, limit },
        EngineError::LeftAlone { wait: limit },
        EngineError::Network { reason: text() },
        EngineError::Overloaded { status: 503 },
        EngineError::Protocol { reason: text() },
        EngineError::Quota { code: text() },
        EngineError::RateLimited { retry_after: None },
        EngineError::Reported { code: text(), message: text() },
        EngineError::SessionExpired,
        EngineError::Synthesizer { reason: text() },
        EngineError::Transcription { code: text() },
        EngineError::Url { url: text(), reason: "y" },
    ]
}

#[test]
fn each_error_says_whose_fault_it_is_and_whether_it_may_pass() {
    let table: Vec<String> = every_error()
        .iter()
        .map(|error| {
            let temporary = if error.is_temporary() { "may pass" } else { "stays" };
            format!("{:?} {} {temporary}: {error}", error.fault(), error.kind())
        })
        .collect();
    assert_eq!(
        table,
        [
            "Network closed may pass: connection closed (1001): x",
            "Network closed may pass: connection closed (no code): x",
            "Operator configuration stays: provider refuses the configuration (x): x",
            "Network half_open may pass: no answer to a ping for 40 s",
            "Operator key stays: provider refuses the key (401)",
            "Network connect_timeout stays: Connect took longer than 1500 ms",
            "Provider first_audio_timeout stays: FirstAudio took longer than 1500 ms",
            "Provider next_audio_timeout stays: NextAudio took longer than 1500 ms",
            "Network write_timeout may pass: Write took longer than 1500 ms",
            "Provider left_alone may pass: left alone for 1500 ms more after failures",
            "Network network may pass: connection failed: x",
            "Provider overloaded may pass: provider is unavailable (http 503)",
            "Provider protocol may pass: provider broke the protocol: x",
            "Operator quota stays: provider account cannot pay (x)",
            "Provider rate_limited may pass: provider limits the rate",
            "Provider reported may pass: provider failed (x): x",
            "Provider session_expired may pass: provider session expired",
            "Operator synthesizer stays: speech synthesizer failed: x",
            "Provider transcription may pass: transcription failed (x)",
            "Operator url stays: base url x: y",
        ]
    );
}
