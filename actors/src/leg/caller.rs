//! What a caller says on a leg without a jitter buffer: octets cut into frames.

use std::time::Instant;

use media::frame::FrameOrigin;
use media::units::FRAME_SAMPLES;

use super::{Leg, LegClosed, Line};
use crate::call::CallMsg;
use crate::clock::Tick;

/// A Twilio caller's frames may run ahead of our clock by this many before they count as a new burst (200 ms).
const CALLER_AHEAD_MAX: u64 = 10;

/// Cuts a stream of octets into frames, on legs without a jitter buffer.
#[derive(Default)]
pub(super) struct CallerFrames {
    rest: Vec<u8>,
    next_tick: u64,
}

impl Leg {
    /// Octets of a Twilio caller: cut into frames, each given its tick, and handed on.
    pub(super) fn handle_caller(&mut self, octets: &[u8]) {
        let now = Instant::now();
        let mut rest = std::mem::take(&mut self.caller.rest);
        rest.extend_from_slice(octets);
        let mut frames = rest.chunks_exact(FRAME_SAMPLES);
        for octets in frames.by_ref() {
            let tick = self.caller.next_tick(self.tick);
            self.hand_on(tick, now, octets);
        }
        let kept = frames.remainder().len();
        rest.drain(..rest.len() - kept);
        self.caller.rest = rest;
    }

    fn hand_on(&mut self, tick: u64, due: Instant, octets: &[u8]) {
        let codec = self.codec;
        let frame = self.pool.take(|frame| {
            codec.decode(octets, &mut frame.samples);
            frame.encoded.extend_from_slice(octets);
            frame.origin = FrameOrigin::Received;
        });
        self.hearing.caller_frame(tick, due, &frame);
    }

    /// Octets of a session's client, in pieces of its own liking.
    pub(super) fn queue_caller(&mut self, octets: &[u8]) {
        if let Line::Session(session) = &mut self.line {
            session.push_heard(octets);
        }
    }

    /// What a session's client said that is to be heard in this tick.
    pub(super) fn hear_session(&mut self, tick: Tick) {
        let Line::Session(session) = &self.line else { return };
        if session.is_lost() {
            let how = LegClosed::Lost("the client does not read what it is sent".to_owned());
            let _call_is_over = self.call.send(CallMsg::LegClosed(how));
        }
        while let Line::Session(session) = &mut self.line
            && let Some(octets) = session.next_heard(tick.number)
        {
            self.hand_on(tick.number, tick.due, &octets);
        }
    }
}

impl CallerFrames {
    /// The tick of the next caller frame: one after the last, but never far from the clock in either direction.
    fn next_tick(&mut self, clock: u64) -> u64 {
        let tick = match self.next_tick {
            next if next < clock || next > clock + CALLER_AHEAD_MAX => clock,
            next => next,
        };
        self.next_tick = tick + 1;
        tick
    }
}
