//! Secrets of rows: text to text, bound to the place where it stands.
//!
//! ```text
//! sealed:1:KEYID:BASE64       nonce (12), what it was, tag (16); the place is authenticated with it
//! ```
//!
//! None of the columns that are sealed can hold such a text in the clear: webhooks' secrets and URLs, base32, base64 and JSON objects
//! begin otherwise.

use base64::Engine as _;
use ring::aead::{Aad, NONCE_LEN, Nonce};

use super::keyring::BASE64;
use super::{KeyId, Keyring, SealError, chance};

/// What a sealed text begins with.
pub(crate) const PREFIX: &str = "sealed:1:";

/// Where a secret stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// The id of its row, and what else tells it from others.
    pub(crate) row: &'a str,
}

impl Place<'_> {
    /// What is authenticated: none of the three holds a NUL.
    fn bound(&self) -> Aad<Vec<u8>> {
        Aad::from(format!("offhook value\0{}\0{}\0{}", self.table, self.column, self.row).into_bytes())
    }
}

impl Keyring {
    /// A text as it is stored: sealed with the newest key, or as it is when there is none.
    pub(crate) fn seal(&self, place: Place<'_>, clear: &str) -> String {
        let Some(master) = self.newest() else { return clear.to_owned() };
        let nonce: [u8; NONCE_LEN] = chance();
        let mut sealed = clear.as_bytes().to_vec();
        let done = master.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place.bound(), &mut sealed);
        done.expect("a text is shorter than 64 GiB");
        sealed.splice(..0, nonce);
        format!("{PREFIX}{}:{}", master.id(), BASE64.encode(sealed))
    }

    /// A stored text as it was.
    pub(crate) fn open(&self, place: Place<'_>, stored: String) -> Result<String, SealError> {
        let Some(rest) = stored.strip_prefix(PREFIX) else { return Ok(stored) };
        let (id, sealed) = rest.split_once(':').ok_or(SealError::Malformed)?;
        let id: KeyId = id.parse().map_err(|_| SealError::Malformed)?;
        let master = self.find(id).ok_or(SealError::Missing(id))?;
        let mut sealed = BASE64.decode(sealed).map_err(|_| SealError::Malformed)?;
        let (nonce, text) = sealed.split_first_chunk_mut::<NONCE_LEN>().ok_or(SealError::Malformed)?;
        let clear = master.key.open_in_place(Nonce::assume_unique_for_key(*nonce), place.bound(), text);
        let clear = clear.map_err(|_| SealError::Broken(id))?;
        String::from_utf8(clear.to_vec()).map_err(|_| SealError::Malformed)
    }
}
