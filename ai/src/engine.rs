//! What an engine is: the agent's side of one call, as a pure core with inputs and outputs.

mod error;
#[cfg(test)]
pub(crate) mod script;
mod words;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::frame::SharedFrame;
use media::sendout::PromptId;
use media::turn::TurnHint;

use crate::language::Language;
use crate::link::{Frame, LinkId, LinkInput, Target};
use crate::remark::Remark;

pub use error::{EngineError, Fault, Stage};
pub use words::Words;

/// The agent's side of one call.
///
/// A pure core: one input, then drain [`poll_output`](Self::poll_output) until `None`, then ask
/// [`poll_timeout`](Self::poll_timeout). After [`Output::Failed`] an engine is dead: it ignores inputs and asks for
/// nothing, and another may take over from [`next_prompt`](Self::next_prompt).
pub trait Engine: Send {
    /// Something happened.
    fn handle_input(&mut self, now: Instant, input: Input);

    /// The deadline of [`poll_timeout`](Self::poll_timeout) has come. Early or late calls do no harm.
    fn handle_timeout(&mut self, now: Instant);

    /// What to do next, in order.
    fn poll_output(&mut self) -> Option<Output>;

    /// When to call [`handle_timeout`](Self::handle_timeout) if no input comes before.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The first prompt this engine has not used: where an engine that takes over begins.
    fn next_prompt(&self) -> PromptId;

    /// Whether more is to be heard of it without any doing of the caller: something is being made, or was asked and is to be answered. What
    /// a tool has not brought yet does not count.
    fn is_busy(&self) -> bool;
}

/// What happens to an engine. Whose turn it is was decided by `media::turn`.
#[derive(Debug)]
pub enum Input {
    /// 20 ms of the caller, every 20 ms, speech or not. The engine itself keeps what a turn needs of the past.
    Audio(SharedFrame),
    /// The caller interrupts for good, and the sendout was cleared. `CallerStarted` follows if no turn is open.
    BargeInCommitted {
        /// What was being said; prompts after it were not heard at all.
        prompt: PromptId,
        /// How much of it went out, by the sendout's clock.
        heard: Duration,
    },
    /// The end of an [`Output::CacheGet`].
    Cached {
        /// Its key.
        key: CacheKey,
        /// What there is; `None`: nothing, or it could not be read.
        audio: Option<Bytes>,
    },
    /// The caller's turn is over: answer.
    CallerFinished {
        /// When the caller was last heard; the response gap counts from here.
        last_speech_at: Instant,
        /// How much of the turn was speech.
        speech: Duration,
    },
    /// The caller has probably finished; what may be begun early may begin. [`CallerResumed`](Self::CallerResumed) or
    /// [`CallerFinished`](Self::CallerFinished) follows.
    CallerPaused {
        /// When the caller was last heard.
        last_speech_at: Instant,
    },
    /// The caller goes on after a [`CallerPaused`](Self::CallerPaused): what was begun early is void.
    CallerResumed,
    /// The caller's turn began. Frames from `at` on belong to it, though they came before this input.
    CallerStarted {
        /// When the speech began.
        at: Instant,
    },
    /// The caller pressed a key: 0-9, A-D, `*` or `#`; others are ignored.
    Dtmf(char),
    /// The call is over. What is owed comes out now (transcripts, a voicemail); nothing else will.
    Ended {
        /// The prompt that was cut, and how much of it was heard.
        heard: Option<(PromptId, Duration)>,
    },
    /// All audio given before an [`Output::Mark`] was heard. Marks are told in order; those that were cleared are not.
    Marked {
        /// Which.
        mark: u64,
    },
    /// A prompt that was ended by [`Output::PromptEnd`] was heard whole.
    PromptFinished {
        /// Which.
        prompt: PromptId,
    },
    /// The call rings: connections may be opened, nobody hears anything yet. Comes once or not at all, and before
    /// [`Started`](Self::Started).
    Ringing,
    /// From a connection opened for [`Output::Open`].
    Link {
        /// Which.
        link: LinkId,
        /// What came.
        input: LinkInput,
    },
    /// Say something that answers nothing; see [`Occasion::cuts`](crate::remark::Occasion::cuts) for when it is forgotten.
    Remark(Remark),
    /// A tool takes its time: say this now. Forgotten by an engine that is saying or making something, that hears the caller, or
    /// that cannot say a given text.
    Say(Words),
    /// The call is answered and audio flows. Comes once, before all but [`Ringing`](Self::Ringing) and what links say.
    Started,
    /// The end of an [`Output::Synthesize`].
    Synthesized {
        /// Its number.
        request: u64,
        /// G.711 of the leg.
        result: Result<Bytes, EngineError>,
    },
    /// The end of an [`Output::ToolCall`]. Each call must get one, in any order.
    ToolResult {
        /// Its identity.
        call_id: String,
        /// What the model reads; JSON by custom.
        output: Words,
    },
    /// The caller typed this, while nothing was being said; it is to be answered as what is spoken. Ignored by an engine that reads
    /// nothing.
    Typed(Words),
}

