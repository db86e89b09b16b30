//! A peer whose packets tell their number in every octet, and what it may do to its stream.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::codec::Codec;
use media::frame::{FrameOrigin, SharedFrame};
use media::jitter::{JitterBuffer, JitterConfig};
use media::rtp::{COMFORT_NOISE, PayloadTypes, RtpPacket};
use media::units::{FRAME, FRAME_SAMPLES, RtpTime};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::emulator::{Network, Path, epoch};

/// The first packet's octets, and how many numbers there are before they come again: 2 s.
const FIRST_OCTET: u8 = 0x82;
const NUMBERS: i64 = 100;
/// Packets by which a peer's clock may run ahead of ours: 200 ppm of an hour.
const AHEAD: i64 = 40;

/// What a peer does at one moment.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Another SSRC, with numbers and clock of its own: a transfer.
    NewStream,
    /// The clock jumps by so many ticks, and nothing else happens.
    ClockJump(i32),
    /// The sequence jumps by so many packets, which were never sent.
    SequenceJump(u16),
    /// The stream's numbers are about to wrap.
    Wrap,
    /// A re-INVITE gives the codec another payload type.
    PayloadType(u8),
    /// A re-INVITE changes the codec.
    Codec(Codec),
    /// No packets but comfort noise, if there is a level, each 200 ms; the clock runs.
    Silence { ms: u64, noise: Option<u8> },
    /// No packets at all.
    Pause { ms: u64, clock_runs: bool },
}

impl Event {
    /// How long nothing is said.
    pub fn lasts(self) -> u64 {
        match self {
            Self::Silence { ms, .. } | Self::Pause { ms, .. } => ms,
            _ => 0,
        }
    }
}

/// A call of one direction.
#[derive(Clone, Debug)]
pub struct Script {
    pub network: Network,
    /// How much the peer's clock is slower than ours.
    pub drift_ppm: i32,
    /// By the ms at which they happen.
    pub events: Vec<(u64, Event)>,
    pub length: Duration,
}

/// What was played.
pub struct Heard {
    pub buffer: JitterBuffer,
    pub frames: Vec<SharedFrame>,
    pub end: Instant,
    /// Packets that came to the buffer.
    pub arrived: u64,
    /// When each number was sent, on our clock.
    sent: Vec<Duration>,
}

enum Arrival {
    Packet(RtpPacket),
    Types(PayloadTypes),
}

/// What the peer writes into its packets.
struct Stream {
    types: PayloadTypes,
    ssrc: u32,
    sequence: u16,
    time: RtpTime,
}

impl Script {
    pub fn play(&self) -> Heard {
        self.play_clean_from(self.length)
    }

    /// From this time on the network does nothing to packets but bring them.
    pub fn play_clean_from(&self, clean: Duration) -> Heard {
        let (mut arrivals, sent) = self.arrivals(clean);
        arrivals.sort_by_key(|(at, _)| *at);
        let arrived = arrivals.iter().filter(|(_, arrival)| matches!(arrival, Arrival::Packet(_))).count() as u64;
        let start = epoch();
        let mut buffer = JitterBuffer::new(JitterConfig::default(), PayloadTypes::of(Codec::Pcmu));
        let mut arrivals = arrivals.into_iter().peekable();
        let mut end = start;
        let ticks = (self.length.as_millis() / FRAME.as_millis()) as u32;
        let frames = (0..ticks)
            .map(|tick| {
                let at = Duration::from_millis(7) + FRAME * tick;
                while let Some((arrival, what)) = arrivals.next_if(|(arrival, _)| *arrival <= at) {
                    match what {
                        Arrival::Packet(packet) => buffer.handle_packet(start + arrival, &packet),
                        Arrival::Types(types) => buffer.renegotiate(types),
                    }
                }
                end = start + at;
                buffer.playout(end)
            })
            .collect();
        // What would have come after the last tick did not.
        Heard {
            buffer,
            frames,
            end,
            arrived: arrived - arrivals.filter(|(_, what)| matches!(what, Arrival::Packet(_))).count() as u64,
            sent,
        }
    }

