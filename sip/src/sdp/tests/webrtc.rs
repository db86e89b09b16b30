//! DTLS-SRTP and ICE: offers of browsers and of the servers that speak to them, with our answers whole.

use super::*;

/// Ours, with a certificate.
fn webrtc(srtp: SrtpPolicy) -> LocalMedia {
    let dtls = LocalDtls::new("sha-256 AB:CD".to_owned(), IceCredentials::new([0; 32]));
    LocalMedia { dtls: Some(dtls), ..secret(srtp) }
}

/// Lines that every description has or that say nothing of DTLS are left out.
fn essence(body: &str) -> String {
    let dull = ["v=", "o=", "s=", "c=", "t=", "a=rtpmap", "a=fmtp", "a=ptime"];
    body.lines().filter(|line| !dull.iter().any(|dull| line.starts_with(dull))).collect::<Vec<_>>().join(" ")
}

fn agreed(negotiated: &Negotiated) -> String {
    let dtls = negotiated.dtls.as_ref().unwrap();
    let ice = dtls.ice.as_ref().map_or("no ice".to_owned(), |ice| format!("ice {}", ice.remote.ufrag));
    let names: Vec<&str> = dtls.fingerprints.iter().map(|value| value.split(' ').next().unwrap()).collect();
    format!("{:?} {} {ice} to {}, {:?}", dtls.role, names.join(","), negotiated.remote_rtp, negotiated.direction)
}

const ANSWERED: &str = "a=ice-ufrag:AAAAAAAAAAA a=ice-pwd:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA \
                        a=candidate:1 1 udp 2130706431 198.51.100.1 20000 typ host a=end-of-candidates a=rtcp-mux a=sendrecv";

/// Who offers, the offer, what is agreed on, our answer up to the credentials.
const OFFERS: &[(&str, &str, &str, &str)] = &[
    (
        "chromium",
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\n\
         a=msid-semantic: WMS stream\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\n\
         a=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:SJSq\r\na=ice-pwd:PYUVq+nINlB2FbPH/LpjnFZ4\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n\
         a=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=msid:stream track\r\n\
         a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
         a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:3735928559 cname:x\r\n",
        "Passive sha-256 ice SJSq to 0.0.0.0:9, SendRecv",
        "a=group:BUNDLE 0 a=ice-lite a=ice-options:ice2 m=audio 20000 UDP/TLS/RTP/SAVPF 111 110 a=mid:0 a=setup:passive \
         a=fingerprint:sha-256 AB:CD",
    ),
    (
        "firefox, with video",
        "v=0\r\no=mozilla...THIS_IS_SDPARTA-99.0 5230 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
         a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n\
         a=group:BUNDLE 0 1\r\na=ice-options:trickle\r\na=msid-semantic:WMS *\r\nm=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101\r\n\
         c=IN IP4 0.0.0.0\r\na=sendrecv\r\na=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1\r\na=fmtp:101 0-15\r\n\
         a=ice-pwd:e3baa26dd2fa5030d881d385f1e36cce\r\na=ice-ufrag:58b99ead\r\na=mid:0\r\na=rtcp-mux\r\na=rtpmap:109 opus/48000/2\r\n\
         a=rtpmap:9 G722/8000/1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000/1\r\n\
         a=setup:actpass\r\nm=video 9 UDP/TLS/RTP/SAVPF 120\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=setup:actpass\r\na=rtcp-mux\r\n",
        "Passive sha-256 ice 58b99ead to 0.0.0.0:9, SendRecv",
        "a=group:BUNDLE 0 a=ice-lite a=ice-options:ice2 m=audio 20000 UDP/TLS/RTP/SAVPF 109 101 a=mid:0 a=setup:passive \
         a=fingerprint:sha-256 AB:CD",
    ),
    (
        "asterisk for a browser's endpoint",
        "v=0\r\no=- 1234 3 IN IP4 192.0.2.10\r\ns=Asterisk\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\na=msid-semantic:WMS *\r\n\
         a=group:BUNDLE audio-0\r\nm=audio 11424 UDP/TLS/RTP/SAVPF 8 0 101\r\na=connection:new\r\na=setup:actpass\r\n\
         a=fingerprint:SHA-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n\
         a=ice-ufrag:0b5a93e34e5c2ed04dc4b7eb7ee7ef7f\r\na=ice-pwd:1fb9f0b23a1a4ee75a53b1ec2a6aa0f9\r\n\
         a=candidate:Hc000020a 1 UDP 2130706431 192.0.2.10 11424 typ host\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:140\r\na=sendrecv\r\na=rtcp-mux\r\n\
         a=ssrc:1 cname:x\r\na=mid:audio-0\r\n",
        "Passive SHA-256 ice 0b5a93e34e5c2ed04dc4b7eb7ee7ef7f to 0.0.0.0:11424, SendRecv",
        "a=group:BUNDLE audio-0 a=ice-lite a=ice-options:ice2 m=audio 20000 UDP/TLS/RTP/SAVPF 8 101 a=mid:audio-0 a=setup:passive \
         a=fingerprint:sha-256 AB:CD",
    ),
    (
        "freeswitch for a browser's profile",
        "v=0\no=FreeSWITCH 1700000000 1700000001 IN IP4 192.0.2.20\ns=FreeSWITCH\nc=IN IP4 192.0.2.20\nt=0 0\na=msid-semantic: WMS x\n\
         m=audio 27894 UDP/TLS/RTP/SAVPF 0 8 101\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\n\
         a=fmtp:101 0-15\na=silenceSupp:off - - - -\na=ptime:20\na=sendrecv\n\
         a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\n\
         a=setup:actpass\na=rtcp-mux\na=rtcp:27894 IN IP4 192.0.2.20\na=ssrc:1 cname:x\na=ice-ufrag:lUqQrdKy41vAn0AX\n\
         a=ice-pwd:NaAV7PC1dmV0cRgKgxWfIVbK\na=candidate:5843018263 1 udp 2130706431 192.0.2.20 27894 typ host generation 0\n\
         a=end-of-candidates\n",
        "Passive sha-256 ice lUqQrdKy41vAn0AX to 0.0.0.0:27894, SendRecv",
        "a=ice-lite a=ice-options:ice2 m=audio 20000 UDP/TLS/RTP/SAVPF 0 101 a=setup:passive a=fingerprint:sha-256 AB:CD",
    ),
];

