//! Bytes from the wire: no panic, and what is taken is written and read back as it was.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use media::dtmf::DtmfReceiver;
use media::jitter::{JitterBuffer, JitterConfig};
use media::rtcp::{NtpTime, Reception, Report};
use media::rtp::{PayloadTypes, RtpPacket, is_rtcp};
use media::units::{FRAME, FRAME_SAMPLES, SampleRate};
use sip::message::{Framing, Message, ParseError, Response, StatusCode, check, frame, parse};
use sip::sdp::{CODECS, IceCredentials, LocalDtls, LocalKeys, LocalMedia, SessionDescription, SrtpPolicy, accept, answer, offer};

use crate::epoch;
use crate::jitter::codec;

/// Any bytes as a SIP message, and as a stream of them.
pub fn sip_message(bytes: &[u8]) {
    frames(bytes);
    match parse(bytes) {
        Ok(parsed) => {
            let again = parse(&parsed.message.to_bytes()).expect("what was taken is taken again");
            assert!(again.message == parsed.message, "what was written is read back the same");
            if let Message::Request(mut request) = parsed.message {
                let _refused = check(&request).map_err(|refusal| refusal.response(&request));
                request.add_received_rport(([192, 0, 2, 1], 5060).into());
                let mut response = Response::to_request(&request, StatusCode::RINGING);
                response.headers.set_to_tag("tag");
                parse(&response.to_bytes()).expect("an answer to a good request is a good response");
            }
        }
        Err(ParseError { status: Some(status), request: Some(request), .. }) => {
            Response::to_request(&request, status).to_bytes();
        }
        Err(_) => {}
    }
}

/// Each cut takes something and no more than there is.
fn frames(mut rest: &[u8]) {
    loop {
        match frame(rest) {
            Framing::Keepalive(length) | Framing::Message(length) => {
                assert!((1..=rest.len()).contains(&length), "a cut of {length} from {}", rest.len());
                rest = &rest[length..];
            }
            Framing::NeedMore | Framing::Invalid(_) => return,
        }
    }
}

/// Any bytes as an offer and as an answer: what we say to them is SDP that we read ourselves, line for line.
pub fn sdp(bytes: &[u8]) {
    let Ok(theirs) = SessionDescription::parse(bytes) else { return };
    for (address, srtp) in [("192.0.2.1", SrtpPolicy::Off), ("2001:db8::1", SrtpPolicy::Off), ("192.0.2.1", SrtpPolicy::Optional)]
    {
        let local = LocalMedia {
            codecs: CODECS.iter().map(|row| row.codec).collect(),
            rtcp_mux: true,
            srtp,
            keys: LocalKeys::new(|key| key.fill(7)),
            dtls: Some(LocalDtls::new("sha-256 00".to_owned(), IceCredentials::new([7; 32]))),
            ..LocalMedia::new(address.parse::<IpAddr>().expect("an address"), 20_000, 1)
        };
        if let Ok((body, agreed)) = answer(&theirs, &local) {
            let ours = SessionDescription::parse(body.as_bytes()).expect("our answer is SDP");
            assert_eq!(ours.media.len(), theirs.media.len(), "an answer has the lines of its offer");
            assert!(agreed.payload_type < 128, "a payload type has 7 bits");
            assert_eq!(ours.media.iter().filter(|media| media.port != 0).count(), 1, "one stream is taken");
            let again = LocalMedia { previous: Some(body.clone()), ..local.clone() };
            assert!(answer(&theirs, &again).is_ok_and(|(second, _)| second == body), "the same answer again, and no new version");
        }
        SessionDescription::parse(offer(&local).as_bytes()).expect("our offer is SDP");
        let _refused = accept(&theirs, &local);
    }
}

/// Datagrams with their pauses: codec, then (milliseconds, length, octets) again and again.
pub fn rtp(bytes: &[u8]) {
    let _parsed = RtpPacket::parse(Bytes::copy_from_slice(bytes));
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let types = PayloadTypes { telephone_event: Some(101), ..PayloadTypes::of(codec(*first)) };
    let (mut now, clock) = (epoch(), types.codec.row().clock);
    let mut buffer = JitterBuffer::new(JitterConfig::default(), types);
    let (mut reception, mut keys) = (Reception::new(clock), DtmfReceiver::new(clock));
    while let [pause, length, after @ ..] = rest {
        let (datagram, left) = after.split_at(usize::from(*length).min(after.len()));
        rest = left;
        now += Duration::from_millis(u64::from(*pause));
        if is_rtcp(datagram) {
            if let Ok(report) = Report::parse(datagram) {
                reception.handle_report(now, &report);
            }
        } else if let Ok(packet) = RtpPacket::parse(Bytes::copy_from_slice(datagram)) {
            buffer.handle_packet(now, &packet);
            reception.handle_packet(now, &packet);
            keys.handle_packet(now, &packet);
        }
        while keys.poll_event().is_some() {}
        if let Some(due) = keys.poll_timeout().filter(|due| *due <= now) {
            keys.handle_timeout(due);
            while keys.poll_event().is_some() {}
        }
        let _block = reception.report(now);
        assert_eq!(buffer.playout(now).samples.len(), FRAME_SAMPLES, "a frame is a frame");
        now += FRAME;
    }
}

/// Any bytes as RTCP; what is read is written so that it reads the same.
pub fn rtcp(bytes: &[u8]) {
    let Ok(report) = Report::parse(bytes) else { return };
    let now = epoch();
    let mut reception = Reception::new(SampleRate::HZ_8000);
    reception.handle_report(now, &report);
    for block in &report.receptions {
        let _time = block.round_trip(NtpTime(1 << 40));
    }
    let mut written = Vec::new();
    let first = Report { receptions: report.receptions.iter().take(31).copied().collect(), ..report };
    first.write("cname", &mut written);
    assert_eq!(Report::parse(&written).expect("our report is RTCP"), first);
}