    fn arrivals(&self, clean: Duration) -> (Vec<(Duration, Arrival)>, Vec<Duration>) {
        let mut random = StdRng::seed_from_u64(self.network.seed);
        let mut path = Path::new(self.network);
        let mut stream = Stream::new(&mut random);
        let (mut arrivals, mut sent) = (Vec::new(), Vec::new());
        let (mut silent_until, mut noise, mut clock_runs) = (0, None, true);
        let mut events = self.events.iter().peekable();
        for slot in 0_u64.. {
            let at = Duration::from_secs_f64(slot as f64 * 0.02 * (1.0 + f64::from(self.drift_ppm) * 1e-6));
            if at >= self.length {
                break;
            }
            let ms = slot * 20;
            while let Some((_, event)) = events.next_if(|(when, _)| *when <= ms) {
                match *event {
                    Event::Silence { ms: lasts, noise: level } => (silent_until, noise, clock_runs) = (ms + lasts, level, true),
                    Event::Pause { ms: lasts, clock_runs: runs } => (silent_until, noise, clock_runs) = (ms + lasts, None, runs),
                    other => arrivals.extend(stream.handle(other, &mut random).map(|types| (at, Arrival::Types(types)))),
                }
            }
            sent.push(at);
            let speaks = ms >= silent_until;
            let packet = match noise {
                _ if speaks => Some(stream.audio(slot)),
                Some(level) if (silent_until - ms).is_multiple_of(200) => Some(stream.noise(level)),
                _ => None,
            };
            if speaks || clock_runs {
                stream.time = stream.time.after(FRAME_SAMPLES as u32);
            }
            let Some(packet) = packet else { continue };
            let copies = if at < clean { path.copies(&mut random) } else { 1 };
            for _ in 0..copies {
                let arrival = if at < clean { self.network.arrival(at, &mut random) } else { at };
                arrivals.push((arrival, Arrival::Packet(packet.clone())));
            }
        }
        (arrivals, sent)
    }
}

impl Stream {
    fn new(random: &mut StdRng) -> Self {
        Self {
            types: PayloadTypes::of(Codec::Pcmu),
            ssrc: random.random(),
            sequence: random.random::<u16>() >> 1,
            time: RtpTime(random.random()),
        }
    }

    /// What signalling tells of an event, if it is one of those.
    fn handle(&mut self, event: Event, random: &mut StdRng) -> Option<PayloadTypes> {
        match event {
            Event::NewStream => {
                let types = self.types;
                *self = Self { types, ..Self::new(random) };
                return None;
            }
            Event::ClockJump(ticks) => self.time = self.time.after(ticks.cast_unsigned()),
            Event::SequenceJump(packets) => self.sequence = self.sequence.wrapping_add(packets),
            // With another SSRC, so that only the wrap is seen.
            Event::Wrap => {
                *self = Self { types: self.types, ssrc: random.random(), sequence: 65_500, time: RtpTime(u32::MAX - 5_000) }
            }
            Event::PayloadType(audio) => self.types.audio = audio,
            Event::Codec(codec) => self.types = PayloadTypes::of(codec),
            Event::Silence { .. } | Event::Pause { .. } => {}
        }
        matches!(event, Event::PayloadType(_) | Event::Codec(_)).then_some(self.types)
    }

    fn audio(&mut self, number: u64) -> RtpPacket {
        // Told in mu-law, the call's own; these octets come through A-law as they went.
        let mut octet = [FIRST_OCTET + (number % NUMBERS as u64) as u8];
        Codec::Pcmu.recode(&mut octet, self.types.codec.row().law);
        let [octet] = octet;
        self.packet(self.types.audio, vec![octet; FRAME_SAMPLES].into())
    }

