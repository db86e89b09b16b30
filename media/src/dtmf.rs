//! DTMF as RFC 4733 telephone events, both ways.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::rtp::RtpPacket;
use crate::units::{FRAME, RtpTime, SampleRate};

/// One key of the telephone: 0-9, `*`, `#`, A-D. Its `Debug` hides it, since callers type card numbers.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Digit(u8);

const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

impl Digit {
    /// The key of this character, `a` to `d` too.
    pub fn from_char(key: char) -> Option<Self> {
        let key = key.to_ascii_uppercase();
        let event = KEYS.iter().position(|&known| known == key)?;
        Some(Self(event as u8))
    }

    /// The key of an RFC 4733 event code; `None` for flash and all that are not keys.
    pub fn from_event(code: u8) -> Option<Self> {
        (code < 16).then_some(Self(code))
    }

    /// The key as a character.
    pub fn to_char(self) -> char {
        KEYS[usize::from(self.0)]
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digit(_)")
    }
}

/// One packet of an event, for [`crate::rtp::RtpSender::next_event`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventPacket {
    /// Start of the event; the same in all its packets.
    pub timestamp: RtpTime,
    /// Set on the first packet of the event.
    pub marker: bool,
    /// Event, end bit and volume, duration.
    pub payload: [u8; 4],
}

/// What a tick of [`DtmfSender`] asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DtmfTick {
    /// Nothing to send: the tick belongs to the audio.
    Idle,
    /// Send this packet instead of audio.
    Packet(EventPacket),
    /// Send nothing: the pause that tells two equal digits apart.
    Gap,
}

/// Sends digits, one after the other, in place of audio.
///
/// ```text
/// tick       0    1    2    3    4    5    6    7  | 8
/// packet     M    .    .    .    E    E    E    -  | M      timestamp of tick 0 in all seven
/// duration  160  320  480  640  800  800  800      | 160    at 8 kHz; six times as much in Opus, at 48 kHz
/// sound     |------ tone 100 ms -----|- gap 60 ms -|
/// ```
#[derive(Debug)]
pub struct DtmfSender {
    queue: VecDeque<Digit>,
    current: Option<Sending>,
    /// Ticks of the events' clock in one tick of ours; 960 at most.
    step: u16,
}

#[derive(Debug)]
struct Sending {
    digit: Digit,
    timestamp: RtpTime,
    tick: u16,
}

const TONE_TICKS: u16 = 5;
const LAST_END_TICK: u16 = TONE_TICKS + 1; // the end is sent three times: ticks 4, 5, 6
const DIGIT_TICKS: u16 = TONE_TICKS + 3;
const END: u8 = 0x80;
const VOLUME: u8 = 10; // -10 dBm0

impl DtmfSender {
    /// Digits waiting at most: two card numbers typed ahead.
    pub const CAPACITY: usize = 32;

    /// A sender with nothing to send, of events whose durations are counted by this clock (RFC 4733 §2.1).
    pub fn new(clock: SampleRate) -> Self {
        let step = u16::try_from(clock.samples_in(FRAME)).unwrap_or(u16::MAX / DIGIT_TICKS);
        Self { queue: VecDeque::new(), current: None, step }
    }

    /// Another clock after a re-INVITE; a digit under way ends on it.
    pub fn renegotiate(&mut self, clock: SampleRate) {
        self.step = Self::new(clock).step;
    }

    /// Queues a digit; false, and the digit is not sent, when [`Self::CAPACITY`] are waiting.
    #[must_use]
    pub fn push(&mut self, digit: Digit) -> bool {
        let fits = self.queue.len() < Self::CAPACITY;
        if fits {
            self.queue.push_back(digit);
        }
        fits
    }

    /// Whether nothing is being sent and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.queue.is_empty()
    }

    /// What to send this tick; `now` is the RTP time the audio of this tick would have.
    pub fn next_tick(&mut self, now: RtpTime) -> DtmfTick {
        if self.current.is_none() {
            self.current = self.queue.pop_front().map(|digit| Sending { digit, timestamp: now, tick: 0 });
        }
        let Some(sending) = &mut self.current else {
            return DtmfTick::Idle;
        };
        let tick = sending.tick;
        sending.tick += 1;
        let packet = sending.packet(tick, self.step);
        if sending.tick == DIGIT_TICKS {
            self.current = None;
        }
        packet.map_or(DtmfTick::Gap, DtmfTick::Packet)
    }
}

impl Sending {
    fn packet(&self, tick: u16, step: u16) -> Option<EventPacket> {
        if tick > LAST_END_TICK {
            return None;
        }
        let ticks = (tick + 1).min(TONE_TICKS);
        let [high, low] = (ticks * step).to_be_bytes();
        let end = if ticks == TONE_TICKS { END } else { 0 };
        Some(EventPacket { timestamp: self.timestamp, marker: tick == 0, payload: [self.digit.0, end | VOLUME, high, low] })
    }
}

/// A key going down or up at the caller's side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DtmfEvent {
    /// First packet of the key that arrived: the moment to act on.
    Pressed(Digit),
    /// The key is up again; exactly one for each `Pressed`.
    Released {
        /// The key of the `Pressed` before.
        digit: Digit,
        /// How long it was down, as far as packets told.
        held: Duration,
    },
}

