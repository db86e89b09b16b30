//! Checks in, what becomes of them out.

#![allow(clippy::unwrap_used)]

use rtc_stun::attributes::{
    ATTR_ERROR_CODE, ATTR_ICE_CONTROLLING, ATTR_UNKNOWN_ATTRIBUTES, ATTR_XORMAPPED_ADDRESS, RawAttribute,
};
use rtc_stun::message::Getter as _;
use rtc_stun::message::TransactionId;

use super::*;
use crate::testing::epoch;

fn credentials(name: &str) -> Credentials {
    Credentials { name: name.to_owned(), password: format!("password-of-{name}-0123456789") }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 40_000))
}

/// An attribute of a check: priority, nomination and so on.
fn raw(kind: AttrType, value: &[u8]) -> RawAttribute {
    RawAttribute { typ: kind, length: 0, value: value.to_vec() }
}

/// A check as a browser sends it, of these attributes, and of others behind the proof.
fn check_of(name: &str, password: &str, before: &[RawAttribute], behind: &[RawAttribute]) -> Vec<u8> {
    let provider = default_provider().unwrap();
    let mut message = Message::new();
    message.transaction_id = TransactionId([7; 12]);
    message.set_type(BINDING_REQUEST);
    message.write_header();
    raw(ATTR_USERNAME, name.as_bytes()).add_to(&mut message).unwrap();
    before.iter().for_each(|attribute| attribute.add_to(&mut message).unwrap());
    let proof = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), provider.crypto());
    proof.add_to(&mut message).unwrap();
    behind.iter().for_each(|attribute| attribute.add_to(&mut message).unwrap());
    FINGERPRINT.add_to(&mut message).unwrap();
    message.raw
}

fn priority(value: u32) -> RawAttribute {
    raw(ATTR_PRIORITY, &value.to_be_bytes())
}

fn controlling() -> RawAttribute {
    raw(ATTR_ICE_CONTROLLING, &[9; 8])
}

fn nominate() -> RawAttribute {
    raw(ATTR_USE_CANDIDATE, &[])
}

/// Feeds a check and says what became of it: status, and the address selected.
fn feed(ice: &mut IceLite, now: Instant, from: SocketAddr, datagram: &[u8]) -> String {
    let Outcome { reply, selected } = ice.handle_datagram(now, from, datagram);
    let status = reply.map_or("silence".to_owned(), |reply| {
        let mut message = Message::new();
        message.unmarshal_binary(&reply).unwrap();
        FINGERPRINT.check(&message).unwrap();
        let provider = default_provider().unwrap();
        let passwords =
            [ice.local.password.clone()].into_iter().chain(ice.before.as_ref().map(|(local, _)| local.password.clone()));
        let mut proven = passwords.map(|password| MessageIntegrity::check(&mut message, password.as_bytes(), provider.crypto()));
        assert!(proven.any(|proof| proof.is_ok()), "the answer proves who we are");
        assert_eq!(message.transaction_id, TransactionId([7; 12]));
        if message.typ == BINDING_SUCCESS {
            let mut mapped = XorMappedAddress::default();
            mapped.get_from(&message).unwrap();
            assert_eq!((mapped.ip, mapped.port, message.contains(ATTR_XORMAPPED_ADDRESS)), (from.ip(), from.port(), true));
            return "ok".to_owned();
        }
        let mut error = ErrorCodeAttribute::default();
        error.get_from(&message).unwrap();
        let unknown = if message.contains(ATTR_UNKNOWN_ATTRIBUTES) { " unknown" } else { "" };
        assert!(message.contains(ATTR_ERROR_CODE));
        format!("{}{unknown}", error.code.0)
    });
    selected.map_or(status.clone(), |selected| format!("{status} {selected}"))
}

fn ice() -> IceLite {
    IceLite::new(credentials("ours"), Some("theirs".to_owned()))
}

fn good(attributes: &[RawAttribute]) -> Vec<u8> {
    check_of("ours:theirs", &credentials("ours").password, &[&[controlling()], attributes].concat(), &[])
}