/// What an engine wants done.
#[derive(Debug)]
pub enum Output {
    /// Agent audio to say after what was given before.
    Audio {
        /// What it belongs to.
        prompt: PromptId,
        /// G.711 of the leg, of any length.
        audio: Bytes,
    },
    /// Look for speech that was made before; answered by [`Input::Cached`].
    CacheGet(CacheKey),
    /// Keep speech for other calls.
    CachePut {
        /// What it is of.
        key: CacheKey,
        /// G.711 of the leg.
        audio: Bytes,
    },
    /// Drop the audio that waits, and the marks in it. What comes next must be of a new prompt.
    Clear,
    /// Close a link; nothing more of it is handed over.
    Close(LinkId),
    /// The engine cannot go on; nothing follows.
    Failed {
        /// Why, and whose fault.
        error: EngineError,
    },
    /// End the call once what was said has been heard.
    Hangup {
        /// Why; a label of low cardinality.
        reason: &'static str,
    },
    /// The caller speaks this language, as a provider found: told when it is first known, and when it changes.
    Language(Language),
    /// Answer with [`Input::Marked`] when all audio given so far was heard: at once when none waits.
    Mark {
        /// Its number, growing.
        mark: u64,
    },
    /// Open a connection. Answered by [`LinkInput::Opened`] or [`LinkInput::Closed`].
    Open {
        /// Its number, new.
        link: LinkId,
        /// Where to.
        target: Box<Target>,
    },
    /// No more audio will come for this prompt. A prompt that was interrupted has no end.
    PromptEnd {
        /// Which.
        prompt: PromptId,
    },
    /// One provider of several failed, and the engine goes on: by another try, or with the next provider.
    ProviderFailed {
        /// Its name in the configuration.
        provider: Arc<str>,
        /// What it was for.
        stage: &'static str,
        /// Whether another provider took its place.
        replaced: bool,
        /// Why.
        error: EngineError,
    },
    /// What a provider took for a stage of its work; to be measured.
    ProviderTook {
        /// Its name in the configuration.
        provider: Arc<str>,
        /// Label of metrics.
        stage: &'static str,
        /// How long.
        took: Duration,
    },
    /// Something an external bot sent, or was to be told, was passed over; to be counted.
    Rejected {
        /// Why; a label of low cardinality.
        reason: &'static str,
    },
    /// Send one frame over an open socket.
    Send {
        /// Which.
        link: LinkId,
        /// What.
        frame: Frame,
    },
    /// What was begun early was of use, or was not; to be counted.
    Speculated {
        /// True: its audio was said.
        used: bool,
    },
    /// Make speech of text, and answer with [`Input::Synthesized`].
    Synthesize {
        /// Number of this request, unique in the engine.
        request: u64,
        /// What to say.
        text: Words,
    },
    /// Run a tool, and answer with [`Input::ToolResult`].
    ToolCall {
        /// Identity of the call.
        call_id: String,
        /// Name of the tool.
        name: String,
        /// JSON as the model wrote it, not checked.
        arguments: Words,
    },
    /// Words that were said.
    Transcript {
        /// Who said them.
        role: Role,
        /// What the agent's words belong to; `None` for the caller.
        prompt: Option<PromptId>,
        /// Not final: the words since the last transcript of this turn. Final: all that was said, and of the agent's
        /// only what was heard.
        text: Words,
        /// Whether this closes the turn.
        is_final: bool,
    },
    /// A turn of the agent is complete as far as the engine is concerned; it may still be playing.
    TurnDone {
        /// How it ended.
        outcome: TurnOutcome,
        /// When what happened.
        timings: TurnTimings,
        /// What the provider counted for it; nothing of a response that was cut, which it counts later or never.
        usage: Usage,
    },
    /// What a provider makes of the caller's turn; whose turn it is, is not its to say.
    TurnHint(TurnHint),
    /// What a provider counted since the last `Usage`, or what was sent to one that counts nothing.
    Usage {
        /// Its name in the configuration; `None`: the engine's only one.
        provider: Option<Arc<str>>,
        /// What it was for: [`TRANSCRIBER`], [`MODEL`], [`VOICE`] or [`REALTIME`].
        stage: &'static str,
        /// How much.
        usage: Usage,
    },
    /// The caller left a message.
    Voicemail {
        /// G.711 of the leg.
        audio: Bytes,
    },
    /// Have a connection ready for requests to this URL.
    Warm {
        /// Absolute, `http(s)://`.
        url: String,
    },
    /// Something went wrong that the engine got over; to be counted and logged.
    Warning {
        /// What.
        error: EngineError,
    },
}