fn answered(offer: &str, local: &LocalMedia) -> Result<(String, Negotiated), SdpError> {
    answer(&SessionDescription::parse(offer.as_bytes()).unwrap(), local)
}

#[test]
fn offers_of_browsers_and_their_servers_are_answered() {
    for (name, offer, expected, body) in OFFERS {
        for policy in [SrtpPolicy::Optional, SrtpPolicy::Required, SrtpPolicy::Dtls] {
            let (answer, negotiated) = answered(offer, &webrtc(policy)).unwrap();
            assert_eq!(agreed(&negotiated), *expected, "{name}");
            let refused = if name.contains("video") { " m=video 0 UDP/TLS/RTP/SAVPF 120" } else { "" };
            assert_eq!(essence(&answer), format!("{body} {ANSWERED}{refused}"), "{name}");
        }
        assert_eq!(answered(offer, &webrtc(SrtpPolicy::Off)).unwrap_err(), SdpError::NoAudio, "{name}");
        assert_eq!(
            answered(offer, &secret(SrtpPolicy::Optional)).unwrap_err(),
            SdpError::NoAudio,
            "{name}, and we have no certificate"
        );
    }
}

const FINGERPRINT: &str = "a=fingerprint:sha-256 00\r\n";

/// What a line under DTLS comes to.
fn check_dtls(lines: &str, expected: &str) {
    let offer = audio(&format!("m=audio 6000 UDP/TLS/RTP/SAVP 0\r\n{lines}"));
    let got = match answered(&offer, &webrtc(SrtpPolicy::Dtls)) {
        Ok((_, negotiated)) => agreed(&negotiated),
        Err(error) => error.to_string(),
    };
    assert_eq!(got, expected, "{lines}");
}

