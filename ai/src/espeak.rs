//! Speech without a provider: espeak-ng as a child process, with a small cache of what was said before.
//!
//! The text goes in by stdin and never through a shell or the argument list, where other users of the machine could
//! read it. espeak-ng takes some 20 ms of a core for a sentence, so few run at once and a greeting is made once for all
//! calls.

mod cache;
mod sound;

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::engine::EngineError;
use cache::{Cache, Key};

/// Why there is no speech. All but `Text`, `Voice` and `Rate` are the operator's to mend.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpeakError {
    /// espeak-ng ended with an error.
    #[error("{program} failed ({status}): {message}")]
    Failed {
        /// What was run.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The first line it complained with.
        message: String,
    },
    /// Nothing came within [`DEADLINE`], waiting for other speech included.
    #[error("speech took longer than {} s", DEADLINE.as_secs())]
    Late,
    /// The program is not there.
    #[error("{program} is not installed (on Debian: apt install espeak-ng)")]
    Missing {
        /// What was looked for.
        program: String,
    },
    /// What came back is not speech.
    #[error("{program} gave no speech: {reason}")]
    NoSpeech {
        /// What was run.
        program: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Words a minute out of range.
    #[error("rate {rate} is outside {MIN_RATE} to {MAX_RATE} words a minute")]
    Rate {
        /// What was asked for.
        rate: u16,
    },
    /// The program could not be run.
    #[error("{program} cannot be run: {reason}")]
    Run {
        /// What was run.
        program: String,
        /// What the system says.
        reason: String,
    },
    /// Nothing to say, or too much.
    #[error("text of {length} bytes is outside 1 to {MAX_TEXT}")]
    Text {
        /// Its length.
        length: usize,
    },
    /// Not the name of a voice.
    #[error("voice {voice:?} is not a name such as \"en-us\" or \"de+f2\"")]
    Voice {
        /// What was asked for.
        voice: String,
    },
}

impl From<SpeakError> for EngineError {
    fn from(error: SpeakError) -> Self {
        Self::Synthesizer { reason: error.to_string() }
    }
}

/// The longest one request may take, waiting for others included. A caller who hears nothing for longer hangs up.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Bytes of text at most: two minutes of speech, the longest prompt that a sendout holds.
pub const MAX_TEXT: usize = 2_000;

/// The slowest speech, in words a minute; what espeak-ng still follows.
pub const MIN_RATE: u16 = 80;

/// The fastest speech, in words a minute; what espeak-ng still follows.
pub const MAX_RATE: u16 = 450;

/// Bytes of WAV taken at most: 120 s at 22.05 kHz, as long as a sendout holds.
const MAX_OUTPUT: u64 = 120 * 22_050 * 2;

/// Children at once: as many as the cores of the smallest machine, so that media keeps its turn.
const CHILDREN: usize = 2;

/// Bytes kept of what espeak-ng complains with.
const MAX_COMPLAINT: u64 = 4_096;

/// The synthesizer of a node; share it behind an `Arc`.
pub struct Espeak {
    /// Locked for a lookup or an insertion, never across an await.
    cache: Mutex<Cache>,
    children: Semaphore,
    program: String,
}

impl Default for Espeak {
    fn default() -> Self {
        Self::new("espeak-ng")
    }
}

impl Espeak {
    /// A synthesizer that runs `program`, a name on the `PATH` or a file.
    pub fn new(program: &str) -> Self {
        Self { cache: Mutex::default(), children: Semaphore::new(CHILDREN), program: program.to_owned() }
    }

    /// `text` as speech at 8 kHz, at about -20 dBov, without silence around it.
    ///
    /// `voice` is a voice of espeak-ng ("en-us", "de+f2"), `rate` is in words a minute (espeak-ng's own default is 175).
    /// The same request again is answered from memory: the last 64 of up to 8 MB.
    ///
    /// # Errors
    /// Each [`SpeakError`]; [`SpeakError::Late`] after [`DEADLINE`] at most.
    pub async fn synthesize(&self, text: &str, voice: &str, rate: u16) -> Result<Arc<[i16]>, SpeakError> {
        check(text, voice, rate)?;
        let key = Key { rate, text: text.to_owned(), voice: voice.to_owned() };
        match tokio::time::timeout(DEADLINE, self.lookup_or_make(key)).await {
            Ok(result) => result,
            Err(_) => Err(SpeakError::Late),
        }
    }

