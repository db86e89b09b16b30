//! RTP passed on from one leg to another as it is: the payload is the peer's, all numbers around it are ours.

use std::time::Duration;

use crate::line::{LineCodec, OpusWishes};
use crate::rtcp::MAX_DROPOUT;
use crate::rtp::{Head, PayloadKind, RtpPacket, RtpSender};
use crate::units::{SampleRate, SeqNo};

/// What two legs must have alike, so that what one sends the other may be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RelayTerms {
    /// The codec of the wire.
    pub codec: LineCodec,
    /// How long the packets are that the peer wants.
    pub ptime: Duration,
    /// What the peer wants of Opus.
    pub opus: OpusWishes,
    /// The clock of telephone events, if they were agreed: who sends keys must find one who takes them.
    pub events: Option<SampleRate>,
}

/// Passes the packets of one leg on into the stream that another leg sends.
///
/// ```text
/// from the peer   ssrc 7   seq 901 902 903     905    | ssrc 9  seq 30  31
/// passed on       ssrc 5   seq  41  42  43      45    | ssrc 5  seq 46  47        the gap stays a gap, the stream one stream
///                 time      t  +160 +320     +640     |         now +160          a new source goes on where our clock is
/// ```
/// SSRC, sequence and clock are those of the [`RtpSender`], which can go on with audio of ours at any time: what it sent meanwhile
/// shifts the numbers of what comes after. Payload types are the other side's, the marker stays, losses and reordering stay what they
/// were. What came twice is passed once, and what is older than [`Self::WINDOW`] packets not at all: under one key no number is used for
/// two packets (RFC 3711 §9.1).
#[derive(Debug, Default)]
pub struct Relay {
    source: Option<Source>,
    dropped: u64,
}

/// The stream that is passed on.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    highest: SeqNo,
    /// Bit n: the packet `highest` - n was passed on, or must not be any more.
    passed: u64,
    /// What is added to its numbers.
    sequence: i64,
    time: u32,
    /// What the sender's next number is, unless it sent something of its own.
    next: SeqNo,
}

impl Relay {
    /// Packets that may overtake each other: 1.28 s of them, more than any jitter buffer waits.
    pub const WINDOW: u64 = 64;

    /// Of a stream that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// The packet that is to be sent on; `None` when it is to be dropped, which is counted. `kind` is what it carries by the payload types
    /// of the leg that it came from.
    pub fn pass_on<'a>(&mut self, kind: PayloadKind, packet: &RtpPacket, sender: &'a mut RtpSender) -> Option<&'a [u8]> {
        let numbers = sender.payload_type(kind).zip(self.follow(packet, sender));
        let Some((payload_type, (sequence, fresh))) = numbers else {
            self.dropped += 1;
            return None;
        };
        let source = self.source.as_mut()?;
        let time = packet.timestamp.after(source.time);
        let sent = sender.pass_on(Head { payload_type, marker: packet.marker || fresh, sequence, time }, &packet.payload);
        source.next = source.next.max(sequence.next());
        Some(sent)
    }

    /// Packets dropped since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Number of the packet in the sender's stream, and whether it is the first of its source.
    fn follow(&mut self, packet: &RtpPacket, sender: &RtpSender) -> Option<(SeqNo, bool)> {
        let next = sender.sequence();
        let known = self.source.as_mut().filter(|source| source.ssrc == packet.ssrc);
        let near = known.and_then(|source| {
            let sequence = source.highest.extend(packet.sequence);
            (sequence.0.abs_diff(source.highest.0) <= MAX_DROPOUT).then_some((source, sequence))
        });
        let Some((source, sequence)) = near else {
            self.source = Some(Source::new(packet, sender));
            return Some((next, true));
        };
        if next > source.next {
            // Ours went between: what is still under way of before has lost its place.
            source.sequence += (next.0 - source.next.0) as i64;
            (source.next, source.passed) = (next, u64::MAX);
        }
        source.take(sequence).then(|| (SeqNo(sequence.0.saturating_add_signed(source.sequence)), false))
    }
}

