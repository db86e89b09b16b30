//! Offers of the world in a table, and the rules of RFC 3264 one by one.

#![allow(clippy::unwrap_used)]

use super::*;

const OFFERS: &[(&str, &str, &str)] = &[
    (
        "asterisk",
        "v=0\r\no=- 1820 1820 IN IP4 192.0.2.10\r\ns=Asterisk\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 10452 RTP/AVP 8 0 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n\
         a=maxptime:150\r\na=sendrecv\r\n",
        "Pcma 8 event 101 ptime 20/20 rtp 192.0.2.10:10452 rtcp 192.0.2.10:10453 SendRecv",
    ),
    (
        "freeswitch",
        "v=0\no=FreeSWITCH 1700000000 1700000001 IN IP4 192.0.2.20\ns=FreeSWITCH\nc=IN IP4 192.0.2.20\nt=0 0\n\
         m=audio 27894 RTP/AVP 102 9 0 8 103 101\na=rtpmap:102 opus/48000/2\na=fmtp:102 useinbandfec=1\na=rtpmap:9 G722/8000\n\
         a=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:103 telephone-event/48000\na=rtpmap:101 telephone-event/8000\n\
         a=fmtp:101 0-15\na=rtcp-mux\na=rtcp:27894 IN IP4 192.0.2.20\na=ptime:20\n",
        "Pcmu 0 event 101 ptime 20/20 rtp 192.0.2.20:27894 rtcp 192.0.2.20:27894 mux SendRecv",
    ),
    (
        "linphone",
        "v=0\r\no=alice 2890 3012 IN IP4 192.0.2.30\r\ns=Talk\r\nc=IN IP4 192.0.2.30\r\nt=0 0\r\na=rtcp-xr:rcvr-rtt=all:10000\r\n\
         m=audio 7078 RTP/AVPF 96 97 0 8 18 101 99\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 speex/16000\r\n\
         a=rtpmap:101 telephone-event/48000\r\na=rtpmap:99 telephone-event/8000\r\na=rtcp-fb:* trr-int 1000\r\n\
         m=video 9078 RTP/AVPF 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n",
        "Pcmu 0 event 99 ptime 20/20 rtp 192.0.2.30:7078 rtcp 192.0.2.30:7079 SendRecv",
    ),
    (
        "twilio",
        "v=0\r\no=root 185 185 IN IP4 172.18.142.35\r\ns=Twilio Media Gateway\r\nc=IN IP4 168.86.128.5\r\nt=0 0\r\n\
         m=audio 15474 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:20\r\na=sendrecv\r\n",
        "Pcmu 0 event 101 ptime 20/20 rtp 168.86.128.5:15474 rtcp 168.86.128.5:15475 SendRecv",
    ),
    (
        "baresip",
        "v=0\r\no=- 3894 1021 IN IP4 192.0.2.50\r\ns=-\r\nc=IN IP4 192.0.2.50\r\nt=0 0\r\na=tool:baresip 3.1\r\n\
         m=audio 19224 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000/1\r\na=rtpmap:8 PCMA/8000/1\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=rtcp:19225\r\na=rtcp-mux\r\na=sendrecv\r\na=label:1\r\na=ssrc:1 cname:x\r\na=ptime:20\r\n",
        "Pcmu 0 event 101 ptime 20/20 rtp 192.0.2.50:19224 rtcp 192.0.2.50:19224 mux SendRecv",
    ),
    (
        "sipp",
        "v=0\r\no=user1 53655765 2353687637 IN IP4 192.0.2.60\r\ns=-\r\nc=IN IP4 192.0.2.60\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n",
        "Pcmu 0 ptime 20/20 rtp 192.0.2.60:6000 rtcp 192.0.2.60:6001 SendRecv",
    ),
    (
        "static payload without rtpmap, carrier asking for 30 ms",
        "v=0\r\no=x 1 1 IN IP4 192.0.2.70\r\ns=-\r\nt=0 0\r\nm=audio 6000/2 RTP/AVP 18 8\r\nc=IN IP4 192.0.2.71\r\na=ptime:30\r\n\
         a=rtcp:7001 IN IP4 192.0.2.72\r\n",
        "Pcma 8 ptime 30/20 rtp 192.0.2.71:6000 rtcp 192.0.2.72:7001 SendRecv",
    ),
    (
        "dynamic payload for PCMU, low maxptime",
        "v=0\r\no=x 1 1 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 192.0.2.70\r\nt=0 0\r\nm=audio 6000 RTP/AVP 97 98\r\n\
         a=rtpmap:97 pcmu/8000\r\na=rtpmap:98 telephone-event/16000\r\na=maxptime:10\r\na=ptime:5\r\n",
        "Pcmu 97 ptime 10/10 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 SendRecv",
    ),
    (
        "held by direction of the session",
        "v=0\r\no=x 1 2 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 192.0.2.70\r\nt=0 0\r\na=sendonly\r\nm=audio 6000 RTP/AVP 0\r\n",
        "Pcmu 0 ptime 20/20 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 RecvOnly",
    ),
    (
        "held the old way",
        "v=0\r\no=x 1 2 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=sendrecv\r\n",
        "Pcmu 0 ptime 20/20 rtp 0.0.0.0:6000 rtcp 0.0.0.0:6001 RecvOnly",
    ),
    (
        "inactive",
        "v=0\r\no=x 1 2 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 192.0.2.70\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=inactive\r\n",
        "Pcmu 0 ptime 20/20 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 Inactive",
    ),
    (
        "peer only listens",
        "v=0\r\nc=IN IP4 192.0.2.70\r\nm=audio 6000 RTP/AVP 0\r\na=recvonly\r\n",
        "Pcmu 0 ptime 20/20 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 SendOnly",
    ),
];