    async fn lookup_or_make(&self, key: Key) -> Result<Arc<[i16]>, SpeakError> {
        if let Some(speech) = self.lookup(&key) {
            return Ok(speech);
        }
        let permit = self.children.acquire().await.expect("the semaphore is never closed");
        // Of a hundred calls that wait for the same greeting, the first has made it meanwhile.
        if let Some(speech) = self.lookup(&key) {
            return Ok(speech);
        }
        let wav = self.run(&key).await?;
        // Milliseconds of arithmetic: not on the threads that carry audio.
        let decoded = tokio::task::spawn_blocking(move || sound::decode(&wav)).await;
        let speech: Arc<[i16]> = decoded
            .unwrap_or(Err("decoding panicked"))
            .map_err(|reason| SpeakError::NoSpeech { program: self.program.clone(), reason })?
            .into();
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&speech));
        // Not before: who waits for it looks into the cache first.
        drop(permit);
        Ok(speech)
    }

    fn lookup(&self, key: &Key) -> Option<Arc<[i16]>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    /// One child, from start to end. It is killed when this future is dropped.
    async fn run(&self, key: &Key) -> Result<Vec<u8>, SpeakError> {
        let mut child = Command::new(&self.program)
            // -b 1: UTF-8; -z: no pause after the last sentence.
            .args(["--stdin", "--stdout", "-b", "1", "-z", "-v", &key.voice, "-s", &key.rate.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.not_run(&error))?;
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let write = async move {
            // A child that does not read its text says why on stderr.
            let _ = stdin.write_all(key.text.as_bytes()).await;
        };
        let (_, wav, complaint) = tokio::join!(write, read(stdout, MAX_OUTPUT), read(stderr, MAX_COMPLAINT));
        let (wav, complaint) = match (wav, complaint) {
            (Ok(wav), Ok(complaint)) => (wav, complaint),
            (Err(error), _) | (_, Err(error)) => return Err(self.not_run(&error)),
        };
        let status = child.wait().await.map_err(|error| self.not_run(&error))?;
        if status.success() || wav.len() as u64 == MAX_OUTPUT {
            return Ok(wav);
        }
        let complaint = String::from_utf8_lossy(&complaint);
        let message = complaint.lines().next().unwrap_or("no message").chars().take(200).collect();
        Err(SpeakError::Failed { program: self.program.clone(), status, message })
    }

    fn not_run(&self, error: &std::io::Error) -> SpeakError {
        let program = self.program.clone();
        match error.kind() {
            std::io::ErrorKind::NotFound => SpeakError::Missing { program },
            _ => SpeakError::Run { program, reason: error.to_string() },
        }
    }
}

/// Up to `limit` bytes. The pipe is closed then, which ends a child that has more to say.
async fn read(pipe: impl AsyncRead + Unpin, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.take(limit).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn check(text: &str, voice: &str, rate: u16) -> Result<(), SpeakError> {
    if text.trim().is_empty() || text.len() > MAX_TEXT {
        return Err(SpeakError::Text { length: text.len() });
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-+_".contains(c);
    // A leading dash would be an option, a slash or a dot a file.
    if !(1..=32).contains(&voice.len()) || !voice.chars().all(is_name) || voice.starts_with('-') {
        return Err(SpeakError::Voice { voice: voice.chars().take(32).collect() });
    }
    match (MIN_RATE..=MAX_RATE).contains(&rate) {
        true => Ok(()),
        false => Err(SpeakError::Rate { rate }),
    }
}

#[cfg(test)]
mod tests;