#[test]
fn without_ice_the_peer_is_where_it_says_and_who_begins_is_its_choice() {
    let here = "to 192.0.2.70:6000, SendRecv";
    for (setup, role) in [
        ("a=setup:actpass\r\n", "Passive"),
        ("a=setup:active\r\n", "Passive"),
        ("a=setup:PASSIVE\r\n", "Active"),
        ("", "Passive"),
    ] {
        check_dtls(&format!("a=rtcp-mux\r\n{FINGERPRINT}{setup}"), &format!("{role} sha-256 no ice {here}"));
    }
    let ice = format!("a=rtcp-mux\r\n{FINGERPRINT}a=ice-pwd:0123456789012345678901\r\n");
    check_dtls(&format!("{ice}a=ice-ufrag:abc\r\n"), &format!("Passive sha-256 no ice {here}"));
    check_dtls(&format!("{ice}a=ice-ufrag:ab=d\r\n"), &format!("Passive sha-256 no ice {here}"));
    check_dtls(&format!("{ice}a=ice-ufrag:abcd\r\n"), "Passive sha-256 ice abcd to 0.0.0.0:6000, SendRecv");
    // Weak hashes are left out.
    let several = "a=rtcp-mux\r\na=fingerprint:sha-1 00\r\na=fingerprint:sha-512 00\r\na=fingerprint:sha-256 00\r\n";
    check_dtls(several, &format!("Passive sha-512,sha-256 no ice {here}"));
}

#[test]
fn what_cannot_be_trusted_or_needs_two_ports_is_refused() {
    for lines in [
        "a=rtcp-mux\r\n".to_owned(),
        "a=rtcp-mux\r\na=fingerprint:sha-1 00\r\n".to_owned(),
        FINGERPRINT.to_owned(),
        format!("a=rtcp-mux\r\n{FINGERPRINT}a=setup:holdconn\r\n"),
    ] {
        check_dtls(&lines, "no common encryption");
    }
    let key = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    for media in ["m=audio 6000 RTP/AVP 0\r\n".to_owned(), format!("m=audio 6000 RTP/SAVP 0\r\n{key}")] {
        assert_eq!(answered(&audio(&media), &webrtc(SrtpPolicy::Dtls)).unwrap_err(), SdpError::NoCommonCrypto, "{media}");
    }
}

#[test]
fn two_agents_that_wait_do_without_ice() {
    let offer = OFFERS[2].1.replace("a=msid-semantic:WMS *\r\n", "a=ice-lite\r\n");
    let (body, negotiated) = answered(&offer, &webrtc(SrtpPolicy::Optional)).unwrap();
    assert_eq!(agreed(&negotiated), "Passive SHA-256 no ice to 192.0.2.10:11424, SendRecv");
    assert!(!body.contains("a=ice") && !body.contains("a=candidate"), "{body}");
}

#[test]
fn our_offer_is_taken_by_ourselves() {
    let caller = webrtc(SrtpPolicy::Dtls);
    let body = offer(&caller);
    assert_eq!(
        essence(&body),
        format!(
            "a=ice-lite a=ice-options:ice2 m=audio 20000 UDP/TLS/RTP/SAVPF 0 8 111 9 101 a=setup:actpass a=fingerprint:sha-256 AB:CD {ANSWERED}"
        )
    );
    let (answer, theirs) = answered(&body, &webrtc(SrtpPolicy::Optional)).unwrap();
    let ours = accept(&SessionDescription::parse(answer.as_bytes()).unwrap(), &caller).unwrap();
    let here = "sha-256 no ice to 198.51.100.1:20000, SendRecv";
    assert_eq!((agreed(&theirs), agreed(&ours)), (format!("Passive {here}"), format!("Active {here}")));
    // Without a certificate it is asked for with keys in the SDP.
    let bare = offer(&secret(SrtpPolicy::Dtls));
    assert!(bare.contains("RTP/AVP ") && bare.contains("a=crypto"), "{bare}");
}

#[test]
fn a_restart_changes_our_credentials_once_and_the_role_stays() {
    let mut local = webrtc(SrtpPolicy::Optional);
    let mut answered_with = |ufrag: &str, setup: &str| {
        let offer = OFFERS[0].1.replace("SJSq", ufrag).replace("setup:actpass", setup);
        let (_, negotiated) = answered(&offer, &local).unwrap();
        let dtls = negotiated.dtls.unwrap();
        local.dtls.as_mut().unwrap().settle(&dtls);
        (dtls.role, dtls.ice.unwrap().local)
    };
    let first = answered_with("SJSq", "setup:passive");
    assert_eq!(first.0, DtlsRole::Active);
    assert_eq!(answered_with("SJSq", "setup:actpass"), first, "the same again");
    let second = answered_with("anew", "setup:actpass");
    assert!(second.0 == DtlsRole::Active && second.1 != first.1 && second.1.ufrag != first.1.ufrag);
    assert_eq!(answered_with("anew", "setup:actpass"), second);
    assert_ne!(answered_with("SJSq", "setup:actpass"), first, "back to the first is a restart too");
    assert!(!format!("{second:?}").contains(&second.1.pwd));
}

