//! The jitter buffer: packets in as the network brings them, one frame out each tick.

mod delay;
mod gap;
mod ready;
mod sequence;
mod stats;
mod stream;
mod stretch;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::codec::Codec;
use crate::conceal::Concealer;
use crate::frame::{FrameOrigin, FramePool, SharedFrame};
use crate::line::Decoder;
use crate::noise::ComfortNoise;
use crate::rtp::{PayloadKind, PayloadTypes, RtpPacket};
use crate::units::{FRAME_SAMPLES, SampleRate, SeqNo};
use delay::DelayEstimator;
use ready::Ready;
use sequence::Arrival;
pub use stats::JitterStats;
use stream::Stream;

/// How long audio may wait for late packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JitterConfig {
    /// The delay never adapts below this; default 10 ms. It lies between this and 15 ms more, as the ticks fall.
    pub min: Duration,
    /// Delay of the first frame at most, before anything is known of the network; default 25 ms. With the default `min` it is
    /// then right for a network without jitter and stays.
    pub initial: Duration,
    /// Audio later than this is cut; default 200 ms, after which talking becomes hard (ITU-T G.114).
    pub max: Duration,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self { min: Duration::from_millis(10), initial: Duration::from_millis(25), max: Duration::from_millis(200) }
    }
}

/// Orders, decodes, conceals and paces one received stream.
///
/// Audio is placed by timestamp, so ptime, reordering and silence suppression need no cases of their own:
/// ```text
/// network   0    1         3  2         4          each packet takes its time
/// delay     |--- delay ---|
/// playout                 0    1    2    3    4    one frame a tick, [`JitterConfig::initial`] after the first packet
/// ```
/// The delay follows the jitter. To change it, pitch periods are left out or put in; on a network without jitter
/// nothing is changed, and the octets that leave are those that came. A packet that comes after its place was concealed
/// is dropped, but when more than a frame is late it is played, and the delay grows.
///
/// The first packet after a second of nothing, after another SSRC, or after a jump of sequence or timestamps starts
/// afresh with the initial delay.
#[derive(Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    types: PayloadTypes,
    /// The law of the call, in which frames have their octets.
    law: Codec,
    /// What turns the wire's packets into samples; `None` in G.711.
    decoder: Option<Decoder>,
    /// What the peer's silence sounds like, by its last word on that.
    comfort: Option<ComfortNoise>,
    /// Where packets repeat those before them: the delay that this needs, and until when it is kept after a loss.
    reserve: (i64, i64),
    epoch: Option<Instant>,
    stream: Option<Stream>,
    waiting: VecDeque<Waiting>,
    /// End of the audio in `ready`; `None` while nothing plays.
    cursor: Option<i64>,
    /// Time of the packet decoded last.
    decoded: i64,
    /// Audio invented since the last packet that was played.
    gap: i64,
    ready: Ready,
    concealer: Concealer,
    network: DelayEstimator,
    pace: Pace,
    pool: FramePool,
    stats: JitterStats,
}

#[derive(Debug)]
struct Waiting {
    sequence: SeqNo,
    time: i64,
    samples: i64,
    payload: Bytes,
}

/// What [`JitterBuffer::reserve`] is before a loss.
const NO_RESERVE: (i64, i64) = (0, i64::MIN);

/// Ticks until the delay may be changed again, and for which it was too long.
#[derive(Debug, Default)]
struct Pace {
    rest: u32,
    excess: u32,
}

const RATE: SampleRate = SampleRate::HZ_8000;
/// Packets that may wait however long they are: a burst at the shortest usual packet time, 10 ms.
const PACKETS_FEW: usize = 64;
/// Of more packets than that, audio that may wait: 640 ms, thrice the longest delay.
const WAITING_MAX: i64 = 5_120;
const FRAME: i64 = FRAME_SAMPLES as i64;
/// After this long without a packet the next one starts afresh: 1 s.
const LONG_GAP: i64 = 8_000;
/// A delay this much too short is raised: 5 ms. One too long by the longest pitch period, 15 ms, is lowered.
const SHORTAGE: i64 = 40;
/// Ticks a delay must be too long before it is lowered: 200 ms, so that a late tick of ours changes nothing.
const PATIENCE: u32 = 10;
/// Ticks between two changes in speech: at most a quarter faster or slower.
const REST: u32 = 3;

