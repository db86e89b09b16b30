//! Offers of the world in a table, and the rules of RFC 3264 one by one.

#![allow(clippy::unwrap_used)]

mod offers;
mod webrtc;

use super::*;
use offers::{ENCRYPTED, OFFERS};

fn local() -> LocalMedia {
    LocalMedia {
        codecs: CODECS.iter().map(|row| row.codec).collect(),
        rtcp_mux: true,
        ..LocalMedia::new("198.51.100.1".parse().unwrap(), 20_000, 77)
    }
}

fn text(negotiated: &Negotiated) -> String {
    let event = match (negotiated.telephone_event, negotiated.event_clock) {
        (Some(payload), 8_000) => format!(" event {payload}"),
        (Some(payload), clock) => format!(" event {payload}/{clock}"),
        (None, _) => String::new(),
    };
    let OpusWishes { fec, dtx, cbr, bitrate_max } = negotiated.opus;
    let mut wishes = String::new();
    for (name, wished) in [("fec", fec), ("dtx", dtx), ("cbr", cbr)] {
        wishes.push_str(&if wished { format!(" {name}") } else { String::new() });
    }
    wishes.extend(bitrate_max.map(|bits| format!(" {bits}")));
    let crypto =
        negotiated.crypto.as_ref().map(|crypto| format!(" {:?} of line {}", crypto.suite, crypto.tag)).unwrap_or_default();
    let noise = negotiated.comfort_noise.map(|payload| format!(" noise {payload}")).unwrap_or_default();
    format!(
        "{:?} {}{wishes}{event}{noise}{crypto} ptime {}/{} rtp {} rtcp {}{} {:?}",
        negotiated.codec,
        negotiated.payload_type,
        negotiated.ptime.as_millis(),
        negotiated.send_ptime.as_millis(),
        negotiated.remote_rtp,
        negotiated.remote_rtcp,
        if negotiated.rtcp_mux { " mux" } else { "" },
        negotiated.direction,
    )
}

/// Answers an offer: what was agreed, or the refusal; and the body.
fn check(offer: &str, local: &LocalMedia, expected: &str) -> String {
    let result = SessionDescription::parse(offer.as_bytes()).and_then(|offer| answer(&offer, local));
    let (body, got) = match result {
        Ok((body, negotiated)) => (body, text(&negotiated)),
        Err(error) => (String::new(), format!("{} {error}", error.status())),
    };
    assert_eq!(got, expected, "offer {offer:?}");
    body
}

fn audio(lines: &str) -> String {
    format!("v=0\r\no=x 1 1 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 192.0.2.70\r\nt=0 0\r\n{lines}")
}

#[test]
fn offers_of_the_world_are_answered() {
    let encrypted = ENCRYPTED.iter().map(|row| (row, secret(SrtpPolicy::Optional)));
    for ((name, offer, expected), local) in OFFERS.iter().map(|row| (row, local())).chain(encrypted) {
        let body = check(offer, &local, expected);
        let ours = SessionDescription::parse(body.as_bytes()).unwrap();
        let theirs = SessionDescription::parse(offer.as_bytes()).unwrap();
        let kinds = |session: &SessionDescription| session.media.iter().map(|media| media.kind.clone()).collect::<Vec<_>>();
        assert_eq!(kinds(&ours), kinds(&theirs), "{name}");
    }
}

#[test]
fn answer_is_written_whole() {
    let body = check(OFFERS[2].1, &local(), OFFERS[2].2);
    assert_eq!(
        body,
        "v=0\r\no=offhook 77 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVPF 96 101\r\na=rtpmap:96 opus/48000/2\r\n\
         a=fmtp:96 maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1\r\na=rtpmap:101 telephone-event/48000\r\n\
         a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\nm=video 0 RTP/AVPF 96 97\r\n"
    );
}

#[test]
fn what_is_taken_is_answered_with_the_payload_types_of_the_offer() {
    let (name, offer, expected) = OFFERS.iter().find(|(name, ..)| name.starts_with("comfort noise")).unwrap();
    let body = check(offer, &local(), expected);
    let media = "m=audio 20000 RTP/AVP 0 98\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:98 CN/8000\r\na=ptime:40\r\na=sendrecv\r\n";
    assert!(body.ends_with(media), "{name}: {body}");
}

