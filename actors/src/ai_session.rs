//! AiSession: the AI side of one call. Feeds its engine, carries out what the engine wants, and reports each turn with its times.

mod held;
mod introduction;
mod kept;
pub(crate) mod leave;
mod links;
mod made;
mod manners;
mod tools;
mod transfer;
mod turns;
mod typed;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ai::engine::{CacheKey, Engine as Core, EngineError, Input, Output, Past, Usage, VOICE, Words};
use ai::espeak::Espeak;
use ai::link::http::HttpClient;
use ai::link::{LinkId, LinkInput};
use ai::remark::{Occasion, Phrases};
use ai::speech_cache::SpeechCache;
use ai::tools::CallInfo;
use bytes::Bytes;
use media::codec::Codec;
use media::dtmf::Digit;
use media::frame::SharedFrame;
use media::sendout::PromptId;
use media::turn::TurnEvent;
use store::{CallId, HangupCause};
use tokio::runtime::Handle;

use crate::alarm::{Alarm, Owned};
use crate::call::{CallMsg, CallPorts};
use crate::config::Assistant;
use crate::kind::ActorKind;
use crate::leg::{FirstFrame, LegMsg};
use crate::mailbox::{Lane, Letter, Mailbox, Port};
use crate::metric::LocalHistogram;
use crate::store::StoreMsg;
use crate::trace::Generation;
use crate::turn::{Counted, tokens_of};
use crate::vad::VadMsg;
use crate::worker::{Failure, Worker};
use held::Held;
pub use introduction::Introduction;
pub use links::Opened;
pub use tools::ToolReport;
pub use transfer::TransferStands;

/// What the AiSession is told.
#[derive(Debug)]
pub enum AiMsg {
    /// By the JitterBuffer, or by a leg without one: a frame of the caller, and when it was due. The oldest is
    /// dropped when full.
    Caller(Instant, SharedFrame),
    /// By the call: audio flows from now on.
    Answered,
    /// By the Vad: whose turn it is.
    Turn(TurnEvent),
    /// By the leg: the caller pressed a key.
    Dtmf(Digit),
    /// By the reader of a session's socket, or by the call: the caller typed this.
    Typed(Words),
    /// By the leg: the first frame of a prompt went out.
    PromptStarted(PromptId, FirstFrame),
    /// By the leg: all audio before a mark was heard.
    Marked(u64),
    /// By the leg: a prompt was heard to its end.
    PromptFinished(PromptId),
    /// By the leg, after a barge-in: what was cut, and how much of it was heard; `None` when nothing was being said.
    Interrupted(Option<(PromptId, Duration)>),
    /// By the cache of speech.
    Cached(CacheKey, Option<Bytes>),
    /// By the opener of a link: it is open, or failed to open.
    Opened(LinkId, Result<Opened, EngineError>),
    /// By a link; a full mailbox makes it wait, and the provider with it.
    Link(LinkId, LinkInput),
    /// By the speech synthesizer.
    Synthesized(u64, Result<Bytes, EngineError>),
    /// By the call: a tool has ended, and this is what the model is told.
    ToolDone {
        /// Of the call of the tool.
        number: u64,
        /// Its identity for the model.
        call_id: String,
        /// The result.
        output: Words,
    },
    /// By a timer: the tool of this number is slow.
    ToolLate(u64),
    /// By an alarm: the collection of digits may be over.
    DigitsDue,
    /// By the alarm: a deadline of the engine, or of the agent's manners, is due.
    TimerDue,
    /// By the call: the caller talked with somebody else, or was to, who is gone: what is to be said of it.
    Back(Occasion),
    /// By the call: its longest time is nearly over.
    TimeShort,
    /// By the call: its longest time is over.
    TimeUp,
    /// By the call: the peer holds it, and nobody is there to speak or to listen.
    Held,
    /// By the call: the peer is back.
    Resumed,
    /// By the call: a new Vad has taken over, which knows of no turn.
    VadStarted,
    /// By a timer: what is said before a transfer has taken its time.
    TransferDue,
    /// By the call: how far it is with a transfer that the model asked for.
    TransferStands(TransferStands),
    /// By a timer: the goodbye should have been heard by now.
    GoodbyeLate,
    /// By the leg or the call at the end: the prompt that was cut.
    Finish(Option<(PromptId, Duration)>),
}

