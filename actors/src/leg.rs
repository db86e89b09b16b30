//! Leg: the caller's side of a call. Owns the wire, and paces the agent's audio onto it, one frame a tick.

mod bridged;
mod caller;
mod peer_reports;
pub mod ports;
mod rtp;
pub mod session;
pub mod twilio;

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::ambience::AmbienceMixer;
use media::codec::Codec;
use media::dtmf::Digit;
use media::frame::{FrameOrigin, FramePool, SharedFrame};
use media::line::LineCodec;
use media::rtcp::xr::VoipMetrics;
use media::rtp::{PayloadKind, RtpPacket};
use media::sendout::{Heard, PromptId, Sendout, SendoutEvent, SentFrame};
use media::turn::AgentAudio;
use media::units::{Dbov, FRAME, FRAME_SAMPLES};
use sip::sdp::Negotiated;

use self::bridged::Bridged;
pub use self::bridged::Onward;
use self::caller::CallerFrames;
use self::rtp::RtpLine;
pub use self::rtp::{RtpWire, SharedWay, TalkIo, Way};
pub(crate) use self::rtp::{payload_types, relay_terms};
use self::session::{Client, SessionIo, SessionLine};
use self::twilio::{Awaited, StreamIo, TwilioOut};
use crate::ai_session::AiMsg;
use crate::call::{CallMsg, CallPorts, LegClosed};
use crate::clock::Tick;
use crate::hearing::Hearing;
use crate::jitter_buffer::JitterMsg;
use crate::kind::ActorKind;
use crate::mailbox::{Lane, Letter, Mailbox, Undelivered};
use crate::metric::LocalHistogram;
use crate::recorder::RecorderMsg;
use crate::vad::VadMsg;
use crate::worker::{Failure, Worker};

/// What the Leg is told.
#[derive(Debug)]
pub enum LegMsg {
    /// By the clock, on legs with a jitter buffer: read what has come, and have a frame of it played out. The oldest is dropped when
    /// full: what it would have read, the next one reads.
    Receive(Tick),
    /// By the clock: one frame is due to the caller. The oldest is dropped when full: a leg that missed its tick has nothing to catch
    /// up.
    Send(Tick),
    /// By the Conference: what the party must hear next. The oldest is dropped when full.
    Heard {
        /// The frame.
        frame: SharedFrame,
        /// False while packets go both ways and what they say has not come by the mixer yet.
        whole: bool,
    },
    /// By the other leg of a conference: a packet to be sent on as it is. The oldest is dropped when full.
    Passed(PayloadKind, RtpPacket),
    /// By the wire's reader, on legs without a jitter buffer: octets of the caller. The oldest are dropped when full.
    CallerAudio(Bytes),
    /// By the reader of a session's socket: octets of the caller, to be heard one frame a tick. What does not fit is told to the client.
    CallerQueued(Bytes),
    /// By the call: the call is answered, audio may go out.
    Start,
    /// By the AiSession: agent audio.
    Audio(PromptId, Bytes),
    /// By the AiSession: no more audio will come for this prompt.
    PromptEnd(PromptId),
    /// By the AiSession: say when all audio so far was heard.
    Mark(u64),
    /// By the AiSession: throw away what was to be said, and the marks in it.
    Clear,
    /// By the AiSession: send these digits.
    SendDtmf(Vec<Digit>),
    /// By the Vad: fall silent, but keep what was to be said.
    Pause,
    /// By the Vad: go on where you stopped.
    Resume,
    /// By the Vad: throw away what was to be said.
    BargeIn,
    /// By the call, for a new Vad: say what the agent is doing.
    Announce,
    /// By the Conference: where the packets of the party go.
    Onward(Onward),
    /// By the call: it has left its conference.
    LeftConference,
    /// By the call: the agent leaves it, and its session is to end.
    DismissAgent,
    /// By the call: a re-INVITE, or another offer of a browser, agreed on this.
    Renegotiated(Box<Negotiated>),
    /// By the JitterBuffer, once it was told of a report: how the caller sounds, for the next one.
    Quality(Box<VoipMetrics>),
    /// By the wire's reader: Twilio has played everything before this mark.
    Marked(String),
    /// By the wire's reader: the stream is over.
    Closed(LegClosed),
    /// By the call: tell the AiSession what was cut, and the JitterBuffer that it was all, and stop.
    Finish,
}