#[test]
fn packet_times_that_cannot_be_are_answered_with_the_nearest() {
    for (asked, expected) in [
        ("a=maxptime:5\r\n", "a=ptime:10\r\n"),
        ("a=maxptime:15\r\n", "a=ptime:10\r\n"),
        ("a=ptime:10\r\n", "a=ptime:10\r\n"),
        ("a=ptime:35\r\n", "a=ptime:30\r\n"),
        ("a=ptime:200\r\n", "a=ptime:60\r\n"),
        ("a=ptime:0\r\n", "a=ptime:20\r\n"),
        ("a=maxptime:18446744073709551615\r\n", "a=ptime:20\r\n"),
    ] {
        let offer = audio(&format!("m=audio 6000 RTP/AVP 0\r\n{asked}"));
        let (body, _) = answer(&SessionDescription::parse(offer.as_bytes()).unwrap(), &local()).unwrap();
        assert!(body.contains(expected), "{asked}: {body}");
    }
}

/// As [`local`], with this policy and keys.
fn secret(srtp: SrtpPolicy) -> LocalMedia {
    LocalMedia { srtp, keys: LocalKeys::new(|room| room.fill(0x2A)), ..local() }
}

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

/// What the three policies make of an offer: off, optional, required.
fn check_policies(media: &str, expected: [&str; 3]) {
    let offer = audio(media);
    for (policy, expected) in [SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required].into_iter().zip(expected) {
        let result = SessionDescription::parse(offer.as_bytes()).and_then(|offer| answer(&offer, &secret(policy)));
        let got = match &result {
            Ok((body, negotiated)) => {
                let lines = body.lines().filter(|line| line.starts_with("m=audio") || line.starts_with("a=crypto"));
                let crypto = negotiated.crypto.as_ref().map_or("plain", |_| "encrypted");
                format!("{crypto}, {}", lines.map(|line| line.split(" inline").next().unwrap()).collect::<Vec<_>>().join(", "))
            }
            Err(error) => format!("{} {error}", error.status()),
        };
        assert_eq!(got, expected, "{policy:?} of {media}");
    }
}

#[test]
fn encryption_is_by_policy() {
    let key = format!("a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    let (savp, avp) = ("m=audio 6000 RTP/SAVP 0\r\n", "m=audio 6000 RTP/AVP 0\r\n");
    let encrypted = "encrypted, m=audio 20000 RTP/SAVP 0, a=crypto:3 AES_CM_128_HMAC_SHA1_80";
    let plain = "plain, m=audio 20000 RTP/AVP 0";
    check_policies(avp, [plain, plain, "488 no common encryption"]);
    check_policies(&format!("{savp}{key}"), ["488 no usable audio stream", encrypted, encrypted]);
    // RFC 8643: plain in name, encrypted when both can.
    let opportunistic = "encrypted, m=audio 20000 RTP/AVP 0, a=crypto:3 AES_CM_128_HMAC_SHA1_80";
    check_policies(&format!("{avp}{key}"), [plain, opportunistic, opportunistic]);
    check_policies(savp, ["488 no usable audio stream", "488 no common encryption", "488 no common encryption"]);
    check_policies(
        &format!("{avp}{savp}{key}"),
        [
            "plain, m=audio 20000 RTP/AVP 0, m=audio 0 RTP/SAVP 0",
            "encrypted, m=audio 0 RTP/AVP 0, m=audio 20000 RTP/SAVP 0, a=crypto:3 AES_CM_128_HMAC_SHA1_80",
            "encrypted, m=audio 0 RTP/AVP 0, m=audio 20000 RTP/SAVP 0, a=crypto:3 AES_CM_128_HMAC_SHA1_80",
        ],
    );
    let dtls = "m=audio 6000 UDP/TLS/RTP/SAVPF 0\r\na=fingerprint:sha-256 00\r\n";
    check_policies(dtls, ["488 no usable audio stream", "488 no usable audio stream", "488 no usable audio stream"]);
}

#[test]
fn keys_of_offer_and_answer_cross() {
    for policy in [SrtpPolicy::Optional, SrtpPolicy::Required] {
        let caller = LocalMedia {
            keys: LocalKeys::new(|room| room.iter_mut().zip(0..).for_each(|(key, number)| *key = number)),
            ..secret(policy)
        };
        let (answer_body, theirs) =
            answer(&SessionDescription::parse(offer(&caller).as_bytes()).unwrap(), &secret(policy)).unwrap();
        let ours = accept(&SessionDescription::parse(answer_body.as_bytes()).unwrap(), &caller).unwrap();
        let (theirs, ours) = (theirs.crypto.unwrap(), ours.crypto.unwrap());
        assert_eq!((ours.tag, ours.suite), (1, CryptoSuite::AesCm128Sha1_80));
        assert_eq!((&theirs.local, &theirs.remote), (&ours.remote, &ours.local));
        assert_ne!(ours.local, ours.remote);
        assert_eq!((ours.local.reveal()[29], ours.remote.reveal()), (29, &[0x2A; 30][..]));
    }
    assert!(!format!("{:?}", secret(SrtpPolicy::Required)).contains("42, 42"));
}

#[test]
fn hold_is_mirrored_in_the_answer() {
    for (direction, expected) in
        [("sendonly", "a=recvonly"), ("recvonly", "a=sendonly"), ("inactive", "a=inactive"), ("sendrecv", "a=sendrecv")]
    {
        let offer = audio(&format!("m=audio 6000 RTP/AVP 0\r\na={direction}\r\n"));
        let (body, _) = answer(&SessionDescription::parse(offer.as_bytes()).unwrap(), &local()).unwrap();
        assert!(body.contains(expected), "{direction}: {body}");
    }
}

#[test]
fn our_own_hold_narrows_the_answer() {
    let local = LocalMedia { direction: Direction::SendOnly, ..local() };
    check(&audio("m=audio 6000 RTP/AVP 0\r\n"), &local, "Pcmu 0 ptime 20/20 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 SendOnly");
}

#[test]
fn refused_lines_keep_their_place() {
    let offer = audio(
        "m=image 5000 udptl t38\r\nm=audio 6000 RTP/SAVP 0\r\na=crypto:1 x inline:y\r\nm=audio 6002 RTP/AVP 0\r\n\
         m=audio 6004 RTP/AVP 8\r\nm=application 9 UDP/BFCP *\r\n",
    );
    let body = check(&offer, &local(), "Pcmu 0 ptime 20/20 rtp 192.0.2.70:6002 rtcp 192.0.2.70:6003 SendRecv");
    let lines: Vec<&str> = body.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=image 0 udptl t38",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 20000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 8",
            "m=application 0 UDP/BFCP *"
        ]
    );
}

