//! Reading a recording, sealed or not: the bytes of the WAV file that it is, from any place on.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

use super::stream::{CHUNK, FileKey, HEAD, PRELUDE, SEALED_CHUNK, SEALED_PRELUDE, TAIL_MIN, body_start, is_sealed, open_file};
use super::{Keyring, SealError};

/// A recording that is read. Of one that is being written it has what was there when it was opened.
pub struct RecordingReader<R> {
    inner: R,
    sealed: Option<Sealed>,
    length: u64,
    /// Where the next byte is read.
    at: u64,
}

struct Sealed {
    key: FileKey,
    prelude: [u8; PRELUDE],
    /// Octets of the body in the file that can be read, the last chunk's included.
    body: u64,
    whole: bool,
    /// The chunk that was opened last, and its number.
    open: Option<(u64, Vec<u8>)>,
}

impl<R: Read + Seek> RecordingReader<R> {
    /// Looks at a file, from its beginning.
    ///
    /// # Errors
    /// The file's; [`SealError`] inside of one of kind `InvalidData`.
    pub fn open(mut inner: R, keys: &Keyring) -> Result<Self> {
        let file = inner.seek(SeekFrom::End(0))?;
        inner.seek(SeekFrom::Start(0))?;
        let mut head = Vec::with_capacity(HEAD);
        Read::by_ref(&mut inner).take(HEAD as u64).read_to_end(&mut head)?;
        if !is_sealed(&head) {
            return Ok(Self { inner, sealed: None, length: file, at: 0 });
        }
        let head: [u8; HEAD] = head.try_into().map_err(|_| broken(SealError::Malformed))?;
        let key = open_file(keys, &head).map_err(broken)?;
        let mut prelude = [0; SEALED_PRELUDE];
        inner.read_exact(&mut prelude)?;
        let prelude = key.open_prelude(&prelude).map_err(broken)?;
        let rest = file.saturating_sub(body_start());
        let (chunks, tail) = (rest / SEALED_CHUNK as u64, rest % SEALED_CHUNK as u64);
        let mut sealed = Sealed { key, prelude, body: chunks * SEALED_CHUNK as u64, whole: false, open: None };
        let mut last = 0;
        if tail >= TAIL_MIN as u64 && sealed.chunk(&mut inner, chunks, tail as usize).is_ok() {
            (sealed.body, sealed.whole, last) = (rest, true, tail - TAIL_MIN as u64);
        }
        let length = PRELUDE as u64 + chunks * CHUNK as u64 + last;
        Ok(Self { inner, sealed: Some(sealed), length, at: 0 })
    }

    /// Bytes of the WAV file.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether it is sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Whose it is; `None`: it is not sealed, and does not say.
    #[must_use]
    pub fn call(&self) -> Option<[u8; 16]> {
        self.sealed.as_ref().map(|sealed| sealed.key.call())
    }

    /// False: it is sealed and its end is missing. It is being written, or was cut.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.sealed.as_ref().is_none_or(|sealed| sealed.whole)
    }
}

impl Sealed {
    /// Opens a chunk of so many octets in the file.
    fn chunk<R: Read + Seek>(&mut self, inner: &mut R, number: u64, size: usize) -> Result<&[u8]> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            let (_, mut buffer) = self.open.take().unwrap_or_default();
            buffer.resize(size, 0);
            inner.seek(SeekFrom::Start(body_start() + number * SEALED_CHUNK as u64))?;
            inner.read_exact(&mut buffer)?;
            let clear = self.key.open_chunk(number, &mut buffer).map_err(broken)?.len();
            // It stands behind its nonce.
            let nonce = buffer.len() - 16 - clear;
            buffer.copy_within(nonce..nonce + clear, 0);
            buffer.truncate(clear);
            self.open = Some((number, buffer));
        }
        Ok(self.open.as_ref().map_or(&[], |(_, clear)| clear))
    }

    fn read<R: Read + Seek>(&mut self, inner: &mut R, at: u64, buffer: &mut [u8]) -> Result<usize> {
        let Some(at) = at.checked_sub(PRELUDE as u64) else {
            return (&self.prelude[at as usize..]).read(buffer);
        };
        let (number, within) = (at / CHUNK as u64, (at % CHUNK as u64) as usize);
        let size = self.body.saturating_sub(number * SEALED_CHUNK as u64).min(SEALED_CHUNK as u64) as usize;
        if size < TAIL_MIN {
            return Ok(0);
        }
        let clear = self.chunk(inner, number, size)?;
        clear.get(within..).unwrap_or_default().read(buffer)
    }
}

impl<R: Read + Seek> Read for RecordingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = match &mut self.sealed {
            None => {
                self.inner.seek(SeekFrom::Start(self.at))?;
                let left = usize::try_from(self.length.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
                self.inner.read(&mut buffer[..left])?
            }
            Some(sealed) => sealed.read(&mut self.inner, self.at, buffer)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for RecordingReader<R> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.at = to.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

fn broken(error: SealError) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}
