//! The media of one call: an RTP socket, what goes out of it and what is made of what comes in.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime};

use media::codec::Codec;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use crate::arrivals::{Arrival, Arrivals};
use crate::caller::Keys;
use crate::ear::{Ear, Moment};
use crate::impair::Path;
use crate::mouth::Mouth;
use crate::narrate::Narrator;
use crate::report::Measures;
use crate::rtp::{self, KeyEar, Sender};
use crate::speech;
use media::quality;

/// Most packets read of one call at a time; more wait 20 ms. A stalled server catches up with a burst.
const READS_MAX: usize = 64;
/// Most audio kept for `--save-wav`: ten minutes.
const TAPE_SAMPLES_MAX: usize = 10 * 60 * 8_000;
/// Jitter buffer that a listener would have, for the E-model.
const LISTENER_BUFFER: Duration = Duration::from_millis(40);

/// One call's media.
#[derive(Debug)]
pub(super) struct Line {
    pub number: u64,
    pub socket: UdpSocket,
    pub remote: SocketAddr,
    pub codec: Codec,
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
    pub sent: u64,
    pub heard: bool,
}

/// Both sides of a call in samples from the answer on.
#[derive(Debug, Default)]
pub(super) struct Tape {
    pub caller: Vec<i16>,
    pub agent: Vec<i16>,
    /// RTP time of the first packet, and its place on the tape.
    origin: Option<(u32, usize)>,
}

/// Both clocks at one moment: kernel times are of the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub instant: Instant,
    pub wall: SystemTime,
}

/// An RTP socket on an even port, with kernel receive times.
pub(super) fn open(address: IpAddr) -> io::Result<UdpSocket> {
    let mut socket = UdpSocket::bind((address, 0))?;
    // The kernel gives odd and even ports alike; a second odd one in a row is as rare as it is harmless.
    for _ in 0..16 {
        if socket.local_addr()?.port() % 2 == 0 {
            break;
        }
        socket = UdpSocket::bind((address, 0))?;
    }
    socket.set_nonblocking(true)?;
    setsockopt(socket.as_raw_fd(), sockopt::ReceiveTimestampns, &true)?;
    Ok(socket)
}

impl Line {
    /// Sends the frame that is due now.
    pub(super) fn send(&mut self, now: Instant) {
        let spoken = self.mouth.next_frame(now, &mut self.ear);
        if let Some(tape) = &mut self.tape {
            tape.record_caller(self.codec, spoken.payload);
        }
        let packet = self.sender.next_packet(spoken.payload);
        self.press_key(now);
        self.sent += 1;
        if self.path.is_perfect() {
            // A full socket buffer or a closed port is loss, as on any network.
            let _ = self.socket.send_to(&packet, self.remote);
            return;
        }
        self.path.handle_packet(now, packet);
        self.send_delayed(now);
    }

    /// Sends what the impaired path has let through by now.
    pub(super) fn send_delayed(&mut self, now: Instant) {
        while let Some(packet) = self.path.poll_packet(now) {
            let _ = self.socket.send_to(&packet, self.remote);
        }
    }

    /// Reads what came and tells the measures of it.
    pub(super) fn receive(&mut self, anchor: Anchor, measures: &mut Measures) {
        let mut buffer = [0; 2_048];
        for _ in 0..READS_MAX {
            let Some((length, at)) = read(&self.socket, &mut buffer, anchor) else {
                break;
            };
            if let Some(received) = rtp::read(at, &buffer[..length], self.telephone_event) {
                self.handle_packet(received, measures);
            }
        }
        self.ear.handle_time(anchor.instant);
        while let Some(moment) = self.ear.poll_moment() {
            self.handle_moment(anchor.instant, moment, measures);
        }
    }

    /// Adds the figures of the whole call.
    pub(super) fn finish(&self, measures: &mut Measures) {
        let packets = &mut measures.packets;
        packets.sent += self.sent;
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
            measures.mos.record(quality::mos(self.arrivals.loss() + late, LISTENER_BUFFER));
        }
    }

    fn handle_packet(&mut self, received: rtp::Received<'_>, measures: &mut Measures) {
        let Arrival::Fresh { lateness, spacing } = self.arrivals.handle_packet(received.packet) else {
            return;
        };
        measures.lateness_ms.record(lateness);
        if let Some(spacing) = spacing {
            measures.spacing_ms.record(spacing);
        }
        if received.packet.event {
            self.key_ear.handle_event(&received);
        }
        if received.payload_type != self.payload_type {
            return;
        }
        let samples = speech::decode(self.codec, received.payload);
        let at = received.packet.at;
        if let Some(tape) = &mut self.tape {
            tape.record_agent(at.saturating_duration_since(self.answered), received.packet.time, &samples);
        }
        self.ear.handle_audio(at, &samples);
    }

    fn handle_moment(&mut self, now: Instant, moment: Moment, measures: &mut Measures) {
        if let Moment::AgentStarted(at) = moment
            && !self.heard
        {
            self.heard = true;
            measures.first_audio_ms.record(at.saturating_duration_since(self.answered));
        }
        measures.handle_moment(moment);
        if let Some(narrator) = &mut self.narrator {
            println!("{}", narrator.moment(now, moment));
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

/// One datagram and when the kernel received it; none when there is none.
fn read(socket: &UdpSocket, buffer: &mut [u8], anchor: Anchor) -> Option<(usize, Instant)> {
    let mut control = nix::cmsg_space!(TimeSpec);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
        Ok(message) => message,
        Err(Errno::EAGAIN) => return None,
        // An ICMP error of an earlier send: what was received waits behind it, for the next round.
        Err(_) => return None,
    };
    let received = message.cmsgs().find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
        _ => None,
    });
    let wall = received.map_or(anchor.wall, |since_epoch| SystemTime::UNIX_EPOCH + since_epoch);
    Some((message.bytes, anchor.instant_of(wall)))
}

impl Anchor {
    pub(super) fn now() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now() }
    }

    fn instant_of(self, wall: SystemTime) -> Instant {
        match self.wall.duration_since(wall) {
            Ok(ago) => self.instant.checked_sub(ago).unwrap_or(self.instant),
            Err(error) => self.instant + error.duration(),
        }
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

    #[test]
    fn kernel_times_become_instants() {
        let anchor = Anchor::now();
        let ago = Duration::from_millis(15);
        assert_eq!(anchor.instant.duration_since(anchor.instant_of(anchor.wall - ago)), ago);
        assert_eq!(anchor.instant_of(anchor.wall + ago).duration_since(anchor.instant), ago);
    }

    #[test]
    fn a_socket_tells_when_a_datagram_came() {
        let address = IpAddr::from([127, 0, 0, 1]);
        let (Ok(near), Ok(far)) = (open(address), open(address)) else { panic!("no sockets") };
        let before = Instant::now();
        let target = near.local_addr().expect("a bound socket has an address");
        far.send_to(b"hello", target).expect("loopback takes a datagram");
        let after = Instant::now();
        let mut buffer = [0; 16];
        let (length, at) = read(&near, &mut buffer, Anchor::now()).expect("loopback delivers at once");
        let slack = Duration::from_millis(1);
        assert!(&buffer[..length] == b"hello" && at + slack >= before && at <= after + slack);
        assert!(read(&near, &mut buffer, Anchor::now()).is_none());
    }
}