#[test]
fn a_right_check_is_answered_and_a_nomination_selects() {
    let (mut ice, now) = (ice(), epoch());
    assert_eq!(feed(&mut ice, now, address(1), &good(&[priority(5)])), "ok");
    assert_eq!((ice.is_valid(address(1)), ice.is_valid(address(2)), ice.selected()), (true, false, None));
    assert_eq!(feed(&mut ice, now, address(1), &good(&[priority(5), nominate()])), "ok 192.0.2.1:40000");
    assert_eq!(feed(&mut ice, now, address(1), &good(&[priority(5), nominate()])), "ok", "it is already");
    assert_eq!(ice.selected(), Some(address(1)));
}

#[test]
fn nobody_without_the_right_credentials_hears_anything() {
    let (now, password) = (epoch(), credentials("ours").password);
    let attributes = [controlling(), priority(5), nominate()];
    let right = good(&[priority(5), nominate()]);
    let mut flipped = right.clone();
    flipped[30] ^= 1;
    let mut response = right.clone();
    response[0] = 1;
    let mut long = right.clone();
    long.resize(CHECK_MAX + 1, 0);
    for datagram in [
        check_of("ours:theirs", "guessed", &attributes, &[]),
        check_of("ours:others", &password, &attributes, &[]),
        check_of("other:theirs", &password, &attributes, &[]),
        check_of("ours", &password, &attributes, &[]),
        check_of("", &password, &attributes, &[]),
        right[..right.len() - 8].to_vec(),
        flipped,
        response,
        long,
        Vec::new(),
        vec![0; 20],
    ] {
        let mut ice = ice();
        assert_eq!(feed(&mut ice, now, address(1), &datagram), "silence");
        assert!(ice.selected().is_none() && !ice.is_valid(address(1)));
    }
    // Before its answer the peer's name is not known.
    let mut early = IceLite::new(credentials("ours"), None);
    assert_eq!(feed(&mut early, now, address(1), &right), "ok 192.0.2.1:40000");
}

#[test]
fn who_is_known_is_told_what_is_wrong() {
    let now = epoch();
    let controlled = [raw(ATTR_ICE_CONTROLLED, &[9; 8]), priority(5), nominate()];
    let conflict = check_of("ours:theirs", &credentials("ours").password, &controlled, &[]);
    assert_eq!(feed(&mut ice(), now, address(1), &conflict), "487");
    assert_eq!(feed(&mut ice(), now, address(1), &good(&[nominate()])), "400");
    assert_eq!(feed(&mut ice(), now, address(1), &good(&[priority(5), raw(AttrType(0x0077), b"?")])), "420 unknown");
    assert_eq!(feed(&mut ice(), now, address(1), &good(&[priority(5), raw(AttrType(0xC077), b"?")])), "ok");
}

#[test]
fn what_comes_behind_the_proof_is_not_read() {
    let (mut ice, now) = (ice(), epoch());
    let behind = check_of("ours:theirs", &credentials("ours").password, &[controlling(), priority(5)], &[nominate()]);
    assert_eq!(feed(&mut ice, now, address(1), &behind), "ok");
    assert_eq!(ice.selected(), None);
}

#[test]
fn the_better_pair_stays_while_it_is_heard() {
    let (mut ice, now) = (ice(), epoch());
    let (low, high) = (good(&[priority(5), nominate()]), good(&[priority(9), nominate()]));
    assert_eq!(feed(&mut ice, now, address(1), &low), "ok 192.0.2.1:40000");
    assert_eq!(feed(&mut ice, now, address(2), &high), "ok 192.0.2.2:40000");
    assert_eq!(feed(&mut ice, now, address(1), &low), "ok");
    assert_eq!(feed(&mut ice, now + STALE / 2, address(2), &good(&[priority(9)])), "ok");
    assert_eq!(feed(&mut ice, now + STALE, address(1), &low), "ok");
    assert_eq!(feed(&mut ice, now + STALE * 2, address(1), &low), "ok 192.0.2.1:40000", "it is gone");
}

