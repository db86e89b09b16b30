//! Eleven seconds of real speech, 550 frames.

use media::codec::Codec;
use media::frame::{FrameOrigin, PcmFrame};
use media::units::FRAME_SAMPLES;

/// As samples.
pub fn frames() -> Vec<PcmFrame> {
    let wav = include_bytes!("../../media/tests/data/jfk_8k.wav");
    let samples: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let frame = |samples: &[i16]| {
        let mut frame = PcmFrame::silence(Codec::Pcmu);
        frame.samples.copy_from_slice(samples);
        frame.origin = FrameOrigin::Received;
        frame
    };
    samples.chunks_exact(FRAME_SAMPLES).map(frame).collect()
}

/// As mu-law.
pub fn octets() -> Vec<Vec<u8>> {
    let encode = |frame: &PcmFrame| {
        let mut octets = Vec::new();
        Codec::Pcmu.encode(&frame.samples, &mut octets);
        octets
    };
    frames().iter().map(encode).collect()
}
