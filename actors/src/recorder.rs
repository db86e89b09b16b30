//! Recorder: the stereo file of one call, caller left and agent right. It is playable at every moment, up to the last second.

mod file;
mod reseal;

use std::path::PathBuf;
use std::time::Duration;

use media::align::{Row, Side, StereoAligner};
use media::frame::SharedFrame;
use media::units::{FRAME, FRAME_SAMPLES};
use media::wav::{self, WavFormat};
use store::seal::CHUNK;
use store::{CallId, RecordingState, Seals};

use crate::call::CallMsg;
use crate::kind::ActorKind;
use crate::mailbox::{Lane, Letter, Mailbox};
use crate::worker::{Failure, Worker};

use self::file::RecordingFile;
pub(crate) use self::file::repair;
pub use self::reseal::{Reseal, reseal_file};

/// What the Recorder is told.
#[derive(Debug)]
pub enum RecorderMsg {
    /// By the JitterBuffer, or by a leg without one: what the caller said in this tick. The oldest is dropped when full, which the
    /// listener hears as a gap.
    Caller(u64, SharedFrame),
    /// By the leg: what the caller was sent in this tick.
    Agent(u64, SharedFrame),
    /// By the call: what is said from now on is nobody's business. Silence of the same length is written in its place.
    Pause,
    /// By the call: what is said may be recorded again.
    Resume,
    /// By the call: write the rest, close, report.
    Finish,
}

impl Letter for RecorderMsg {
    const KIND: ActorKind = ActorKind::Recorder;
    /// Two seconds of both sides: what a slow disk may take for one write.
    const AUDIO_MAX: u32 = 200;
    /// Nine frames wait and the tenth wakes it: 100 ms of both sides. Well below the half second that counts as a gap, and that a crash may
    /// cost.
    const LAZY_MAX: usize = 9;
    /// A pause, its end, and the end of all.
    const SIGNALS_MAX: u32 = 4;

    fn lane(&self) -> Lane {
        match self {
            Self::Caller(..) | Self::Agent(..) => Lane::Lazy,
            Self::Pause | Self::Resume | Self::Finish => Lane::Signal,
        }
    }
}

/// What the Recorder tells its call. Paths are relative to `node.data_dir`.
#[derive(Debug)]
pub enum RecordingEvent {
    /// The file is there.
    Opened {
        /// Where.
        path: String,
    },
    /// Its first row is that of this tick.
    Began {
        /// Tick of the media clock.
        first_tick: u64,
    },
    /// Something is missing from the recording; the call goes on.
    Faulted {
        /// What and why.
        reason: String,
    },
    /// The file is finished.
    Closed {
        /// Where.
        path: String,
        /// Whole, or cut short.
        state: RecordingState,
        /// Length of the audio.
        duration: Duration,
        /// Size of the file.
        bytes: u64,
        /// What the listener should know.
        note: Option<String>,
    },
}

/// What a Recorder is made from.
pub struct RecorderArgs {
    /// Names the file.
    pub call_id: CallId,
    /// Under which `recordings/` lies.
    pub data_dir: PathBuf,
    /// The first tick of the file, for a Recorder that takes over from one that died.
    pub first_tick: Option<u64>,
    /// Whether it begins paused.
    pub paused: bool,
    /// What the file is sealed with, if with anything.
    pub seals: Seals,
    /// The parent.
    pub call: Mailbox<CallMsg>,
}

/// Audio goes to the file in pieces of one second, 32,000 octets: a crash loses no more.
const PIECE: usize = CHUNK;

/// Octets of one row: 20 ms of two sides.
const ROW: u64 = 4 * FRAME_SAMPLES as u64;

/// The longest silence written for a gap: a minute, after which the clock was at fault and not the Recorder.
const GAP_ROWS_MAX: u64 = 3_000;

/// How long the recording stays silent after a pause: half a second, in which the last key's tone ends.
const SILENT_AFTER: u64 = 25;

/// The actor.
pub struct Recorder {
    /// `None` after a fault: what comes is thrown away.
    file: Option<RecordingFile>,
    path: String,
    aligner: StereoAligner,
    first_tick: Option<u64>,
    /// Octets of audio in the file and waiting.
    audio: u64,
    /// Octets of audio in the file, as its header says.
    written: u64,
    waiting: Vec<u8>,
    note: Option<String>,
    paused: bool,
    /// The latest tick that came.
    tick: u64,
    /// Rows up to this tick are silent, though the pause is over.
    silent_to: Option<u64>,
    call: Mailbox<CallMsg>,
}

impl Worker for Recorder {
    type Msg = RecorderMsg;
    type Args = RecorderArgs;

