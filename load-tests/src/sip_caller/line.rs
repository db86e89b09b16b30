//! The media of one call: what it says and what is made of what comes in.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::codec::Codec;
use media::quality;

use super::carriage::Carriage;
use super::lines::Peer;
use crate::arrivals::{Arrival, Arrivals};
use crate::caller::Keys;
use crate::datagrams::Outgoing;
use crate::ear::{Ear, Moment};
use crate::impair::Path;
use crate::mouth::Mouth;
use crate::narrate::Narrator;
use crate::rtp::{self, KeyEar, Sender};
use crate::tally::Tally;

/// Most audio kept for `--save-wav`: an hour, 115 MB.
const TAPE_SAMPLES_MAX: usize = 3_600 * 8_000;
/// Jitter buffer that a listener would have, for the E-model.
const LISTENER_BUFFER: Duration = Duration::from_millis(40);

/// One call's media.
#[derive(Debug)]
pub(super) struct Line {
    pub number: u64,
    /// Which socket it shares, and with whom it talks.
    pub peer: Peer,
    pub remote: SocketAddr,
    pub carriage: Carriage,
    pub payload_type: u8,
    pub telephone_event: Option<u8>,
    pub answered: Instant,
    pub mouth: Mouth,
    pub ear: Ear,
    pub sender: Sender,
    pub path: Path,
    pub arrivals: Arrivals,
    pub keys: Keys,
    pub key_ear: KeyEar,
    pub tape: Option<Tape>,
    pub narrator: Option<Narrator>,
    pub heard: bool,
    /// Packets lost of those already told.
    pub lost_told: u64,
}

/// Both sides of a call in samples from the answer on.
#[derive(Debug, Default)]
pub(super) struct Tape {
    pub caller: Vec<i16>,
    pub agent: Vec<i16>,
    /// RTP time of the first packet, and its place on the tape.
    origin: Option<(u32, usize)>,
}

impl Line {
    /// Says the frame that is due now.
    pub(super) fn speak(&mut self, now: Instant, outgoing: &mut Outgoing) {
        self.press_key(now);
        let spoken = self.mouth.next_frame(now, &mut self.ear);
        if let Some(tape) = &mut self.tape {
            tape.record_caller(self.carriage.law(), spoken.payload);
        }
        let packet = self.sender.next_packet(self.carriage.pack(spoken.payload));
        let sealed = self.carriage.seal(packet);
        let packet = sealed.as_deref().unwrap_or(packet);
        if self.path.is_perfect() {
            outgoing.push(self.remote, packet);
        } else {
            self.path.handle_packet(now, packet.to_vec());
        }
    }

    /// Says what the impaired path has let through by now.
    pub(super) fn speak_delayed(&mut self, now: Instant, outgoing: &mut Outgoing) {
        while let Some(packet) = self.path.poll_packet(now) {
            outgoing.push(self.remote, &packet);
        }
    }

    /// Takes a datagram. True when it was late.
    pub(super) fn handle_datagram(&mut self, at: Instant, bytes: &[u8], tally: &mut Tally, scratch: &mut Vec<i16>) -> bool {
        let Some(opened) = self.carriage.open(bytes) else {
            return false;
        };
        let Some(mut received) = rtp::read(at, &opened, self.telephone_event) else {
            return false;
        };
        received.packet.time = self.carriage.time(received.packet.time);
        let late = self.arrivals.late;
        let Arrival::Fresh { lateness, spacing } = self.arrivals.handle_packet(received.packet) else {
            return false;
        };
        tally.window.received += 1;
        tally.record_lateness(lateness);
        if let Some(spacing) = spacing {
            tally.measures.spacing_ms.record(spacing);
        }
        if received.packet.event {
            self.key_ear.handle_event(&received);
        }
        if received.payload_type == self.payload_type {
            scratch.clear();
            self.carriage.decode(received.payload, scratch);
            if let Some(tape) = &mut self.tape {
                tape.record_agent(at.saturating_duration_since(self.answered), received.packet.time, scratch);
            }
            self.ear.handle_audio(at, scratch);
        }
        self.arrivals.late > late
    }