#[test]
fn unusable_offers_are_refused_with_the_right_status() {
    let many = "m=audio 6000 RTP/AVP 0\r\n".repeat(MAX_MEDIA + 1);
    let long = format!("v=0\r\ns={}\r\n", "x".repeat(MAX_BODY));
    for (offer, expected) in [
        (audio("m=audio 6000 RTP/AVP 18 96\r\na=rtpmap:96 opus/16000\r\n"), "488 no common codec"),
        (audio("m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 G726-32/8000\r\n"), "488 no common codec"),
        (audio("m=audio 6000 RTP/AVP\r\n"), "488 no common codec"),
        (audio("m=audio 6000 RTP/SAVP 0\r\n"), "488 no usable audio stream"),
        (audio("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"), "488 no usable audio stream"),
        (audio("m=audio 0 RTP/AVP 0\r\n"), "488 no usable audio stream"),
        (audio("m=video 6000 RTP/AVP 0\r\n"), "488 no usable audio stream"),
        (audio(""), "488 no usable audio stream"),
        ("v=0\r\nm=audio 6000 RTP/AVP 0\r\n".into(), "488 no usable address for audio"),
        ("v=0\r\nc=IN IP4 pbx.example.com\r\nm=audio 6000 RTP/AVP 0\r\n".into(), "488 no usable address for audio"),
        ("v=0\r\nc=IN IP6 2001:db8::1\r\nm=audio 6000 RTP/AVP 0\r\n".into(), "488 no usable address for audio"),
        (audio("m=audio x RTP/AVP 0\r\n"), "400 media line 1 is malformed"),
        (audio("m=audio 6000 RTP/AVP 0\r\nm=audio 70000 RTP/AVP 0\r\n"), "400 media line 2 is malformed"),
        ("hello".into(), "400 body is not a session description"),
        (String::new(), "400 body is not a session description"),
        (many, "400 more than 64 media lines"),
        (long.clone(), &format!("413 body of {} bytes is above 16384", long.len())),
    ] {
        check(&offer, &local(), expected);
    }
}

