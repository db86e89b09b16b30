//! What holds for any bytes and any message: no panic, the same message back after writing, one idea of its length.
#![allow(clippy::unwrap_used)]

use std::fs;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sip::message::{Framing, Headers, Message, Method, ParseError, Request, Response, StatusCode, Via, check, frame, parse};
use sip::uri::{NameAddr, Uri};

/// Does with the bytes whatever a peer can make us do: none of it may panic. What is taken must be read back the same.
fn exercise(bytes: &[u8]) {
    frame(bytes);
    match parse(bytes) {
        Ok(parsed) => {
            let again = parse(&parsed.message.to_bytes()).unwrap();
            assert_eq!(again.message, parsed.message);
            match parsed.message {
                Message::Request(mut request) => {
                    let _ = check(&request).map_err(|refusal| refusal.response(&request));
                    request.add_received_rport("192.0.2.1:5060".parse().unwrap());
                    let mut response = Response::to_request(&request, StatusCode::RINGING);
                    response.headers.set_to_tag("tag");
                    assert!(response.headers.to().unwrap().tag().is_some());
                    assert!(parse(&response.to_bytes()).is_ok());
                    read_all(&request.headers);
                }
                Message::Response(response) => read_all(&response.headers),
            }
        }
        Err(ParseError { status: Some(status), request: Some(request), .. }) => {
            Response::to_request(&request, status).to_bytes();
            read_all(&request.headers);
        }
        Err(ParseError { status, .. }) => assert_eq!(status, None),
    }
}

fn read_all(headers: &Headers) {
    let _ = (headers.top_via().map(|via| (via.received(), via.rport(), via.unique_branch().is_some())), headers.vias());
    let _ = (headers.from(), headers.to(), headers.call_id(), headers.cseq(), headers.max_forwards());
    let _ = (headers.contacts(), headers.contact(), headers.routes(), headers.record_routes());
    let _ = (headers.content_type(), headers.accept(), headers.expires(), headers.retry_after());
    let _ = (headers.list("Allow").count(), format!("{headers:?}"));
}

fn torture_message(index: Index) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rfc4475");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    fs::read(&files[index.index(files.len())]).unwrap()
}

/// A change to a message: take some bytes from one place and put others there.
fn mutate(message: &mut Vec<u8>, (at, take, put): &(Index, usize, Vec<u8>)) {
    let start = at.index(message.len() + 1);
    let end = (start + take).min(message.len());
    message.splice(start..end, put.iter().copied());
}

/// Bytes that SIP's grammar gives a meaning to, and some that it does not.
fn meaningful_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(vec![
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        ":",
        ";",
        ",",
        "=",
        "<",
        ">",
        "\"",
        "\\",
        "@",
        "%",
        "[",
        "]",
        "?",
        "/",
        "*",
        "\0",
        "SIP/2.0",
        "sip:",
        "tel:",
        "Via: ",
        "l: ",
        "m:",
        "tag",
        "9999999999",
        "-1",
        "\u{a0}",
        "é",
    ]);
    prop_oneof![vec(piece, 0..4).prop_map(|pieces| pieces.concat().into_bytes()), vec(any::<u8>(), 0..4),]
}

fn uri() -> impl Strategy<Value = Uri> {
    let user = "[a-z0-9+;?/=]{1,12}|(%[0-9a-f]{2}){1,3}";
    let host = r"[a-z][a-z0-9.-]{0,12}|(25[0-5]|1?[0-9]{1,2})(\.[0-9]{1,2}){3}|\[2001:db8::[1-9a-f]{1,4}\]";
    let sip = (proptest::option::of(user), host, proptest::option::of(1u16..), "(;[a-z]{1,5}(=[a-z0-9%]{0,5})?){0,3}").prop_map(
        |(user, host, port, params)| {
            let user = user.map_or(String::new(), |user| format!("{user}@"));
            let port = port.map_or(String::new(), |port| format!(":{port}"));
            format!("sip:{user}{host}{port}{params}")
        },
    );
    prop_oneof![sip, r"tel:\+[0-9]{3,15}", "urn:[a-z:]{1,12}"].prop_map(|text| text.parse().unwrap())
}

fn name_addr() -> impl Strategy<Value = NameAddr> {
    (proptest::option::of("[ -~é]{1,12}"), uri(), "[a-z0-9]{1,8}")
        .prop_map(|(display_name, uri, tag)| NameAddr { display_name, ..NameAddr::new(uri) }.with_tag(&tag))
}

