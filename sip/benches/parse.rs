//! How long a message takes to be read and written.

use divan::{Bencher, black_box};
use sip::message::{Request, Response, StatusCode, check, frame, parse};

/// An INVITE as carriers send them: 14 headers, two Vias, an offer of three codecs.
const INVITE: &[u8] = b"INVITE sip:+15550123@203.0.113.9:5060;user=phone SIP/2.0\r\n\
    Record-Route: <sip:198.51.100.2;lr;ftag=gK0c8a1f>\r\n\
    Via: SIP/2.0/UDP 198.51.100.2:5060;branch=z9hG4bK6d0e.5ba2f1f7.0;rport\r\n\
    Via: SIP/2.0/UDP 198.51.100.77:5060;received=198.51.100.77;branch=z9hG4bK0cB7c2f0a8d0\r\n\
    From: \"Alice Example\" <sip:+15550100@carrier.example;user=phone>;tag=gK0c8a1f\r\n\
    To: <sip:+15550123@203.0.113.9;user=phone>\r\n\
    Call-ID: 1476231_118261732@198.51.100.77\r\n\
    CSeq: 91371 INVITE\r\n\
    Max-Forwards: 69\r\n\
    Allow: INVITE, ACK, CANCEL, BYE, REGISTER, REFER, INFO, SUBSCRIBE, NOTIFY, PRACK, UPDATE, OPTIONS\r\n\
    Accept: application/sdp, application/isup, application/dtmf-relay\r\n\
    Contact: \"Alice Example\" <sip:+15550100@198.51.100.77:5060>\r\n\
    P-Asserted-Identity: \"Alice Example\" <sip:+15550100@carrier.example:5060>\r\n\
    Supported: timer, 100rel\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 225\r\n\r\n\
    v=0\r\no=- 118261 16777216 IN IP4 198.51.100.80\r\ns=-\r\nc=IN IP4 198.51.100.80\r\nt=0 0\r\n\
    m=audio 31000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn main() {
    divan::main();
}

fn invite() -> Request {
    match parse(INVITE).expect("the INVITE is well formed").message {
        sip::message::Message::Request(request) => request,
        sip::message::Message::Response(_) => unreachable!("an INVITE is a request"),
    }
}

// One INVITE, parsed: 6 us. At 50 calls/s and six messages a call that is 0.2 % of a core.
#[divan::bench]
fn parse_invite() {
    black_box(parse(black_box(INVITE))).expect("the INVITE is well formed");
}

// One message cut from a stream: 2 us, beside its parsing.
#[divan::bench]
fn frame_invite() -> sip::message::Framing {
    frame(black_box(INVITE))
}

// The stateless check of one INVITE: 2 us.
#[divan::bench]
fn check_invite(bencher: Bencher) {
    let request = invite();
    bencher.bench_local(|| check(black_box(&request)));
}

// One response, made and written: 3 us.
#[divan::bench]
fn respond_to_invite(bencher: Bencher) {
    let request = invite();
    bencher.bench_local(|| {
        let mut response = Response::to_request(black_box(&request), StatusCode::RINGING);
        response.headers.set_to_tag("a1b2c3");
        response.to_bytes()
    });
}