#[test]
fn ipv6_is_spoken() {
    let local = LocalMedia::new("2001:db8::2".parse().unwrap(), 20_000, 77);
    let body = check(
        "v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n",
        &local,
        "Pcmu 0 ptime 20/20 rtp [2001:db8::1]:6000 rtcp [2001:db8::1]:6001 SendRecv",
    );
    assert!(body.contains("c=IN IP6 2001:db8::2\r\n"), "{body}");
}

#[test]
fn old_hold_of_an_ipv6_call_may_be_said_in_either_family() {
    let local = LocalMedia::new("2001:db8::2".parse().unwrap(), 20_000, 77);
    for nowhere in ["IP4 0.0.0.0", "IP6 ::"] {
        let offer = format!("v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN {nowhere}\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n");
        check(&offer, &local, "Pcmu 0 ptime 20/20 rtp [::]:6000 rtcp [::]:6001 RecvOnly");
    }
}

#[test]
fn version_grows_only_when_the_answer_changes() {
    let plain = audio("m=audio 6000 RTP/AVP 0\r\n");
    let held = audio("m=audio 6000 RTP/AVP 0\r\na=sendonly\r\n");
    let mut local = local();
    let mut versions = Vec::new();
    for offer in [&plain, &plain, &held, &held, &plain] {
        let (body, _) = answer(&SessionDescription::parse(offer.as_bytes()).unwrap(), &local).unwrap();
        versions.push(SessionDescription::parse(body.as_bytes()).unwrap().origin.unwrap().1);
        local.previous = Some(body);
    }
    assert_eq!(versions, ["1", "1", "2", "2", "3"]);
}

#[test]
fn timing_of_the_offer_is_repeated() {
    let offer = "v=0\r\nc=IN IP4 192.0.2.1\r\nt=3034423619 3042462419\r\nm=audio 6000 RTP/AVP 0\r\n";
    let (body, _) = answer(&SessionDescription::parse(offer.as_bytes()).unwrap(), &local()).unwrap();
    assert!(body.contains("\r\nt=3034423619 3042462419\r\n"), "{body}");
}

#[test]
fn our_offer_is_accepted_by_ourselves() {
    let offer_body = offer(&local());
    assert_eq!(
        offer_body,
        "v=0\r\no=offhook 77 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0 8 111 9 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:111 opus/48000/2\r\n\
         a=fmtp:111 maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1\r\na=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-16\r\na=rtcp-mux\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let callee = LocalMedia::new("192.0.2.9".parse().unwrap(), 30_000, 5);
    let (answer_body, theirs) = answer(&SessionDescription::parse(offer_body.as_bytes()).unwrap(), &callee).unwrap();
    let ours = accept(&SessionDescription::parse(answer_body.as_bytes()).unwrap(), &local()).unwrap();
    assert_eq!(text(&theirs), "Pcmu 0 event 101 ptime 20/20 rtp 198.51.100.1:20000 rtcp 198.51.100.1:20000 mux SendRecv");
    assert_eq!(text(&ours), "Pcmu 0 event 101 ptime 20/20 rtp 192.0.2.9:30000 rtcp 192.0.2.9:30000 mux SendRecv");
}

#[test]
fn refused_answer_is_an_error() {
    let refused = SessionDescription::parse(audio("m=audio 0 RTP/AVP 0\r\n").as_bytes()).unwrap();
    assert_eq!(accept(&refused, &local()), Err(SdpError::NoAudio));
    let empty = SessionDescription::parse(audio("").as_bytes()).unwrap();
    assert_eq!(accept(&empty, &local()), Err(SdpError::NoAudio));
}

#[test]
fn highest_rtp_port_has_no_next_port() {
    check(
        &audio("m=audio 65535 RTP/AVP 0\r\n"),
        &local(),
        "Pcmu 0 ptime 20/20 rtp 192.0.2.70:65535 rtcp 192.0.2.70:65535 SendRecv",
    );
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        if let Ok(session) = SessionDescription::parse(&bytes) {
            let _ = answer(&session, &local());
        }
    }

    #[test]
    fn any_lines_are_survived(lines in proptest::collection::vec("[vocmtas]=[ -~]{0,40}", 0..20)) {
        if let Ok(session) = SessionDescription::parse(lines.join("\r\n").as_bytes()) {
            let _ = answer(&session, &local());
        }
    }
}
