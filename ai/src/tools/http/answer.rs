//! What a service answered, as the model reads it.

use reqwest::Response;
use serde_json::json;

use super::{MAX_ANSWER, explain};
use crate::tools::{ToolOutcome, ToolStatus, success};

/// Bytes of an error's body that the model gets: what was wrong with the request, not a page of HTML.
const MAX_REASON: usize = 1_024;

/// Reads an answer as far as [`MAX_ANSWER`].
pub(super) async fn read(mut response: Response) -> ToolOutcome {
    let status = response.status();
    let (mut body, mut cut) = (Vec::new(), false);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = MAX_ANSWER - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    cut = true;
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => return explain(&error),
        }
    }
    let Some(text) = text(&body, cut) else {
        return ToolOutcome::not_done(ToolStatus::Failed, "the service's answer is not text (UTF-8)");
    };
    if !status.is_success() {
        return not_done(status, text);
    }
    if text.trim().is_empty() {
        return ToolOutcome::ok(success());
    }
    if cut {
        return ToolOutcome::ok(format!("[the answer is cut: it has more than {MAX_ANSWER} bytes] {text}"));
    }
    ToolOutcome::ok(text)
}

/// A body as text; one that was cut may end within a character.
fn text(body: &[u8], cut: bool) -> Option<&str> {
    match std::str::from_utf8(body) {
        Ok(text) => Some(text),
        Err(error) if cut && error.error_len().is_none() => std::str::from_utf8(&body[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

/// The model can mend a request that was wrong (4xx), so it reads why; what broke a service is not for it.
fn not_done(status: reqwest::StatusCode, text: &str) -> ToolOutcome {
    let mut told = json!({ "ok": false, "error": format!("the service answered {status}") });
    if status.is_client_error() && !text.is_empty() {
        told["answer"] = text[..text.floor_char_boundary(MAX_REASON)].into();
    }
    ToolOutcome { status: ToolStatus::Failed, output: told.to_string().into(), sources: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_was_cut_in_a_character_is_text() {
        let euro = "€".as_bytes();
        assert_eq!(text(euro, false), Some("€"));
        assert_eq!(text(&euro[..2], true), Some(""));
        assert_eq!(text(&euro[..2], false), None);
        assert_eq!(text(&[b'a', 0xFF, b'b'], true), None);
    }
}
