//! Passwords: which ones are taken, and their hashes.
//!
//! A rule of length and entropy, which needs no list and no network: letters count by how many kinds of them are used, a letter that
//! repeats or continues a row (`aaaa`, `1234`) counts one bit, and so do all letters of a word that everybody tries or knows.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use store::Hidden;
use tokio::sync::Semaphore;

use super::letters;

/// Fewest characters of a password.
pub const PASSWORD_LENGTH_MIN: usize = 12;
/// Longest password, in bytes: hashing must not be a way to keep us busy.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Fewest bits: more than can be tried against a hash that takes 30 ms and 19 MiB.
const BITS_MIN: f64 = 50.0;
/// Hashes at once: each takes a core for 30 ms and 19 MiB, and calls need the cores.
const AT_ONCE: usize = 2;
/// What everybody tries first, alone or with something behind it.
const TRIED: &[&str] = &[
    "password",
    "passwort",
    "qwertyuiop",
    "qwerty",
    "qwertz",
    "asdfgh",
    "letmein",
    "welcome",
    "admin",
    "iloveyou",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "superman",
    "trustno1",
    "master",
    "shadow",
    "secret",
    "changeme",
    "default",
    "offhook",
    "telephone",
    "summer",
    "winter",
    "spring",
    "autumn",
    "hunter2",
    "login",
    "test",
];

/// A new password that can be guessed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`PASSWORD_LENGTH_MIN`] characters.
    #[error("must have {PASSWORD_LENGTH_MIN} characters at least")]
    Short,
    /// More than [`PASSWORD_BYTES_MAX`] bytes.
    #[error("must have {PASSWORD_BYTES_MAX} bytes at most")]
    Long,
    /// Too regular, or made of what everybody tries.
    #[error("is too easy to guess: take more letters, of more kinds, or several unusual words")]
    Guessable,
}

/// Whether a new password is taken; `known` is what others know of its user: name, e-mail address.
pub(super) fn check(password: &str, known: &[&str]) -> Result<(), WeakPassword> {
    if password.chars().count() < PASSWORD_LENGTH_MIN {
        return Err(WeakPassword::Short);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(WeakPassword::Long);
    }
    if bits(password, known) < BITS_MIN { Err(WeakPassword::Guessable) } else { Ok(()) }
}

fn bits(password: &str, known: &[&str]) -> f64 {
    let mut rest = password.to_lowercase();
    let mut bits = 0.0;
    let known = known.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric())).filter(|word| word.len() >= 3);
    for word in TRIED.iter().copied().map(str::to_owned).chain(known.map(str::to_lowercase)) {
        while let Some(at) = rest.find(&word) {
            rest.replace_range(at..at + word.len(), "\n");
            bits += word.chars().count() as f64;
        }
    }
    let of = |many: f64, is: fn(char) -> bool| if password.chars().any(is) { many } else { 0.0 };
    let pool = of(26.0, |letter| letter.is_ascii_lowercase())
        + of(26.0, |letter| letter.is_ascii_uppercase())
        + of(10.0, |letter| letter.is_ascii_digit())
        + of(33.0, |letter| letter.is_ascii_punctuation() || letter == ' ')
        + of(100.0, |letter| !letter.is_ascii());
    let mut before = None;
    for letter in rest.chars().filter(|letter| *letter != '\n') {
        let step = before.map(|before: char| (before as i64).abs_diff(letter as i64));
        bits += if step.is_some_and(|step| step <= 1) { 1.0 } else { pool.log2() };
        before = Some(letter);
    }
    bits
}

/// Hashes off the threads that serve requests, a few at a time.
#[derive(Clone, Debug)]
pub(super) struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Passwords {
    /// Argon2id with a salt of its own.
    pub(super) async fn hash(&self, password: &str) -> Hidden {
        let password = password.to_owned();
        self.apart(move || {
            let salt = letters::bytes::<16>();
            let hash: PasswordHash =
                argon2().hash_password_with_salt(password.as_bytes(), &salt).expect("salt and length are within bounds");
            Hidden::new(hash.to_string())
        })
        .await
    }

    /// Whether it is the password of this hash; without a hash it takes as long to say no.
    pub(super) async fn fits(&self, password: &str, hash: Option<&Hidden>) -> bool {
        /// Of nothing in particular.
        const OTHER: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let (known, hash) = (hash.is_some(), hash.map_or(OTHER, Hidden::expose).to_owned());
        let password = password.to_owned();
        let fits = move || {
            let parsed = PasswordHash::new(&hash);
            parsed.is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
        };
        self.apart(fits).await && known
    }

    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let place = Arc::clone(&self.0).acquire_owned().await.expect("it is never closed");
        // The place goes with the work: who gives up waiting does not make room for more.
        let work = move || {
            let done = work();
            drop(place);
            done
        };
        tokio::task::spawn_blocking(work).await.expect("hashing does not panic")
    }
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_guessed_is_refused() {
        let check = |password: &str| check(password, &["Ada Lovelace", "ada@example.com"]);
        for taken in ["correct horse battery staple", "kX9#mQ2$vL5p", "tgvrkqzlmwyb", "Grüße aus Köln an der Spree"] {
            assert_eq!(check(taken), Ok(()), "{taken}");
        }
        assert_eq!(check("kX9#mQ2$vL5"), Err(WeakPassword::Short));
        assert_eq!(check(&"k#9x".repeat(65)), Err(WeakPassword::Long));
        for weak in [
            "aaaaaaaaaaaaaaaa",
            "1234567890123",
            "Password1234!",
            "passwordpassword",
            "LovelaceAda2026",
            "qwertyuiop123",
            "abcdefghijklmnop",
        ] {
            assert_eq!(check(weak), Err(WeakPassword::Guessable), "{weak}");
        }
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_alone() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse").await;
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.fits("correct horse", Some(&hash)).await);
        assert!(!passwords.fits("correct hors", Some(&hash)).await);
        assert!(!passwords.fits("", None).await);
    }
}
