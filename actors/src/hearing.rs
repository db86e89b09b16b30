//! Who hears the caller, and how: the recording as he was, the engine without the noise around him where the assistant wants it so.
//!
//! ```text
//! JitterBuffer, or a leg without one ──┬──► Vad, Recorder    as it came
//!                                      └──► AiSession        as it came, or denoised
//! ```
//! Turn-taking stays with the audio as it came: denoised it is 12 ms late, and the Vad keeps a floor of the noise of its own.

use std::time::Instant;

use media::codec::Codec;
use media::denoise::Denoiser;
use media::frame::{FramePool, SharedFrame};

use crate::call::CallPorts;

/// Hands the caller's frames on; one for the actor of a call that makes them.
pub struct Hearing {
    ports: CallPorts,
    /// `None`: the engine hears the caller as he is, and nothing is copied.
    cleaner: Option<Box<Cleaner>>,
}

struct Cleaner {
    codec: Codec,
    denoiser: Denoiser,
    pool: FramePool,
}

impl Hearing {
    /// Everybody hears him as he is.
    pub(crate) fn plain(ports: CallPorts) -> Self {
        Self { ports, cleaner: None }
    }

    /// As the assistant wants it, in octets of this codec. Plain at a rate that cannot be denoised, which the log tells.
    pub(crate) fn new(ports: CallPorts, codec: Codec, background_denoising: bool) -> Self {
        let cleaner = background_denoising.then(|| Denoiser::new(codec.row().rate)).and_then(|denoiser| {
            let told = |error| tracing::warn!(call = %ports.id, %error, "the engine hears the caller with his noise");
            denoiser.map(|denoiser| Box::new(Cleaner { codec, denoiser, pool: FramePool::new() })).map_err(told).ok()
        });
        Self { ports, cleaner }
    }

    /// Hands one frame of the caller to all who listen. `due` is when it should have been handed on.
    pub(crate) fn caller_frame(&mut self, tick: u64, due: Instant, frame: &SharedFrame) {
        match &mut self.cleaner {
            None => self.ports.caller_frame(tick, due, frame, frame),
            Some(cleaner) => {
                let clean = cleaner.clean(frame);
                self.ports.caller_frame(tick, due, frame, &clean);
            }
        }
    }

    /// Who listens, also to what comes while the peer holds the call: music and announcements are no caller.
    pub(crate) fn ports(&self) -> &CallPorts {
        &self.ports
    }
}

impl Cleaner {
    /// The same frame denoised; what was concealed in it still counts as concealed.
    fn clean(&mut self, frame: &SharedFrame) -> SharedFrame {
        let Self { codec, denoiser, pool } = self;
        pool.take(|clean| {
            clean.rate = frame.rate;
            clean.origin = frame.origin;
            clean.samples.extend_from_slice(&frame.samples);
            denoiser.handle_frame(&mut clean.samples);
            codec.encode(&clean.samples, &mut clean.encoded);
        })
    }
}
