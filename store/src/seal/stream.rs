//! Sealed files: pieces that are opened one by one, so that a part is read without the rest, and a file that was cut is good up to there.
//!
//! ```text
//!   0  magic "OFFHOOK\x01"                                     8
//!   8  the call's id                                          16
//!  24  the master key's id                                     8
//!  32  nonce, the file's own key sealed with it, tag    12+32+16   the call's id is authenticated with it
//!  92  prelude: nonce, 44 octets, tag                   12+44+16   written again whenever the file has grown: a WAV's header
//! 164  chunk 0: nonce, 32,000 octets, tag           12+32000+16
//!      chunk 1 ...
//!      the last: nonce, 0 to 31,999 octets, tag                    only of a file that was closed
//! ```
//!
//! With each piece its number is authenticated, and whether it is the last: none can be moved, and a file that misses its last one
//! was cut. Each file has a key of its own, so a new master key means 68 octets a file. Nonces are of chance and not
//! counted: after a crash a piece is written in the place of one that was cut off, and the same nonce would give both away.

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use super::keyring::aes;
use super::{KeyId, Keyring, SealError, chance};

/// Octets in a chunk: a second of both sides, which is what is written at a time.
pub const CHUNK: usize = 32_000;
/// Octets before the chunks that may be written again.
pub const PRELUDE: usize = 44;
/// Octets that name the file and its key.
pub const HEAD: usize = 92;
/// Octets of a chunk in the file.
pub const SEALED_CHUNK: usize = CHUNK + AROUND;
/// Octets of the prelude in the file.
pub const SEALED_PRELUDE: usize = PRELUDE + AROUND;
/// The fewest octets of the last chunk in the file.
pub const TAIL_MIN: usize = AROUND;

/// Nonce and tag.
const AROUND: usize = NONCE_LEN + 16;
const MAGIC: &[u8; 8] = b"OFFHOOK\x01";
/// Where the names end and the file's key begins.
const NAMES: usize = 32;

/// The key of one file.
pub struct FileKey {
    key: LessSafeKey,
    /// For errors.
    master: KeyId,
    /// Whose the file is.
    call: [u8; 16],
}

/// What a piece is, authenticated with it.
#[derive(Clone, Copy)]
enum Piece {
    Prelude,
    Chunk(u64),
    Last(u64),
}

impl Piece {
    fn bound(self) -> Aad<[u8; 9]> {
        let (kind, number) = match self {
            Self::Prelude => (0, 0),
            Self::Chunk(number) => (1, number),
            Self::Last(number) => (2, number),
        };
        let mut bound = [kind; 9];
        bound[1..].copy_from_slice(&number.to_le_bytes());
        Aad::from(bound)
    }
}

/// Whether a file that begins so is sealed.
#[must_use]
pub fn is_sealed(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC)
}

/// Where the chunks of a sealed file begin.
#[must_use]
pub fn body_start() -> u64 {
    (HEAD + SEALED_PRELUDE) as u64
}

/// Begins the file of a call: its first [`HEAD`] octets, and its key. `None`: there is no master key.
#[must_use]
pub fn begin_file(keys: &Keyring, call: [u8; 16]) -> Option<([u8; HEAD], FileKey)> {
    let secret: [u8; 32] = chance();
    let head = wrapped(keys, call, &secret)?;
    let master = keys.newest()?.id();
    Some((head, FileKey { key: aes(&secret), master, call }))
}

/// The master key that the file is sealed with, and whose file it is.
///
/// # Errors
/// [`SealError::Malformed`].
pub fn key_of_file(head: &[u8; HEAD]) -> Result<(KeyId, [u8; 16]), SealError> {
    if !is_sealed(head) {
        return Err(SealError::Malformed);
    }
    let (mut call, mut id) = ([0; 16], [0; 8]);
    call.copy_from_slice(&head[8..24]);
    id.copy_from_slice(&head[24..NAMES]);
    Ok((KeyId(id), call))
}

/// The key of a file that begins with `head`.
///
/// # Errors
/// [`SealError`].
pub fn open_file(keys: &Keyring, head: &[u8; HEAD]) -> Result<FileKey, SealError> {
    let (master, call) = key_of_file(head)?;
    Ok(FileKey { key: aes(&unwrapped(keys, head)?), master, call })
}

