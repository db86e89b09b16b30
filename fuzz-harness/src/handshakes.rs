//! What comes on a leg's port beside media, before anybody is known: handshakes and checks.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use media::demux::Protocol;
use media::dtls::{Identity, Role, Session, State};
use media::ice::{CHECK_MAX, Credentials, IceLite};

use crate::epoch;

/// Keys are costly: made once.
static IDENTITIES: LazyLock<[Identity; 2]> = LazyLock::new(|| [Identity::generate(), Identity::generate()]);

/// Two sides of a handshake, and somebody who throws in datagrams: (whom, length, octets) again and again; a length of 0 lets a true one
/// through. Nobody has a key but the other's.
pub fn dtls(bytes: &[u8]) {
    let mut now = epoch();
    let [one, other] = &*IDENTITIES;
    let of = |identity: &Identity| [identity.fingerprint().clone()];
    let mut sides = [Session::new(now, Role::Active, one, &of(other)), Session::new(now, Role::Passive, other, &of(one))];
    let mut rest = bytes;
    while let [whom, length, after @ ..] = rest {
        let to = usize::from(whom & 1);
        now += Duration::from_millis(u64::from(whom >> 1));
        if *length == 0 {
            rest = after;
            if let Some(datagram) = sides[1 - to].poll_transmit() {
                sides[to].handle_datagram(now, &datagram);
            }
        } else {
            let (datagram, left) = after.split_at(usize::from(*length).min(after.len()));
            rest = left;
            let _protocol = Protocol::of(datagram);
            sides[to].handle_datagram(now, datagram);
        }
        sides.iter_mut().for_each(|side| side.handle_timeout(now));
    }
    if let [State::Connected(one), State::Connected(other)] = sides.each_ref().map(Session::state) {
        assert!(one.local == other.remote && one.remote == other.local, "keys are the same on both sides");
    }
}

/// Any bytes as a check. An answer is STUN, and no longer than what asked for it by more than a few attributes.
pub fn stun(bytes: &[u8]) {
    let local = Credentials { name: "ours".to_owned(), password: "a-password-of-24-letters".to_owned() };
    let mut ice = IceLite::new(local, Some("theirs".to_owned()));
    let from = SocketAddr::from(([192, 0, 2, 1], 40_000));
    let outcome = ice.handle_datagram(epoch(), from, bytes);
    assert!(outcome.selected.is_none() || ice.is_valid(from), "who is selected has shown itself");
    if let Some(reply) = outcome.reply {
        assert!(Protocol::of(&reply) == Protocol::Stun && reply.len() <= 256, "an answer is short");
        assert!(bytes.len() <= CHECK_MAX, "what is too long is not read");
    }
}
