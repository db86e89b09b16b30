//! What a provider's answer other than success means, to a request or to the upgrade of a socket.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio_tungstenite::tungstenite::http::header::RETRY_AFTER;
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};

use crate::engine::EngineError;
use crate::json::line;

/// Codes that say that the account cannot pay, whatever the status: OpenAI, ElevenLabs, Anthropic.
const UNPAID: [&str; 6] = [
    "account_deactivated",
    "billing_error",
    "billing_hard_limit_reached",
    "insufficient_quota",
    "payment_required",
    "quota_exceeded",
];

/// The longest wait that `retry-after` may ask for: beyond, the number is not to be believed.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// What `status` and the beginning of its body mean.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, body: &str) -> EngineError {
    let told = Told::read(headers, body);
    let by_status = || status.as_str().to_owned();
    if let Some(code) = told.unpaid() {
        return EngineError::Quota { code };
    }
    match status.as_u16() {
        401 | 403 => EngineError::Key { code: told.code.unwrap_or_else(by_status) },
        402 => EngineError::Quota { code: told.code.unwrap_or_else(by_status) },
        // 498: Groq's flexible tier is full.
        429 | 498 => EngineError::RateLimited { retry_after: retry_after(headers) },
        // What may work when it is tried again: too slow, in conflict, or a call of a tool that the model wrote badly (Groq).
        408 | 409 => EngineError::Reported { code: told.code.unwrap_or_else(by_status), message: told.message },
        400 if told.code.as_deref() == Some("tool_use_failed") => {
            EngineError::Reported { code: "tool_use_failed".to_owned(), message: told.message }
        }
        status @ 500.. => EngineError::Overloaded { status },
        _ => EngineError::Configuration { code: told.code.unwrap_or_else(by_status), message: told.message },
    }
}

/// `retry-after-ms` (OpenAI), or `retry-after` in seconds. A date is not read: no provider here sends one.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1_000.0).or_else(|| number(RETRY_AFTER.as_str()))?;
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| *wait <= LONGEST_WAIT)
}

/// What a body says, in the words of any provider.
struct Told {
    code: Option<String>,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    /// OpenAI, Groq, Anthropic: an object. Cartesia: a text.
    error: Value,
    code: Value,
    /// ElevenLabs: an object, or a list of what is wrong with the request.
    detail: Value,
    /// Deepgram.
    err_code: Value,
    err_msg: Value,
    category: Value,
    /// Deepgram, Cartesia.
    message: Value,
    error_code: Value,
    title: Value,
}

impl Told {
    fn read(headers: &HeaderMap, body: &str) -> Self {
        let body = body.trim();
        let Ok(told) = serde_json::from_str::<Body>(body) else {
            // Deepgram tells of a refused upgrade in a header too.
            let header = headers.get("dg-error").and_then(|value| value.to_str().ok()).unwrap_or_default();
            return Self { code: None, message: line(if body.is_empty() { header } else { body }) };
        };
        let detail = if told.detail.is_array() { &told.detail[0] } else { &told.detail };
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(line);
        let code = [
            &told.error["code"],
            &told.error["type"],
            &told.code,
            &detail["status"],
            &told.err_code,
            &told.category,
            &told.error_code,
        ];
        let message = [
            &told.error["message"],
            &told.error,
            &detail["message"],
            &detail["msg"],
            detail,
            &told.err_msg,
            &told.message,
            &told.title,
        ];
        Self { code: code.into_iter().find_map(text), message: message.into_iter().find_map(text).unwrap_or_else(|| line(body)) }
    }

