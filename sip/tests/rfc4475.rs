//! The 49 torture messages of RFC 4475, each by name: what is answered to it, and what is understood of it.
#![allow(clippy::unwrap_used)]

mod torture;

use std::collections::BTreeSet;

use sip::message::{ParseError, parse};
use torture::{NOT_A_REGISTRAR, Row, Suite};

const SUITE: Suite = Suite("rfc4475");
const NOT_A_METHOD: &str = "501 Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, PRACK, REFER, SUBSCRIBE, UPDATE";

/// RFC 4475 §3.1.1: valid, however odd.
const VALID: &[Row] = &[
    Row(
        "wsinv",
        "taken",
        &[
            ("uri", "sip:vivekg@chair-dnrc.example.com;unknownparam"),
            ("to", "<sip:vivekg@chair-dnrc.example.com>;tag=1918181833n"),
            ("from.name", r#"J Rosenberg \""#),
            ("from.tag", "98asjd8"),
            ("max-forwards", "68"),
            ("cseq", "9 INVITE"),
            ("vias", "3"),
            ("via.0", "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw"),
            ("via.1", "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8"),
            ("via.2", "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239"),
            ("header.Subject", ""),
            ("header.NewFangledHeader", "newfangled value continued newfangled value"),
            ("header.UnknownHeaderWithUnusualValue", ";;,,;;,;"),
            ("header.Route", "<sip:services.example.com;lr;unknownwith=value;unknown-no-value>"),
            ("contact.0.name", r#"Quoted string """#),
            ("contact.0.param.newparam", "newvalue"),
            ("contact.0.param.secondparam", ""),
            ("contact.0.param.q", "0.33"),
            ("body", "150"),
        ],
    ),
    Row(
        "intmeth",
        NOT_A_METHOD,
        &[
            ("method", "!interesting-Method0123456789_*+`.%indeed'~"),
            ("uri.user", "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"),
            ("uri.password", "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"),
            ("uri.host", "example.com"),
            ("via.0.branch", "z9hG4bK-.!%66*_+`'~"),
            ("to.name", "BEL:\u{7} NUL:\0 DEL:\u{7f}"),
            ("from.name", "token1~` token2'+_ token3*%!.-"),
            ("from.tag", "_token~1'+`*%!-."),
            ("from.param.fromParam''~+*_!.-%", "работающий"),
            ("call-id", r#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#),
            ("header.extensionHeader-!.%*+_`'~", "\u{feff}大停電"),
            ("max-forwards", "255"),
        ],
    ),
    Row(
        "esc01",
        "taken",
        &[
            ("uri", "sip:sips%3Auser%40example.com@example.net"),
            ("uri.user", "sips:user@example.com"),
            ("uri.host", "example.net"),
            ("to.user", "user"),
            ("from.user", "I have spaces"),
            ("contact.0.user", "caller"),
            ("contact.0.uri.param.lr", ""),
            ("contact.0.uri.param.name", "v%61lue%25%34%31"),
            ("header.Content-Type", "application/sdp"),
            ("body", "150"),
        ],
    ),
    Row(
        "escnull",
        NOT_A_REGISTRAR,
        &[
            ("to.user", "null-\0-null"),
            ("from.user", "null-\0-null"),
            ("contacts", "2"),
            ("contact.0.user", "\0"),
            ("contact.1.user", "\0\0"),
        ],
    ),
    // An escaped method is another method, an escaped header name another header.
    Row(
        "esc02",
        NOT_A_METHOD,
        &[
            ("method", "RE%47IST%45R"),
            ("to.name", "%Z%45"),
            ("via.0.branch", "z9hG4bK209%fzsnel234"),
            ("contacts", "2"),
            ("contact.1.user", "alias3"),
            ("header.C%6Fntact", "<sip:alias2@host2.example.com>"),
        ],
    ),
    Row("lwsdisp", "taken", &[("from.name", "caller"), ("from.user", "caller"), ("from.tag", "323")]),
    Row(
        "longreq",
        "taken",
        &[
            ("vias", "34"),
            ("via.0.host", "sip33.example.com"),
            ("via.15.host", "sip18.example.com"),
            ("via.33.received", "192.0.2.5"),
            ("to.port", "6000"),
            (
                "to.uri.param.unknownparam1",
                "verylonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglongvalue",
            ),
            ("body", "150"),
        ],
    ),
    // What follows the message in its datagram is not a second one (RFC 3261 §18.3).
    Row(
        "dblreq",
        NOT_A_REGISTRAR,
        &[("call-id", "dblreq.0ha0isndaksdj99sdfafnl3lk233412"), ("body", "0"), ("warnings", "[BytesAfterBody(450)]")],
    ),
    Row(
        "semiuri",
        "taken",
        &[("uri.user", "user;par=u@example.net"), ("uri.host", "example.com"), ("uri.params", ""), ("accept", "6")],
    ),
    Row(
        "transports",
        "taken",
        &[
            ("vias", "5"),
            ("via.0.transport", "UDP"),
            ("via.1.transport", "SCTP"),
            ("via.2.transport", "TLS"),
            ("via.3.transport", "UNKNOWN"),
            ("via.4.transport", "TCP"),
        ],
    ),
    Row(
        "mpart01",
        NOT_A_REGISTRAR,
        &[
            ("method", "MESSAGE"),
            ("header.Content-Type", "multipart/mixed;boundary=7a9cbec02ceef655"),
            ("body", "553"),
            ("warnings", "[]"),
        ],
    ),
    Row(
        "unreason",
        "taken",
        &[("status", "200"), ("reason", "= 2**3 * 5**2 но сто девяносто девять - простое"), ("body", "154")],
    ),
    Row("noreason", "taken", &[("status", "100"), ("reason", ""), ("cseq", "35 INVITE")]),
];

/// RFC 4475 §3.1.2: not SIP by its grammar.
const INVALID: &[Row] = &[
    Row("badinv01", "400 Via is malformed", &[]),
    Row("clerr", "400 content-length 9999 is more than the 154 bytes there are", &[]),
    Row("ncl", "400 Content-Length is malformed", &[]),
    Row("scalar02", "400 CSeq is malformed", &[]),
    Row("scalarlg", "dropped: CSeq is malformed", &[]),
    Row("quotbal", "400 To is malformed", &[]),
    Row("ltgtruri", "400 request uri: uri holds a character that must be escaped", &[]),
    Row("lwsruri", "400 request uri: uri holds a character that must be escaped", &[]),
    Row("lwsstart", "400 request uri: uri holds a character that must be escaped", &[]),
    Row("trws", "400 start line is malformed", &[]),
    Row("escruri", "400", &[("uri", "sip:user@example.com?Route=%3Csip:example.com%3E")]),
    // An element which does not use the Date should not refuse the call for it.
    Row("baddate", "taken", &[("header.Date", "Fri, 01 Jan 2010 16:00:00 EST"), ("body", "150")]),
    Row("regbadct", "400 Contact is malformed", &[]),
    Row("badaspec", "400 To is malformed", &[]),
    Row("baddn", "400 From is malformed", &[]),
    Row("badvers", "505 version is not SIP/2.0", &[]),
    Row("mismatch01", "400 cseq method is not the request's", &[]),
    Row("mismatch02", "400 cseq method is not the request's", &[]),
    Row("bigcode", "dropped: status code is not one from 100 to 699", &[]),
];

/// RFC 4475 §3.2 to §3.4: well formed, and to be thought about.
const SEMANTIC: &[Row] = &[
    // The cookie alone names no transaction: it is matched by the rules of RFC 2543.
    Row("badbranch", "taken", &[("via.0.branch", "z9hG4bK"), ("via.0.unique", "none")]),
    Row("insuf", "400 From is missing", &[]),
    Row("unkscm", "416", &[("uri", "nobodyKnowsThisScheme:totallyopaquecontent")]),
    Row("novelsc", "416", &[("uri", "soap.beep://192.0.2.103:3002")]),
    Row(
        "unksm2",
        NOT_A_REGISTRAR,
        &[("to", "<isbn:2983792873>"), ("from", "<http://www.example.com>;tag=3234233"), ("contact.0", "<name:John_Smith>")],
    ),
    Row(
        "bext01",
        "420 Unsupported: nothingSupportsThis, nothingSupportsThisEither",
        &[("header.Proxy-Require", "noProxiesSupportThis, norDoAnyProxiesSupportThis")],
    ),
    Row("invut", "415 Accept: application/sdp", &[("header.Content-Type", "application/unknownformat"), ("body", "40")]),
    // 405 is for an endpoint that is no registrar; only a registrar would challenge with 401.
    Row("regaut01", NOT_A_REGISTRAR, &[("header.Authorization", "NoOneKnowsThisScheme opaque-data=here")]),
    Row("multi01", "400 From is repeated", &[]),
    Row("mcl01", "400 Content-Length is repeated", &[]),
    // Were it answered by its second Via, the answer would be a broadcast.
    Row("bcast", "dropped: more than one via", &[("status", "200"), ("via.1.host", "255.255.255.255")]),
    // Only a proxy answers 483; the endpoint it is for goes on.
    Row("zeromf", "taken", &[("max-forwards", "0")]),
    Row(
        "cparam01",
        NOT_A_REGISTRAR,
        &[("contact.0.user", "+19725552222"), ("contact.0.param.unknownparam", ""), ("contact.0.uri.params", "")],
    ),
    Row("cparam02", NOT_A_REGISTRAR, &[("contact.0.uri.param.unknownparam", ""), ("contact.0.params", "")]),
    Row("regescrt", NOT_A_REGISTRAR, &[("contact.0.uri.headers", "Route=%3Csip:sip.example.com%3E")]),
    Row("sdp01", "406", &[("header.Accept", "text/nobodyKnowsThis")]),
    Row(
        "inv2543",
        "taken",
        &[
            ("via.0.branch", "none"),
            ("from.user", "+13035551111"),
            ("from.tag", "none"),
            ("to.param.user", "phone"),
            ("to.uri.params", ""),
            ("header.Record-Route", "<sip:UserB@example.com;maddr=ss1.example.com>"),
            ("body", "105"),
            ("warnings", "[NoMaxForwards]"),
        ],
    ),
];

#[test]
fn valid_messages_are_understood() {
    assert_eq!(SUITE.differences(VALID), [""; 0]);
}

#[test]
fn invalid_messages_are_refused_or_harmless() {
    assert_eq!(SUITE.differences(INVALID), [""; 0]);
}

#[test]
fn messages_with_odd_meanings_are_decided() {
    assert_eq!(SUITE.differences(SEMANTIC), [""; 0]);
}

#[test]
fn every_message_of_the_rfc_has_its_row() {
    let rows: Vec<&str> = [VALID, INVALID, SEMANTIC].into_iter().flatten().map(|row| row.0).collect();
    assert_eq!(rows.len(), 49);
    assert_eq!(rows.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), SUITE.names());
}

#[test]
fn what_was_taken_is_read_back_the_same_after_writing() {
    SUITE.write_and_read_back();
}

#[test]
fn a_refused_request_is_answered_with_what_it_had() {
    let Err(ParseError { status, request, .. }) = parse(&SUITE.load("insuf")) else { panic!("insuf was taken") };
    let answer = sip::message::Response::to_request(&request.unwrap(), status.unwrap());
    let expected = "SIP/2.0 400 Bad Request\r\n\
        Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\r\n\
        CSeq: 193942 INVITE\r\n\
        Content-Length: 0\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&answer.to_bytes()), expected);
}