impl Letter for LegMsg {
    const KIND: ActorKind = ActorKind::Leg;
    /// Half a second of beats and of what a caller or a conference says.
    const AUDIO_MAX: u32 = 100;
    /// A beat to send that is read with the next to receive.
    const LAZY_MAX: usize = 1;
    /// A minute of agent audio that a provider sends within one second, in pieces of 100 ms.
    const SIGNALS_MAX: u32 = 1024;

    fn lane(&self) -> Lane {
        match self {
            Self::Send(Tick { waits: true, .. }) => Lane::Lazy,
            Self::Receive(_) | Self::Send(_) | Self::CallerAudio(_) | Self::Heard { .. } | Self::Passed(..) => Lane::Audio,
            _ => Lane::Signal,
        }
    }
}

/// The first frame of a prompt.
#[derive(Clone, Copy, Debug)]
pub struct FirstFrame {
    /// The beat it was for.
    pub due: Instant,
    /// When it went out.
    pub sent: Instant,
}

impl FirstFrame {
    /// What Offhook added between audio that came at `came` and this: all but the wait for the next beat, which is what cutting a
    /// stream into packets costs.
    pub(crate) fn added(self, came: Instant) -> Duration {
        let waited = self.due.saturating_duration_since(came);
        self.sent.saturating_duration_since(came) - waited.min(FRAME)
    }
}

/// What a leg is made of, before it runs.
#[derive(Debug)]
pub enum Wire {
    /// SIP or WebRTC: RTP.
    Rtp(Box<RtpWire>),
    /// A session's own WebSocket, and who writes to it.
    Session(Box<SessionIo>, Client),
    /// Twilio Media Streams: the texts of a WebSocket.
    Twilio(Box<StreamIo>),
}

enum Line {
    Rtp(Box<RtpLine>),
    Session(Box<SessionLine>),
    Twilio(Box<TwilioOut>),
}

/// What a Leg is made from.
pub struct LegArgs {
    /// The law in which the call works.
    pub codec: Codec,
    /// The sockets.
    pub wire: Wire,
    /// Whom it tells, and how they hear the caller on a wire without a jitter buffer.
    pub hearing: Hearing,
    /// What is to be heard under the agent.
    pub ambience: Option<AmbienceMixer>,
    /// The parent.
    pub call: Mailbox<CallMsg>,
}

/// Metrics are written out once a second.
const TICKS_PER_FLUSH: u64 = 50;

/// The actor.
pub struct Leg {
    codec: Codec,
    line: Line,
    sendout: Sendout,
    frame: [u8; FRAME_SAMPLES],
    ambience: Option<AmbienceMixer>,
    pool: FramePool,
    started: bool,
    pause: Pause,
    stagger: u64,
    /// What the Vad was last told.
    speaking: bool,
    tick: u64,
    caller: CallerFrames,
    bridged: Bridged,
    lateness: LocalHistogram,
    sent: u64,
    hearing: Hearing,
    ports: CallPorts,
    call: Mailbox<CallMsg>,
}

/// Why the agent is silent, though it has something to say.
#[derive(Clone, Copy, Default)]
struct Pause {
    /// The caller speaks over it.
    for_caller: bool,
    /// The peer does not listen: it holds the call, and hears the rest when it is back.
    held: bool,
    /// Others hear the agent, in a conference, whoever holds.
    elsewhere: bool,
}

impl Worker for Leg {
    type Msg = LegMsg;
    type Args = LegArgs;