    fn unpaid(&self) -> Option<String> {
        let code = self.code.clone().unwrap_or_default();
        // Anthropic says so as an invalid request.
        let spent = self.message.contains("credit balance is too low");
        (UNPAID.contains(&code.as_str()) || spent).then_some(code)
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

    use super::*;

    fn check(status: u16, header: &str, body: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header.split_once(": ") {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap_or(RETRY_AFTER);
            headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        }
        let status = StatusCode::from_u16(status).unwrap_or_default();
        assert_eq!(format!("{:?}", refusal(status, &headers, body)), expected);
    }

    #[test]
    fn refusals_say_whose_fault_it_is() {
        check(401, "", "", r#"Key { code: "401" }"#);
        check(403, "", "", r#"Key { code: "403" }"#);
        check(402, "", "", r#"Quota { code: "402" }"#);
        check(404, "", "no such model\nx", r#"Configuration { code: "404", message: "no such model" }"#);
        check(413, "", "", r#"Configuration { code: "413", message: "" }"#);
        check(302, "", "", r#"Configuration { code: "302", message: "" }"#);
        check(408, "", "", r#"Reported { code: "408", message: "" }"#);
        for status in [500, 503, 529] {
            check(status, "", "{}", &format!("Overloaded {{ status: {status} }}"));
        }
    }

    #[test]
    fn a_rate_limit_says_for_how_long() {
        check(429, "retry-after: 7", "", "RateLimited { retry_after: Some(7s) }");
        check(429, "retry-after: soon", "", "RateLimited { retry_after: None }");
        check(429, "retry-after: -1", "", "RateLimited { retry_after: None }");
        check(429, "retry-after: 1e30", "", "RateLimited { retry_after: None }");
        check(429, "retry-after-ms: 250", "", "RateLimited { retry_after: Some(250ms) }");
        check(498, "", "", "RateLimited { retry_after: None }");
    }

    #[test]
    fn each_provider_has_its_own_words() {
        let openai = r#"{"error":{"message":"The model `x` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#;
        check(404, "", openai, r#"Configuration { code: "model_not_found", message: "The model `x` does not exist" }"#);
        let anthropic = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
        check(529, "", anthropic, "Overloaded { status: 529 }");
        let elevenlabs = r#"{"detail":{"status":"invalid_api_key","message":"Invalid API key"}}"#;
        check(401, "", elevenlabs, r#"Key { code: "invalid_api_key" }"#);
        let list = r#"{"detail":[{"loc":["body","text"],"msg":"Field required","type":"missing"}]}"#;
        check(422, "", list, r#"Configuration { code: "422", message: "Field required" }"#);
        let deepgram = r#"{"err_code":"Bad Request","err_msg":"No such model","request_id":"r"}"#;
        check(400, "", deepgram, r#"Configuration { code: "Bad Request", message: "No such model" }"#);
        let newer = r#"{"category":"INVALID_JSON","message":"Invalid JSON submitted.","details":"..","request_id":"r"}"#;
        check(400, "", newer, r#"Configuration { code: "INVALID_JSON", message: "Invalid JSON submitted." }"#);
        check(400, "dg-error: bad encoding", "", r#"Configuration { code: "400", message: "bad encoding" }"#);
        let cartesia = r#"{"title":"Voice not found","message":"no voice x","error_code":"voice_not_found","request_id":"r"}"#;
        check(404, "", cartesia, r#"Configuration { code: "voice_not_found", message: "no voice x" }"#);
        check(400, "", r#"{"error":"bad voice"}"#, r#"Configuration { code: "400", message: "bad voice" }"#);
        let groq = r#"{"error":{"message":"Failed to call a function","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"x"}}"#;
        check(400, "", groq, r#"Reported { code: "tool_use_failed", message: "Failed to call a function" }"#);
        check(400, "", "[1]", r#"Configuration { code: "400", message: "[1]" }"#);
        check(400, "", r#"{"error":7}"#, r#"Configuration { code: "400", message: "{\"error\":7}" }"#);
    }

    #[test]
    fn an_account_that_cannot_pay_is_told_whatever_the_status() {
        let openai =
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        check(429, "retry-after: 7", openai, r#"Quota { code: "insufficient_quota" }"#);
        let elevenlabs = r#"{"detail":{"status":"quota_exceeded","message":"This request exceeds your quota"}}"#;
        check(401, "", elevenlabs, r#"Quota { code: "quota_exceeded" }"#);
        let anthropic = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#;
        check(400, "", anthropic, r#"Quota { code: "invalid_request_error" }"#);
        check(429, "", r#"{"code":"insufficient_quota"}"#, r#"Quota { code: "insufficient_quota" }"#);
        check(
            402,
            "",
            r#"{"type":"error","error":{"type":"billing_error","message":"m"}}"#,
            r#"Quota { code: "billing_error" }"#,
        );
    }
}
