//! What an error of the server means for the session: one table.

use super::frames;
use super::wire::Fault;
use crate::engine::EngineError;
use crate::json::line;

/// What to do about it.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// A response is active that we do not know of: wait for its end and ask again.
    Busy,
    /// The response to cancel had ended already.
    CancelTooLate,
    /// The session cannot go on.
    Fatal(EngineError),
    /// It changes nothing.
    Harmless,
    /// The session goes on; a response that this is about does not.
    Report(EngineError),
    /// The session is over; a new one may begin.
    SessionOver,
}

pub(super) fn judge(fault: &Fault<'_>) -> Verdict {
    let code = || line(if fault.code.is_empty() { &fault.kind } else { &fault.code });
    match &*fault.code {
        "response_cancel_not_active" => Verdict::CancelTooLate,
        "conversation_already_has_active_response" => Verdict::Busy,
        "input_audio_buffer_commit_empty" => Verdict::Harmless,
        "session_expired" => Verdict::SessionOver,
        "insufficient_quota" | "billing_hard_limit_reached" => Verdict::Fatal(EngineError::Quota { code: code() }),
        "invalid_api_key" | "account_deactivated" => Verdict::Fatal(EngineError::Key { code: code() }),
        "beta_api_shape_disabled" | "model_not_found" => Verdict::Fatal(configuration(fault, code())),
        "rate_limit_exceeded" => Verdict::Report(EngineError::RateLimited { retry_after: None }),
        // Without its session.update the session would speak another format.
        _ if fault.event_id == frames::SESSION_UPDATE_ID => Verdict::Fatal(configuration(fault, code())),
        _ => Verdict::Report(EngineError::Reported { code: code(), message: line(&fault.message) }),
    }
}

fn configuration(fault: &Fault<'_>, code: String) -> EngineError {
    EngineError::Configuration { code, message: line(&fault.message) }
}
