//! From packets passed on to the mixer, in virtual time: the packets are numbered, and what the other party hears of them is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::codec::Codec;
use media::frame::{FrameOrigin, PcmFrame};
use media::jitter::{JitterBuffer, JitterConfig};
use media::mixer::{Mixer, Role};
use media::rtp::PayloadTypes;
use media::units::{FRAME_SAMPLES, RtpTime};

use super::*;

/// Packets of a run, each of other octets; the switch comes in the middle.
const PACKETS: u8 = 70;
const SWITCH: u64 = 20 * 35;

/// Octet of packet 0: from here on up to 80 values of the law differ, and none is near silence or the limiter.
const FIRST: u8 = 0x20;

fn packet(number: u8) -> RtpPacket {
    let (sequence, timestamp) = (u16::from(number), RtpTime(u32::from(number) * FRAME_SAMPLES as u32));
    let payload = Bytes::from(vec![FIRST + number; FRAME_SAMPLES]);
    RtpPacket { payload_type: 0, marker: false, sequence, timestamp, ssrc: 7, payload }
}

/// What somebody says who has come with an open microphone in a quiet room: frames that were received, and nothing in them.
fn quiet() -> SharedFrame {
    Arc::new(PcmFrame { origin: FrameOrigin::Received, ..PcmFrame::silence(Codec::Pcmu) })
}

/// When in each 20 ms the speaker's leg reads, the mixer mixes, and the hearer's leg sends; and how late each packet is.
#[derive(Clone, Copy, Debug)]
struct Phases {
    reads: u64,
    mixes: u64,
    sends: u64,
    jitter: u64,
}

/// One run; the numbers that are heard, in order, `None` for silence.
fn run(phases: Phases) -> Vec<Option<u8>> {
    let (mut ear, mut mixer, epoch) = (Bridged { from: From::Leg, ..Bridged::default() }, Mixer::new(), Instant::now());
    let mut jitter = JitterBuffer::new(JitterConfig::default(), PayloadTypes::of(Codec::Pcmu));
    let [speaker, hearer, third] = [(); 3].map(|()| mixer.join(Role::Talker, Codec::Pcmu).expect("room for three"));
    let arrival = |number: u8| 20 * u64::from(number) + (u64::from(number) * 7) % (phases.jitter + 1);
    let (mut heard, mut next) = (Vec::new(), 0);
    for at in 0..20 * u64::from(PACKETS) {
        let (now, mixing) = (epoch + Duration::from_millis(at), at >= SWITCH);
        if at % 20 == phases.reads {
            while next < PACKETS && arrival(next) <= at {
                heard.extend(ear.passes().then_some(Some(next)));
                if mixing {
                    jitter.handle_packet(epoch + Duration::from_millis(arrival(next)), &packet(next));
                }
                next += 1;
            }
            if mixing {
                mixer.push(speaker, jitter.playout(now));
            }
        }
        if at % 20 == phases.mixes && mixing {
            mixer.push(third, quiet());
            mixer.mix();
            let frame = Arc::clone(mixer.heard(hearer).expect("it is there"));
            ear.hear(frame, mixer.has_spoken(speaker));
        }
        if at % 20 == phases.sends
            && let Some(frame) = ear.next()
        {
            let octet = frame.filter(|frame| frame.samples[80].unsigned_abs() > 100).map(|frame| frame.encoded[80]);
            heard.push(octet.map(|octet| octet - FIRST));
        }
    }
    heard
}

#[test]
fn the_switch_to_the_mixer_loses_no_word_though_a_third_is_mixed_before() {
    for jitter in [0, 12] {
        for place in 0..64 {
            let phases = Phases { reads: place % 4 * 5, mixes: place / 4 % 4 * 5 + 1, sends: place / 16 * 5 + 2, jitter };
            let heard = run(phases);
            let silent = heard.iter().filter(|number| number.is_none()).count();
            let last = heard.iter().flatten().max().copied().expect("something is heard");
            let missing = (0..last).filter(|number| !heard.contains(&Some(*number))).count();
            assert!(last > PACKETS - 6, "{phases:?}: it goes on: {heard:?}");
            assert!(silent <= 1 && missing <= 1, "{phases:?}: {silent} silent, {missing} missing: {heard:?}");
        }
    }
}

#[test]
fn who_hears_packets_of_nobody_hears_the_mixer_soon() {
    let mut ear = Bridged { from: From::Leg, ..Bridged::default() };
    let ticks = (0..20).find(|_| {
        ear.hear(quiet(), false);
        ear.next().is_some()
    });
    assert_eq!(ticks, Some(QUIET_TICKS + 1));
}
