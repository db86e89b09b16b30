//! Media as pure state machines: RTP, jitter, sendout, codecs, VAD, turn-taking, WAV.
//!
//! Nothing here holds a clock, a task, a lock, a socket or a file: time and randomness are arguments, and
//! `clippy.toml` bans the rest. Audio comes in as [`rtp::RtpPacket`]s, leaves [`jitter::JitterBuffer`] as one
//! [`frame::SharedFrame`] a tick, and the agent's audio goes out through [`sendout::Sendout`].

pub mod align;
pub mod ambience;
pub mod answerer;
pub mod bursts;
pub mod channel;
pub mod clock;
pub mod codec;
pub mod conceal;
pub mod demux;
pub mod denoise;
mod double;
pub mod dtls;
pub mod dtmf;
pub mod error;
pub mod frame;
mod gain;
pub mod hold;
pub mod ice;
pub mod jitter;
pub mod line;
pub mod mixer;
mod noise;
pub mod pitch;
pub mod quality;
pub mod relay;
pub mod resample;
pub mod rtcp;
pub mod rtp;
pub mod sendout;
pub mod source;
pub mod srtp;
pub mod turn;
pub mod units;
pub mod vad;
pub mod wav;

#[cfg(test)]
mod testing;
