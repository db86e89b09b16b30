//! `X-Twilio-Signature` of an upgrade request: base64 of HMAC-SHA1 over its URL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// What a bot expects that was given this token and knows itself by this URL.
pub(super) fn sign(token: &str, url: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(url.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_twilio_computes() {
        assert_eq!(sign("12345", "wss://example.com/media"), "7PR3qMkpDyEJtMrVOY/LDyNq8J8=");
    }
}
