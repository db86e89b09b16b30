//! One file of many parts that shows whether it is whole: backups and exports.
//!
//! A plain tar, which any program opens: the parts, `manifest.json` with the length and SHA-256 of each, and last `SHA256SUM`, the sum of
//! all bytes before it. [`Archive::open`] reads all of it and believes nothing before: a byte that is missing, more or another is found.
//! Everything here blocks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The name of the part that says what the others are.
pub const MANIFEST: &str = "manifest.json";

/// The name of the last part.
const SUM: &str = "SHA256SUM";

/// The longest manifest that is read: a million recordings.
const MANIFEST_BYTES_MAX: u64 = 256 << 20;

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The disk's, or no such file.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Whoever gave it: it was cut off or changed, or is something else.
    #[error("{}: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Length and sum of a part.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Part {
    bytes: u64,
    sha256: String,
}

/// Writes one, which only its owner can read.
pub struct ArchiveWriter {
    tar: tar::Builder<Summed<BufWriter<File>>>,
    parts: BTreeMap<String, Part>,
}

/// An archive that is whole.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    manifest: Value,
    parts: BTreeMap<String, Part>,
}

/// Sums what passes.
struct Summed<S> {
    inner: S,
    sum: Sha256,
    bytes: u64,
}

impl<S> Summed<S> {
    fn new(inner: S) -> Self {
        Self { inner, sum: Sha256::new(), bytes: 0 }
    }

    fn pass(&mut self, piece: &[u8]) {
        self.sum.update(piece);
        self.bytes += piece.len() as u64;
    }

    fn part(&self) -> Part {
        Part { bytes: self.bytes, sha256: hexadecimal(&self.sum.clone().finalize()) }
    }
}

impl<S: Read> Read for Summed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.pass(&buffer[..read]);
        Ok(read)
    }
}

impl<S: Write> Write for Summed<S> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(piece)?;
        self.pass(&piece[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl ArchiveWriter {
    /// A new file at `path`, in place of one that is there.
    ///
    /// # Errors
    /// The disk's.
    pub fn create(path: &Path) -> io::Result<Self> {
        // Not through what somebody else may have put there.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::options().create_new(true).write(true).mode(0o600).open(path)?;
        Ok(Self { tar: tar::Builder::new(Summed::new(BufWriter::new(file))), parts: BTreeMap::new() })
    }

    /// Adds a part of these bytes.
    ///
    /// # Errors
    /// The disk's.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.add_reader(name, bytes, bytes.len() as u64)
    }

    /// Adds a part of a file, as long as it is now; false: there is no such file.
    ///
    /// # Errors
    /// The disk's.
    pub fn add_file(&mut self, name: &str, path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let bytes = file.metadata()?.len();
        self.add_reader(name, file, bytes).map(|()| true)
    }

    fn add_reader(&mut self, name: &str, reader: impl Read, bytes: u64) -> io::Result<()> {
        let mut reader = Summed::new(reader.take(bytes));
        self.tar.append_data(&mut header(bytes), name, &mut reader)?;
        if reader.bytes < bytes {
            // Its length is written already.
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{name} became shorter while it was read")));
        }
        self.parts.insert(name.to_owned(), reader.part());
        Ok(())
    }

    /// Names and lengths of the parts so far.
    pub fn parts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.parts.iter().map(|(name, part)| (name.as_str(), part.bytes))
    }

    /// Ends it with `manifest`, to which the parts are added; answers its length and SHA-256, once it is on disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn finish(mut self, mut manifest: Value) -> io::Result<(u64, String)> {
        let parts = self.parts.iter().map(|(name, part)| (name.clone(), json!({ "bytes": part.bytes, "sha256": part.sha256 })));
        manifest["parts"] = Value::Object(parts.collect());
        let text = serde_json::to_vec_pretty(&manifest)?;
        self.tar.append_data(&mut header(text.len() as u64), MANIFEST, text.as_slice())?;
        let sum = self.tar.get_ref().part().sha256;
        // As `tail` has it.
        self.tar.append_data(&mut header(sum.len() as u64), SUM, sum.as_bytes())?;
        let mut written = self.tar.into_inner()?;
        written.flush()?;
        written.inner.get_ref().sync_all()?;
        let all = written.part();
        Ok((all.bytes, all.sha256))
    }
}

