//! JitterBuffer: ordering, concealment and the playout clock of one RTP leg.

use std::time::{Duration, Instant};

use media::jitter::{JitterBuffer as Core, JitterConfig, JitterStats};
use media::quality::mos;
use media::rtp::{PayloadTypes, RtpPacket};
use media::units::FRAME;

use crate::call::CallMsg;
use crate::clock::Tick;
use crate::hearing::Hearing;
use crate::kind::ActorKind;
use crate::mailbox::{Lane, Letter, Mailbox};
use crate::metric::LocalHistogram;
use crate::worker::{Failure, Worker};

/// What the JitterBuffer is told.
#[derive(Debug)]
pub enum JitterMsg {
    /// By the leg: a packet came. The oldest waiting is dropped when full.
    Packet {
        /// When the kernel took it from the network.
        at: Instant,
        /// The packet, from the pinned source.
        packet: RtpPacket,
    },
    /// By the leg, after the packets that came before it: one frame is due.
    Tick(Tick),
    /// By the leg, once a second while its packets go to another leg and not here: when the last one came.
    PassedOn(Instant),
    /// By the leg: a re-INVITE changed the payload types.
    Renegotiated(PayloadTypes),
    /// By the call: what was early media is the call's now, and silence on the wire counts from here.
    Answered,
    /// By the call: report the totals and stop.
    Finish,
}

impl Letter for JitterMsg {
    const KIND: ActorKind = ActorKind::JitterBuffer;
    /// Half a second of packets and ticks at 20 ms: what came before that is too late for playout anyway.
    const AUDIO_MAX: u32 = 50;
    /// One answer, one re-INVITE, a second's `PassedOn` and one `Finish` are all that a sane call brings.
    const SIGNALS_MAX: u32 = 4;

    fn lane(&self) -> Lane {
        match self {
            Self::Packet { .. } | Self::Tick(_) => Lane::Audio,
            Self::PassedOn(_) | Self::Renegotiated(_) | Self::Answered | Self::Finish => Lane::Signal,
        }
    }
}

/// What a JitterBuffer is made from.
pub struct JitterArgs {
    /// Tuning.
    pub config: JitterConfig,
    /// What the leg's packets carry.
    pub types: PayloadTypes,
    /// How long silence on the wire is borne.
    pub timeout: Duration,
    /// Where frames go.
    pub hearing: Hearing,
    /// The parent.
    pub call: Mailbox<CallMsg>,
}

/// Counters are written out once a second, since a counter's cost is small but not nothing at 50 frames a second.
const TICKS_PER_FLUSH: u64 = 50;

/// The actor.
pub struct JitterBuffer {
    core: Core,
    timeout: Duration,
    last_packet: Instant,
    /// The call has been told that nothing comes.
    timed_out: bool,
    /// What the metrics know already.
    flushed: JitterStats,
    stagger: u64,
    depth: LocalHistogram,
    hearing: Hearing,
    call: Mailbox<CallMsg>,
}

impl Worker for JitterBuffer {
    type Msg = JitterMsg;
    type Args = JitterArgs;

    async fn start(args: JitterArgs, _: &Mailbox<JitterMsg>) -> Result<Self, Failure> {
        let JitterArgs { config, types, timeout, hearing, call } = args;
        Ok(Self {
            core: Core::new(config, types),
            timeout,
            last_packet: Instant::now(),
            timed_out: false,
            flushed: JitterStats::default(),
            stagger: hearing.ports().stagger(),
            depth: LocalHistogram::new("offhook_jitter_buffer_depth_seconds"),
            hearing,
            call,
        })
    }

    async fn handle(&mut self, message: JitterMsg, me: &Mailbox<JitterMsg>) -> Result<(), Failure> {
        match message {
            JitterMsg::Packet { at, packet } => {
                self.last_packet = at;
                self.core.handle_packet(at, &packet);
            }
            JitterMsg::Tick(tick) => self.handle_tick(tick),
            JitterMsg::PassedOn(last) => {
                self.last_packet = last;
                self.core.set_aside();
                self.check_timeout(Instant::now());
            }
            JitterMsg::Renegotiated(types) => {
                self.hearing.renegotiate(types.codec.row().law);
                self.core.renegotiate(types);
            }
            JitterMsg::Answered => {
                self.last_packet = Instant::now();
                self.timed_out = false;
            }
            JitterMsg::Finish => {
                let totals = self.flush(Instant::now());
                if let Some(score) = mos_of(&totals) {
                    metrics::histogram!("offhook_call_mos", "direction" => "received").record(score);
                }
                let _call_ended_already = self.call.send(CallMsg::ReceivedTotals(Box::new(totals)));
                me.stop();
            }
        }
        Ok(())
    }
}

impl JitterBuffer {
    fn handle_tick(&mut self, tick: Tick) {
        let now = Instant::now();
        let frame = self.core.playout(now);
        self.hearing.caller_frame(tick.number, tick.due, &frame);
        if (tick.number + self.stagger).is_multiple_of(TICKS_PER_FLUSH) {
            self.flush(now);
        }
        self.check_timeout(now);
    }

    fn check_timeout(&mut self, now: Instant) {
        if !self.timed_out && now.saturating_duration_since(self.last_packet) > self.timeout {
            self.timed_out = self.call.send(CallMsg::MediaTimedOut).is_ok();
        }
    }

    /// Writes out what was counted since the last time.
    fn flush(&mut self, now: Instant) -> JitterStats {
        let stats = self.core.stats(now);
        let known = std::mem::replace(&mut self.flushed, stats);
        metrics::counter!("offhook_rtp_packets_total", "direction" => "received").increment(stats.received - known.received);
        metrics::counter!("offhook_rtp_late_total").increment(stats.late - known.late);
        metrics::counter!("offhook_rtp_concealed_total").increment(stats.concealed - known.concealed);
        metrics::counter!("offhook_rtp_recovered_total").increment(stats.recovered - known.recovered);
        // A packet that was taken as lost and then came late is not lost after all.
        metrics::counter!("offhook_rtp_lost_total").increment(stats.lost.saturating_sub(known.lost));
        self.depth.record(stats.depth);
        self.depth.flush();
        stats
    }
}

/// How the caller sounded to us, on the whole; `None` when nothing came.
pub(crate) fn mos_of(totals: &JitterStats) -> Option<f64> {
    let frames = totals.received + totals.lost;
    (frames > 0).then(|| mos(totals.concealed as f64 / frames as f64, totals.delay + FRAME))
}
