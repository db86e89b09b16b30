//! Datagrams of a socket, a handful a system call, each with the kernel's time of arrival.

use std::cell::RefCell;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use media::rtp::MAX_DATAGRAM;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg};
use nix::sys::time::TimeSpec;
use sip::locate::Family;

/// Datagrams a system call: what comes in 20 ms, and a little more.
const BATCH: usize = 8;

/// Datagrams taken at a time: 48 in 20 ms are as many times a call's due, and with the tick behind them they fit the JitterBuffer's
/// mailbox. The rest waits, and then the kernel drops it.
const READS_MAX: usize = 48;

/// Room for datagrams is made in pieces of this: one allocation for about three quarters of a second of packets.
const CHUNK: usize = 8 * 1024;

/// One octet more than a datagram may have, so that a longer one shows.
const SLOT: usize = MAX_DATAGRAM + 1;

/// One datagram.
#[derive(Debug)]
pub(super) struct Arrived {
    /// When the kernel took it from the network.
    pub(super) at: Instant,
    pub(super) from: SocketAddr,
    pub(super) datagram: Bytes,
}

/// Both clocks at one moment: the kernel's times are of the wall clock.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    instant: Instant,
    wall: SystemTime,
}

/// Reads what waits on `socket`, which is of this family, in order of arrival. An error of the network is no end: what was received waits behind it.
pub(super) fn read(socket: &UdpSocket, family: Family, now: Instant, room: &mut BytesMut, mut take: impl FnMut(Arrived)) {
    let anchor = Anchor { instant: now, wall: SystemTime::now() };
    let scratch = match family {
        Family::V4 => &SCRATCH_V4,
        Family::V6 => &SCRATCH_V6,
    };
    scratch.with_borrow_mut(|scratch| {
        for _ in 0..READS_MAX / BATCH {
            let count = scratch.read(socket, anchor, room, &mut take);
            if count < BATCH {
                return;
            }
        }
    });
}

thread_local! {
    /// The headers of a batch hold pointers, so they stay on their thread: one set for all its legs of a family. The kernel leaves in them
    /// how long address and control message were, and the next read has that much room: enough within one family, since all legs ask for
    /// the time of arrival and nothing else.
    static SCRATCH_V4: RefCell<Scratch> = RefCell::new(Scratch::new());
    static SCRATCH_V6: RefCell<Scratch> = RefCell::new(Scratch::new());
}

struct Scratch {
    headers: MultiHeaders<SockaddrStorage>,
    slots: Box<[[u8; SLOT]; BATCH]>,
}

impl Scratch {
    fn new() -> Self {
        let control = nix::cmsg_space!(TimeSpec);
        Self { headers: MultiHeaders::preallocate(BATCH, Some(control)), slots: Box::new([[0; SLOT]; BATCH]) }
    }

    fn read(&mut self, socket: &UdpSocket, anchor: Anchor, room: &mut BytesMut, take: &mut impl FnMut(Arrived)) -> usize {
        let slots = self.slots.each_mut().map(|slot| [IoSliceMut::new(slot)]);
        let read = recvmmsg(socket.as_raw_fd(), &mut self.headers, slots.iter(), MsgFlags::MSG_DONTWAIT, None);
        // Nothing waits, or an ICMP error of an earlier send was reported in its place.
        let Ok(messages) = read else { return 0 };
        let mut count = 0;
        for message in messages {
            count += 1;
            let Some(from) = message.address.as_ref().and_then(address) else { continue };
            // An empty datagram has no slice; it is refused like any other that is too short.
            let octets = message.iovs().next().unwrap_or_default();
            if room.capacity() < octets.len() {
                room.reserve(CHUNK);
            }
            room.extend_from_slice(octets);
            take(Arrived { at: anchor.arrival(&message), from, datagram: room.split().freeze() });
        }
        count
    }
}

fn address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(IpAddr::V4(v4.ip().into()), v4.port()));
    }
    address.as_sockaddr_in6().map(|v6| SocketAddr::new(IpAddr::V6(v6.ip()), v6.port()))
}

