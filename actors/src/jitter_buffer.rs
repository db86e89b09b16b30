//! JitterBuffer: ordering, concealment and the playout clock of one RTP leg.

use std::time::{Duration, Instant};

use media::codec::Codec;
use media::frame::{PcmFrame, SharedFrame};
use media::jitter::{JitterBuffer as Core, JitterConfig, JitterStats};
use media::quality::{Coding, Way, mos, rating};
use media::rtcp::xr::{UNAVAILABLE, VoipMetrics, of_256};
use media::rtp::{PayloadTypes, RtpPacket};
use media::units::FRAME;

use crate::call::CallMsg;
use crate::clock::Tick;
use crate::hearing::Hearing;
use crate::kind::ActorKind;
use crate::leg::LegMsg;
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
    /// By the call: the peer holds it, and sends music or nothing.
    Held,
    /// By the call: the peer is back.
    Resumed,
    /// By the leg, with each report of its own: say how the caller sounds. With the round trip to him, as far as it is known.
    Reported(Duration),
    /// By the call: report the totals and stop.
    Finish,
}

impl Letter for JitterMsg {
    const KIND: ActorKind = ActorKind::JitterBuffer;
    /// Half a second of packets and ticks at 20 ms: what came before that is too late for playout anyway.
    const AUDIO_MAX: u32 = 50;
    /// Packets are for the tick behind them: more than a call's due in 20 ms, at 10 ms each.
    const LAZY_MAX: usize = 4;
    /// Two re-INVITEs with a hold each, one answer, one report, a second's `PassedOn` and a `Finish`: more within a tick is no
    /// telephone's.
    const SIGNALS_MAX: u32 = 8;

    fn lane(&self) -> Lane {
        match self {
            Self::Packet { .. } => Lane::Lazy,
            Self::Tick(_) => Lane::Audio,
            Self::PassedOn(_) | Self::Renegotiated(_) | Self::Answered | Self::Held | Self::Resumed => Lane::Signal,
            Self::Reported(_) | Self::Finish => Lane::Signal,
        }
    }
}

/// What a JitterBuffer is made from.
pub struct JitterArgs {
    /// Tuning.
    pub config: JitterConfig,
    /// What the leg's packets carry.
    pub types: PayloadTypes,
    /// The law in which the call works.
    pub law: Codec,
    /// How long silence on the wire is borne.
    pub timeout: Duration,
    /// Where frames go.
    pub hearing: Hearing,
    /// The parent.
    pub call: Mailbox<CallMsg>,
}

/// How long silence on the wire is borne while the peer holds the call: many then send nothing at all. A person who left somebody on
/// hold for longer has forgotten it, or the peer is gone.
const HELD_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// What came of the caller's stream.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// All counters, at the end.
    pub totals: JitterStats,
    /// How he sounded, on the whole; `None` when nothing came.
    pub mos: Option<f64>,
}

/// Counters are written out once a second, since a counter's cost is small but not nothing at 50 frames a second.
const TICKS_PER_FLUSH: u64 = 50;

/// The actor.
pub struct JitterBuffer {
    core: Core,
    /// The longest delay.
    max: Duration,
    coding: Coding,
    round_trip: Duration,
    timeout: Duration,
    last_packet: Instant,
    /// The call has been told that nothing comes.
    timed_out: bool,
    held: bool,
    silence: SharedFrame,
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
        let JitterArgs { config, types, law, timeout, hearing, call } = args;
        Ok(Self {
            core: Core::of_law(config, types, law),
            max: config.max,
            coding: Coding::of(types.codec),
            round_trip: Duration::ZERO,
            timeout,
            last_packet: Instant::now(),
            timed_out: false,
            held: false,
            silence: PcmFrame::silence(law).into(),
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
                self.core.renegotiate(types);
                self.coding = Coding::of(types.codec);
            }
            JitterMsg::Held => self.held = true,
            JitterMsg::Resumed => {
                self.held = false;
                // The peer gets as long as at the beginning to send something.
                self.last_packet = Instant::now();
            }
            JitterMsg::Reported(round_trip) => {
                self.round_trip = round_trip;
                let stats = self.core.stats(Instant::now());
                if !stats.bursts.is_empty() {
                    self.hearing.ports().leg.tell(LegMsg::Quality(Box::new(self.metrics(&stats))));
                }
            }
            JitterMsg::Answered => {
                self.last_packet = Instant::now();
                self.timed_out = false;
            }
            JitterMsg::Finish => {
                let totals = self.flush(Instant::now());
                let score = (!totals.bursts.is_empty()).then(|| mos(self.rating(&totals, self.delay(&totals))));
                if let Some(score) = score {
                    metrics::histogram!("offhook_call_mos", "direction" => "received").record(score);
                }
                let _call_ended_already = self.call.send(CallMsg::ReceivedTotals(Box::new(Received { totals, mos: score })));
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
        match self.held {
            true => self.hearing.held_frame(tick.number, tick.due, &frame, &self.silence),
            false => self.hearing.caller_frame(tick.number, tick.due, &frame),
        }
        if (tick.number + self.stagger).is_multiple_of(TICKS_PER_FLUSH) {
            self.flush(now);
        }
        self.check_timeout(now);
    }

    fn check_timeout(&mut self, now: Instant) {
        let timeout = if self.held { self.timeout.max(HELD_TIMEOUT) } else { self.timeout };
        if !self.timed_out && now.saturating_duration_since(self.last_packet) > timeout {
            self.timed_out = self.call.send(CallMsg::MediaTimedOut).is_ok();
        }
    }

    /// From the caller's mouth to his frame's playout, half of the round trip taken for one way.
    fn delay(&self, stats: &JitterStats) -> Duration {
        self.round_trip / 2 + stats.delay + FRAME
    }

    fn rating(&self, stats: &JitterStats, delay: Duration) -> f64 {
        rating(self.coding, Way { loss: stats.bursts.loss(), burst_ratio: stats.bursts.ratio(), delay })
    }

    /// How the caller sounds, for him to know; the leg says of which stream that is.
    fn metrics(&self, stats: &JitterStats) -> VoipMetrics {
        let ms = |duration: Duration| u16::try_from(duration.as_millis()).unwrap_or(u16::MAX);
        let sent = (stats.received + stats.lost).max(1) as f64;
        let tenths = |delay| (mos(self.rating(stats, delay)) * 10.0) as u8;
        let mut metrics = VoipMetrics {
            ssrc: 0,
            loss_rate: of_256(stats.lost as f64 / sent),
            discard_rate: of_256(stats.late as f64 / sent),
            burst_density: 0,
            gap_density: 0,
            burst_ms: 0,
            gap_ms: 0,
            round_trip_ms: ms(self.round_trip),
            end_system_ms: ms(stats.delay + FRAME),
            rating: (self.rating(stats, self.delay(stats)) as u8).min(UNAVAILABLE - 1),
            listening: tenths(Duration::ZERO),
            conversational: tenths(self.delay(stats)),
            buffer_ms: ms(stats.delay),
            buffer_max_ms: ms(self.max),
        };
        metrics.set_shape(stats.bursts.shape(), FRAME);
        metrics
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