    async fn start(args: RecorderArgs, _: &Mailbox<RecorderMsg>) -> Result<Self, Failure> {
        let RecorderArgs { call_id, data_dir, first_tick, paused, seals, call } = args;
        let path = path_of(call_id);
        let full = data_dir.join(&path);
        let resumed = first_tick.is_some();
        let keys = seals.keys();
        let open =
            move || if resumed { RecordingFile::resume(&full, &keys) } else { RecordingFile::create(&full, call_id, &keys) };
        let file = tokio::task::spawn_blocking(open).await??;
        let audio = file.audio();
        if !resumed {
            let _call_ended_already = call.send(CallMsg::Recording(RecordingEvent::Opened { path: path.clone() }));
        }
        let note = resumed.then(|| "has a silent gap where the recorder was restarted".to_owned());
        let waiting = Vec::with_capacity(PIECE + 8 * FRAME_SAMPLES);
        Ok(Self {
            file: Some(file),
            path,
            aligner: StereoAligner::new(),
            first_tick,
            audio,
            written: audio,
            waiting,
            note,
            paused,
            tick: 0,
            silent_to: None,
            call,
        })
    }

    async fn handle(&mut self, message: RecorderMsg, me: &Mailbox<RecorderMsg>) -> Result<(), Failure> {
        match message {
            RecorderMsg::Caller(tick, frame) => self.take(Side::Caller, tick, frame).await?,
            RecorderMsg::Agent(tick, frame) => self.take(Side::Agent, tick, frame).await?,
            RecorderMsg::Pause => {
                self.paused = true;
                self.note.get_or_insert_with(|| "is silent where the caller typed something secret".to_owned());
            }
            RecorderMsg::Resume => {
                self.paused = false;
                self.silent_to = Some(self.tick + SILENT_AFTER);
            }
            RecorderMsg::Finish => {
                self.finish().await?;
                me.stop();
            }
        }
        Ok(())
    }
}

impl Recorder {
    async fn take(&mut self, side: Side, tick: u64, frame: SharedFrame) -> Result<(), Failure> {
        if self.file.is_none() {
            return Ok(());
        }
        self.tick = self.tick.max(tick);
        self.aligner.handle_frame(side, tick, frame);
        while let Some(row) = self.aligner.poll_row() {
            self.write_row(&row);
        }
        if self.waiting.len() >= PIECE {
            self.flush(false).await?;
        }
        Ok(())
    }

    /// Puts a row where its tick says: what is missing before it becomes silence.
    fn write_row(&mut self, row: &Row) {
        let first = *self.first_tick.get_or_insert_with(|| {
            let _call_ended_already = self.call.send(CallMsg::Recording(RecordingEvent::Began { first_tick: row.tick }));
            row.tick
        });
        let gap = (row.tick - first.min(row.tick)).saturating_sub(self.audio / ROW);
        let missing = gap.min(GAP_ROWS_MAX);
        self.first_tick = Some(first + (gap - missing));
        let silence = usize::try_from(missing * ROW).expect("a minute of silence fits memory");
        self.waiting.resize(self.waiting.len() + silence, 0);
        // Rows wait up to 200 ms for their other side, so their own ticks count and not the time of writing.
        if self.paused || self.silent_to.is_some_and(|silent_to| row.tick <= silent_to) {
            self.waiting.resize(self.waiting.len() + usize::try_from(ROW).expect("a row fits memory"), 0);
        } else {
            row.write(&mut self.waiting);
        }
        self.audio += missing * ROW + ROW;
    }

    /// Appends what waits, and puts the header right, so that the file plays as it is; with `end` it is closed. Runs apart from the
    /// media threads. Of a sealed file whole chunks are written, and what is left of them waits for more.
    async fn flush(&mut self, end: bool) -> Result<(), Failure> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let mut piece = std::mem::take(&mut self.waiting);
        let taken = file.takes(piece.len(), end);
        let kept = file.audio();
        let header = wav::header(WavFormat::RECORDING, kept + taken as u64);
        let (file, piece, written) = tokio::task::spawn_blocking(move || {
            let written = file.append(&piece[..taken], &header, end);
            piece.drain(..taken);
            (file, piece, written)
        })
        .await?;
        self.waiting = piece;
        match written {
            Ok(()) => {
                self.written = file.audio();
                metrics::counter!("offhook_recordings_bytes_total").increment(self.written - kept);
                self.file = Some(file);
            }
            Err(error) => self.give_up(&error),
        }
        Ok(())
    }

    /// The disk takes no more: the call goes on, the record says so, and the file keeps what it has.
    fn give_up(&mut self, error: &std::io::Error) {
        let reason = format!("the recording stopped: {error}");
        self.note = Some(reason.clone());
        let _call_ended_already = self.call.send(CallMsg::Recording(RecordingEvent::Faulted { reason }));
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        while let Some(row) = self.aligner.flush_row() {
            if self.file.is_some() {
                self.write_row(&row);
            }
        }
        self.flush(true).await?;
        let whole = self.file.is_some();
        let state = if whole { RecordingState::Complete } else { RecordingState::Failed };
        let duration = FRAME * u32::try_from(self.written / ROW).unwrap_or(u32::MAX);
        let bytes = wav::HEADER as u64 + self.written;
        let (path, note) = (self.path.clone(), self.note.take());
        let closed = RecordingEvent::Closed { path, state, duration, bytes, note };
        let _call_ended_already = self.call.send(CallMsg::Recording(closed));
        Ok(())
    }
}

/// Where the recording of a call lies, relative to `node.data_dir`.
pub(crate) fn path_of(call: CallId) -> String {
    format!("recordings/{call}.wav")
}
