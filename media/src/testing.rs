//! What the tests of several modules share.

use std::time::Instant;

use crate::conceal::likeness;
use crate::wav;

/// Where virtual time starts.
#[allow(clippy::disallowed_methods)]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

/// 11 s of speech at 8 kHz, whole frames only.
pub(crate) fn speech() -> Vec<i16> {
    let file = include_bytes!("../tests/data/jfk_8k.wav");
    let header = wav::read_header(file).expect("the file is a WAV");
    let samples = file[header.data_start..].chunks_exact(2).map(|octets| i16::from_le_bytes([octets[0], octets[1]]));
    samples.take(88_000).collect()
}

/// After how many samples, up to `longest`, `heard` is most like `said`; and how much, from -1 to 1.
pub(crate) fn as_heard_after(said: &[i16], heard: &[i16], longest: usize) -> (usize, f32) {
    let alike = |delay: usize| likeness(&said[..said.len() - delay], &heard[delay..said.len()]);
    (0..=longest)
        .map(|delay| (delay, alike(delay)))
        .max_by(|left, right| left.1.total_cmp(&right.1))
        .expect("there is one delay at least")
}