fn headers(method: Method) -> impl Strategy<Value = Headers> {
    let more = vec(("X-[A-Z][a-z]{0,8}", "([!-~é]([ -~é]{0,20}[!-~é])?)?"), 0..5);
    (name_addr(), name_addr(), vec(name_addr(), 0..3), "[a-z0-9@.]{1,20}", 0u32..1 << 31, more).prop_map(
        move |(from, to, contacts, call_id, cseq, more)| {
            let mut headers = Headers::default();
            headers.push("Via", Via::new("UDP", "192.0.2.1:5060".parse().unwrap(), "z9hG4bKx").to_string());
            headers.push("Max-Forwards", "70");
            headers.push("From", from.to_string());
            headers.push("To", to.to_string());
            headers.push("Call-ID", call_id);
            headers.push("CSeq", format!("{cseq} {method}"));
            contacts.iter().for_each(|contact| headers.push("Contact", contact.to_string()));
            more.into_iter().for_each(|(name, value)| headers.push(&name, value));
            headers
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let method =
        prop_oneof!["INVITE|ACK|BYE|CANCEL|OPTIONS|INFO", "[A-Za-z!%*_+`'~.-]{1,10}"].prop_map(|m| m.parse::<Method>().unwrap());
    let body = vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    let start = (any::<bool>(), uri(), 100u16..700, "[ -~é]{0,20}");
    (method, start, body).prop_flat_map(|(method, (is_request, uri, code, reason), body)| {
        headers(method.clone()).prop_map(move |headers| {
            if is_request {
                Request { method: method.clone(), uri: uri.clone(), headers, body: body.clone() }.into()
            } else {
                let status = StatusCode::new(code).unwrap();
                Response { status, reason: reason.clone(), headers, body: body.clone() }.into()
            }
        })
    })
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_without_a_panic(bytes in vec(any::<u8>(), 0..600)) {
        exercise(&bytes);
    }

    #[test]
    fn any_pieces_of_grammar_are_parsed_without_a_panic(pieces in vec(meaningful_bytes(), 0..60)) {
        exercise(&pieces.concat());
    }

    #[test]
    fn mutated_torture_messages_are_parsed_without_a_panic(
        message in any::<Index>(),
        changes in vec((any::<Index>(), 0usize..8, meaningful_bytes()), 1..6),
    ) {
        let mut bytes = torture_message(message);
        changes.iter().for_each(|change| mutate(&mut bytes, change));
        exercise(&bytes);
    }

    #[test]
    fn any_text_is_parsed_as_an_address_without_a_panic(text in "[\"<>@:;,=?%\\\\\\[\\] a1é]{0,30}|\\PC{0,30}") {
        let _ = (text.parse::<Via>(), sip::uri::unescape(&text).len());
        if let Ok(uri) = text.parse::<Uri>() {
            prop_assert_eq!(uri.to_string().parse::<Uri>(), Ok(uri.clone()));
            prop_assert!(uri.equivalent(&uri));
        }
        if let Ok(address) = text.parse::<NameAddr>() {
            prop_assert_eq!(address.to_string().parse::<NameAddr>(), Ok(address));
        }
    }

    #[test]
    fn a_written_message_is_read_back_the_same(message in message()) {
        let parsed = parse(&message.to_bytes()).unwrap();
        prop_assert_eq!(&parsed.message, &message);
        prop_assert_eq!(parsed.warnings, []);
    }

    #[test]
    fn a_stream_is_cut_where_its_messages_end(messages in vec(message(), 1..4), keepalives in vec(0usize..3, 4)) {
        let mut stream = Vec::new();
        for (message, keepalives) in messages.iter().zip(&keepalives) {
            stream.extend_from_slice(&b"\r\n".repeat(keepalives * 2));
            stream.extend_from_slice(&message.to_bytes());
        }
        let mut cut = Vec::new();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            match frame(rest) {
                Framing::Keepalive(length) => rest = &rest[length..],
                Framing::Message(length) => {
                    for short in [0, 1, length / 2, length - 1] {
                        prop_assert_eq!(frame(&rest[..short]), Framing::NeedMore);
                    }
                    let parsed = parse(&rest[..length]).unwrap();
                    prop_assert_eq!(parsed.warnings, []);
                    cut.push(parsed.message);
                    rest = &rest[length..];
                }
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(cut, messages);
    }
}
