//! Master keys: 32 bytes each, named by a hash of them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use sha2::{Digest as _, Sha256};

/// Keys of one ring: a rotation needs two, and some years of them are kept for old backups.
pub const KEYS_MAX: usize = 32;

/// Base64 with or without its padding.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The name of a master key: the first 8 bytes of a hash of it, in hexadecimal. It says nothing of the key.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        hex::<8>(text).map(Self).ok_or(BadKey::Form)
    }
}

/// A text that is no master key. It is not repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadKey {
    /// It is something else.
    #[error("is not 32 bytes in base64 or hexadecimal: openssl rand -base64 32 makes a good one")]
    Form,
    /// It was not made by chance.
    #[error("is one byte 32 times, which is no key: openssl rand -base64 32 makes a good one")]
    Weak,
    /// None at all.
    #[error("holds no key")]
    None,
    /// The same key stands there again.
    #[error("holds the key {0} twice")]
    Twice(KeyId),
    /// More than [`KEYS_MAX`].
    #[error("holds more than {KEYS_MAX} keys")]
    TooMany,
}

/// One master key. `Debug` shows its name alone.
pub struct MasterKey {
    id: KeyId,
    pub(super) key: LessSafeKey,
}

impl MasterKey {
    /// Takes 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"offhook master key\0");
        hash.update(bytes);
        let mut id = [0; 8];
        id.copy_from_slice(&hash.finalize()[..8]);
        Self { id: KeyId(id), key: aes(bytes) }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl FromStr for MasterKey {
    type Err = BadKey;

    /// Reads base64, with or without padding, or 64 digits of hexadecimal.
    fn from_str(text: &str) -> Result<Self, BadKey> {
        let text = text.trim();
        let bytes: [u8; 32] = match hex::<32>(text) {
            Some(bytes) => bytes,
            None => BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(BadKey::Form)?,
        };
        if bytes.iter().all(|byte| *byte == bytes[0]) { Err(BadKey::Weak) } else { Ok(Self::new(&bytes)) }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// The keys there are, the newest first. Empty: nothing is sealed.
#[derive(Debug, Default)]
pub struct Keyring(Vec<MasterKey>);

impl Keyring {
    /// The key that new things are sealed with.
    #[must_use]
    pub fn newest(&self) -> Option<&MasterKey> {
        self.0.first()
    }

    /// The names of all, the newest first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.0.iter().map(MasterKey::id)
    }

    pub(super) fn find(&self, id: KeyId) -> Option<&MasterKey> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl FromStr for Keyring {
    type Err = BadKey;

    /// Reads a key a line, the newest first; empty lines and those that begin with `#` are nothing.
    fn from_str(text: &str) -> Result<Self, BadKey> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let key: MasterKey = line.parse()?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(BadKey::Twice(key.id));
            }
            if keys.len() == KEYS_MAX {
                return Err(BadKey::TooMany);
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(BadKey::None) } else { Ok(Self(keys)) }
    }
}

pub(super) fn aes(bytes: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes 32 bytes"))
}

/// So many bytes in hexadecimal.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}
