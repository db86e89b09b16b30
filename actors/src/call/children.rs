//! The actors of a call: started together, restarted one by one as the table says.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ai::engine::{EngineError, Past};
use ai::tools::CallInfo;
use media::ambience::AmbienceMixer;
use media::line::LineCodec;
use media::rtp::PayloadTypes;
use store::{HangupCause, RecordingState};
use tokio::sync::oneshot;

use super::{Call, CallMsg, Party, Phase};
use crate::ai_session::{AiArgs, AiMsg, AiSession, EngineChoice, ToolReport};
use crate::clock::Beats;
use crate::config::{Assistant, RecordingMode};
use crate::directory::RECORDING_FLAG;
use crate::hearing::Hearing;
use crate::jitter_buffer::{JitterArgs, JitterBuffer, JitterMsg, LiveMedia};
use crate::kind::ActorKind;
use crate::leg::{Leg, LegArgs, LegMsg, Wire, payload_types, relay_terms};
#[cfg(feature = "fault-injection")]
use crate::mailbox::Port;
use crate::mailbox::{Letter, Mailbox};
use crate::recorder::{Recorder, RecorderArgs, RecorderMsg, RecordingEvent, path_of};
use crate::recovery::close_recording;
use crate::supervision::{Budget, Otherwise, Verdict, count_death};
use crate::trace::CallEvent;
use crate::vad::{Vad, VadArgs};
use crate::worker::{Worker, spawn};

impl Call {
    /// Starts all actors of the call around its wire. The leg comes last: what it receives finds its readers there.
    pub(super) async fn start_children(&mut self, line: LineCodec, wire: Wire, me: &Mailbox<CallMsg>) -> Result<(), String> {
        self.speak(line, &wire);
        self.start_recorder(me).await;
        self.start_agent(me).await?;
        self.start_wire(wire, me).await
    }

    /// Starts what hears and records, and nobody who would answer: for early media.
    pub(super) async fn start_listening(&mut self, line: LineCodec, wire: Wire, me: &Mailbox<CallMsg>) -> Result<(), String> {
        self.speak(line, &wire);
        self.start_recorder(me).await;
        self.start_wire(wire, me).await
    }

    /// Starts who talks.
    pub(super) async fn start_agent(&mut self, me: &Mailbox<CallMsg>) -> Result<(), String> {
        let assistant = self.assistant()?;
        if assistant.engine.takes_turns_here() || self.is_screening() {
            self.start_vad(me).await?;
        }
        self.start_ai(self.engine_for(assistant), me).await
    }

    /// Notes what the wire speaks.
    fn speak(&mut self, line: LineCodec, wire: &Wire) {
        self.codec = line.row().law;
        self.draft.trace.media(line);
        (self.types, self.relay) = match wire {
            Wire::Rtp(rtp) => (payload_types(&rtp.negotiated), Some(relay_terms(&rtp.negotiated))),
            Wire::Session(..) | Wire::Twilio(_) => (PayloadTypes::of(self.codec), None),
        };
    }

    async fn start_wire(&mut self, wire: Wire, me: &Mailbox<CallMsg>) -> Result<(), String> {
        let beats = match &wire {
            Wire::Rtp(_) => {
                self.start_jitter_buffer(me).await?;
                Beats::ReceiveAndSend
            }
            Wire::Session(..) | Wire::Twilio(_) => Beats::Send,
        };
        let hearing = match &wire {
            // What comes over RTP the jitter buffer hands on.
            Wire::Rtp(_) => Hearing::plain(self.ports.clone()),
            Wire::Session(..) | Wire::Twilio(_) => self.hearing(),
        };
        let args = LegArgs { codec: self.codec, wire, hearing, ambience: self.ambience(), call: me.clone() };
        let leg = self.spawn::<Leg>(args, me).await?;
        self.ports.leg.publish(Some(leg));
        self.ticking = Some(self.seat.clock.subscribe(self.ports.leg.clone(), beats, self.ports.leisure.clone()));
        Ok(())
    }