/// The head of the same file under the newest key; `None`: it is that already, or there is no key.
///
/// # Errors
/// [`SealError`].
pub fn rewrap(keys: &Keyring, head: &[u8; HEAD]) -> Result<Option<[u8; HEAD]>, SealError> {
    let (master, call) = key_of_file(head)?;
    if keys.newest().is_none_or(|newest| newest.id() == master) {
        return Ok(None);
    }
    Ok(wrapped(keys, call, &unwrapped(keys, head)?))
}

fn wrapped(keys: &Keyring, call: [u8; 16], secret: &[u8; 32]) -> Option<[u8; HEAD]> {
    let master = keys.newest()?;
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..24].copy_from_slice(&call);
    head[24..NAMES].copy_from_slice(&master.id().0);
    let (names, rest) = head.split_at_mut(NAMES);
    put(&master.key, Aad::from(&names[..24]), secret, rest);
    Some(head)
}

fn unwrapped(keys: &Keyring, head: &[u8; HEAD]) -> Result<[u8; 32], SealError> {
    let (id, _) = key_of_file(head)?;
    let master = keys.find(id).ok_or(SealError::Missing(id))?;
    let mut rest: [u8; HEAD - NAMES] = head[NAMES..].try_into().expect("the head is as long as it is");
    let secret = take(&master.key, Aad::from(&head[..24]), &mut rest).ok_or(SealError::Broken(id))?;
    secret.try_into().map_err(|_| SealError::Malformed)
}

impl FileKey {
    /// Whose the file is.
    #[must_use]
    pub fn call(&self) -> [u8; 16] {
        self.call
    }

    /// The prelude as it is written.
    #[must_use]
    pub fn prelude(&self, clear: &[u8; PRELUDE]) -> [u8; SEALED_PRELUDE] {
        let mut sealed = [0; SEALED_PRELUDE];
        put(&self.key, Piece::Prelude.bound(), clear, &mut sealed);
        sealed
    }

    /// The prelude as it was.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn open_prelude(&self, sealed: &[u8; SEALED_PRELUDE]) -> Result<[u8; PRELUDE], SealError> {
        let mut copy = *sealed;
        let clear = take(&self.key, Piece::Prelude.bound(), &mut copy);
        clear.and_then(|clear| (&*clear).try_into().ok()).ok_or(SealError::Broken(self.master))
    }

    /// Appends chunk `number` as it is written.
    pub fn seal_chunk(&self, number: u64, clear: &[u8; CHUNK], sealed: &mut Vec<u8>) {
        self.append(Piece::Chunk(number), clear, sealed);
    }

    /// Appends the last chunk, number `number`, as it is written; of `clear` fewer than [`CHUNK`] octets.
    pub fn seal_last(&self, number: u64, clear: &[u8], sealed: &mut Vec<u8>) {
        debug_assert!(clear.len() < CHUNK, "the last chunk is known by its length");
        self.append(Piece::Last(number), clear, sealed);
    }

    fn append(&self, piece: Piece, clear: &[u8], sealed: &mut Vec<u8>) {
        let start = sealed.len();
        sealed.resize(start + clear.len() + AROUND, 0);
        put(&self.key, piece.bound(), clear, &mut sealed[start..]);
    }

    /// A chunk as it was, in its place: one of [`SEALED_CHUNK`] octets, or a shorter one that must be the last.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn open_chunk<'a>(&self, number: u64, sealed: &'a mut [u8]) -> Result<&'a [u8], SealError> {
        let piece = if sealed.len() == SEALED_CHUNK { Piece::Chunk(number) } else { Piece::Last(number) };
        take(&self.key, piece.bound(), sealed).map(|clear| &*clear).ok_or(SealError::Broken(self.master))
    }
}

/// Seals `clear` into `sealed`: nonce, what it was, tag.
fn put<A: AsRef<[u8]>>(key: &LessSafeKey, bound: Aad<A>, clear: &[u8], sealed: &mut [u8]) {
    let nonce: [u8; NONCE_LEN] = chance();
    let (front, rest) = sealed.split_at_mut(NONCE_LEN);
    let (body, tag) = rest.split_at_mut(clear.len());
    front.copy_from_slice(&nonce);
    body.copy_from_slice(clear);
    let made = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), bound, body);
    tag.copy_from_slice(made.expect("a piece is shorter than 64 GiB").as_ref());
}

/// Opens what [`put`] sealed.
fn take<'a, A: AsRef<[u8]>>(key: &LessSafeKey, bound: Aad<A>, sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
    let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_LEN>()?;
    key.open_in_place(Nonce::assume_unique_for_key(*nonce), bound, rest).ok()
}
