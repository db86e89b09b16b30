//! Any bytes as a SIP message: no panic, and what is taken is read back the same after writing.
//! Seeds: `cargo fuzz run sip_message sip/tests/data/rfc4475`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::message::{Message, ParseError, Response, StatusCode, check, frame, parse};

fuzz_target!(|bytes: &[u8]| {
    frame(bytes);
    match parse(bytes) {
        Ok(parsed) => {
            let again = parse(&parsed.message.to_bytes()).expect("what was taken is taken again");
            assert!(again.message == parsed.message);
            if let Message::Request(mut request) = parsed.message {
                let _ = check(&request).map_err(|refusal| refusal.response(&request));
                request.add_received_rport(([192, 0, 2, 1], 5060).into());
                let mut response = Response::to_request(&request, StatusCode::RINGING);
                response.headers.set_to_tag("tag");
                parse(&response.to_bytes())
                    .expect("an answer to a good request is a good response");
            }
        }
        Err(ParseError {
            status: Some(status),
            request: Some(request),
            ..
        }) => {
            Response::to_request(&request, status).to_bytes();
        }
        Err(_) => {}
    }
});