impl Letter for AiMsg {
    const KIND: ActorKind = ActorKind::AiSession;
    /// A second: a provider's answer to older audio would come too late.
    const AUDIO_MAX: u32 = 50;
    /// A provider sends a ten second answer as about 100 texts within a second.
    const SIGNALS_MAX: u32 = 512;

    fn lane(&self) -> Lane {
        match self {
            Self::Caller(..) => Lane::Audio,
            _ => Lane::Signal,
        }
    }
}

/// Which engine an AiSession runs.
#[derive(Clone, Debug)]
pub enum EngineChoice {
    /// The assistant's own.
    Own(Arc<Assistant>),
    /// The offline one, which apologises and hangs up.
    Apology(Arc<Assistant>),
    /// The assistant's own, which says this to a machine and hangs up.
    Message(Arc<Assistant>, Words),
}

impl EngineChoice {
    /// Whose engine it is.
    pub fn assistant(&self) -> &Arc<Assistant> {
        let (Self::Own(assistant) | Self::Apology(assistant) | Self::Message(assistant, _)) = self;
        assistant
    }
}

/// What an AiSession is made from.
pub struct AiArgs {
    /// For logs.
    pub call_id: CallId,
    /// Which engine.
    pub engine: EngineChoice,
    /// The leg's codec.
    pub codec: Codec,
    /// What an external bot is told of the call.
    pub introduction: Introduction,
    /// What is known of the person who was called, for the places in what is told and said.
    pub variables: Vec<(String, Words)>,
    /// What was said and done before, for a session that takes over.
    pub history: Vec<Past>,
    /// When the call arrived.
    pub began: SystemTime,
    /// What is known of the caller.
    pub notes: Vec<Words>,
    /// Which session of the call it is, from 0.
    pub session: u64,
    /// Why the session before it was taking leave, if it was.
    pub leaving: Option<HangupCause>,
    /// The node's synthesizer.
    pub espeak: Arc<Espeak>,
    /// The node's client for requests.
    pub http: HttpClient,
    /// The node's speech that was made before.
    pub speech: Arc<SpeechCache>,
    /// What tools may know of the call.
    pub info: Arc<CallInfo>,
    /// Where tools run: not on the media thread.
    pub runtime: Handle,
    /// Where uses of tools are written.
    pub store: Port<StoreMsg>,
    /// Whom it tells.
    pub ports: CallPorts,
    /// The parent.
    pub call: Mailbox<CallMsg>,
}

/// What the speech of this machine's own synthesizer is counted as.
const OWN_VOICE: &str = "espeak";

/// Metrics are written out once a second.
const FRAMES_PER_FLUSH: u32 = 50;

/// The actor.
pub struct AiSession {
    call_id: CallId,
    session: u64,
    engine: Box<dyn Core>,
    links: links::Links,
    /// The provider of a speech-to-speech engine, for metrics.
    provider: Option<Arc<str>>,
    /// Whether a key cuts what is being said.
    keys_cut: bool,
    /// Whether it takes what is typed.
    reads: bool,
    /// The caller is speaking, as the client of a session was told.
    told_speech: bool,
    speech: Arc<SpeechCache>,
    speaker: made::Speaker,
    tools: tools::Tools,
    turns: turns::Turns,
    ports: CallPorts,
    call: Mailbox<CallMsg>,
    alarm: Alarm,
    /// What carrying out the engine's wishes has for it; it takes one input at a time.
    next: VecDeque<Input>,
    /// After a barge-in: what must wait until the leg has said what was heard.
    held: Option<VecDeque<Held>>,
    manners: manners::Manners,
    phrases: Phrases,
    finishing: bool,
    /// What a session before this one was leaving for; taken up once the call is answered.
    leaving: Option<HangupCause>,
    goodbye: Option<Owned>,
    /// From a frame's due time to its being here, since the last flush.
    added: LocalHistogram,
    frames: u32,
}