impl Anchor {
    /// When a message came; a wall clock that was set meanwhile makes it now.
    fn arrival<S>(self, message: &RecvMsg<'_, '_, S>) -> Instant {
        let stamp = message.cmsgs().find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(time) => Some(SystemTime::UNIX_EPOCH + Duration::from(time)),
            _ => None,
        });
        let ago = stamp.and_then(|stamp| self.wall.duration_since(stamp).ok()).filter(|ago| *ago < LONGEST_WAIT);
        ago.and_then(|ago| self.instant.checked_sub(ago)).unwrap_or(self.instant)
    }
}

/// A datagram that waited longer than this waited for a clock that was set: the media thread looks every 20 ms.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leg::ports::RtpPorts;

    /// A leg's socket, and a stranger who has sent it these.
    fn sent(port: u16, datagrams: impl Iterator<Item = Vec<u8>>) -> (UdpSocket, UdpSocket) {
        let socket = RtpPorts::new(port..=port + 1).open(IpAddr::from([127, 0, 0, 1])).expect("a free pair").rtp;
        let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let target = socket.local_addr().expect("it is bound");
        for datagram in datagrams {
            peer.send_to(&datagram, target).expect("loopback takes it");
        }
        (socket, peer)
    }

    fn read_all(socket: &UdpSocket) -> Vec<Arrived> {
        let mut arrived = Vec::new();
        let family = Family::of(socket.local_addr().expect("it is bound").ip());
        read(socket, family, Instant::now(), &mut BytesMut::new(), |one| arrived.push(one));
        arrived
    }

    #[test]
    fn what_waits_is_read_in_order_with_its_time_and_its_source() {
        let before = Instant::now();
        let (socket, peer) = sent(28_100, (0..20).map(|number| vec![number; 172]));
        let arrived = read_all(&socket);
        assert_eq!(arrived.iter().map(|one| one.datagram[0]).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        let source = peer.local_addr().expect("it is bound");
        assert!(arrived.iter().all(|one| one.from == source && one.datagram.len() == 172));
        assert!(arrived.is_sorted_by_key(|one| one.at));
        // The kernel's clock and ours are read one after the other.
        let slack = Duration::from_millis(5);
        assert!(arrived[0].at + slack >= before && arrived[19].at <= Instant::now(), "{:?}", arrived[0].at);
        assert!(read_all(&socket).is_empty());
    }

    #[test]
    fn legs_of_both_families_share_a_thread() {
        for address in ["127.0.0.1", "::1", "127.0.0.1", "::1"] {
            let address: IpAddr = address.parse().expect("an address");
            let socket = RtpPorts::new(28_106..=28_107).open(address).expect("a free pair").rtp;
            let peer = UdpSocket::bind((address, 0)).expect("a free port");
            peer.send_to(b"x", socket.local_addr().expect("it is bound")).expect("loopback takes it");
            let arrived = read_all(&socket);
            assert_eq!(arrived.iter().map(|one| one.from).collect::<Vec<_>>(), [peer.local_addr().expect("it is bound")]);
        }
    }

    #[test]
    fn a_flood_is_read_in_portions() {
        let (socket, _peer) = sent(28_102, (0..100).map(|number| vec![number; 20]));
        let portions: Vec<usize> = (0..4).map(|_| read_all(&socket).len()).collect();
        assert_eq!(portions, [READS_MAX, READS_MAX, 100 - 2 * READS_MAX, 0]);
    }

    #[test]
    fn empty_and_overlong_datagrams_are_handed_on_to_be_refused() {
        let (socket, _peer) = sent(28_104, [vec![], vec![7; 9_000], vec![1]].into_iter());
        let lengths: Vec<usize> = read_all(&socket).iter().map(|one| one.datagram.len()).collect();
        assert_eq!(lengths, [0, MAX_DATAGRAM + 1, 1]);
    }
}