    async fn start(args: LegArgs, me: &Mailbox<LegMsg>) -> Result<Self, Failure> {
        let LegArgs { codec, wire, hearing, ambience, call } = args;
        let ports = hearing.ports().clone();
        let line = match wire {
            Wire::Rtp(wire) => Line::Rtp(Box::new(RtpLine::new(*wire, codec, ports.clone()))),
            Wire::Session(io, client) => Line::Session(Box::new(SessionLine::start(*io, client, codec, ports.clone(), me))),
            Wire::Twilio(stream) => Line::Twilio(Box::new(TwilioOut::start(*stream, ports.clone(), me))),
        };
        Ok(Self {
            codec,
            line,
            sendout: Sendout::new(codec),
            frame: [0; FRAME_SAMPLES],
            ambience,
            pool: FramePool::new(),
            started: false,
            pause: Pause::default(),
            stagger: ports.stagger(),
            speaking: false,
            tick: 0,
            caller: CallerFrames::default(),
            bridged: Bridged::default(),
            lateness: LocalHistogram::new("offhook_sendout_lateness_seconds"),
            sent: 0,
            hearing,
            ports,
            call,
        })
    }

    async fn handle(&mut self, message: LegMsg, me: &Mailbox<LegMsg>) -> Result<(), Failure> {
        match message {
            LegMsg::Receive(tick) => self.receive(tick),
            LegMsg::Send(tick) => self.send(tick),
            LegMsg::CallerAudio(octets) => self.handle_caller(&octets),
            LegMsg::CallerQueued(octets) => self.queue_caller(&octets),
            LegMsg::Start => self.started = true,
            LegMsg::Audio(prompt, audio) => {
                let refused = self.sendout.push(prompt, &audio);
                if refused > 0 {
                    self.refuse(refused);
                }
            }
            LegMsg::Mark(mark) => self.mark(mark),
            LegMsg::Clear => {
                self.cut();
            }
            LegMsg::PromptEnd(prompt) => self.sendout.finish(prompt),
            LegMsg::Heard { frame, whole } => self.hear(frame, whole),
            LegMsg::Passed(kind, packet) => self.pass_on(kind, &packet),
            LegMsg::Onward(onward) => self.handle_onward(onward),
            LegMsg::LeftConference => self.handle_onward(Onward::Here),
            LegMsg::DismissAgent => {
                let cut = self.cut();
                self.ports.ai.tell(AiMsg::Finish(cut));
            }
            LegMsg::SendDtmf(digits) => self.send_dtmf(&digits),
            LegMsg::Pause => self.pause(Pause { for_caller: true, ..self.pause }),
            LegMsg::Resume => self.pause(Pause { for_caller: false, ..self.pause }),
            LegMsg::BargeIn => {
                let cut = self.cut();
                self.ports.ai.tell(AiMsg::Interrupted(cut));
            }
            LegMsg::Announce => {
                self.speaking = false;
                self.announce();
            }
            LegMsg::Renegotiated(negotiated) => {
                if let Line::Rtp(rtp) = &mut self.line {
                    rtp.renegotiate(&negotiated);
                    self.pause(Pause { held: !negotiated.direction.sends(), ..self.pause });
                }
            }
            LegMsg::Quality(metrics) => {
                if let Line::Rtp(rtp) = &mut self.line {
                    rtp.handle_quality(*metrics);
                }
            }
            LegMsg::Marked(name) => self.handle_mark(&name),
            LegMsg::Closed(how) => {
                // A call that cannot be told is told by this actor's end.
                if let Err(Undelivered::Full(_)) = self.call.send(CallMsg::LegClosed(how)) {
                    return Err("the call takes no messages".into());
                }
            }
            LegMsg::Finish => {
                let cut = self.cut();
                self.ports.ai.tell(AiMsg::Finish(cut));
                if let Line::Rtp(rtp) = &mut self.line {
                    rtp.finish();
                }
                self.ports.jitter.tell(JitterMsg::Finish);
                self.flush();
                me.stop();
            }
        }
        Ok(())
    }
}

impl Leg {
    fn receive(&mut self, tick: Tick) {
        if let Line::Rtp(rtp) = &mut self.line {
            if let Some(closed) = rtp.receive(tick.number, self.started) {
                let _call_is_over = self.call.send(CallMsg::LegClosed(closed));
            }
            if rtp.keeps_packets() {
                self.ports.jitter.tell(JitterMsg::Tick(tick));
            } else if (tick.number + self.stagger).is_multiple_of(TICKS_PER_FLUSH) {
                rtp.tell_passed();
            }
        }
    }

