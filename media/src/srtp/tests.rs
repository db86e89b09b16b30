//! Tests of sealed packets: known ones of the RFCs, and what an attacker would try.

use proptest::prelude::*;

use super::*;

const SUITES: [Suite; 4] = [Suite::AesCm128Sha1_80, Suite::AesCm128Sha1_32, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm];

fn key(suite: Suite, seed: u8) -> MasterKey {
    let octets: Vec<u8> = (0..suite.key_length() as u8).map(|index| index.wrapping_mul(7).wrapping_add(seed)).collect();
    MasterKey::new(suite, &octets).unwrap()
}

fn pair(suite: Suite) -> (Sealer, Opener) {
    (Sealer::new(key(suite, 1)), Opener::new(key(suite, 1)))
}

/// An RTP packet of 20 ms.
fn packet(ssrc: u8, sequence: u16) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    let mut packet = vec![0x80, 0, high, low, 0, 0, 0, 1, 0, 0, 0, ssrc];
    packet.extend([0xD5; 160]);
    packet
}

/// A receiver report without blocks.
fn report(ssrc: u8) -> Vec<u8> {
    vec![0x80, 201, 0, 1, 0, 0, 0, ssrc]
}

fn sealed(sealer: &mut Sealer, packet: &[u8]) -> Bytes {
    sealer.seal(packet).unwrap().freeze()
}

#[test]
fn what_is_sealed_is_opened_and_unreadable_between() {
    for (suite, tag) in SUITES.into_iter().zip([10, 4, 16, 16]) {
        let (mut sealer, mut opener) = pair(suite);
        let plain = packet(1, 7);
        let wire = sealed(&mut sealer, &plain);
        assert_eq!((wire.len(), &wire[..12]), (plain.len() + tag, &plain[..12]), "{suite:?}");
        assert!(wire[12..172] != plain[12..], "{suite:?}");
        assert_eq!(opener.open(&wire).unwrap(), plain);
        let wire = sealer.seal_rtcp(&report(1)).unwrap().freeze();
        assert_eq!(opener.open_rtcp(&wire).unwrap(), report(1), "{suite:?}");
    }
}