#[test]
fn of_lines_with_and_without_encryption_the_encrypted_is_taken() {
    let both = audio(&format!("m=audio 6000 RTP/AVP 0\r\nm=audio 6002 UDP/TLS/RTP/SAVP 0\r\na=rtcp-mux\r\n{FINGERPRINT}"));
    let (body, _) = answered(&both, &webrtc(SrtpPolicy::Optional)).unwrap();
    assert!(body.contains("m=audio 0 RTP/AVP 0\r\nm=audio 20000 UDP/TLS/RTP/SAVP 0\r\n"), "{body}");
}

#[test]
fn hold_of_a_browser_is_a_direction_and_no_address() {
    let offer = OFFERS[0].1.replace("a=sendrecv", "a=inactive");
    assert_eq!(
        agreed(&answered(&offer, &webrtc(SrtpPolicy::Optional)).unwrap().1),
        "Passive sha-256 ice SJSq to 0.0.0.0:9, Inactive"
    );
}

/// A line of data channels as Chromium offers it.
const CHANNELS: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:SJSq\r\n\
     a=ice-pwd:PYUVq+nINlB2FbPH/LpjnFZ4\r\na=setup:actpass\r\na=mid:1\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";

fn with_channels() -> LocalMedia {
    let mut local = webrtc(SrtpPolicy::Dtls);
    let dtls = local.dtls.as_mut().unwrap();
    (dtls.data, dtls.others) = (true, vec!["203.0.113.9:40000".parse().unwrap()]);
    local
}

#[test]
fn data_channels_are_taken_beside_the_audio_where_they_share_its_port() {
    let bundled = OFFERS[0].1.replace("BUNDLE 0", "BUNDLE 0 1");
    let (body, negotiated) = answered(&(bundled.clone() + CHANNELS), &with_channels()).unwrap();
    assert_eq!(negotiated.dtls.unwrap().data.unwrap().message_max, 262_144);
    let (head, line) = body.split_once("m=application").unwrap();
    assert!(head.contains("a=group:BUNDLE 0 1\r\n"), "{head}");
    assert!(head.contains("a=candidate:2 1 udp 2130706175 203.0.113.9 40000 typ host\r\na=end-of-candidates"), "{head}");
    assert!(line.starts_with(" 20000 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=setup:passive\r\n"), "{line}");
    assert!(line.ends_with("a=end-of-candidates\r\na=sctp-port:5000\r\na=max-message-size:65536\r\n"), "{line}");
    // In front of the audio too.
    let (first, second) = bundled.split_at(bundled.find("m=audio").unwrap());
    let (body, _) = answered(&format!("{first}{CHANNELS}{second}"), &with_channels()).unwrap();
    assert!(body.contains("a=group:BUNDLE 1 0\r\n") && body.find("m=application") < body.find("m=audio"), "{body}");
}

#[test]
fn data_channels_alone_or_on_another_port_are_refused() {
    let refused = |offer: &str, local: &LocalMedia| {
        let (body, negotiated) = answered(offer, local).unwrap();
        assert_eq!(negotiated.dtls.unwrap().data, None);
        assert!(body.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n") && body.contains("BUNDLE 0\r\n"), "{body}");
    };
    let bundled = OFFERS[0].1.replace("BUNDLE 0", "BUNDLE 0 1") + CHANNELS;
    refused(&(OFFERS[0].1.to_owned() + CHANNELS), &with_channels());
    refused(&bundled, &webrtc(SrtpPolicy::Dtls));
    refused(&bundled.replace("m=application 9", "m=application 0"), &with_channels());
    let alone = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 1\r\n{CHANNELS}");
    assert_eq!(answered(&alone, &with_channels()).unwrap_err(), SdpError::NoAudio);
}
