//! Recordings that lie there, sealed with the newest key: those of older keys get another head, those in the clear are sealed whole.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use media::wav;
use store::seal::{CHUNK, rewrap};
use store::{CallId, Keyring};

use super::file::{RecordingFile, head_of};

/// What became of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reseal {
    /// It is in the clear and may be written to: it stays as it is.
    Busy,
    /// It is sealed with the newest key now.
    Done,
    /// It was so before, or there is no key.
    Newest,
}

/// Seals the recording of a call with the newest key. One that is sealed may be read and written meanwhile; one in the clear is sealed
/// only if it is `closed`, beside itself, and then takes its own place: whoever reads it goes on with the one before.
///
/// # Errors
/// The file's; [`store::SealError`] inside of one of kind `InvalidData`.
pub fn reseal_file(path: &Path, call: CallId, keys: &Keyring, closed: bool) -> Result<Reseal> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    if keys.newest().is_none() {
        return Ok(Reseal::Newest);
    }
    let Some(head) = head_of(&mut file)? else {
        return if closed { seal_whole(&mut file, path, call, keys).map(|()| Reseal::Done) } else { Ok(Reseal::Busy) };
    };
    let Some(head) = rewrap(keys, &head).map_err(|error| Error::new(ErrorKind::InvalidData, error))? else {
        return Ok(Reseal::Newest);
    };
    // Within the first sector of a disk: a power cut leaves the one or the other.
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&head)?;
    file.sync_all()?;
    Ok(Reseal::Done)
}

fn seal_whole(file: &mut File, path: &Path, call: CallId, keys: &Keyring) -> Result<()> {
    let beside = path.with_extension("sealing");
    let sealed = sealed_copy(file, &beside, call, keys).and_then(|()| std::fs::rename(&beside, path));
    sealed.inspect_err(|_| drop(std::fs::remove_file(&beside)))?;
    // The folder too, so that the name stands for the new one after a power cut.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn sealed_copy(file: &mut File, beside: &Path, call: CallId, keys: &Keyring) -> Result<()> {
    let mut header = [0; wav::HEADER];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut header)?;
    let mut copy = RecordingFile::create(beside, call, keys)?;
    let mut piece = Vec::with_capacity(CHUNK);
    loop {
        piece.clear();
        std::io::Read::by_ref(file).take(CHUNK as u64).read_to_end(&mut piece)?;
        let end = piece.len() < CHUNK;
        copy.append(&piece, &header, end)?;
        if end {
            return copy.sync();
        }
    }
}