impl Worker for AiSession {
    type Msg = AiMsg;
    type Args = AiArgs;

    async fn start(args: AiArgs, me: &Mailbox<AiMsg>) -> Result<Self, Failure> {
        let tools = tools::Tools::new(&args);
        let made = made::make_engine(&args, tools.offer.tools());
        let assistant = args.engine.assistant();
        let (manners, phrases) = (manners::Manners::new(made.voice, &assistant.turn), assistant.phrases.clone());
        let AiArgs { call_id, session, leaving, ports, call, http, speech, .. } = args;
        let mut this = Self {
            call_id,
            session,
            engine: made.core,
            links: links::Links::new(http),
            provider: made.provider,
            keys_cut: made.keys_cut,
            reads: made.reads,
            told_speech: false,
            speech,
            speaker: made.speaker,
            tools,
            turns: turns::Turns::new(made.label),
            ports,
            call,
            alarm: Alarm::default(),
            next: VecDeque::new(),
            held: None,
            manners,
            phrases,
            finishing: false,
            leaving,
            goodbye: None,
            added: LocalHistogram::in_direction("offhook_media_added_delay_seconds", "received"),
            frames: 0,
        };
        let now = Instant::now();
        if this.ports.client.is_some() {
            // Nobody speaks yet, and who types is not asked after.
            this.manners.typed();
        }
        this.engine.handle_input(now, Input::Ringing);
        this.drain(now, me);
        Ok(this)
    }

    async fn handle(&mut self, message: AiMsg, me: &Mailbox<AiMsg>) -> Result<(), Failure> {
        let now = Instant::now();
        match message {
            AiMsg::Caller(due, frame) => self.handle_caller(now, due, frame),
            AiMsg::Answered => {
                self.engine.handle_input(now, Input::Started);
                self.next.extend(self.tools.answered());
                self.manners.caller_unknown(now);
                self.take_up_leaving(now);
            }
            AiMsg::Turn(event) => self.handle_turn(now, event, me),
            AiMsg::Dtmf(digit) => self.handle_digit(now, digit, me),
            AiMsg::Typed(words) => self.handle_typed(now, words, me),
            AiMsg::PromptStarted(prompt, first) => {
                self.turns.prompt_started(prompt, first);
                self.manners.agent_began();
            }
            AiMsg::Marked(mark) => self.engine.handle_input(now, Input::Marked { mark }),
            AiMsg::PromptFinished(prompt) => {
                self.turns.prompt_ended(prompt, now, None);
                self.engine.handle_input(now, Input::PromptFinished { prompt });
            }
            AiMsg::Interrupted(cut) => self.handle_interrupted(now, cut, me),
            AiMsg::Cached(key, audio) => self.engine.handle_input(now, Input::Cached { key, audio }),
            AiMsg::Opened(link, result) => {
                if let Some(input) = self.links.adopt(link, result, me) {
                    self.engine.handle_input(now, Input::Link { link, input });
                }
            }
            AiMsg::Link(link, input) => {
                if self.links.is_wanted(link, &input) {
                    self.engine.handle_input(now, Input::Link { link, input });
                }
            }
            AiMsg::Synthesized(request, result) => self.engine.handle_input(now, Input::Synthesized { request, result }),
            AiMsg::ToolDone { number, call_id, output } => {
                let done = self.tools.done(number, call_id, output);
                self.next.extend(done.filter(|_| !self.manners.is_leaving()));
            }
            AiMsg::ToolLate(number) => {
                let silent = self.turns.all_heard() && !self.manners.is_ending() && !self.manners.is_held();
                self.next.extend(self.tools.late(number, silent, me));
            }
            AiMsg::DigitsDue => self.tools.digits_due(now, me),
            AiMsg::TimerDue => {
                self.alarm.rang();
                self.engine.handle_timeout(now);
            }
            AiMsg::Back(occasion) => self.come_back(now, occasion, me),
            AiMsg::Held => self.manners.held(),
            AiMsg::Resumed => self.manners.resumed(now),
            AiMsg::VadStarted => self.manners.caller_unknown(now),
            AiMsg::TransferDue => {}
            AiMsg::TransferStands(stands) => self.handle_transfer_stands(stands),
            AiMsg::TimeShort => self.manners.closing(),
            AiMsg::TimeUp => self.manners.time_up(now),
            AiMsg::GoodbyeLate if self.manners.is_ending() => self.tell_call(CallMsg::AgentHungUp(self.manners.cause())),
            AiMsg::GoodbyeLate => {}
            AiMsg::Finish(cut) => self.finish(now, cut),
        }
        self.drain(now, me);
        if self.finishing {
            me.stop();
        }
        Ok(())
    }
}

