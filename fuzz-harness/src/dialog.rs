//! A dialog made of any message, and what is done in it.

use sip::dialog::Dialog;
use sip::message::{CSeq, Message, Method, Request, name, parse};
use sip::uri::NameAddr;

/// A message makes a dialog, and its last octets are the CSeq numbers of what comes: no panic, requests that we read ourselves, and an
/// order that only grows.
pub fn dialog(bytes: &[u8]) {
    let Ok(parsed) = parse(bytes) else { return };
    let numbers = bytes.rchunks(4).take(16).map(|octets| octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet)));
    let mut dialog = match &parsed.message {
        Message::Request(request) => {
            let Ok(dialog) = Dialog::from_invite(request, "ours") else { return };
            dialog
        }
        Message::Response(response) => {
            let address = |text: &str| NameAddr::new(text.parse().expect("an address"));
            let (from, to) = (address("sip:us@192.0.2.1").with_tag("ours"), address("sip:them@192.0.2.2"));
            let mut early = Dialog::to_be_invited("call", from, to.clone(), to.uri);
            read_back(early.request(Method::INVITE));
            early.answered(response)
        }
    };
    let mut last = None;
    for method in [Method::INFO, Method::INVITE, Method::BYE] {
        let request = dialog.request(method);
        assert!(last < Some(number(&request)), "the numbers of our requests grow");
        last = Some(number(&request));
        read_back(request);
    }
    read_back(dialog.ack(1));
    let _hop = dialog.next_hop();
    let mut highest: Option<u32> = None;
    for (index, number) in numbers.enumerate() {
        if dialog.handle_request_cseq(number) && index > 0 {
            assert!(highest <= Some(number), "{number} is older than {highest:?}");
            highest = Some(number);
        }
        match &parsed.message {
            Message::Request(request) => dialog.refresh_target(&request.headers),
            Message::Response(response) => dialog.refresh_target(&response.headers),
        }
    }
}

fn number(request: &Request) -> u32 {
    let Ok(CSeq { number, .. }) = request.headers.cseq() else { panic!("a request of ours has a CSeq") };
    number
}

/// What we send is good by our own reading.
fn read_back(mut request: Request) {
    request.headers.push(name::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx");
    let read = parse(&request.to_bytes()).expect("our request is SIP").message;
    assert!(matches!(read, Message::Request(_)), "a request stays one");
}