    fn assistant(&self) -> Result<Arc<Assistant>, String> {
        self.assistant.clone().ok_or_else(|| "nobody answers this number".to_owned())
    }

    /// How the caller is heard.
    fn hearing(&self) -> Hearing {
        let denoised = self.assistant.as_ref().is_some_and(|assistant| assistant.background_denoising);
        Hearing::new(self.ports.clone(), self.codec, denoised)
    }

    /// What is to be heard under the agent.
    fn ambience(&self) -> Option<AmbienceMixer> {
        let ambience = self.assistant.as_ref()?.ambience.as_ref()?;
        Some(AmbienceMixer::new(Arc::clone(ambience), self.id.to_bits() as u64))
    }

    async fn start_recorder(&mut self, me: &Mailbox<CallMsg>) {
        let own = self.assistant.as_ref().and_then(|assistant| assistant.recording);
        let forbidden = self.shared.directory.load().flag(&self.organization, RECORDING_FLAG) == Some(false);
        if forbidden || own.unwrap_or(self.shared.config.recording) == RecordingMode::Off {
            return;
        }
        let args = RecorderArgs {
            call_id: self.id,
            data_dir: self.shared.config.data_dir.clone(),
            first_tick: self.draft.first_tick,
            paused: self.recording_paused,
            seals: self.shared.seals.clone(),
            call: me.clone(),
        };
        match self.spawn::<Recorder>(args, me).await {
            Ok(recorder) => self.ports.recorder.publish(Some(recorder)),
            // A full or missing disk does not cost the caller the call.
            Err(reason) => self.lose_recorder(reason),
        }
    }

    /// There is no Recorder any more: the record says so, and keeps what there is.
    fn lose_recorder(&mut self, reason: String) {
        self.ports.recorder.publish(None);
        self.tell_speech();
        self.draft.recording(RecordingEvent::Faulted { reason: reason.clone() }, &self.shared);
        if self.draft.records() {
            close_recording(&self.shared, self.id);
        } else {
            let path = path_of(self.id);
            self.draft.recording(RecordingEvent::Opened { path: path.clone() }, &self.shared);
            let (state, note) = (RecordingState::Failed, Some(reason));
            let closed = RecordingEvent::Closed { path, state, duration: Duration::ZERO, bytes: 0, note };
            self.draft.recording(closed, &self.shared);
        }
    }

    async fn start_vad(&mut self, me: &Mailbox<CallMsg>) -> Result<(), String> {
        let screen = self.screen(me);
        let args = VadArgs { vad: self.shared.config.vad, turn: self.assistant()?.turn, ports: self.ports.clone(), screen };
        let vad = self.spawn::<Vad>(args, me).await?;
        self.ports.vad.publish(Some(vad));
        // A new one knows neither that the agent speaks nor that its forerunner paused it.
        self.ports.leg.tell(LegMsg::Resume);
        self.ports.leg.tell(LegMsg::Announce);
        self.ports.ai.tell(AiMsg::VadStarted);
        Ok(())
    }

    async fn start_jitter_buffer(&mut self, me: &Mailbox<CallMsg>) -> Result<(), String> {
        let args = JitterArgs {
            config: self.shared.config.jitter,
            types: self.types,
            law: self.codec,
            timeout: self.shared.config.rtp.timeout,
            hearing: self.hearing(),
            call: me.clone(),
        };
        let jitter = self.spawn::<JitterBuffer>(args, me).await?;
        self.ports.jitter.publish(Some(jitter));
        if self.held {
            self.ports.jitter.tell(JitterMsg::Held);
        }
        Ok(())
    }