impl AiSession {
    /// The call is over; `cut` is what was playing, and how much of it was heard.
    fn finish(&mut self, now: Instant, cut: Option<(PromptId, Duration)>) {
        self.finishing = true;
        self.tools.finish();
        if let Some((prompt, heard)) = cut {
            self.turns.prompt_ended(prompt, now, Some(heard));
        }
        self.engine.handle_input(now, Input::Ended { heard: cut });
    }

    fn handle_caller(&mut self, now: Instant, due: Instant, frame: SharedFrame) {
        self.added.record(now.saturating_duration_since(due));
        self.frames += 1;
        if self.frames == FRAMES_PER_FLUSH {
            self.frames = 0;
            self.added.flush();
        }
        if !self.tools.is_deaf() {
            self.engine.handle_input(now, Input::Audio(frame));
        }
    }

    fn handle_turn(&mut self, now: Instant, event: TurnEvent, me: &Mailbox<AiMsg>) {
        if self.held.is_some() {
            return self.hold(now, Held::Turn(event), me);
        }
        self.notice(now, event);
        self.tell_speech(event);
        match event {
            // The leg will say what was heard; until then the caller's turn must not begin.
            TurnEvent::BargeInCommitted => self.held = Some(VecDeque::new()),
            TurnEvent::BargeInStarted { .. } | TurnEvent::BargeInResumed { .. } => {}
            TurnEvent::CallerSilent { .. } | TurnEvent::CallerGone { .. } => {}
            // Nothing more is answered.
            _ if self.manners.is_leaving() => {}
            TurnEvent::CallerStarted { .. } if self.tools.is_deaf() => {}
            TurnEvent::CallerPaused { last_speech_at } => {
                self.engine.handle_input(now, Input::CallerPaused { last_speech_at });
            }
            TurnEvent::CallerResumed => self.engine.handle_input(now, Input::CallerResumed),
            TurnEvent::CallerStarted { at } => {
                self.tools.give_up();
                self.turns.caller_started(at);
                self.engine.handle_input(now, Input::CallerStarted { at });
            }
            TurnEvent::CallerFinished { last_speech_at, speech } => {
                self.tools.caller_finished();
                self.turns.caller_finished(now, last_speech_at);
                self.engine.handle_input(now, Input::CallerFinished { last_speech_at, speech });
            }
        }
        self.drain(now, me);
    }

    /// Carries out what the engine wants.
    fn drain(&mut self, now: Instant, me: &Mailbox<AiMsg>) {
        loop {
            while let Some(output) = self.engine.poll_output() {
                self.carry_out(now, output, me);
            }
            match self.next.pop_front() {
                Some(input) => self.engine.handle_input(now, input),
                None if self.take_step(now, me) => {}
                None => break,
            }
        }
        let due = [self.engine.poll_timeout(), self.manners.poll_timeout()].into_iter().flatten().min();
        self.alarm.set(due, me, || AiMsg::TimerDue);
    }

