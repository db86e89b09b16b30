//! Twilio's own test vectors, and what must not pass.

use super::*;

const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const URL_PORT: &str = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
const JSON: &[u8] = br#"{"property": "value", "boolean": true}"#;
const JSON_URL: &str =
    "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
const STREAM: &str = "wss://example.com/media";

fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}

/// The parameters of Twilio's unit tests, in an order that is not theirs.
fn call() -> Vec<(String, String)> {
    form(&[
        ("To", "+18005551212"),
        ("Digits", "1234"),
        ("CallSid", "CA1234567890ABCDE"),
        ("From", "+14158675309"),
        ("Caller", "+14158675309"),
    ])
}

/// `fits`, or why not.
fn check(door: Door, url: &str, content: Content, given: &str, expected: &str) {
    let check = SignatureCheck::Required(AuthToken::new("12345"));
    let signed = Signed { door, url, content };
    let result = check.check(Some(given), &signed);
    let shown = result.map_or_else(|error| error.to_string(), |()| "fits".to_owned());
    assert_eq!(shown, expected, "{url} {given}");
}

const WRONG: &str = "X-Twilio-Signature does not fit the URL and the parameters";
const WRONG_BODY: &str = "bodySHA256 is missing from the query or does not fit the body";

#[test]
fn a_form_is_signed_in_sorted_order_with_or_without_the_port() {
    for url in [URL, URL_PORT] {
        for given in ["RSOYDt4T1cUTdK1PDd93/VVr8B8=", "kvajT1Ptam85bY51eRf/AJRuM3w="] {
            check(Door::Webhook, url, Content::Form(&call()), given, "fits");
        }
    }
}

#[test]
fn a_repeated_parameter_counts_once_per_value() {
    let parameters =
        form(&[("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]);
    let given = "IK+Dwps556ElfBT0I3Rgjkr1wJU=";
    check(Door::Webhook, URL, Content::Form(&parameters), given, "fits");
}

#[test]
fn any_other_body_is_signed_by_its_digest_in_the_url() {
    let given = "a9nBmqA0ju/hNViExpshrM61xv4=";
    check(Door::Webhook, JSON_URL, Content::Raw(JSON), given, "fits");
    check(Door::Webhook, JSON_URL, Content::Raw(b"{}"), given, WRONG_BODY);
    check(Door::Webhook, URL, Content::Raw(JSON), given, WRONG);
}

#[test]
fn a_signed_url_without_the_digest_does_not_cover_a_body() {
    let given = sign(&AuthToken::new("12345"), URL, &Content::Nothing);
    check(Door::Webhook, URL, Content::Raw(JSON), &given, WRONG_BODY);
}

#[test]
fn a_stream_is_signed_as_wss_with_or_without_a_slash() {
    let given = "7PR3qMkpDyEJtMrVOY/LDyNq8J8=";
    check(Door::Stream, STREAM, Content::Nothing, given, "fits");
    let slash = sign(&AuthToken::new("12345"), "wss://example.com/media/", &Content::Nothing);
    check(Door::Stream, STREAM, Content::Nothing, &slash, "fits");
    check(Door::Webhook, STREAM, Content::Nothing, &slash, WRONG);
    check(Door::Stream, "https://example.com/media", Content::Nothing, given, WRONG);
}

#[test]
fn anything_changed_does_not_fit() {
    let given = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    let mut more = call();
    more.push(("Extra".to_owned(), String::new()));
    check(Door::Webhook, URL, Content::Form(&more), given, WRONG);
    check(Door::Webhook, URL, Content::Form(&call()[1..]), given, WRONG);
    check(Door::Webhook, URL, Content::Nothing, given, WRONG);
    check(Door::Webhook, "https://mycompany.com/", Content::Form(&call()), given, WRONG);
    for given in ["", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "RSOYDt4T1cUTdK1PDd93/VVr8B9="] {
        check(Door::Webhook, URL, Content::Form(&call()), given, WRONG);
    }
}

#[test]
fn a_missing_header_is_refused_unless_the_check_is_off() {
    let signed = Signed { door: Door::Stream, url: STREAM, content: Content::Nothing };
    let required = SignatureCheck::Required(AuthToken::new("12345"));
    assert_eq!(required.check(None, &signed), Err(SignatureError::Missing));
    assert_eq!(SignatureCheck::Off.check(None, &signed), Ok(()));
    assert!(!format!("{required:?}").contains("12345"));
}

#[test]
fn ports_are_taken_off_and_put_on() {
    let check = |url: &str, expected: [&str; 2]| assert_eq!(port_variants(url), expected);
    check("wss://a/m", ["wss://a/m", "wss://a:443/m"]);
    check("ws://a:8080/m", ["ws://a/m", "ws://a:8080/m"]);
    check("http://a?x=:1", ["http://a?x=:1", "http://a:80?x=:1"]);
    check("https://[::1]/m", ["https://[::1]/m", "https://[::1]:443/m"]);
    check("https://[::1]:8443/m", ["https://[::1]/m", "https://[::1]:8443/m"]);
}