/// Key and packet of libsrtp's own test, with the master key of RFC 3711 §B.3.
#[test]
fn a_packet_of_libsrtp_is_opened() {
    let master = hex("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
    let wire: Bytes = hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb").into();
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let key = MasterKey::new(Suite::AesCm128Sha1_80, &master).unwrap();
    assert_eq!(Opener::new(key.clone()).open(&wire).unwrap(), plain);
    assert_eq!(Sealer::new(key).seal(&plain).unwrap(), wire);
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn a_packet_is_taken_once() {
    for suite in SUITES {
        let (mut sealer, mut opener) = pair(suite);
        let packets: Vec<Bytes> = (0..300).map(|sequence| sealed(&mut sealer, &packet(1, sequence))).collect();
        let reports: Vec<Bytes> = (0..3).map(|_| sealer.seal_rtcp(&report(1)).unwrap().freeze()).collect();
        for wire in [&packets[0], &packets[2], &packets[1], &packets[299]] {
            assert!(opener.open(wire).is_ok());
            assert_eq!(opener.open(wire), Err(Error::NotAuthentic), "{suite:?}");
        }
        // Too old to know whether it came before.
        assert_eq!(opener.open(&packets[100]), Err(Error::NotAuthentic));
        assert!(opener.open(&packets[200]).is_ok());
        assert!(opener.open_rtcp(&reports[1]).is_ok() && opener.open_rtcp(&reports[0]).is_ok());
        assert_eq!(opener.open_rtcp(&reports[1]), Err(Error::NotAuthentic));
    }
}

#[test]
fn sequence_numbers_roll_over_both_ways() {
    let (mut sealer, mut opener) = pair(Suite::AesCm128Sha1_80);
    let mut wires = Vec::new();
    for index in 0..200_000_u32 {
        let wire = sealed(&mut sealer, &packet(1, 65_000_u16.wrapping_add(index as u16)));
        // Around each roll-over everything comes, swapped in pairs; between, every hundredth packet.
        let near = (535..537).contains(&(index % 65_536)) || index % 100 == 0;
        if near {
            wires.push(wire);
        }
    }
    for pair in wires.chunks(2) {
        for wire in pair.iter().rev() {
            assert!(opener.open(wire).is_ok());
        }
    }
    // What was sent before a roll-over is not what is sent now.
    assert_eq!(opener.open(&wires[0]), Err(Error::NotAuthentic));
}

#[test]
fn forged_packets_leave_no_trace() {
    for suite in SUITES {
        let (mut sealer, mut opener) = pair(suite);
        let wire = sealed(&mut sealer, &packet(1, 5_000));
        for at in [1, 3, 7, 11, 12, wire.len() - 1] {
            let mut forged = wire.to_vec();
            forged[at] ^= 1;
            assert_eq!(opener.open(&forged.into()), Err(Error::NotAuthentic), "{suite:?} at {at}");
        }
        for ssrc in 0..=255 {
            let mut forged = packet(ssrc, 60_000);
            forged.extend([0; 16]);
            assert!(opener.open(&forged.into()).is_err());
        }
        assert_eq!((opener.rtp.len(), opener.rtcp.len()), (0, 0));
        assert!(opener.open(&wire).is_ok());
    }
}

#[test]
fn reports_without_encryption_are_refused() {
    for suite in SUITES {
        let (mut sealer, mut opener) = pair(suite);
        let wire = sealer.seal_rtcp(&report(1)).unwrap().freeze();
        let after = INDEX + suite.profile().rtcp_auth_tag_len();
        let mut bare = report(1);
        bare.extend(vec![0; wire.len() - bare.len()]);
        let mut stripped = wire.to_vec();
        stripped[wire.len() - after] &= !ENCRYPTED;
        for forged in [bare, stripped] {
            assert_eq!(opener.open_rtcp(&forged.into()), Err(Error::NotAuthentic), "{suite:?}");
        }
        for length in 0..wire.len() {
            assert!(opener.open_rtcp(&wire.slice(..length)).is_err());
            assert!(opener.open(&wire.slice(..length)).is_err());
        }
        assert!(opener.open_rtcp(&wire).is_ok());
    }
}

#[test]
fn extensions_and_contributors_stay_outside_the_cipher() {
    for suite in SUITES {
        let (mut sealer, mut opener) = pair(suite);
        let mut plain = packet(1, 1)[..12].to_vec();
        plain[0] = 0x91;
        plain.extend([0, 0, 0, 9, 0xBE, 0xDE, 0, 1, 0x10, 0xFF, 0, 0]);
        plain.extend([0xD5; 160]);
        let wire = sealed(&mut sealer, &plain);
        assert_eq!(&wire[..24], &plain[..24]);
        assert_eq!(opener.open(&wire).unwrap(), plain, "{suite:?}");
    }
}

#[test]
fn a_header_of_any_length_is_told_without_memory() {
    for (contributors, extension) in [(0, None), (3, None), (15, None), (0, Some(0)), (0, Some(5)), (2, Some(1))] {
        let mut plain = packet(1, 1);
        plain[0] = 0x80 | contributors | u8::from(extension.is_some()) << 4;
        let payload = plain.split_off(12);
        plain.extend(vec![7; usize::from(contributors) * 4]);
        if let Some(words) = extension {
            plain.extend([0xBE, 0xDE, 0, words]);
            plain.extend(vec![9; usize::from(words) * 4]);
        }
        let length = plain.len();
        plain.extend(payload);
        let header = header(&plain).unwrap();
        assert_eq!(told_length(&header), length, "{contributors} {extension:?}");
        assert_eq!((header.csrc.capacity(), header.extensions.capacity()), (0, 0));
    }
}

/// How long the library takes a header to be, seen by where it begins to encrypt.
fn told_length(header: &Header) -> usize {
    let zeros = [0; 200];
    let sealed = key(Suite::AeadAes128Gcm, 1).context().encrypt_rtp_with_header(&zeros, header).unwrap();
    sealed[..200].iter().position(|octet| *octet != 0).unwrap()
}

#[test]
fn a_key_that_comes_back_goes_on_where_it_was() {
    let (one, other) = (key(Suite::AesCm128Sha1_80, 1), key(Suite::AeadAes128Gcm, 2));
    let mut sealer = Sealer::new(one.clone());
    // Over a roll-over, which a new state could not know of.
    let wires: Vec<Bytes> = (0..70_000_u32).map(|index| sealed(&mut sealer, &packet(1, index as u16))).collect();
    let mut openers = Openers::new();
    assert!(openers.current().is_none());
    openers.choose(Some(one.clone()));
    for wire in wires[..69_000].iter().step_by(50) {
        openers.current().unwrap().open(wire).unwrap();
    }
    for between in [None, Some(other)] {
        openers.choose(between.clone());
        assert_eq!(openers.current().is_some(), between.is_some());
        openers.choose(Some(one.clone()));
        let opener = openers.current().unwrap();
        assert_eq!(opener.open(&wires[68_950]), Err(Error::NotAuthentic));
        assert_eq!(opener.open(&wires[100]), Err(Error::NotAuthentic));
    }
    assert!(openers.current().unwrap().open(&wires[69_500]).is_ok());
}

#[test]
fn of_many_keys_the_oldest_is_forgotten() {
    let keys: Vec<MasterKey> = (0..20).map(|seed| key(Suite::AeadAes128Gcm, seed)).collect();
    let mut openers = Openers::new();
    for key in &keys {
        openers.choose(Some(key.clone()));
        openers.choose(Some(key.clone()));
    }
    let before: Vec<&MasterKey> = openers.before.iter().map(Opener::key).collect();
    assert_eq!(before, keys[19 - KEYS_MAX..19].iter().collect::<Vec<_>>());
    assert_eq!(openers.current().unwrap().key(), &keys[19]);
}

#[test]
fn a_forged_first_packet_does_not_shift_the_window() {
    for suite in SUITES {
        let (mut sealer, mut opener) = pair(suite);
        // The stream is known by its report, but none of its audio came.
        assert!(opener.open_rtcp(&sealer.seal_rtcp(&report(1)).unwrap().freeze()).is_ok());
        let mut forged = packet(1, 20_000);
        forged.extend([0; 16]);
        assert_eq!(opener.open(&forged.into()), Err(Error::NotAuthentic));
        assert!(opener.open(&sealed(&mut sealer, &packet(1, 7))).is_ok(), "{suite:?}");
        // The other way round: an index far ahead.
        let (mut sealer, mut opener) = pair(suite);
        assert!(opener.open(&sealed(&mut sealer, &packet(1, 7))).is_ok());
        let wire = sealer.seal_rtcp(&report(1)).unwrap().freeze();
        let mut forged = wire.to_vec();
        let at = wire.len() - INDEX - suite.profile().rtcp_auth_tag_len();
        forged[at + 1] = 0x70;
        assert_eq!(opener.open_rtcp(&forged.into()), Err(Error::NotAuthentic));
        assert!(opener.open_rtcp(&wire).is_ok(), "{suite:?}");
    }
}

#[test]
fn a_peer_has_a_bounded_number_of_streams_and_none_is_forgotten() {
    let (mut sealer, mut opener) = pair(Suite::AeadAes128Gcm);
    let of = |stream: u16, sequence| {
        let mut packet = packet(1, sequence);
        packet[8..10].copy_from_slice(&stream.to_be_bytes());
        packet
    };
    let first: Vec<Bytes> = (0..300).map(|stream| sealed(&mut sealer, &of(stream, 1))).collect();
    let taken = first.iter().filter(|wire| opener.open(wire).is_ok()).count();
    assert_eq!(taken, STREAMS_MAX);
    // One that was there goes on, and nothing of it comes twice.
    assert!(opener.open(&sealed(&mut sealer, &of(0, 2))).is_ok());
    assert_eq!(opener.open(&first[0]), Err(Error::NotAuthentic));
    assert_eq!(opener.open(&sealed(&mut sealer, &of(299, 2))), Err(Error::NotAuthentic));
}

#[test]
fn keys_hide_and_have_their_length() {
    for (suite, length) in SUITES.into_iter().zip([30, 30, 28, 44]) {
        assert_eq!(suite.key_length(), length);
        assert!(MasterKey::new(suite, &vec![0; length + 1]).is_none());
        assert_eq!(format!("{:?}", key(suite, 3)), format!("MasterKey({suite:?}, _)"));
    }
    let (sealer, opener) = pair(Suite::AeadAes256Gcm);
    assert_eq!(format!("{sealer:?} {opener:?}"), "Sealer(_) Opener(0 streams)");
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..120), suite in 0usize..4) {
        let (_, mut opener) = pair(SUITES[suite]);
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = 0x80 | *first & 0x3F;
        }
        let bytes = Bytes::from(bytes);
        prop_assert!(opener.open(&bytes).is_err());
        prop_assert!(opener.open_rtcp(&bytes).is_err());
    }
}