/// Hears digits in a stream with lost, doubled and reordered packets.
///
/// An event is known by its timestamp. It starts with any of its packets and ends with the end bit, with the packet of
/// another event, or three packet intervals after its last packet:
/// ```text
/// sent      M1   1    1    1E   1E   1E        M2   2    2    2E  2E  2E
/// arrived        1    1              1E             2    2    (lost)
/// event     Pressed(1)               Released(1)    Pressed(2)    |- 3 intervals -| Released(2)
/// ```
/// One input, then drain [`Self::poll_event`].
#[derive(Debug)]
pub struct DtmfReceiver {
    clock: SampleRate,
    current: Option<Hearing>,
    last: Option<(u32, RtpTime)>,
    events: VecDeque<DtmfEvent>,
}

#[derive(Clone, Copy, Debug)]
struct Hearing {
    digit: Digit,
    timestamp: RtpTime,
    duration: u16,
    before: Duration, // of earlier segments of a long event
    interval: Duration,
    heard: Instant,
}

/// Packets of an older event are stale for this long: resent ends and reordering, not a restarted stream.
const STALE: Duration = Duration::from_secs(1);
/// Until two packets tell it, the packet interval is the longest in use (RFC 4733 §2.5.1.2 advises 50 ms).
const LONGEST_INTERVAL: Duration = Duration::from_millis(50);

impl DtmfReceiver {
    /// A receiver that has heard nothing, of events timed by this clock.
    pub fn new(clock: SampleRate) -> Self {
        Self { clock, current: None, last: None, events: VecDeque::new() }
    }

    /// Another clock after a re-INVITE.
    pub fn renegotiate(&mut self, clock: SampleRate) {
        self.clock = clock;
    }

    /// Takes a packet of telephone-event. Short payloads and events that are not keys are ignored.
    pub fn handle_packet(&mut self, now: Instant, packet: &RtpPacket) {
        debug_assert!(self.events.is_empty(), "drain poll_event after every input");
        let &[code, flags, high, low, ..] = &packet.payload[..] else {
            return;
        };
        let Some(digit) = Digit::from_event(code) else {
            return;
        };
        let duration = u16::from_be_bytes([high, low]);
        match self.last {
            Some((ssrc, timestamp)) if ssrc == packet.ssrc => {
                let step = packet.timestamp.since(timestamp);
                if (-(self.clock.samples_in(STALE) as i32)..0).contains(&step) {
                    return;
                }
                if step == 0 {
                    self.grow(now, duration);
                } else if !self.carry_on(now, digit, packet) {
                    self.start(now, digit, packet, duration);
                }
            }
            _ => self.start(now, digit, packet, duration),
        }
        self.last = Some((packet.ssrc, packet.timestamp));
        if flags & END != 0 {
            self.release();
        }
    }

    /// Ends an event whose packets stopped coming.
    pub fn handle_timeout(&mut self, now: Instant) {
        debug_assert!(self.events.is_empty(), "drain poll_event after every input");
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.release();
        }
    }

    /// What was heard since.
    pub fn poll_event(&mut self) -> Option<DtmfEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.current.map(|hearing| hearing.heard + hearing.interval * 3)
    }

    /// Whether a key is down: audio that arrives with it is to be ignored.
    pub fn is_pressed(&self) -> bool {
        self.current.is_some()
    }

    fn start(&mut self, now: Instant, digit: Digit, packet: &RtpPacket, duration: u16) {
        self.release();
        self.events.push_back(DtmfEvent::Pressed(digit));
        self.current = Some(Hearing {
            digit,
            timestamp: packet.timestamp,
            duration,
            before: Duration::ZERO,
            interval: LONGEST_INTERVAL,
            heard: now,
        });
    }

    fn grow(&mut self, now: Instant, duration: u16) {
        if let Some(hearing) = &mut self.current {
            let growth = duration.saturating_sub(hearing.duration);
            if growth > 0 {
                let interval = self.clock.duration_of(growth.into()).max(FRAME);
                hearing.interval = hearing.interval.min(interval);
                hearing.duration = duration;
            }
            hearing.heard = now;
        }
    }

    /// A key held longer than 8.19 s, at 8 kHz, goes on as a new segment that starts where the last ended (RFC 4733 §2.5.1.3).
    fn carry_on(&mut self, now: Instant, digit: Digit, packet: &RtpPacket) -> bool {
        let Some(hearing) = &mut self.current else {
            return false;
        };
        let segment = packet.timestamp.since(hearing.timestamp);
        let goes_on = !packet.marker && digit == hearing.digit && segment == i32::from(u16::MAX);
        if goes_on {
            hearing.before += self.clock.duration_of(u16::MAX.into());
            hearing.timestamp = packet.timestamp;
            hearing.duration = 0;
            hearing.heard = now;
        }
        goes_on
    }

    fn release(&mut self) {
        if let Some(hearing) = self.current.take() {
            let held = hearing.before + self.clock.duration_of(hearing.duration.into());
            self.events.push_back(DtmfEvent::Released { digit: hearing.digit, held });
        }
    }
}

#[cfg(test)]
mod tests;