    fn send(&mut self, tick: Tick) {
        self.tick = tick.number;
        if !self.started {
            return;
        }
        let now = Instant::now();
        if !tick.waits {
            self.lateness.record(now.saturating_duration_since(tick.due));
        }
        let place = self.ports.place.load();
        let elsewhere = place.as_ref().is_some_and(|place| place.agent.is_some());
        if elsewhere != self.pause.elsewhere {
            self.pause(Pause { elsewhere, ..self.pause });
        }
        self.hear_session(tick);
        let sent = self.sendout.next_frame(&mut self.frame);
        let alone = self.mix(sent);
        match place.as_ref() {
            Some(place) => self.send_in_conference(tick, sent, alone, place),
            None => self.send_own(tick, sent, alone),
        }
        self.drain(tick.due, now);
        if (tick.number + self.stagger).is_multiple_of(TICKS_PER_FLUSH) {
            self.flush();
        }
    }

    /// What the party hears is the agent.
    fn send_own(&mut self, tick: Tick, sent: SentFrame, alone: Option<Dbov>) {
        match &mut self.line {
            Line::Rtp(rtp) => self.sent += u64::from(rtp.send(Some(&self.frame))),
            Line::Twilio(twilio) => {
                if alone.is_some() || matches!(sent, SentFrame::Audio(_)) {
                    twilio.send(&self.frame);
                    self.sent += 1;
                }
            }
            Line::Session(session) => {
                if let (_, SentFrame::Audio(prompt)) = (alone, sent) {
                    session.send(Some(prompt), &self.frame);
                    self.sent += 1;
                } else if alone.is_some() {
                    session.send(None, &self.frame);
                    self.sent += 1;
                }
            }
        }
        if self.ports.recorder.is_there() || self.ports.vad.is_there() {
            let frame = self.pcm(sent);
            self.tell_level(sent, alone, &frame);
            self.ports.recorder.tell(RecorderMsg::Agent(tick.number, frame));
        }
    }

    /// Lays the ambience under the frame; how loud the agent alone was. `None` when there is no ambience, or it is left out because
    /// Twilio is behind with playing.
    fn mix(&mut self, sent: SentFrame) -> Option<Dbov> {
        let ambience = self.ambience.as_mut()?;
        if let (Line::Twilio(twilio), SentFrame::Idle) = (&mut self.line, sent)
            && twilio.catch_up()
        {
            return None;
        }
        Some(ambience.mix(self.codec, &mut self.frame))
    }

    /// What was sent, as samples for the recording.
    fn pcm(&mut self, sent: SentFrame) -> SharedFrame {
        let (codec, octets) = (self.codec, &self.frame);
        self.pool.take(|frame| {
            codec.decode(octets, &mut frame.samples);
            frame.encoded.extend_from_slice(octets);
            frame.origin = match sent {
                SentFrame::Audio(_) => FrameOrigin::Received,
                SentFrame::Underrun(_) | SentFrame::Paused | SentFrame::Idle => FrameOrigin::Silence,
            };
        })
    }

    fn drain(&mut self, due: Instant, now: Instant) {
        while let Some(event) = self.sendout.poll_event() {
            match (event, &mut self.line) {
                (SendoutEvent::PromptStarted(prompt), _) => {
                    self.ports.ai.tell(AiMsg::PromptStarted(prompt, FirstFrame { due, sent: now }));
                }
                (SendoutEvent::PromptFinished(prompt), Line::Rtp(_) | Line::Session(_)) => {
                    self.ports.ai.tell(AiMsg::PromptFinished(prompt));
                }
                (SendoutEvent::PromptFinished(prompt), Line::Twilio(twilio)) => twilio.mark(Awaited::Prompt(prompt), now),
                (SendoutEvent::Marked(mark), Line::Rtp(_) | Line::Session(_)) => self.ports.ai.tell(AiMsg::Marked(mark)),
                (SendoutEvent::Marked(mark), Line::Twilio(twilio)) => twilio.mark(Awaited::Mark(mark), now),
            }
        }
        if let Line::Twilio(twilio) = &mut self.line {
            while let Some(awaited) = twilio.overdue(now) {
                self.ports.ai.tell(awaited.played());
            }
        }
        self.announce();
    }

