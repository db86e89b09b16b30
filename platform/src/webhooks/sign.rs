//! Signatures by Standard Webhooks, `v1`: HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use store::Hidden;

const PREFIX: &str = "whsec_";

/// Bytes of a key: what the specification allows, and what ours have.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const OUR_KEY_BYTES: usize = 32;

/// What a secret must be.
pub(super) const WANTED: &str = "is not whsec_ and 24 to 64 bytes in base64";

/// A secret of chance.
pub(super) fn new_secret() -> Hidden {
    let mut bytes = [0; OUR_KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).expect("the kernel has randomness once it runs");
    Hidden::new(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The key of a secret; `None`: it is none.
pub(super) fn key(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    KEY_BYTES.contains(&key.len()).then_some(key)
}

/// One signature; the header has them with spaces between.
pub(super) fn signature(secret: &str, message: &str, seconds: i64, body: &str) -> Option<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key(secret)?);
    let tag = hmac::sign(&key, format!("{message}.{seconds}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secret: &str, message: &str, seconds: i64, body: &str, expected: &str) {
        assert_eq!(signature(secret, message, seconds, body).as_deref(), Some(expected));
    }

    #[test]
    fn signatures_are_those_of_the_specification() {
        check(
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        );
        check(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        );
    }

    #[test]
    fn secrets_have_a_form() {
        assert!(key(new_secret().expose()).is_some());
        for other in ["", "whsec_", "whsec_c2hvcnQ=", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_%%%"] {
            assert!(key(other).is_none(), "{other}");
        }
        assert!(key(&format!("whsec_{}", STANDARD.encode([0; 65]))).is_none());
    }
}