#[test]
fn a_restart_leaves_media_where_it_goes_until_the_peer_decides_again() {
    let (mut ice, now) = (ice(), epoch());
    feed(&mut ice, now, address(1), &good(&[priority(9), nominate()]));
    ice.renegotiate(credentials("again"), Some("anew".to_owned()));
    assert_eq!(feed(&mut ice, now, address(1), &good(&[priority(9)])), "ok", "it does not know yet");
    assert_eq!(ice.selected(), Some(address(1)));
    let anew = |attributes: &[RawAttribute]| check_of("again:anew", &credentials("again").password, attributes, &[]);
    assert_eq!(feed(&mut ice, now, address(2), &anew(&[priority(5)])), "ok");
    assert_eq!(ice.selected(), Some(address(1)));
    assert_eq!(feed(&mut ice, now, address(2), &anew(&[priority(5), nominate()])), "ok 192.0.2.2:40000");
    assert_eq!(feed(&mut ice, now, address(1), &good(&[priority(9), nominate()])), "silence", "that is over");
    ice.renegotiate(credentials("again"), Some("anew".to_owned()));
    assert_eq!(feed(&mut ice, now, address(2), &anew(&[priority(5)])), "ok", "the same again is no restart");
}

#[test]
fn no_more_addresses_are_kept_than_a_telephone_has() {
    let (mut ice, now) = (ice(), epoch());
    for last in 1..=VALID_MAX as u8 + 2 {
        assert_eq!(feed(&mut ice, now, address(last), &good(&[priority(5)])), "ok");
    }
    let valid: Vec<bool> = (1..=VALID_MAX as u8 + 2).map(|last| ice.is_valid(address(last))).collect();
    assert_eq!((&valid[..3], valid.iter().filter(|valid| **valid).count()), (&[false, false, true][..], VALID_MAX));
}

#[test]
fn passwords_are_not_shown() {
    assert!(!format!("{:?}", ice()).contains("password"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), at in 0_usize..120, octet in proptest::num::u8::ANY) {
        let mut changed = good(&[priority(5), nominate()]);
        if let Some(place) = changed.get_mut(at) {
            *place = octet;
        }
        for datagram in [bytes, changed] {
            let _ = ice().handle_datagram(epoch(), address(1), &datagram);
        }
    }
}

#[test]
fn a_check_names_whom_it_is_for_before_it_is_proven() {
    let check = good(&[priority(1), nominate()]);
    assert_eq!(name_of(&check), Some("ours"));
    let wrong = check_of("stranger:x", "any password of 22 characters", &[priority(1)], &[]);
    assert_eq!(name_of(&wrong), Some("stranger"));
    assert_eq!(name_of(&check_of("nobody", "any password of 22 characters", &[], &[])), None, "half a name");
    // Cut anywhere before the end of the name, or of another kind.
    let end = 20 + 4 + "ours:theirs".len();
    assert!((0..end).all(|length| name_of(&check[..length]).is_none()));
    for (at, octet) in [(0, 1), (1, 2), (4, 0), (7, 0), (20, 1), (22, 0xFF)] {
        let mut other = check.clone();
        other[at] = octet;
        assert_eq!(name_of(&other), None, "octet {at} is {octet}");
    }
    assert_eq!(name_of(&[check, vec![0; CHECK_MAX]].concat()), None, "too long");
}

#[test]
fn it_is_known_when_the_peer_last_showed_that_it_listens() {
    let (mut ice, start) = (ice(), epoch());
    assert_eq!(ice.heard(), None);
    feed(&mut ice, start, address(1), &good(&[priority(9), nominate()]));
    let later = start + STALE * 3;
    feed(&mut ice, later, address(2), &good(&[priority(1)]));
    feed(&mut ice, later + STALE, address(3), &check_of("ours:theirs", "wrong", &[priority(1)], &[]));
    assert_eq!(ice.heard(), Some(later), "from any address, and with the right password");
}
