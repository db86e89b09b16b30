//! The file of a recording: a WAV file, or one that is sealed. Either is good up to its last piece, whenever the process ends.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use media::wav::{self, Repair, WavFormat};
use store::seal::{
    CHUNK, FileKey, HEAD, SEALED_CHUNK, SEALED_PRELUDE, SealError, TAIL_MIN, begin_file, body_start, is_sealed, open_file,
};
use store::{CallId, Keyring, RecordingReader};

use super::ROW;

/// A recording that is written.
pub(super) struct RecordingFile {
    file: File,
    /// `None`: it is in the clear.
    sealed: Option<Box<Sealed>>,
    /// Octets of audio in it.
    audio: u64,
}

struct Sealed {
    key: FileKey,
    /// What was sealed, on its way to the file.
    buffer: Vec<u8>,
}

impl RecordingFile {
    /// Begins the file of a call, sealed if there is a key.
    pub(super) fn create(path: &Path, call: CallId, keys: &Keyring) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let header = wav::header(WavFormat::RECORDING, 0);
        let sealed = match begin_file(keys, call.to_bits().to_be_bytes()) {
            None => {
                file.write_all(&header)?;
                None
            }
            Some((head, key)) => {
                file.write_all(&[&head[..], &key.prelude(&header)].concat())?;
                Some(Box::new(Sealed { key, buffer: Vec::with_capacity(2 * SEALED_CHUNK) }))
            }
        };
        Ok(Self { file, sealed, audio: 0 })
    }

    /// Opens a file again that a Recorder before this one wrote: what is behind its last whole piece is cut off.
    pub(super) fn resume(path: &Path, keys: &Keyring) -> Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        let (sealed, audio, whole) = match head_of(&mut file)? {
            None => {
                let audio = length.saturating_sub(wav::HEADER as u64);
                let audio = audio - audio % ROW;
                (None, audio, wav::HEADER as u64 + audio)
            }
            Some(head) => {
                let key = open_file(keys, &head).map_err(broken)?;
                let chunks = length.saturating_sub(body_start()) / SEALED_CHUNK as u64;
                let sealed = Some(Box::new(Sealed { key, buffer: Vec::with_capacity(2 * SEALED_CHUNK) }));
                (sealed, chunks * CHUNK as u64, body_start() + chunks * SEALED_CHUNK as u64)
            }
        };
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, sealed, audio })
    }

    /// Octets of audio that are in it.
    pub(super) fn audio(&self) -> u64 {
        self.audio
    }

    /// How much of so many octets can be written now.
    pub(super) fn takes(&self, waiting: usize, end: bool) -> usize {
        if self.sealed.is_none() || end { waiting } else { waiting - waiting % CHUNK }
    }

    /// Appends a piece, and puts the header right. With `end` nothing may follow. Part of a piece on a full disk is cut off again: the file
    /// stays as it was.
    pub(super) fn append(&mut self, piece: &[u8], header: &[u8; wav::HEADER], end: bool) -> Result<()> {
        let kept = self.end();
        let done = match &mut self.sealed {
            None => self.file.write_all(piece).and_then(|()| write_at(&mut self.file, 0, header)),
            Some(sealed) => {
                sealed.fill(self.audio / CHUNK as u64, piece, end);
                let prelude = sealed.key.prelude(header);
                self.file.write_all(&sealed.buffer).and_then(|()| write_at(&mut self.file, HEAD as u64, &prelude))
            }
        };
        match done {
            Ok(()) => self.audio += piece.len() as u64,
            Err(_) => drop(self.file.set_len(kept)),
        }
        done
    }

    /// Waits until the disk has it.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_all()
    }

    /// Where it ends. Only a file that is closed has a part of a chunk.
    fn end(&self) -> u64 {
        match self.sealed {
            None => wav::HEADER as u64 + self.audio,
            Some(_) => body_start() + self.audio / CHUNK as u64 * SEALED_CHUNK as u64,
        }
    }
}

impl Sealed {
    /// Seals a piece of whole chunks that begins with chunk `number`, and at the end what is left of it.
    fn fill(&mut self, number: u64, piece: &[u8], end: bool) {
        self.buffer.clear();
        let (chunks, rest) = piece.as_chunks::<CHUNK>();
        for (number, chunk) in (number..).zip(chunks) {
            self.key.seal_chunk(number, chunk, &mut self.buffer);
        }
        if end {
            self.key.seal_last(number + chunks.len() as u64, rest, &mut self.buffer);
        }
    }
}

/// Makes a recording playable that a crash left; the length of its audio and the bytes of the WAV file.
pub(crate) fn repair(path: &Path, keys: &Keyring) -> Result<(Duration, u64)> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = match head_of(&mut file)? {
        None => repair_clear(&mut file)?,
        Some(head) => repair_sealed(&mut file, &open_file(keys, &head).map_err(broken)?, keys)?,
    };
    let samples = length.saturating_sub(wav::HEADER as u64) / u64::from(WavFormat::RECORDING.block());
    Ok((WavFormat::RECORDING.rate.duration_of(samples), length))
}

fn repair_clear(file: &mut File) -> Result<u64> {
    let length = file.metadata()?.len();
    let mut header = Vec::with_capacity(wav::HEADER);
    file.seek(SeekFrom::Start(0))?;
    Read::by_ref(file).take(wav::HEADER as u64).read_to_end(&mut header)?;
    match wav::repair(&header, length).map_err(Error::other)? {
        Repair::Intact => Ok(length),
        Repair::Patch { header, file_length } => {
            file.set_len(file_length)?;
            write_at(file, 0, &header)?;
            file.sync_all()?;
            Ok(file_length)
        }
    }
}

/// Cuts it behind its last whole chunk, and closes it there; one that was closed is let be.
fn repair_sealed(file: &mut File, key: &FileKey, keys: &Keyring) -> Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let length = file.metadata()?.len();
    let reader = RecordingReader::open(&mut *file, keys);
    let (closed, audio) = match reader {
        Ok(reader) => (reader.is_whole(), reader.length() - wav::HEADER as u64),
        // Its prelude was never written, or not whole: it is made again below.
        Err(_) => (false, length.saturating_sub(body_start()) / SEALED_CHUNK as u64 * CHUNK as u64),
    };
    if !closed {
        let chunks = audio / CHUNK as u64;
        let mut last = Vec::with_capacity(TAIL_MIN);
        key.seal_last(chunks, &[], &mut last);
        file.set_len(body_start() + chunks * SEALED_CHUNK as u64)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(&last)?;
    }
    let prelude: [u8; SEALED_PRELUDE] = key.prelude(&wav::header(WavFormat::RECORDING, audio));
    write_at(file, HEAD as u64, &prelude)?;
    file.sync_all()?;
    Ok(wav::HEADER as u64 + audio)
}

/// What a sealed file begins with; `None`: it is none.
pub(super) fn head_of(file: &mut File) -> Result<Option<[u8; HEAD]>> {
    let mut head = Vec::with_capacity(HEAD);
    file.seek(SeekFrom::Start(0))?;
    Read::by_ref(file).take(HEAD as u64).read_to_end(&mut head)?;
    if !is_sealed(&head) {
        return Ok(None);
    }
    head.try_into().map(Some).map_err(|_| broken(SealError::Malformed))
}

/// Writes over what is there, and goes back to the end.
fn write_at(file: &mut File, at: u64, bytes: &[u8]) -> Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)?;
    file.seek(SeekFrom::End(0))?;
    Ok(())
}

fn broken(error: SealError) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