impl JitterBuffer {
    /// Packets waiting at most: 640 ms of the shortest there are, Opus of 2.5 ms. Of longer ones fewer may wait: 64, or 640 ms.
    pub const CAPACITY: usize = 256;

    /// A buffer for a stream of these payload types.
    pub fn new(config: JitterConfig, types: PayloadTypes) -> Self {
        Self::of_law(config, types, types.codec.row().law)
    }

    /// The same in a call that works in `law`, whatever the wire does.
    pub fn of_law(config: JitterConfig, types: PayloadTypes, law: Codec) -> Self {
        Self {
            config,
            types,
            law,
            decoder: types.codec.decoder(law),
            comfort: None,
            reserve: NO_RESERVE,
            epoch: None,
            stream: None,
            waiting: VecDeque::with_capacity(PACKETS_FEW + 1),
            cursor: None,
            decoded: i64::MIN,
            gap: 0,
            ready: Ready::new(),
            concealer: Concealer::new(),
            network: DelayEstimator::new(),
            pace: Pace::default(),
            pool: FramePool::new(),
            stats: JitterStats::default(),
        }
    }

    /// Takes every valid packet of the leg. Those that are no audio explain the gaps they leave.
    ///
    /// When as many wait as may, the oldest is dropped and counted: see [`Self::CAPACITY`].
    pub fn handle_packet(&mut self, now: Instant, packet: &RtpPacket) {
        let now = self.ticks(now);
        self.stats.received += 1;
        let Some(sequence) = self.place(now, packet) else {
            return;
        };
        let Some(stream) = &mut self.stream else {
            return;
        };
        let kind = self.types.kind(packet.payload_type);
        if kind != PayloadKind::Audio {
            if kind == PayloadKind::ComfortNoise && stream.pause <= Some(sequence) {
                self.comfort = ComfortNoise::of(&packet.payload);
            }
            stream.pause = stream.pause.max(Some(sequence));
            stream.explained += u64::from(stream.played < Some(sequence));
            return;
        }
        let samples = self.types.codec.samples_in(&packet.payload);
        if samples == 0 {
            return;
        }
        if self.types.codec.is_pause(&packet.payload) {
            stream.pause = stream.pause.max(Some(sequence));
        }
        let late = stream.played.is_some_and(|played| sequence <= played);
        let mut last = stream.timed(now, (sequence, samples), packet, self.types.codec.scale());
        if !late && stream.clock_jumped(&last, self.network.base()) {
            last.sequence = SeqNo::first(packet.sequence);
            self.restart(now, packet);
        }
        self.network.handle_packet(now, last.transit);
        if late {
            self.stats.late += 1;
            return;
        }
        if let Some(stream) = &mut self.stream {
            stream.last = Some(last);
        }
        let payload = packet.payload.clone();
        self.insert(now, Waiting { sequence: last.sequence, time: last.time, samples: last.samples, payload });
    }

    /// The frame of this tick: always [`FRAME_SAMPLES`] samples. Call once every 20 ms.
    pub fn playout(&mut self, now: Instant) -> SharedFrame {
        let now = self.ticks(now);
        let decoded = self.decoded;
        let origin = self.fill(now);
        if origin == FrameOrigin::Received && self.decoded != decoded {
            self.adapt(now, self.decoded);
        }
        let ready = &mut self.ready;
        self.pool.take(|frame| {
            frame.rate = RATE;
            frame.origin = origin;
            ready.take(frame);
        })
    }

    /// New payload types after a re-INVITE. The call's law stays. What waits in the old codec is decoded by it, up to the first gap; on
    /// an RTP clock of the same rate the stream then goes on, on another it begins anew.
    pub fn renegotiate(&mut self, types: PayloadTypes) {
        if types.codec != self.types.codec {
            while self.play_next() {}
            self.stats.dropped += self.waiting.len() as u64;
            self.waiting.clear();
            if self.cursor.is_none() || types.codec.scale() != self.types.codec.scale() {
                self.stream = None;
                self.stop();
            }
            self.decoder = types.codec.decoder(self.law);
            (self.comfort, self.reserve) = (None, NO_RESERVE);
        }
        self.types = types;
    }

    /// The stream goes another way for a while, where so many packets of it came: what comes next begins afresh, and nothing was lost
    /// between.
    pub fn set_aside(&mut self, packets: u64) {
        self.stats.received += packets;
        self.stream = None;
        self.forget();
        self.ready.clear();
    }