impl Source {
    fn new(packet: &RtpPacket, sender: &RtpSender) -> Self {
        let (highest, next) = (SeqNo::first(packet.sequence), sender.sequence());
        let sequence = next.0 as i64 - highest.0 as i64;
        let time = sender.time().0.wrapping_sub(packet.timestamp.0);
        Self { ssrc: packet.ssrc, highest, passed: u64::MAX, sequence, time, next }
    }

    /// Notes a packet; false when it must not be passed on.
    fn take(&mut self, sequence: SeqNo) -> bool {
        match sequence.0.checked_sub(self.highest.0) {
            Some(0) => false,
            Some(ahead) => {
                self.passed = u32::try_from(ahead).ok().and_then(|ahead| self.passed.checked_shl(ahead)).unwrap_or(0) | 1;
                self.highest = sequence;
                true
            }
            None => {
                let behind = self.highest.0 - sequence.0;
                let bit = if behind < Relay::WINDOW { 1 << behind } else { 0 };
                let new = bit != 0 && self.passed & bit == 0;
                self.passed |= bit;
                new
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::codec::Codec;
    use crate::dtmf::{Digit, DtmfSender, DtmfTick};
    use crate::rtp::PayloadTypes;
    use crate::units::{FRAME_SAMPLES, RtpTime};

    /// A stream of ours whose numbers begin at 0, shown as `seq@time`, with `!` for a marker and the payload type where it is not audio's.
    struct Wire {
        relay: Relay,
        sender: RtpSender,
        first: (u16, u32, u32),
    }

    impl Wire {
        fn new() -> Self {
            let types = PayloadTypes { telephone_event: Some(96), ..PayloadTypes::of(Codec::Pcma) };
            let mut sender = RtpSender::new(types, &mut StdRng::seed_from_u64(3));
            let first = RtpPacket::parse(Bytes::copy_from_slice(sender.next_audio(&[0; FRAME_SAMPLES], 160))).expect("it is RTP");
            Self { relay: Relay::new(), sender, first: (first.sequence, first.timestamp.0, first.ssrc) }
        }

        fn show(&self, bytes: &[u8]) -> String {
            let packet = RtpPacket::parse(Bytes::copy_from_slice(bytes)).expect("it is RTP");
            let (sequence, time, ssrc) = self.first;
            assert_eq!(packet.ssrc, ssrc, "one stream");
            let kind = if packet.payload_type == 8 { String::new() } else { format!("/{}", packet.payload_type) };
            let marker = if packet.marker { "!" } else { "" };
            let at = packet.timestamp.0.wrapping_sub(time) / 160;
            format!("{}@{at}{kind}{marker}", packet.sequence.wrapping_sub(sequence))
        }

        /// `ssrc:seq@time` with an optional `!`, `d` for a key, `n` for noise, `u` for something unknown; `tick` lets 20 ms pass, `own`
        /// sends a frame of ours, `key` the first packet of a key of ours.
        fn run(&mut self, script: &str) -> String {
            let mut sent = Vec::new();
            for step in script.split_whitespace() {
                let bytes = match step {
                    "tick" => {
                        self.sender.skip();
                        continue;
                    }
                    "own" => Some(self.sender.next_audio(&[1; FRAME_SAMPLES], 160).to_vec()),
                    "key" => {
                        let mut keys = DtmfSender::new(SampleRate::HZ_8000);
                        assert!(keys.push(Digit::from_char('5').expect("a key")));
                        let DtmfTick::Packet(event) = keys.next_tick(self.sender.time()) else { panic!("a key begins") };
                        self.sender.next_event(&event).map(<[u8]>::to_vec)
                    }
                    packet => {
                        let (kind, packet) = parse(packet);
                        let passed = self.relay.pass_on(kind, &packet, &mut self.sender);
                        assert!(passed.is_none_or(|bytes| bytes.ends_with(&packet.payload)));
                        passed.map(<[u8]>::to_vec)
                    }
                };
                sent.push(bytes.map_or("-".to_owned(), |bytes| self.show(&bytes)));
            }
            sent.join(" ")
        }
    }

    fn parse(text: &str) -> (PayloadKind, RtpPacket) {
        let (kind, text) = match text.split_at(1) {
            ("d", rest) => (PayloadKind::TelephoneEvent, rest),
            ("n", rest) => (PayloadKind::ComfortNoise, rest),
            ("u", rest) => (PayloadKind::Unknown, rest),
            _ => (PayloadKind::Audio, text),
        };
        let marker = text.ends_with('!');
        let (ssrc, rest) = text.trim_end_matches('!').split_once(':').expect("an SSRC");
        let (sequence, time) = rest.split_once('@').expect("a time");
        let sequence: u16 = sequence.parse().expect("a sequence");
        let timestamp = RtpTime(time.parse::<u32>().expect("a time").wrapping_mul(160));
        let payload = Bytes::from(sequence.to_be_bytes().repeat(80));
        (kind, RtpPacket { payload_type: 0, marker, sequence, timestamp, ssrc: ssrc.parse().expect("a number"), payload })
    }

    fn check(script: &str, expected: &str) {
        assert_eq!(Wire::new().run(script), expected, "{script}");
    }

    #[test]
    fn a_stream_goes_on_under_our_numbers() {
        check("7:900@50 tick 7:901@51 tick 7:902@52!", "1@1! 2@2 3@3!");
        check("7:65534@1 tick 7:65535@2 tick 7:0@3 tick 7:1@4", "1@1! 2@2 3@3 4@4");
    }

    #[test]
    fn losses_stay_gaps_and_what_was_overtaken_finds_its_place() {
        check("7:900@50 tick tick tick 7:903@53 7:902@52 tick 7:904@54", "1@1! 4@4 3@3 5@5");
    }

    #[test]
    fn no_number_is_used_twice() {
        check("7:900@50 7:900@50 tick 7:901@51 7:901@51 7:900@50 7:899@49", "1@1! - 2@2 - - -");
        let mut wire = Wire::new();
        wire.run("7:900@50 tick 7:1000@150 7:936@86");
        assert_eq!(wire.run("7:935@85 7:937@87"), "- 38@38");
        assert_eq!((wire.relay.take_dropped(), wire.relay.take_dropped()), (2, 0));
    }

    #[test]
    fn another_source_goes_on_where_our_clock_is() {
        check("7:900@50 tick 7:901@51 tick tick 9:3@9000 tick 9:4@9001 7:902@52", "1@1! 2@2 3@4! 4@5 5@6!");
        check("7:900@50 tick 7:10000@51 tick 7:10001@52", "1@1! 2@2! 3@3");
    }

    #[test]
    fn payload_types_are_the_other_sides() {
        check("d7:900@50! tick n7:901@51 tick u7:902@52 tick 7:903@53", "1@1/96! 2@2/13 - 4@4");
        let mut sender = RtpSender::new(PayloadTypes::of(Codec::Pcmu), &mut StdRng::seed_from_u64(1));
        let (kind, packet) = parse("d7:900@50");
        assert_eq!(Relay::new().pass_on(kind, &packet, &mut sender), None, "who agreed on no events gets none");
    }

    #[test]
    fn ours_between_and_behind_has_numbers_of_its_own() {
        check("7:900@50 tick 7:901@51 key 7:902@52 7:901@51", "1@1! 2@2 3@3/96! 4@3 -");
        check("7:900@50 tick 7:901@51 tick own own tick 7:902@52", "1@1! 2@2 3@3! 4@4 5@3");
    }

    #[test]
    fn legs_fit_that_speak_alike() {
        let terms = RelayTerms {
            codec: Codec::Pcmu.into(),
            ptime: Duration::from_millis(20),
            opus: OpusWishes::default(),
            events: Some(SampleRate::HZ_8000),
        };
        assert_eq!(terms, terms);
        for other in [
            RelayTerms { codec: Codec::Pcma.into(), ..terms },
            RelayTerms { ptime: Duration::from_millis(30), ..terms },
            RelayTerms { events: None, ..terms },
        ] {
            assert_ne!(terms, other);
        }
    }
}