    pub(super) async fn start_ai(&mut self, engine: EngineChoice, me: &Mailbox<CallMsg>) -> Result<(), String> {
        let notes = self.recall.known(self.id).await.to_vec();
        let args = AiArgs {
            call_id: self.id,
            engine,
            codec: self.codec,
            introduction: self.introduction(),
            variables: self.placed().map(|placed| placed.variables.clone()).unwrap_or_default(),
            history: self.draft.history.clone(),
            began: SystemTime::now() - self.arrived.elapsed(),
            notes,
            session: self.sessions,
            leaving: self.leaving,
            espeak: Arc::clone(&self.shared.espeak),
            http: self.shared.http.clone(),
            speech: Arc::clone(&self.shared.speech),
            info: Arc::new(self.info()),
            runtime: self.shared.runtime.clone(),
            store: self.shared.store.clone(),
            ports: self.ports.clone(),
            call: me.clone(),
        };
        self.sessions += 1;
        let ai = self.spawn::<AiSession>(args, me).await?;
        self.ports.ai.publish(Some(ai));
        if self.held {
            self.ports.ai.tell(AiMsg::Held);
        }
        Ok(())
    }

    /// Has whoever asks told how the media is; nothing before there is any.
    pub(super) fn tell_media(&self, asker: oneshot::Sender<LiveMedia>) {
        let codec = match (&self.party, self.types.codec.row().name) {
            (Party::Session { local: None, .. }, _) => "pcm16",
            (_, name) => name,
        };
        if self.ports.jitter.is_there() {
            self.ports.jitter.tell(JitterMsg::Asked(codec, asker));
        } else if self.ports.leg.is_there() {
            let _asker_left = asker.send(LiveMedia { codec, received: None, round_trip: Duration::ZERO });
        }
    }

    /// What tools may know of the call.
    fn info(&self) -> CallInfo {
        CallInfo {
            id: self.id.to_string(),
            from: self.party.caller(),
            to: self.party.called().into_owned(),
            person: self.party.person(),
            assistant: self.assistant.as_ref().map_or_else(String::new, |assistant| assistant.name.clone()),
        }
    }

    /// A tool has ended: the session of now tells its engine, and the next one knows it from the past.
    pub(super) fn handle_tool_ended(&mut self, report: ToolReport) {
        let ToolReport { call_id, number, name, status, output, sources, took } = report;
        self.draft.found(sources);
        self.draft.trace.event(CallEvent::ToolCalled { name, outcome: status.as_str(), took });
        if let Some(output) = output {
            self.draft.remember(Past::ToolAnswered { call_id: call_id.clone(), output: output.clone() });
            self.ports.ai.tell(AiMsg::ToolDone { number, call_id, output });
        }
    }

    /// The recording is silent from now on, or goes on. A recorder that is started again is told so at its start.
    pub(super) fn pause_recording(&mut self, paused: bool) {
        self.recording_paused = paused;
        self.ports.recorder.tell(if paused { RecorderMsg::Pause } else { RecorderMsg::Resume });
    }

    async fn spawn<W: Worker + Send>(&mut self, args: W::Args, me: &Mailbox<CallMsg>) -> Result<Mailbox<W::Msg>, String> {
        let kind = <W::Msg as Letter>::KIND;
        let mailbox = spawn::<W>(args, me.cell()).await.map_err(|reason| format!("{}: {reason}", kind.name()))?;
        self.children.insert(mailbox.id(), kind);
        Ok(mailbox)
    }

    /// A child died: the table says what follows.
    pub(super) async fn handle_death(&mut self, kind: ActorKind, reason: String, me: &Mailbox<CallMsg>) {
        let verdict = self.budgets.entry(kind).or_insert_with(|| Budget::new(kind)).handle_death(Instant::now());
        match verdict {
            Verdict::RestartAfter(_) => {
                count_death(kind);
                self.draft.restarted(kind, &reason, &self.shared);
                if let Err(again) = self.restart(kind, me).await {
                    self.end(HangupCause::Crashed, Some(again), me);
                }
            }
            Verdict::Stop(Otherwise::FallBack) => self.fall_back(reason, me).await,
            Verdict::Stop(Otherwise::GoOn) => self.lose_recorder(reason),
            Verdict::Stop(_) => self.end(HangupCause::Crashed, Some(format!("{}: {reason}", kind.name())), me),
        }
    }

