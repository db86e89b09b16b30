//! `%xx` escapes of URIs, and hiding user parts from logs.

use std::borrow::Cow;

/// Decodes `%xx`. A `%` that starts no escape stands for itself; bytes that are not UTF-8 become U+FFFD.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = match bytes[at..] {
            [b'%', high, low, ..] => hex(high).zip(hex(low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            decoded.push(high << 4 | low);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// Escapes whatever may not stand unescaped in the user part of a SIP URI (RFC 3261 §25.1 `user`).
pub fn escape_user(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Hides all but the last two digits, and everything when there are no more than four characters.
pub(crate) fn redact(text: &str) -> String {
    let tail: String = text.chars().skip(text.chars().count().saturating_sub(2)).collect();
    let shown = text.chars().count() > 4 && tail.bytes().all(|b| b.is_ascii_digit());
    if shown { format!("***{tail}") } else { "***".to_owned() }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
