//! What URIs and name-addr values are taken, refused, compared and shown.
#![allow(clippy::unwrap_used)]

use super::*;

/// Parses a URI: its parts in words, or why it was refused. What was taken must be written as it was read.
fn check(text: &str, expected: &str) {
    let found = match text.parse::<Uri>() {
        Ok(uri) => {
            assert_eq!(uri.to_string(), text);
            parts(&uri)
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected, "{text}");
}

fn parts(uri: &Uri) -> String {
    let mut parts = uri.scheme().to_owned();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            parts.push_str(&format!(" {name}={value}"));
        }
    };
    add("user", uri.user().map(Cow::into_owned));
    add("password", uri.as_sip().and_then(|uri| uri.password.clone()));
    add("host", uri.host().map(ToString::to_string));
    add("port", uri.port().map(|port| port.to_string()));
    add("params", uri.params().map(ToString::to_string));
    add("headers", uri.as_sip().and_then(|uri| uri.headers.clone()));
    parts
}

/// Parses a name-addr: name, URI and parameters apart, or why it was refused.
fn check_name_addr(text: &str, expected: &str) {
    let found = match text.parse::<NameAddr>() {
        Ok(address) => {
            assert_eq!(address.to_string().parse::<NameAddr>().as_ref(), Ok(&address));
            let name = address.display_name.as_deref().unwrap_or("-");
            format!("{name} | {} | {}", address.uri, address.params)
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected, "{text}");
}

#[test]
fn uris_are_taken_apart() {
    check("sip:example.com", "sip host=example.com");
    check("sip:+15550100@example.com;user=phone", "sip user=+15550100 host=example.com params=;user=phone");
    check("sips:a:b@host:5061?Subject=x&Priority=y", "sips user=a password=b host=host port=5061 headers=Subject=x&Priority=y");
    check("sip:u@192.0.2.1:5070", "sip user=u host=192.0.2.1 port=5070");
    check("sip:u@[2001:db8::1]:5070;lr", "sip user=u host=[2001:db8::1] port=5070 params=;lr");
    check("sip:[::1]", "sip host=[::1]");
    check("sip:a%20b;x=%40@host", "sip user=a b;x=@ host=host");
    check("sip:*31#100@host", "sip user=*31#100 host=host");
    check("tel:+1-201-555-0123;phone-context=x", "tel user=+1-201-555-0123 params=;phone-context=x");
    check("urn:service:sos", "urn");
    check("http://www.example.com/a?b", "http");
}

#[test]
fn uris_that_are_none_are_refused_by_their_part() {
    check("", "uri has no scheme");
    check("example.com", "uri has no scheme");
    check("1sip:host", "uri has no scheme");
    check("sip:", "uri has no scheme");
    check("sip:a b@host", "uri holds a character that must be escaped");
    check("sip:a@host\r\nX: y", "uri holds a character that must be escaped");
    check("<sip:a@host>", "uri holds a character that must be escaped");
    check("sip:@host", "uri has an empty user part");
    check("sip::pw@host", "uri has an empty user part");
    check("tel:;x", "uri has an empty user part");
    check("sip:a@", "host is malformed");
    check("sip:a@b@c", "host is malformed");
    check("sip:a@[::1", "host is malformed");
    check("sip:a@[192.0.2.1]", "host is malformed");
    check("sip:a@host/x", "host is malformed");
    check("sip:a@host:", "port is malformed");
    check("sip:a@host:+1", "port is malformed");
    check("sip:a@host:65536", "port is malformed");
    check("sip:a@2001:db8::1", "port is malformed");
    check("sip:a@host;;lr", "parameter is malformed");
    check("sip:a@host;=x", "parameter is malformed");
}

#[test]
fn an_unbracketed_ipv6_host_is_refused() {
    assert_eq!("2001:db8::1".parse::<Host>(), Err(UriError::Host));
}

#[test]
fn name_addrs_are_taken_apart() {
    check_name_addr("sip:a@host;tag=1", "- | sip:a@host | ;tag=1");
    check_name_addr("<sip:a@host;lr>;tag=1", "- | sip:a@host;lr | ;tag=1");
    check_name_addr("Alice Smith <sip:a@host>", "Alice Smith | sip:a@host | ");
    check_name_addr("Alice<sip:a@host>", "Alice | sip:a@host | ");
    check_name_addr(r#""A, \"B\" <C>" <sip:a@host> ; x = "1;2" ; y"#, r#"A, "B" <C> | sip:a@host | ;x="1;2";y"#);
    check_name_addr(r#""" <sip:a@host>"#, "- | sip:a@host | ");
    check_name_addr("Smith (Sales) <sip:a@host>", "Smith (Sales) | sip:a@host | ");
    check_name_addr("Жук <sip:a@host>;", "Жук | sip:a@host | ");
    check_name_addr("<tel:+15550100;x=1>;tag=2", "- | tel:+15550100;x=1 | ;tag=2");
    check_name_addr("sip:a@host;x=\"<,>\"", "- | sip:a@host | ;x=\"<,>\"");
}

#[test]
fn name_addrs_that_are_none_are_refused_by_their_part() {
    check_name_addr(r#""Alice <sip:a@host>"#, "display name is malformed");
    check_name_addr("Bell, Alexander <sip:a@host>", "display name is malformed");
    check_name_addr("\"Alice\" sip:a@host", "angle brackets are malformed");
    check_name_addr("<sip:a@host", "angle brackets are malformed");
    check_name_addr("<sip:a@host> tag=1", "angle brackets are malformed");
    check_name_addr("sip:a@host?Route=x", "angle brackets are malformed");
    check_name_addr("sip:a@host,sip:b@host", "angle brackets are malformed");
    check_name_addr("< sip:a@host >", "uri holds a character that must be escaped");
    check_name_addr("<sip:a@host>;;", "parameter is malformed");
    check_name_addr("<sip:a@host>;x=\"1", "parameter is malformed");
    check_name_addr("<sip:a@host>;x=1\"2\"", "parameter is malformed");
    check_name_addr("", "uri has no scheme");
}

#[test]
fn uris_are_compared_as_rfc_3261_19_1_4_does() {
    let same = |a: &str, b: &str| {
        let (a, b): (Uri, Uri) = (a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(a.equivalent(&b), b.equivalent(&a));
        a.equivalent(&b)
    };
    // The examples of the RFC.
    assert!(same("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"));
    assert!(same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
    assert!(same("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"));
    assert!(same(
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x"
    ));
    assert!(!same("sip:alice@atlanta.com", "SIP:ALICE@AtLanTa.CoM;Transport=udp"));
    assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
    assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"));
    assert!(!same("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"));
    assert!(!same("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"));
    assert!(!same("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"));
    assert!(!same("sip:a@host", "sips:a@host"));
    assert!(same("tel:+1-201-555-0123", "tel:+1(201)5550123"));
    assert!(!same("tel:+1-201-555-0123", "tel:+1-201-555-0124"));
    assert!(same("urn:service:sos", "urn:service:sos"));
    assert!(!same("urn:service:sos", "tel:911"));
}

#[test]
fn a_user_is_escaped_when_a_uri_is_made() {
    let uri = Uri::sip(Some("a b@c:%"), "host".parse().unwrap(), Some(5070));
    assert_eq!(uri.to_string(), "sip:a%20b%40c%3A%25@host:5070");
    assert_eq!(uri.user().unwrap(), "a b@c:%");
}

#[test]
fn parameters_are_found_in_any_case_and_escaping() {
    let mut params = Params::parse("Transport=tcp;%6Cr;x=\"a b\"").unwrap();
    assert_eq!(params.get("transport"), Some("tcp"));
    assert_eq!(params.get("LR"), Some(""));
    assert_eq!(params.get("x"), Some("a b"));
    assert_eq!(params.get("y"), None);
    params.set("TRANSPORT", Some("udp"));
    params.set("new", None);
    params.remove("lr");
    assert_eq!(params.to_string(), ";Transport=udp;x=\"a b\";new");
}

#[test]
fn escapes_that_are_none_stand_for_themselves() {
    assert_eq!(unescape("%41%4g%4%%20%"), "A%4g%4% %");
    assert_eq!(unescape("%ff"), "\u{fffd}");
}

#[test]
fn a_tag_belongs_to_the_header() {
    let to: NameAddr = "<sip:a@host;tag=uri>".parse().unwrap();
    assert_eq!(to.tag(), None);
    assert_eq!(to.with_tag("x").to_string(), "<sip:a@host;tag=uri>;tag=x");
    assert_eq!("<sip:a@host>;tag=".parse::<NameAddr>().unwrap().tag(), None);
}

#[test]
fn logs_show_no_user_no_name_and_no_password() {
    let shown = |text: &str| format!("{:?}", text.parse::<NameAddr>().unwrap());
    assert_eq!(shown("\"Alice\" <sip:+12015550123:secret@host:5070;x=y>;tag=1"), "\"***\" <sip:***23@host:5070>;tag=1");
    assert_eq!(shown("<tel:+12015550123>"), "<tel:***23>");
    assert_eq!(shown("<sip:alice@host>"), "<sip:***@host>");
    assert_eq!(shown("<sip:1234@host>"), "<sip:***@host>");
    assert_eq!(shown("<mailto:alice@host>"), "<mailto:...>");
}
