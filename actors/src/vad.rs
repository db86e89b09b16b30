//! Vad: speech flags of one leg, and the turn-taking that follows from them.

use std::time::Instant;

use media::answerer::{Answerer, AnswererEvent, Who};
use media::frame::SharedFrame;
use media::turn::{AgentAudio, TurnConfig, TurnDetector, TurnEvent, TurnHint};
use media::vad::{Vad as Detector, VadConfig};

use crate::ai_session::AiMsg;
use crate::alarm::Alarm;
use crate::call::{CallMsg, CallPorts};
use crate::kind::ActorKind;
use crate::leg::LegMsg;
use crate::mailbox::{Lane, Letter, Mailbox};
use crate::worker::{Failure, Worker};

/// What the Vad is told.
#[derive(Debug)]
pub enum VadMsg {
    /// By the JitterBuffer, or by a leg without one: a frame of the caller was played out. The oldest is dropped when full.
    Caller(SharedFrame),
    /// By the leg: what the agent's side of the line does.
    Agent(AgentAudio),
    /// By the AiSession: what transcriber or provider know of the caller's turn.
    Hint(TurnHint),
    /// By the call: whoever picked up is talked with from now on, whatever it is.
    Talk,
    /// By the call: words gave a machine away, whose beep is to be waited for.
    AwaitBeep,
    /// By the alarm: a turn deadline is due.
    TimerDue,
    /// By the call.
    Finish,
}

impl Letter for VadMsg {
    const KIND: ActorKind = ActorKind::Vad;
    /// Half a second: a turn decided on older frames comes too late to be natural.
    const AUDIO_MAX: u32 = 25;
    /// The agent's level, which is for the caller's next frame.
    const LAZY_MAX: usize = 4;
    /// Starts and ends of prompts, a transcriber's hints: a second of them.
    const SIGNALS_MAX: u32 = 64;

    fn lane(&self) -> Lane {
        match self {
            Self::Caller(_) => Lane::Audio,
            Self::Agent(AgentAudio::Level(_)) => Lane::Lazy,
            Self::Agent(_) | Self::AwaitBeep | Self::Hint(_) | Self::Talk | Self::TimerDue | Self::Finish => Lane::Signal,
        }
    }
}

/// What a Vad is made from.
pub struct VadArgs {
    /// Speech detection.
    pub vad: VadConfig,
    /// Turn-taking of the assistant.
    pub turn: TurnConfig,
    /// Whom it tells.
    pub ports: CallPorts,
    /// Whom it tells who or what picked up, before there is any turn; `None`: nobody asks.
    pub screen: Option<Screen>,
}

/// Who or what picked up is listened for, and this call is told.
pub struct Screen {
    /// What listens.
    pub answerer: Answerer,
    /// Who is told.
    pub call: Mailbox<CallMsg>,
}

/// The actor.
pub struct Vad {
    detector: Detector,
    screen: Option<Screen>,
    /// Whom it tells of a machine that words gave away.
    call: Option<Mailbox<CallMsg>>,
    turns: TurnDetector,
    ports: CallPorts,
    alarm: Alarm,
}

impl Worker for Vad {
    type Msg = VadMsg;
    type Args = VadArgs;

    async fn start(args: VadArgs, _: &Mailbox<VadMsg>) -> Result<Self, Failure> {
        let VadArgs { vad, turn, ports, screen } = args;
        let call = screen.as_ref().map(|screen| screen.call.clone());
        let (detector, turns) = (Detector::new(vad), TurnDetector::new(turn));
        Ok(Self { detector, screen, call, turns, ports, alarm: Alarm::default() })
    }

    async fn handle(&mut self, message: VadMsg, me: &Mailbox<VadMsg>) -> Result<(), Failure> {
        let now = Instant::now();
        match message {
            VadMsg::Caller(frame) => {
                let heard = self.detector.handle_frame(&frame);
                match &mut self.screen {
                    Some(screen) => screen.answerer.handle_frame(&frame, &heard),
                    None => self.turns.handle_frame(now, heard),
                }
                self.tell_answerer();
            }
            VadMsg::Talk => self.screen = None,
            VadMsg::AwaitBeep => {
                let answerer = Answerer::of_machine();
                self.screen = self.call.clone().map(|call| Screen { answerer, call });
            }
            VadMsg::Agent(audio) => self.turns.handle_agent(now, audio),
            VadMsg::Hint(hint) => self.turns.handle_hint(now, hint),
            VadMsg::TimerDue => {
                self.alarm.rang();
                self.turns.handle_timeout(now);
            }
            VadMsg::Finish => {
                me.stop();
                return Ok(());
            }
        }
        while let Some(event) = self.turns.poll_event() {
            self.tell(event);
        }
        self.alarm.set(self.turns.poll_timeout(), me, || VadMsg::TimerDue);
        Ok(())
    }
}

impl Vad {
    /// Tells the call what was found out. Whoever is no machine is talked with from then on; of a machine, turns mean nothing.
    fn tell_answerer(&mut self) {
        let Some(Screen { answerer, call }) = &mut self.screen else { return };
        let mut talks = false;
        while let Some(event) = answerer.poll_event() {
            tracing::debug!(call = %self.ports.id, ?event, "answerer");
            talks |= matches!(event, AnswererEvent::Judged(judgement) if judgement.who != Who::Machine);
            let _ended_already = call.send(CallMsg::Answerer(event));
        }
        if talks {
            self.screen = None;
        }
    }

    fn tell(&self, event: TurnEvent) {
        tracing::debug!(call = %self.ports.id, ?event, "turn");
        // The session first: after a barge-in it waits for the leg's report, which must not overtake the news of the barge-in.
        self.ports.ai.tell(AiMsg::Turn(event));
        match event {
            TurnEvent::BargeInStarted { .. } => self.ports.leg.tell(LegMsg::Pause),
            TurnEvent::BargeInResumed { .. } => {
                metrics::counter!("offhook_barge_ins_total", "outcome" => "resumed").increment(1);
                self.ports.leg.tell(LegMsg::Resume);
            }
            TurnEvent::BargeInCommitted => {
                metrics::counter!("offhook_barge_ins_total", "outcome" => "committed").increment(1);
                self.ports.leg.tell(LegMsg::BargeIn);
            }
            TurnEvent::CallerFinished { .. }
            | TurnEvent::CallerGone { .. }
            | TurnEvent::CallerPaused { .. }
            | TurnEvent::CallerResumed
            | TurnEvent::CallerSilent { .. }
            | TurnEvent::CallerStarted { .. } => {}
        }
    }
}