/// What a piece of speech in the cache is of: the same text, voice, provider and format have the same key.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CacheKey(pub String);
/// One thing of a conversation that an engine takes over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Past {
    /// Something was said, and heard.
    Said(Role, Words),
    /// A tool's result was told to the model.
    ToolAnswered {
        /// Identity of the call.
        call_id: String,
        /// The result.
        output: Words,
    },
    /// The model called a tool. Without a [`ToolAnswered`](Self::ToolAnswered) the result is still to come, as an
    /// [`Input::ToolResult`].
    ToolCalled {
        /// Identity of the call.
        call_id: String,
        /// Name of the tool.
        name: String,
        /// JSON as the model wrote it.
        arguments: Words,
    },
}

impl Past {
    /// Bytes of text in it.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Said(_, words) => words.as_str().len(),
            Self::ToolAnswered { call_id, output } => call_id.len() + output.as_str().len(),
            Self::ToolCalled { call_id, name, arguments } => call_id.len() + name.len() + arguments.as_str().len(),
        }
    }
}

impl From<(Role, Words)> for Past {
    fn from((role, words): (Role, Words)) -> Self {
        Self::Said(role, words)
    }
}

/// Who said it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The machine.
    Agent,
    /// The person.
    Caller,
}

/// How a turn of the agent ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TurnOutcome {
    /// All of it was generated.
    Completed,
    /// The provider failed.
    Failed,
    /// The caller took the turn.
    Interrupted,
}

/// When what happened in one turn of the agent; each later than the one before, but that what was begun early came before the commit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TurnTimings {
    /// The caller was last heard; `None` when the agent began by itself.
    pub last_speech_at: Option<Instant>,
    /// The caller's audio was committed.
    pub committed: Option<Instant>,
    /// The caller's words were there, where they are needed before an answer can be asked for.
    pub transcribed: Option<Instant>,
    /// The response was asked for.
    pub requested: Option<Instant>,
    /// The provider began to answer.
    pub created: Option<Instant>,
    /// The first audio came.
    pub first_audio: Option<Instant>,
    /// The turn was complete.
    pub done: Option<Instant>,
}

/// Stage of [`Output::Usage`]: speech to words.
pub const TRANSCRIBER: &str = "transcriber";
/// Stage of [`Output::Usage`]: words to an answer.
pub const MODEL: &str = "model";
/// Stage of [`Output::Usage`]: words to speech.
pub const VOICE: &str = "voice";
/// Stage of [`Output::Usage`]: all of it.
pub const REALTIME: &str = "realtime";

/// What a provider counts, in tokens except where said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Audio read.
    pub input_audio: u64,
    /// Of what was read, taken from the provider's cache.
    pub input_cached: u64,
    /// Text read.
    pub input_text: u64,
    /// Audio made.
    pub output_audio: u64,
    /// Text made.
    pub output_text: u64,
    /// Read and made by the transcription model.
    pub transcription: u64,
    /// Audio transcribed, where the provider counts time.
    pub transcribed: Duration,
    /// Characters that were given to be spoken.
    pub characters: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_audio = self.input_audio.saturating_add(other.input_audio);
        self.input_cached = self.input_cached.saturating_add(other.input_cached);
        self.input_text = self.input_text.saturating_add(other.input_text);
        self.output_audio = self.output_audio.saturating_add(other.output_audio);
        self.output_text = self.output_text.saturating_add(other.output_text);
        self.transcription = self.transcription.saturating_add(other.transcription);
        self.transcribed = self.transcribed.saturating_add(other.transcribed);
        self.characters = self.characters.saturating_add(other.characters);
    }
}
