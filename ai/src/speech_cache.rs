//! Speech that was made before, on disk: the greeting of every call is the same, and need not be paid and waited for again.
//!
//! A file a piece: a header with lengths and a checksum, the key, the audio. Written beside and renamed, so that a half one is never read;
//! what does not fit its checksum is deleted. Everything here blocks: call it where that harms nobody.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use crate::engine::CacheKey;

/// The longest piece that is kept, in octets: a minute. What is longer is not said twice.
pub const MAX_PIECE: usize = 60 * 8_000;

/// What a file begins with; another version of the layout has another.
const MAGIC: &[u8; 8] = b"OFFHKSP1";

/// Magic, length of the key, checksum of key and audio.
const HEADER: usize = 8 + 4 + 8;

/// Speech by key, bounded in bytes; when full, what was not used for longest goes.
#[derive(Debug)]
pub struct SpeechCache {
    folder: PathBuf,
    max_bytes: u64,
    /// Read from the folder when it is first needed.
    index: Mutex<Option<Index>>,
}

#[derive(Debug, Default)]
struct Index {
    files: HashMap<String, Entry>,
    bytes: u64,
    uses: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    bytes: u64,
    used: u64,
}

impl SpeechCache {
    /// Speech in `folder`, which is made when something is kept; at most `max_bytes` of it, 0 keeps nothing.
    pub fn new(folder: PathBuf, max_bytes: u64) -> Self {
        Self { folder, max_bytes, index: Mutex::new(None) }
    }

    /// What there is of `key`. A file that cannot be read, or is not what it should be, is deleted.
    pub fn get(&self, key: &CacheKey) -> Option<Bytes> {
        let name = name_of(key);
        let mut index = self.index();
        let index = index.get_or_insert_with(|| Index::read(&self.folder));
        index.files.get(&name)?;
        let path = self.folder.join(&name);
        let audio = fs::read(&path).ok().and_then(|file| open(key, &file));
        match audio {
            Some(_) => index.touch(&name),
            None => {
                index.forget(&name);
                let _gone_already = fs::remove_file(path);
            }
        }
        audio
    }

    /// Keeps speech; what is too long is not kept.
    ///
    /// # Errors
    /// The disk's; then nothing is kept.
    pub fn put(&self, key: &CacheKey, audio: &[u8]) -> io::Result<()> {
        let file = seal(key, audio);
        if audio.is_empty() || audio.len() > MAX_PIECE || file.len() as u64 > self.max_bytes {
            return Ok(());
        }
        let name = name_of(key);
        let mut index = self.index();
        let index = index.get_or_insert_with(|| Index::read(&self.folder));
        fs::create_dir_all(&self.folder)?;
        let (path, part) = (self.folder.join(&name), self.folder.join(format!("{name}.part")));
        fs::write(&part, &file)?;
        fs::rename(&part, &path)?;
        index.forget(&name);
        index.files.insert(name.clone(), Entry { bytes: file.len() as u64, used: 0 });
        index.bytes += file.len() as u64;
        index.touch(&name);
        while index.bytes > self.max_bytes {
            let Some(oldest) = index.oldest() else { break };
            index.forget(&oldest);
            let _gone_already = fs::remove_file(self.folder.join(oldest));
        }
        Ok(())
    }

    fn index(&self) -> std::sync::MutexGuard<'_, Option<Index>> {
        // What a panic left behind is still an index: at worst of a file that is not there.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// What lies in a folder, the oldest file the least used.
    fn read(folder: &Path) -> Self {
        let mut found: Vec<(SystemTime, String, u64)> = Vec::new();
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (Ok(meta), Ok(name)) = (file.metadata(), file.file_name().into_string()) else { continue };
            if name.ends_with(".part") {
                let _gone_already = fs::remove_file(file.path());
            } else if meta.is_file() {
                found.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), name, meta.len()));
            }
        }
        found.sort();
        let mut index = Self::default();
        for (_, name, bytes) in found {
            index.bytes += bytes;
            index.files.insert(name.clone(), Entry { bytes, used: 0 });
            index.touch(&name);
        }
        index
    }

    fn touch(&mut self, name: &str) {
        self.uses += 1;
        if let Some(entry) = self.files.get_mut(name) {
            entry.used = self.uses;
        }
    }

    fn forget(&mut self, name: &str) {
        if let Some(entry) = self.files.remove(name) {
            self.bytes -= entry.bytes;
        }
    }

    fn oldest(&self) -> Option<String> {
        self.files.iter().min_by_key(|(_, entry)| entry.used).map(|(name, _)| name.clone())
    }
}