    async fn restart(&mut self, kind: ActorKind, me: &Mailbox<CallMsg>) -> Result<(), String> {
        match kind {
            ActorKind::Recorder => {
                self.start_recorder(me).await;
                Ok(())
            }
            ActorKind::Vad => self.start_vad(me).await,
            ActorKind::JitterBuffer => self.start_jitter_buffer(me).await,
            ActorKind::AiSession => {
                let assistant = self.assistant()?;
                let engine = if self.fell_back { EngineChoice::Apology(assistant) } else { self.engine_for(assistant) };
                self.start_ai(engine, me).await?;
                self.answer_again();
                if self.is_briefing_anybody() {
                    // A new session would take that one for the caller.
                    self.go_on_alone("the agent was lost while it told them of the call", me).await;
                }
                Ok(())
            }
            other => Err(format!("{} is not restarted", other.name())),
        }
    }

    /// A new engine learns that the call is up, if it is.
    pub(super) fn answer_again(&self) {
        if matches!(self.phase, Phase::Up { .. }) && !self.is_screening() {
            self.ports.ai.tell(AiMsg::Answered);
        }
    }

    /// The session's engine cannot go on. The last words of a session that was replaced, or is at its end, change nothing.
    pub(super) async fn handle_engine_lost(&mut self, session: u64, error: EngineError, me: &Mailbox<CallMsg>) {
        self.draft.provider_failed(None, &error, &self.shared);
        if session + 1 == self.sessions && !matches!(self.phase, Phase::Ending) {
            self.fall_back(error.to_string(), me).await;
        }
    }

    /// The engine is lost: the offline one apologises. A second loss ends the call.
    pub(super) async fn fall_back(&mut self, reason: String, me: &Mailbox<CallMsg>) {
        if self.is_in_company() {
            tracing::warn!(call = %self.id, reason, "the agent leaves the conference");
            return self.send_agent_away(me).await;
        }
        if self.fell_back || self.leaves_message() {
            self.end(HangupCause::Failed, Some(reason), me);
            return;
        }
        self.fell_back = true;
        self.draft.fell_back(reason, &self.shared);
        if let Some(old) = self.ports.ai.mailbox() {
            self.children.remove(&old.id());
            old.stop();
        }
        match self.start_apology(me).await {
            Ok(()) => self.answer_again(),
            Err(reason) => self.end(HangupCause::Failed, Some(reason), me),
        }
    }

    async fn start_apology(&mut self, me: &Mailbox<CallMsg>) -> Result<(), String> {
        // A bot takes turns itself; what stands in for it does not.
        if !self.ports.vad.is_there() {
            self.start_vad(me).await?;
        }
        let assistant = self.assistant()?;
        self.start_ai(EngineChoice::Apology(assistant), me).await
    }

    #[cfg(feature = "fault-injection")]
    pub(super) fn inject(&self, actor: ActorKind, fault: crate::fault::Fault) {
        fn strike<M: Letter>(port: &Port<M>, fault: crate::fault::Fault) {
            if let Some(mailbox) = port.mailbox() {
                mailbox.inject(fault);
            }
        }
        match actor {
            ActorKind::AiSession => strike(&self.ports.ai, fault),
            ActorKind::JitterBuffer => strike(&self.ports.jitter, fault),
            ActorKind::Leg => strike(&self.ports.leg, fault),
            ActorKind::Recorder => strike(&self.ports.recorder, fault),
            ActorKind::Vad => strike(&self.ports.vad, fault),
            other => tracing::warn!(call = %self.id, actor = other.name(), "not an actor of a call"),
        }
    }
}