fn local() -> LocalMedia {
    LocalMedia::new("198.51.100.1".parse().unwrap(), 20_000, 77)
}

fn text(negotiated: &Negotiated) -> String {
    let event = negotiated.telephone_event.map(|payload| format!(" event {payload}")).unwrap_or_default();
    format!(
        "{:?} {}{event} ptime {}/{} rtp {} rtcp {}{} {:?}",
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
    for (name, offer, expected) in OFFERS {
        let body = check(offer, &local(), expected);
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
         m=audio 20000 RTP/AVPF 0 99\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:99 telephone-event/8000\r\na=fmtp:99 0-16\r\n\
         a=ptime:20\r\na=sendrecv\r\nm=video 0 RTP/AVPF 96 97\r\n"
    );
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
        (audio("m=audio 6000 RTP/AVP 18 96\r\na=rtpmap:96 opus/48000/2\r\n"), "488 no common codec"),
        (audio("m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 G726-32/8000\r\n"), "488 no common codec"),
        (audio("m=audio 6000 RTP/AVP\r\n"), "488 no common codec"),
        (audio("m=audio 6000 RTP/SAVP 0\r\n"), "488 no usable audio stream"),
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
        "v=0\r\no=offhook 77 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0 8 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n\
         a=sendrecv\r\n"
    );
    let callee = LocalMedia::new("192.0.2.9".parse().unwrap(), 30_000, 5);
    let (answer_body, theirs) = answer(&SessionDescription::parse(offer_body.as_bytes()).unwrap(), &callee).unwrap();
    let ours = accept(&SessionDescription::parse(answer_body.as_bytes()).unwrap(), &local()).unwrap();
    assert_eq!(text(&theirs), "Pcmu 0 event 101 ptime 20/20 rtp 198.51.100.1:20000 rtcp 198.51.100.1:20001 SendRecv");
    assert_eq!(text(&ours), "Pcmu 0 event 101 ptime 20/20 rtp 192.0.2.9:30000 rtcp 192.0.2.9:30001 SendRecv");
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