impl Archive {
    /// Opens one and proves all of it.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let disk = |source| ArchiveError::Disk { path: path.to_owned(), source };
        let broken = |reason: String| ArchiveError::Broken { path: path.to_owned(), reason };
        let file = File::open(path).map_err(disk)?;
        let cut = |error: io::Error| broken(format!("was cut off, or is no archive of offhook: {error}"));
        let (mut found, mut manifest, mut sum_at) = (BTreeMap::new(), Value::Null, None);
        let mut tar = tar::Archive::new(BufReader::with_capacity(PIECE, &file));
        for entry in tar.entries().map_err(cut)? {
            let entry = entry.map_err(cut)?;
            let name = entry.path().map_err(cut)?.to_string_lossy().into_owned();
            if name == SUM {
                sum_at = Some(entry.raw_header_position());
                break;
            }
            if name == MANIFEST {
                let mut text = Vec::new();
                entry.take(MANIFEST_BYTES_MAX).read_to_end(&mut text).map_err(cut)?;
                manifest = serde_json::from_slice(&text).map_err(|error| broken(format!("{MANIFEST}: {error}")))?;
                continue;
            }
            let mut summed = Summed::new(entry);
            io::copy(&mut summed, &mut io::sink()).map_err(cut)?;
            found.insert(name, summed.part());
        }
        let Some(sum_at) = sum_at else { return Err(broken("was cut off: its end is missing".to_owned())) };
        prove_sum(&file, sum_at).map_err(disk)?.map_err(broken)?;
        let parts = parts_of(&manifest);
        if let Some(name) = parts.keys().chain(found.keys()).find(|name| parts.get(*name) != found.get(*name)) {
            return Err(broken(format!("part {name} is not what {MANIFEST} says")));
        }
        Ok(Self { path: path.to_owned(), manifest, parts })
    }

    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// Writes each part to where `place` says, if anywhere, and to disk.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn extract(&self, mut place: impl FnMut(&str) -> Option<PathBuf>) -> Result<(), ArchiveError> {
        let broken = |reason: String| ArchiveError::Broken { path: self.path.clone(), reason };
        let disk = |path: &Path| {
            let path = path.to_owned();
            move |source| ArchiveError::Disk { path, source }
        };
        let file = File::open(&self.path).map_err(disk(&self.path))?;
        let mut tar = tar::Archive::new(BufReader::with_capacity(PIECE, file));
        for entry in tar.entries().map_err(disk(&self.path))? {
            let entry = entry.map_err(disk(&self.path))?;
            let name = entry.path().map_err(disk(&self.path))?.to_string_lossy().into_owned();
            let Some((known, target)) = self.parts.get(&name).zip(place(&name)) else { continue };
            let made = File::options().create_new(true).write(true).mode(0o600).open(&target).map_err(disk(&target))?;
            let (mut summed, mut to) = (Summed::new(entry), BufWriter::new(made));
            io::copy(&mut summed, &mut to).map_err(disk(&target))?;
            to.into_inner().map_err(|error| disk(&target)(error.into_error()))?.sync_all().map_err(disk(&target))?;
            if summed.part() != *known {
                return Err(broken(format!("part {name} has changed meanwhile")));
            }
        }
        Ok(())
    }
}

/// Whether the file is what its last part says, to the last byte.
fn prove_sum(mut file: &File, sum_at: u64) -> io::Result<Result<(), String>> {
    file.seek(SeekFrom::Start(0))?;
    let mut summed = Summed::new(BufReader::with_capacity(PIECE, file).take(sum_at));
    io::copy(&mut summed, &mut io::sink())?;
    let expected = tail(&summed.part().sha256)?;
    file.seek(SeekFrom::Start(sum_at))?;
    let mut end = Vec::new();
    file.take(expected.len() as u64 + 1).read_to_end(&mut end)?;
    Ok(if end == expected { Ok(()) } else { Err("was changed: its sum is another".to_owned()) })
}

/// The last part and the end of the tar.
fn tail(sum: &str) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header(sum.len() as u64), SUM, sum.as_bytes())?;
    tar.into_inner()
}

/// The same for all: what matters is in the manifest.
fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header
}

fn parts_of(manifest: &Value) -> BTreeMap<String, Part> {
    let parts = manifest["parts"].as_object().into_iter().flatten();
    let part = |part: &Value| Part {
        bytes: part["bytes"].as_u64().unwrap_or(0),
        sha256: part["sha256"].as_str().unwrap_or_default().to_owned(),
    };
    parts.map(|(name, value)| (name.clone(), part(value))).collect()
}

/// Bytes as people compare them.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