    fn noise(&mut self, level: u8) -> RtpPacket {
        self.packet(COMFORT_NOISE, vec![level].into())
    }

    fn packet(&mut self, payload_type: u8, payload: Bytes) -> RtpPacket {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        RtpPacket { payload_type, marker: false, sequence, timestamp: self.time, ssrc: self.ssrc, payload }
    }
}

impl Heard {
    /// By tick: the number that most of a received frame tells, 0 to 99.
    fn numbers(&self) -> impl Iterator<Item = (usize, i64)> {
        self.frames.iter().enumerate().filter(|(_, frame)| frame.origin == FrameOrigin::Received).filter_map(|(tick, frame)| {
            let mut counts = [0_u8; 256];
            frame.encoded.iter().for_each(|octet| counts[usize::from(*octet)] += 1);
            let octet = (0..256).max_by_key(|octet| counts[*octet])?;
            let number = octet as i64 - i64::from(FIRST_OCTET);
            (counts[octet] >= 60 && (0..NUMBERS).contains(&number)).then_some((tick, number))
        })
    }

    /// Each frame whose packet is known: its tick, and how many ms after it was sent it was played.
    pub fn delays(&self) -> Vec<(usize, i64)> {
        let played = |tick: usize| 7 + 20 * tick as i64;
        let sent = |index: i64| self.sent.get(index as usize).map(|sent| sent.as_millis() as i64);
        let delay = |(tick, number): (usize, i64)| {
            // The newest packet of this number that was sent by then.
            let newest = (tick as i64 + AHEAD - number).div_euclid(NUMBERS) * NUMBERS + number;
            let index =
                (0..2).map(|back| newest - back * NUMBERS).find(|index| sent(*index).is_some_and(|sent| sent <= played(tick)))?;
            Some((tick, played(tick) - sent(index)?))
        };
        self.numbers().filter_map(delay).collect()
    }

    /// The mean of [`Self::delays`] in some seconds of the call.
    pub fn mean_delay(&self, seconds: Range<usize>) -> i64 {
        let delays: Vec<i64> =
            self.delays().into_iter().filter(|(tick, _)| seconds.contains(&(tick / 50))).map(|(_, delay)| delay).collect();
        delays.iter().sum::<i64>() / delays.len() as i64
    }

    /// What is played never goes back.
    pub fn assert_order(&self) {
        // What comes soon after invented audio is blended with it, and may tell any number.
        let as_it_came =
            |tick: usize| self.frames[tick.saturating_sub(3)..=tick].iter().all(|frame| frame.origin == FrameOrigin::Received);
        let numbers: Vec<(usize, i64)> = self.numbers().filter(|(tick, _)| as_it_came(*tick)).collect();
        for pair in numbers.windows(2) {
            let [(before, from), (tick, to)] = pair else { unreachable!() };
            let step = (to - from).rem_euclid(NUMBERS);
            // After a long pause every number may be next.
            assert!(step < NUMBERS / 2 || tick - before > 40, "{from} at {before}, then {to} at {tick}");
        }
    }

    /// Frames not heard as they came around an event, and how long after its end the first is heard again.
    pub fn gap_after(&self, at: u64, lasts: u64) -> String {
        let (from, to) = ((at / 20) as usize, ((at + lasts) / 20) as usize);
        let heard = |frame: &SharedFrame| frame.origin == FrameOrigin::Received;
        let window = &self.frames[from - 10..to + 75];
        let missing = window.iter().filter(|frame| !heard(frame)).count();
        let said: Vec<usize> = self
            .delays()
            .into_iter()
            .filter(|(tick, delay)| (20 * *tick as i64 + 7 - delay) as u64 >= at + lasts)
            .map(|(tick, _)| tick)
            .collect();
        let back = said.first().map_or(-1, |tick| 20 * *tick as i64 + 7 - (at + lasts) as i64);
        format!("{missing} frames missing, back after {back} ms")
    }
}