    fn carry_out(&mut self, now: Instant, output: Output, me: &Mailbox<AiMsg>) {
        match output {
            Output::Audio { prompt, audio } => {
                self.turns.audio_came(prompt, now);
                self.ports.leg.tell(LegMsg::Audio(prompt, audio));
            }
            Output::Clear => {
                self.turns.dropped(now);
                self.ports.leg.tell(LegMsg::Clear);
            }
            Output::Mark { mark } => self.ports.leg.tell(LegMsg::Mark(mark)),
            Output::Rejected { reason } => {
                metrics::counter!("offhook_bot_rejected_total", "reason" => reason).increment(1);
            }
            Output::PromptEnd { prompt } => self.ports.leg.tell(LegMsg::PromptEnd(prompt)),
            Output::Open { link, target } => self.links.open(link, target, me),
            Output::Send { link, frame } => {
                if let Err(error) = self.links.send(link, frame) {
                    self.next.push_back(Input::Link { link, input: LinkInput::Closed { error } });
                }
            }
            Output::Close(link) => self.links.close(link),
            Output::Warm { url } => self.links.warm(url),
            Output::CacheGet(key) => self.look_up(key, me),
            Output::CachePut { key, audio } => self.keep(key, audio),
            // Whose turn it is, is decided without the providers in this version.
            Output::TurnHint(hint) => self.ports.vad.tell(VadMsg::Hint(hint)),
            Output::Synthesize { request, text } => {
                let usage = Usage { characters: text.as_str().chars().count() as u64, ..Usage::default() };
                self.tell_call(CallMsg::UsageCounted(Box::new(Counted::new(Some(OWN_VOICE), VOICE, &usage))));
                self.speaker.say(request, text, me);
            }
            Output::Transcript { role, prompt, text, is_final: false } => self.tell_words(role, prompt, &text),
            Output::Transcript { role, prompt, text, is_final: true } => {
                self.tell_said(role, &text);
                let report = self.turns.report(now, role, prompt, text);
                self.tell_call(CallMsg::TurnTaken(Box::new(report)));
            }
            Output::ToolCall { call_id, name, arguments } => self.run_tool(now, call_id, &name, arguments, me),
            Output::TurnDone { outcome, timings, usage } => {
                if let (Some(requested), Some(first_audio)) = (timings.requested, timings.first_audio) {
                    if let Some(provider) = &self.provider {
                        links::record(provider, "response", first_audio.saturating_duration_since(requested));
                    }
                    let (done, usage) = (timings.done.unwrap_or(now), tokens_of(&usage));
                    let (transcribed, created) = (timings.transcribed, timings.created);
                    self.turns.generated(Generation { transcribed, requested, created, first_audio, done, outcome, usage });
                }
            }
            Output::Usage { provider, stage, usage } => {
                self.tell_call(CallMsg::UsageCounted(Box::new(Counted::new(provider.as_deref(), stage, &usage))));
            }
            Output::Voicemail { audio } => tracing::info!(call = %self.call_id, octets = audio.len(), "voicemail taken"),
            Output::Warning { error } => self.tell_call(CallMsg::ProviderFailed(None, error)),
            Output::ProviderFailed { provider, stage, replaced, error } => {
                tracing::warn!(call = %self.call_id, provider = &*provider, stage, replaced, "a provider failed");
                if replaced {
                    metrics::counter!("offhook_provider_fallbacks_total").increment(1);
                }
                self.tell_call(CallMsg::ProviderFailed(Some(provider), error));
            }
            Output::ProviderTook { provider, stage, took } => links::record(&provider, stage, took),
            Output::Speculated { used } => {
                let outcome = if used { "used" } else { "wasted" };
                metrics::counter!("offhook_speculations_total", "outcome" => outcome).increment(1);
            }
            Output::Failed { error } => self.tell_call(CallMsg::EngineLost(self.session, error)),
            Output::Hangup { reason } => self.hang_up(reason, false),
            Output::Language(language) => self.tell_call(CallMsg::LanguageHeard(language)),
        }
    }

    fn tell_call(&self, message: CallMsg) {
        // A call that takes no messages is ending, and this session with it.
        let _ended_already = self.call.send(message);
    }
}
