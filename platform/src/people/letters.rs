//! Letters that nobody guesses, and their hashes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};
use store::Hidden;

/// So many bytes of chance.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the kernel has randomness once it runs");
    bytes
}

/// A token: `prefix` and 240 bits as 40 letters.
pub(crate) fn token(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes::<30>()))
}

/// A password of 120 bits, 20 letters.
pub(super) fn password() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<15>())
}

/// A code for a lost telephone: 50 bits as ten letters that are not mixed up, with a hyphen.
pub(super) fn recovery_code() -> String {
    const LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let letters: String = bytes::<10>().iter().map(|byte| char::from(LETTERS[usize::from(byte % 31)])).collect();
    format!("{}-{}", &letters[..5], &letters[5..])
}

pub(super) fn digest(shown: &str) -> [u8; 32] {
    Sha256::digest(shown).into()
}

/// What is kept of a token: it has more bits than can be tried, so one fast hash is enough.
pub(crate) fn hash(shown: &str) -> Hidden {
    Hidden::new(hex(&digest(shown)))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