    /// Tells turn-taking when the agent begins or ends to speak.
    fn announce(&mut self) {
        let speaking = self.sendout.is_speaking();
        if speaking != self.speaking {
            self.speaking = speaking;
            let audio = if speaking { AgentAudio::Started } else { AgentAudio::Finished };
            self.ports.vad.tell(VadMsg::Agent(audio));
        }
    }

    /// Tells turn-taking how loud each frame of the agent, `alone`, is: the echo on the line follows it, and nothing slower shows how
    /// much of it there is.
    fn tell_level(&self, sent: SentFrame, alone: Option<Dbov>, frame: &SharedFrame) {
        if matches!(sent, SentFrame::Audio(_)) {
            let level = alone.unwrap_or_else(|| Dbov::of(&frame.samples));
            self.ports.vad.tell(VadMsg::Agent(AgentAudio::Level(level)));
        }
    }

    /// Throws away what was to be said; what was being said, and how much of it was heard.
    fn cut(&mut self) -> Option<(PromptId, Duration)> {
        let cut = self.sendout.clear().map(|Heard { prompt, heard }| (prompt, heard));
        self.pause(Pause { for_caller: false, ..self.pause });
        if let Line::Twilio(twilio) = &mut self.line {
            twilio.clear();
        }
        self.announce();
        cut
    }

    fn pause(&mut self, pause: Pause) {
        self.pause = pause;
        if pause.for_caller || (pause.held && !pause.elsewhere) { self.sendout.pause() } else { self.sendout.resume() }
    }

    fn handle_mark(&mut self, name: &str) {
        if let Line::Twilio(twilio) = &mut self.line {
            let now = Instant::now();
            while let Some(awaited) = twilio.handle_mark(name, now) {
                self.ports.ai.tell(awaited.played());
            }
        }
    }

    fn mark(&mut self, mark: u64) {
        if !self.sendout.mark(mark) {
            tracing::debug!(call = %self.ports.id, mark, "more marks wait than frames");
        }
        let now = Instant::now();
        self.drain(now, now);
    }

    /// Agent audio that does not fit is counted each time and logged once.
    fn refuse(&mut self, octets: usize) {
        if self.sendout.refused() == octets as u64 {
            tracing::warn!(call = %self.ports.id, octets, "agent audio beyond 120 s is not taken");
        }
        metrics::counter!("offhook_sendout_refused_bytes_total").increment(octets as u64);
    }

    fn send_dtmf(&mut self, digits: &[Digit]) {
        match &mut self.line {
            Line::Rtp(rtp) => {
                let refused = digits.iter().filter(|digit| !rtp.push_dtmf(**digit)).count();
                if refused > 0 {
                    tracing::warn!(call = %self.ports.id, refused, "digits beyond 32 waiting were not sent");
                }
            }
            // Media Streams has no way to send a digit (its fact sheet, §3.2), and a page has no keys.
            Line::Session(_) | Line::Twilio(_) => tracing::warn!(call = %self.ports.id, "a WebSocket cannot send digits"),
        }
    }

    fn flush(&mut self) {
        match &mut self.line {
            Line::Rtp(rtp) => rtp.flush(),
            Line::Session(session) => session.flush(),
            Line::Twilio(_) => {}
        }
        self.lateness.flush();
        metrics::counter!("offhook_rtp_packets_total", "direction" => "sent").increment(std::mem::take(&mut self.sent));
    }
}

/// The codec of the wire that SDP agreed on.
pub(crate) fn codec_of(codec: sip::sdp::Codec) -> LineCodec {
    match codec {
        sip::sdp::Codec::G722 => LineCodec::G722,
        sip::sdp::Codec::Opus => LineCodec::Opus,
        sip::sdp::Codec::Pcma => Codec::Pcma.into(),
        sip::sdp::Codec::Pcmu => Codec::Pcmu.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_the_next_beat_is_not_added_and_waiting_longer_is() {
        let came = Instant::now();
        let check = |due: u64, sent: u64| {
            let at = |ms| came + Duration::from_millis(ms);
            FirstFrame { due: at(due), sent: at(sent) }.added(came).as_millis()
        };
        assert_eq!((check(0, 1), check(15, 15), check(15, 17), check(20, 20), check(35, 36)), (1, 0, 2, 0, 16));
    }
}