    /// Makes of silence what it means; once a frame.
    pub(super) fn listen(&mut self, now: Instant, tally: &mut Tally) {
        self.ear.handle_time(now);
        while let Some(moment) = self.ear.poll_moment() {
            if let Moment::AgentStarted(at) = moment
                && !self.heard
            {
                self.heard = true;
                tally.measures.first_audio_ms.record(at.saturating_duration_since(self.answered));
            }
            tally.handle_moment(moment);
            if let Some(narrator) = &mut self.narrator {
                println!("{}", narrator.moment(now, moment));
            }
        }
    }

    /// Tells the packets that were lost since this was last asked.
    pub(super) fn tell_loss(&mut self, tally: &mut Tally) {
        // A packet that came out of order was told as lost and is not.
        let lost = self.arrivals.lost();
        tally.window.lost += lost.saturating_sub(self.lost_told);
        self.lost_told = lost;
    }

    /// Adds the figures of the whole call.
    pub(super) fn finish(&mut self, tally: &mut Tally) {
        self.tell_loss(tally);
        let measures = &mut tally.measures;
        let packets = &mut measures.packets;
        packets.received += self.arrivals.received;
        packets.lost += self.arrivals.lost();
        packets.late += self.arrivals.late;
        packets.duplicates += self.arrivals.duplicates;
        packets.reordered += self.arrivals.reordered;
        if !self.key_ear.keys().is_empty() {
            *measures.keys_heard.entry(self.key_ear.keys().to_owned()).or_default() += 1;
        }
        if self.arrivals.received > 0 {
            measures.jitter_ms.record(self.arrivals.jitter());
            let late = self.arrivals.late as f64 / self.arrivals.received as f64;
            // A late frame is heard as a lost one. Loopback adds no delay but the listener's own buffer.
            let way = quality::Way::random(self.arrivals.loss() + late, LISTENER_BUFFER);
            measures.mos.record(quality::mos(quality::rating(quality::Coding::of(self.carriage.codec), way)));
        }
    }

    fn press_key(&mut self, now: Instant) {
        let Some(payload_type) = self.telephone_event else {
            return;
        };
        if let Some(key) = self.keys.poll_key(now)
            && self.sender.press(key, payload_type)
            && let Some(narrator) = &self.narrator
        {
            println!("{}", narrator.line(now, &format!("caller presses {key}")));
        }
    }
}

impl Tape {
    fn record_caller(&mut self, codec: Codec, payload: &[u8]) {
        if self.caller.len() < TAPE_SAMPLES_MAX {
            codec.decode(payload, &mut self.caller);
        }
    }

    /// Puts audio where its RTP time says; the first packet lies where it arrived.
    fn record_agent(&mut self, since_answer: Duration, time: u32, samples: &[i16]) {
        let (origin, place) = *self.origin.get_or_insert((time, (since_answer.as_micros() / 125) as usize));
        let offset = time.wrapping_sub(origin).cast_signed() as isize;
        let Some(start) = place.checked_add_signed(offset) else {
            return;
        };
        let end = start + samples.len();
        if end > TAPE_SAMPLES_MAX {
            return;
        }
        if self.agent.len() < end {
            self.agent.resize(end, 0);
        }
        self.agent[start..end].copy_from_slice(samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tape_keeps_time_over_holes_and_swaps() {
        let mut tape = Tape::default();
        let at = Duration::from_millis(10);
        for (time, sample) in [(1_000, 1), (1_480, 4), (1_320, 3), (900, 9)] {
            tape.record_agent(at, time, &[sample; 160]);
        }
        let heard: Vec<_> = tape.agent[80..].chunks(160).map(|frame| frame[0]).collect();
        // 80 samples of delay before the first; frame 2 was lost; the packet before the tape's begin is not on it.
        assert_eq!(heard, [1, 0, 3, 4]);
    }
}