/// The file of a piece.
fn seal(key: &CacheKey, audio: &[u8]) -> Vec<u8> {
    let key = key.0.as_bytes();
    let mut file = Vec::with_capacity(HEADER + key.len() + audio.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&(key.len() as u32).to_le_bytes());
    file.extend_from_slice(&fnv(fnv(SEED, key), audio).to_le_bytes());
    file.extend_from_slice(key);
    file.extend_from_slice(audio);
    file
}

/// The audio of a file, if that is whole and of this key.
fn open(key: &CacheKey, file: &[u8]) -> Option<Bytes> {
    let (magic, rest) = file.split_at_checked(8)?;
    let (length, rest) = rest.split_at_checked(4)?;
    let (sum, rest) = rest.split_at_checked(8)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let (known, audio) = rest.split_at_checked(length)?;
    let whole = fnv(fnv(SEED, known), audio).to_le_bytes() == sum;
    (magic == MAGIC && known == key.0.as_bytes() && whole && !audio.is_empty()).then(|| Bytes::copy_from_slice(audio))
}

/// Two hashes of the key in hexadecimal; the file holds the key itself, so that a collision is seen.
fn name_of(key: &CacheKey) -> String {
    let bytes = key.0.as_bytes();
    format!("{:016x}{:016x}", fnv(SEED, bytes), fnv(!SEED, bytes))
}

/// Offset basis of FNV-1a.
const SEED: u64 = 0xCBF2_9CE4_8422_2325;

/// FNV-1a, 64 bits: against a broken disk, not against an enemy.
fn fnv(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A folder of the test's own, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("offhook-speech-{}-{name}", std::process::id()));
            let _none_before = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _gone_already = fs::remove_dir_all(&self.0);
        }
    }

    fn key(text: &str) -> CacheKey {
        CacheKey(text.to_owned())
    }

    #[test]
    fn what_was_kept_is_found_by_the_next_process_too() {
        let folder = Folder::new("found");
        let cache = SpeechCache::new(folder.0.clone(), 1 << 20);
        assert_eq!(cache.get(&key("hello")), None);
        cache.put(&key("hello"), &[1, 2, 3]).unwrap();
        assert_eq!(cache.get(&key("hello")).unwrap(), [1, 2, 3][..]);
        let again = SpeechCache::new(folder.0.clone(), 1 << 20);
        assert_eq!(again.get(&key("hello")).unwrap(), [1, 2, 3][..]);
        assert_eq!(again.get(&key("hello!")), None);
    }

    #[test]
    fn a_broken_file_is_dropped() {
        let folder = Folder::new("broken");
        for (name, broken) in [("cut", &b"OFFHKSP1"[..]), ("other", &b"something else"[..])] {
            let cache = SpeechCache::new(folder.0.clone(), 1 << 20);
            cache.put(&key(name), &[1; 100]).unwrap();
            let path = folder.0.join(name_of(&key(name)));
            fs::write(&path, broken).unwrap();
            assert_eq!(cache.get(&key(name)), None);
            assert!(!path.exists());
            assert_eq!(cache.index().as_ref().unwrap().bytes, 0);
        }
        let cache = SpeechCache::new(folder.0.clone(), 1 << 20);
        cache.put(&key("flipped"), &[1; 100]).unwrap();
        let path = folder.0.join(name_of(&key("flipped")));
        let mut file = fs::read(&path).unwrap();
        *file.last_mut().unwrap() ^= 1;
        fs::write(&path, file).unwrap();
        assert_eq!(cache.get(&key("flipped")), None);
    }

    #[test]
    fn when_full_the_least_used_goes() {
        let folder = Folder::new("full");
        let room = 3 * (HEADER + 1 + 100) as u64;
        let cache = SpeechCache::new(folder.0.clone(), room);
        for name in ["a", "b", "c"] {
            cache.put(&key(name), &[1; 100]).unwrap();
        }
        cache.get(&key("a")).unwrap();
        cache.put(&key("d"), &[1; 100]).unwrap();
        let there: Vec<bool> = ["a", "b", "c", "d"].iter().map(|name| cache.get(&key(name)).is_some()).collect();
        assert_eq!(there, [true, false, true, true]);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 3);
        cache.put(&key("e"), &[1; 1_000]).unwrap();
        assert_eq!(cache.get(&key("e")), None, "longer than all the room");
    }

    #[test]
    fn a_half_written_file_of_a_crash_is_swept_away() {
        let folder = Folder::new("half");
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.0.join("x.part"), b"half").unwrap();
        let cache = SpeechCache::new(folder.0.clone(), 1 << 20);
        assert_eq!(cache.get(&key("x")), None);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    }
}
