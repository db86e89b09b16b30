//! What the background of a call costs: less of the caller's, and some of our own.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use media::ambience::{Ambience, AmbienceMixer, Surroundings};
use media::codec::Codec;
use media::denoise::Denoiser;
use media::units::{Dbov, FRAME_SAMPLES, SampleRate};

use crate::speech;
use crate::workload::{Step, Workload};

pub const WORKLOADS: &[Workload] = &[
    // 20 us a frame, 0.1 % of a core a call that wants it, and no allocation.
    Workload {
        name: "denoise_11_s",
        what: "550 frames of speech through noise suppression and gain",
        budget: Duration::from_micros(11_000),
        counted: 1,
        start: denoise,
    },
    Workload {
        name: "ambience_frame",
        what: "one frame with a room under it",
        budget: Duration::from_nanos(700),
        counted: 1_000,
        start: ambience,
    },
];

fn denoise() -> Step {
    let mut frames = speech::frames();
    let spoken = frames.clone();
    let mut denoiser = Denoiser::new(SampleRate::HZ_8000).expect("a rate of the telephone");
    Box::new(move || {
        for (frame, spoken) in frames.iter_mut().zip(&spoken) {
            frame.samples.copy_from_slice(&spoken.samples);
            denoiser.handle_frame(black_box(&mut frame.samples));
        }
    })
}

fn ambience() -> Step {
    let room = Arc::new(Ambience::made(Surroundings::Room, SampleRate::HZ_8000, Dbov(-45.0)));
    let mut mixer = AmbienceMixer::new(room, 0);
    let spoken = speech::octets();
    let mut next = 0;
    Box::new(move || {
        let mut frame = [0; FRAME_SAMPLES];
        frame.copy_from_slice(&spoken[next]);
        next = (next + 1) % spoken.len();
        black_box(mixer.mix(Codec::Pcmu, &mut frame));
        black_box(&frame);
    })
}