    /// Counters and state; `now` for the present delay.
    pub fn stats(&mut self, now: Instant) -> JitterStats {
        let now = self.ticks(now);
        let waiting: i64 = self.waiting.iter().map(|waiting| waiting.samples).sum();
        JitterStats {
            pool_misses: self.pool.misses(),
            depth: span(waiting + self.ready.upcoming() as i64),
            delay: span(self.delay(now).unwrap_or(0)),
            jitter: span(self.network.wanted()),
            ..self.stats
        }
    }

    fn ticks(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        RATE.samples_in(now.saturating_duration_since(epoch)) as i64
    }

    /// Finds a packet's place in the stream; `None` for one to be left out.
    fn place(&mut self, now: i64, packet: &RtpPacket) -> Option<SeqNo> {
        let arrival = match &mut self.stream {
            Some(stream) if stream.ssrc == packet.ssrc => stream.hear(now, packet, &mut self.stats.lost),
            Some(stream) if stream.overtook(now, packet) => Arrival::Jump,
            Some(_) => Arrival::Restart,
            None => {
                self.stream = Some(Stream::new(now, packet));
                return Some(SeqNo::first(packet.sequence));
            }
        };
        match arrival {
            Arrival::New(sequence) => Some(sequence),
            Arrival::Duplicate => {
                self.stats.duplicate += 1;
                None
            }
            Arrival::Jump => {
                self.stats.dropped += 1;
                None
            }
            Arrival::Restart => {
                self.restart(now, packet);
                Some(SeqNo::first(packet.sequence))
            }
        }
    }

    fn restart(&mut self, now: i64, packet: &RtpPacket) {
        self.stats.restarts += 1;
        self.stream = self.stream.as_ref().map(|stream| stream.succeed(now, packet));
        self.forget();
    }

    /// Another stream begins: its coder has heard nothing, its silence has no sound yet, and nothing of it was lost.
    fn forget(&mut self) {
        self.decoder = self.types.codec.decoder(self.law);
        self.comfort = None;
        self.reserve = NO_RESERVE;
        self.stop();
    }

    /// Plays nothing until enough of the stream has come, on whatever clock.
    fn stop(&mut self) {
        self.network.restart();
        self.stats.dropped += self.waiting.len() as u64;
        self.waiting.clear();
        self.cursor = None;
        self.gap = 0;
        self.pace = Pace::default();
    }

    fn insert(&mut self, now: i64, packet: Waiting) {
        if let Some(stream) = self.stream.as_mut().filter(|_| self.cursor.is_none()) {
            stream.first_arrival.get_or_insert(now);
        }
        let place = self.waiting.partition_point(|waiting| waiting.time <= packet.time);
        self.waiting.insert(place, packet);
        if self.is_too_full() {
            self.waiting.pop_front();
            self.stats.dropped += 1;
        }
    }

    fn is_too_full(&self) -> bool {
        let (count, ends) = (self.waiting.len(), self.waiting.front().zip(self.waiting.back()));
        let span = ends.map_or(0, |(first, last)| last.time + last.samples - first.time);
        count > Self::CAPACITY || count > PACKETS_FEW && span > WAITING_MAX
    }

    /// Makes a frame ready and tells where its audio is from.
    fn fill(&mut self, now: i64) -> FrameOrigin {
        if self.cursor.is_some() || self.start(now) {
            self.settle_late();
            self.cut(now);
        }
        let mut origin = FrameOrigin::Received;
        while let missing @ 1.. = FRAME_SAMPLES.saturating_sub(self.ready.upcoming()) {
            if !self.play_next() && !self.recover() {
                origin = self.invent(missing);
            }
            self.settle_late();
        }
        self.count_concealed(now, origin);
        if self.gap >= LONG_GAP && self.waiting.is_empty() {
            self.stop();
            if let Some(stream) = &mut self.stream {
                stream.last = None;
            }
        }
        origin
    }

    /// Starts to play when the next tick would be later than the delay asks.
    fn start(&mut self, now: i64) -> bool {
        let Some((first, arrival)) = self.first_waiting() else {
            return false;
        };
        let wait = ticks(self.config.initial).max(self.target());
        if now + FRAME <= arrival + wait {
            return false;
        }
        self.cursor = Some(first);
        if let Some(stream) = &mut self.stream {
            stream.first_arrival = None;
        }
        true
    }

    fn first_waiting(&self) -> Option<(i64, i64)> {
        let arrival = self.stream.as_ref()?.first_arrival?;
        Some((self.waiting.front()?.time, arrival))
    }

    /// Cuts what would be played later than the longest delay.
    fn cut(&mut self, now: i64) {
        let longest = ticks(self.config.max) + FRAME;
        if self.waiting.is_empty() || self.delay(now).is_none_or(|delay| delay <= longest) {
            return;
        }
        let due = now - self.network.base() - self.target();
        let last = self.stream.as_ref().and_then(|stream| stream.last);
        if let Some(last) = last.filter(|last| last.time + last.samples <= due) {
            // Even the newest is too late: the way here became longer, and that is the new normal.
            self.network.rebase(now, last.transit);
            return;
        }
        while self.waiting.len() > 1 && self.waiting[1].time <= due {
            self.waiting.pop_front();
            self.stats.dropped += 1;
        }
        self.ready.clear();
        self.cursor = self.waiting.front().map(|next| next.time);
    }

    /// Decides on packets whose place was concealed before they came: up to a frame is past, more is played late.
    fn settle_late(&mut self) {
        while let (Some(cursor), Some(next)) = (self.cursor, self.waiting.front()) {
            if cursor - next.time > FRAME {
                self.cursor = Some(next.time);
            } else if next.time + next.samples <= cursor {
                self.stats.late += 1;
                self.waiting.pop_front();
            } else {
                return;
            }
        }
    }

    /// Decodes the packet whose place is next, if it is there.
    fn play_next(&mut self) -> bool {
        let Some(cursor) = self.cursor else {
            return false;
        };
        let Some(next) = self.waiting.pop_front_if(|next| next.time <= cursor) else {
            return false;
        };
        let past = (cursor - next.time).min(next.samples) as usize;
        match &mut self.decoder {
            None => self.ready.push(self.law, &next.payload[past..], &mut self.concealer),
            Some(decoder) => {
                self.ready.decode(self.law, |samples| decoder.decode(&next.payload, samples), past, &mut self.concealer);
                if self.types.codec.is_pause(&next.payload) {
                    self.comfort = Some(ComfortNoise::new(self.ready.level()));
                }
            }
        }
        self.cursor = Some(next.time + next.samples);
        self.decoded = next.time;
        self.gap = 0;
        if let Some(stream) = &mut self.stream {
            self.stats.bursts.handle_packet(stream.play(next.sequence));
        }
        true
    }

    /// Brings the delay nearer to what the network asks for, judged by how long the packet just needed had waited.
    fn adapt(&mut self, now: i64, needed: i64) {
        let waited = now - self.network.base() - needed;
        // By what one cut may take: what is left is not too short.
        let too_long = waited > self.target() + stretch::LONGEST as i64;
        self.pace.excess = if too_long { self.pace.excess + 1 } else { 0 };
        self.pace.rest = self.pace.rest.saturating_sub(1);
        if self.pace.rest > 0 {
            return;
        }
        let codec = self.law;
        if now > self.reserve.1 {
            self.reserve.0 = 0;
        }
        let join = if waited + SHORTAGE < self.wanted().min(ticks(self.config.max)) {
            let join = self.ready.lengthen(codec);
            self.stats.lengthened += u64::from(join.is_some());
            join
        } else if self.pace.excess >= PATIENCE {
            while self.ready.upcoming() < FRAME_SAMPLES + stretch::LONGEST && self.play_next() {}
            let join = self.ready.shorten(codec);
            self.stats.shortened += u64::from(join.is_some());
            join
        } else {
            None
        };
        self.pace.rest = join.map_or(0, |join| if join.quiet { 1 } else { REST });
    }

    /// From the arrival of a fast packet to the playout of its audio, if the next frame leaves now.
    fn delay(&self, now: i64) -> Option<i64> {
        let next = self.cursor? - self.ready.upcoming() as i64;
        Some(now - self.network.base() - next)
    }

    fn target(&self) -> i64 {
        let (min, max) = (ticks(self.config.min), ticks(self.config.max));
        self.wanted().min(max).max(min)
    }

    fn wanted(&self) -> i64 {
        self.network.wanted().max(self.reserve.0)
    }
}

fn ticks(duration: Duration) -> i64 {
    RATE.samples_in(duration) as i64
}

fn span(ticks: i64) -> Duration {
    RATE.duration_of(ticks.max(0) as u64)
}

#[cfg(test)]
mod tests;
