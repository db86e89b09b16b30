//! Signed calls, what is said of them, and what becomes of them.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, date_time_ymd,
};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey};

use super::*;
use crate::message::{Message, parse};

/// 2 January 2026, midnight.
const NOW: u64 = 1_767_312_000;
const URL: &str = "https://certs.example.com/a.pem";
const HEAD: &str = r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://certs.example.com/a.pem"}"#;
const CLAIMS: &str =
    r#"{"attest":"A","dest":{"tn":["15550142"]},"iat":1767312000,"orig":{"tn":"12155551212"},"origid":"9a2e-1"}"#;

/// A provider's code, 709J (RFC 8226 §9).
const CODE: [u8; 10] = [0x30, 0x08, 0xa0, 0x06, 0x16, 0x04, b'7', b'0', b'9', b'J'];

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// An authority with one below it, and a signer's key; made once.
struct Lab {
    root: Certificate,
    root_issuer: Issuer<'static, KeyPair>,
    between: Certificate,
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2027, 1, 1));
    params
}

fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let (root_key, between_key) = (key(), key());
        let root = authority("root").self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(authority("root"), root_key);
        let between = authority("between").signed_by(&between_key, &root_issuer).unwrap();
        Lab { root, root_issuer, between, issuer: Issuer::new(authority("between"), between_key), key: key() }
    })
}

/// The signer's certificate, changed by `edit`, and the one above it.
fn chain(edit: impl FnOnce(&mut CertificateParams)) -> String {
    let mut params = params("SHAKEN");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.custom_extensions = vec![scope(&CODE)];
    edit(&mut params);
    let own = params.signed_by(&lab().key, &lab().issuer).unwrap();
    own.pem() + &lab().between.pem()
}

fn scope(list: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], list.to_vec())
}

fn roots() -> Roots {
    Roots::from_pem(lab().root.pem().as_bytes()).unwrap()
}

fn header(head: &str, claims: &str, params: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
    format!("{signed}.{}{params}", signature(&signed))
}

fn signature(signed: &str) -> String {
    let random = Random::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &lab().key.serialize_der(), &random).unwrap();
    URL_SAFE_NO_PAD.encode(key.sign(&random, signed.as_bytes()).unwrap())
}

/// An Identity header with this changed in what is signed.
fn edited(from: &str, to: &str) -> String {
    assert!(HEAD.contains(from) || CLAIMS.contains(from), "{from}");
    header(&HEAD.replace(from, to), &CLAIMS.replace(from, to), ";info=<https://certs.example.com/a.pem>;alg=ES256;ppt=shaken")
}

fn good() -> String {
    edited("A", "A")
}

/// An INVITE with these headers more; one of the same name replaces the usual.
fn invite(headers: &[(&str, &str)]) -> Request {
    let mut text = "INVITE sip:+15550142@offhook.test SIP/2.0\r\n".to_owned();
    let usual = [
        ("Via", "SIP/2.0/UDP a.test;branch=z9hG4bK1"),
        ("From", "<sip:+1-215-555-1212@a.test;user=phone>;tag=1"),
        ("To", "<sip:+15550142@offhook.test>"),
        ("Call-ID", "a"),
        ("CSeq", "1 INVITE"),
        ("Max-Forwards", "70"),
    ];
    let kept = usual.iter().filter(|(name, _)| headers.iter().all(|(other, _)| other != name));
    for (name, value) in kept.chain(headers) {
        text += &format!("{name}: {value}\r\n");
    }
    match parse((text + "\r\n").as_bytes()).unwrap().message {
        Message::Request(request) => request,
        Message::Response(response) => panic!("{response:?} is no request"),
    }
}

fn text(verdict: &Verdict) -> String {
    let mut words = vec![verdict.outcome.as_str()];
    words.extend(verdict.attestation.map(Attestation::letter));
    words.extend(verdict.reason.map(Reason::as_str));
    words.extend(verdict.origid.as_deref());
    words.extend(verdict.provider.as_deref());
    words.extend((verdict.subject == Subject::Asserted).then_some("asserted"));
    words.extend(verdict.noted.iter().map(String::as_str));
    let carrier = verdict.carrier.map(|word| format!("carrier: {}", word.text()));
    words.extend(carrier.as_deref());
    words.join(" ")
}

fn judged(invite: &Request, certificate: &[u8], rules: &Rules) -> Verdict {
    match examine(invite, at(NOW), rules) {
        Examined::Judged(verdict) => verdict,
        Examined::Pending(pending) => pending.judge(Ok(certificate), &roots(), at(NOW)),
    }
}

/// What is said of an INVITE with these headers, its signer's certificate being good.
fn check(headers: &[(&str, &str)], expected: &str) {
    let chain = chain(|_| ());
    assert_eq!(text(&judged(&invite(headers), chain.as_bytes(), &Rules::default())), expected, "{headers:?}");
}

fn check_edit(from: &str, to: &str, expected: &str) {
    check(&[("Identity", &edited(from, to))], expected);
}

fn check_chain(chain: impl AsRef<[u8]>, expected: &str) {
    let verdict = judged(&invite(&[("Identity", &good())]), chain.as_ref(), &Rules::default());
    assert_eq!(text(&verdict), expected);
}

#[test]
fn a_signed_call_passes_in_both_spellings_of_the_header() {
    check(&[("Identity", &good())], "passed A 9a2e-1 709J");
    check(&[("y", &good())], "passed A 9a2e-1 709J");
    check(&[], "none");
    for letter in ["B", "C"] {
        check_edit("\"A\"", &format!("\"{letter}\""), &format!("passed {letter} 9a2e-1 709J"));
    }
}

#[test]
fn numbers_are_compared_as_digits() {
    let identity = good();
    for from in ["<tel:+1-215-555-1212>", "<sip:12155551212@a.test>", "<sip:+1(215)555.1212;verstat=x@a.test>"] {
        check(&[("Identity", &identity), ("From", &format!("{from};tag=1"))], "passed A 9a2e-1 709J");
    }
    check(&[("Identity", &identity), ("From", "<sip:+12155551213@a.test>;tag=1")], "failed caller_mismatch");
    check(&[("Identity", &identity), ("From", "<sip:anonymous@anonymous.invalid>;tag=1")], "failed caller_mismatch");
    // A diverted call keeps its To, a one that was carried over its Request-URI.
    check(&[("Identity", &identity), ("To", "<sip:+15550199@offhook.test>")], "passed A 9a2e-1 709J");
    check_edit("15550142", "15550143", "failed callee_mismatch");
}

#[test]
fn a_national_number_matches_once_its_country_is_known() {
    let chain = chain(|_| ());
    let rules = |country_code: &str| Rules { country_code: country_code.to_owned(), ..Rules::default() };
    let identity = good();
    for (from, code, expected) in [
        ("2155551212", "", "failed caller_mismatch"),
        ("2155551212", "1", "passed A 9a2e-1 709J"),
        ("02155551212", "1", "passed A 9a2e-1 709J"),
        ("+2155551212", "1", "failed caller_mismatch"),
        ("2155551212", "49", "failed caller_mismatch"),
    ] {
        let from = format!("<sip:{from}@a.test>;tag=1");
        let invite = invite(&[("Identity", &identity), ("From", &from)]);
        assert_eq!(text(&judged(&invite, chain.as_bytes(), &rules(code))), expected, "{from} {code}");
    }
}

#[test]
fn an_asserted_number_may_be_the_one_that_was_signed_and_is_told_apart() {
    let asserted = ("P-Asserted-Identity", "\"A\" <sip:+12155551212@a.test>, <tel:+12155551212>");
    let anonymous = ("From", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1");
    check(&[("Identity", &good()), asserted, anonymous], "passed A 9a2e-1 709J asserted");
    check(&[("Identity", &good()), asserted], "passed A 9a2e-1 709J");
}

#[test]
fn what_is_malformed_fails() {
    check(&[("Identity", "x")], "failed bad_url");
    check(&[("Identity", "x;info=<https://certs.example.com/a.pem>;ppt=shaken")], "failed malformed");
    check(&[("Identity", "a.b.c;info=<https://certs.example.com/a.pem>;ppt=shaken")], "failed malformed");
    for (from, to) in [
        (r#""attest":"A","#, ""),
        (r#""attest":"A""#, r#""attest":"D""#),
        (r#","origid":"9a2e-1""#, ""),
        ("9a2e-1", r"a\r\nb"),
        ("1767312000", "\"1767312000\""),
        (r#"{"tn":"12155551212"}"#, r#"{"uri":"sip:a@b.test"}"#),
        (r#"{"tn":["15550142"]}"#, r#"{"tn":[]}"#),
        (r#"["15550142"]"#, r#"[15550142]"#),
        ("12155551212", "alice"),
        (r#""typ":"passport""#, r#""typ":"JWT""#),
        (r#""typ":"passport""#, r#""crit":["x"],"typ":"passport""#),
        (r#""ppt":"shaken","#, ""),
        (r#""ppt":"shaken""#, r#""ppt":"div""#),
    ] {
        check_edit(from, to, "failed malformed");
    }
    let many = vec!["\"15550142\""; 17].join(",");
    check_edit("\"15550142\"", &many, "failed malformed");
    let long = format!("{};x={}", good(), "y".repeat(HEADER_BYTES_MAX));
    check(&[("Identity", &long)], "failed malformed");
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    check_edit("1767312000", &deep, "failed malformed");
}

#[test]
fn another_algorithm_or_address_fails() {
    check_edit("ES256", "none", "failed unsupported");
    check(&[("Identity", &good().replace("alg=ES256", "alg=RS256"))], "failed unsupported");
    check_edit("certs.example.com", "evil.example.com", "failed bad_url");
    check(&[("Identity", &good().replace("<https", "<http"))], "failed bad_url");
    let plain = header(&HEAD.replace("https", "http"), CLAIMS, ";info=<http://certs.example.com/a.pem>;ppt=shaken");
    check(&[("Identity", &plain)], "failed bad_url");
}

#[test]
fn a_signature_is_good_for_a_minute_each_way() {
    for (iat, expected) in [
        (NOW - 60, "passed A 9a2e-1 709J"),
        (NOW - 61, "failed stale"),
        (NOW + 60, "passed A 9a2e-1 709J"),
        (NOW + 61, "failed stale"),
        (0, "failed stale"),
        (u64::MAX, "failed stale"),
    ] {
        check_edit("1767312000", &iat.to_string(), expected);
    }
}

#[test]
fn what_was_changed_after_signing_fails() {
    let (good, other) = (good(), edited("\"A\"", "\"B\""));
    let [good, other] = [&good, &other].map(|header| header.splitn(3, '.').collect::<Vec<_>>());
    let mixed = [other[0], other[1], good[2]].join(".");
    check(&[("Identity", &mixed)], "failed bad_signature");
    // The key is the certificate's, not the one that the attacker has.
    let stranger = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let theirs = params("SHAKEN").signed_by(&stranger, &lab().issuer).unwrap();
    check_chain(theirs.pem() + &lab().between.pem(), "failed bad_signature");
}

#[test]
fn of_several_headers_the_first_sound_one_of_shaken_is_judged() {
    let (good, stale) = (good(), edited("1767312000", "1"));
    let div = good.replace("ppt=shaken", "ppt=div");
    let rcd = good.replace("ppt=shaken", "ppt=\"rcd\"");
    check(&[("Identity", &div), ("y", &stale), ("Identity", &rcd), ("Identity", &good)], "passed A 9a2e-1 709J div rcd");
    check(&[("Identity", &format!("{div}, {good}"))], "passed A 9a2e-1 709J div");
    check(&[("Identity", &stale), ("Identity", "x;ppt=shaken")], "failed stale");
    check(&[("Identity", &div)], "none div");
    let mut many = vec![("Identity", div.as_str()); HEADERS_MAX];
    many.push(("Identity", &good));
    check(&many, &format!("none{}", " div".repeat(HEADERS_MAX)));
}

#[test]
fn the_base_form_passes_without_an_attestation_whole_and_compact() {
    let head = HEAD.replace(r#""ppt":"shaken","#, "");
    let claims = r#"{"dest":{"tn":["15550142"]},"iat":1767312000,"orig":{"tn":"12155551212"}}"#;
    let info = ";info=<https://certs.example.com/a.pem>;alg=ES256";
    let whole = header(&head, claims, info);
    check(&[("Identity", &whole)], "passed 709J");
    let signature = whole.split(['.', ';']).nth(2).unwrap();
    let compact = format!("..{signature}{info}");
    let date = ("Date", "Fri, 02 Jan 2026 00:00:00 GMT");
    check(&[("Identity", &compact), date], "passed 709J");
    check(&[("Identity", &compact), ("Date", "Fri, 02 Jan 2026 00:00:01 GMT")], "failed bad_signature");
    check(&[("Identity", &compact)], "failed malformed");
    check(&[("Identity", &format!("{compact};ppt=shaken")), date], "failed malformed");
    check(&[("Identity", &whole), ("Identity", &good())], "passed A 9a2e-1 709J");
    let by_uri = r#"{"dest":{"uri":["sip:bob@Offhook.test"]},"iat":1767312000,"orig":{"uri":"sip:alice@a.test"}}"#;
    let parties = [("From", "<sip:alice@A.test;x=y>;tag=1"), ("To", "<sip:bob@offhook.test>")];
    check(&[("Identity", &header(&head, by_uri, info)), parties[0], parties[1]], "passed 709J");
    check(&[("Identity", &header(&head, by_uri, info)), parties[1]], "failed caller_mismatch");
}

#[test]
fn a_certificate_is_held_to_roots_dates_and_purpose() {
    check_chain(chain(|_| ()), "passed A 9a2e-1 709J");
    check_chain(chain(|params| params.key_usages.clear()), "passed A 9a2e-1 709J");
    check_chain(chain(|params| params.custom_extensions.clear()), "passed A 9a2e-1");
    check_chain(chain(|params| params.not_after = date_time_ymd(2026, 1, 1)), "failed expired");
    check_chain(chain(|params| params.not_before = date_time_ymd(2026, 1, 3)), "failed expired");
    check_chain(chain(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]), "failed key_usage");
    check_chain(chain(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), "failed untrusted");
    check_chain("", "failed bad_certificate");
    check_chain("<html>404</html>", "failed bad_certificate");
    check_chain("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "failed bad_certificate");
    check_chain(chain(|_| ()).repeat(4), "failed bad_certificate");
    let own = chain(|_| ());
    let alone = own.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    check_chain(alone, "failed untrusted");
    let by_root = params("SHAKEN").signed_by(&lab().key, &lab().root_issuer).unwrap();
    check_chain(by_root.der(), "passed A 9a2e-1");
    let by_itself = params("SHAKEN").self_signed(&lab().key).unwrap();
    check_chain(by_itself.pem(), "failed untrusted");
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    check_chain(params("SHAKEN").signed_by(&p384, &lab().root_issuer).unwrap().pem(), "failed unsupported");
}

#[test]
fn a_certificate_of_numbers_signs_only_these() {
    let one = |number: &str| {
        let length = number.len() as u8;
        let head = [0x30, length + 4, 0xa2, length + 2, 0x16, length];
        let list = [&head[..], number.as_bytes()].concat();
        chain(move |params| params.custom_extensions = vec![scope(&list)])
    };
    check_chain(one("12155551212"), "passed A 9a2e-1");
    check_chain(one("12155551213"), "failed number_not_covered");
    check_chain(chain(|params| params.custom_extensions = vec![scope(&[0x31])]), "failed bad_certificate");
}

#[test]
fn what_does_not_come_makes_a_call_unverifiable() {
    let Examined::Pending(pending) = examine(&invite(&[("Identity", &good())]), at(NOW), &Rules::default()) else {
        panic!("its claims hold");
    };
    assert_eq!(pending.url(), URL);
    assert_eq!(text(&pending.unverifiable(Reason::Late)), "unverifiable late");
    assert_eq!(text(&pending.unverifiable(Reason::NoRoots)), "unverifiable no_roots");
    assert_eq!(text(&pending.clone().judge(Err(Reason::NotFetched), &roots(), at(NOW))), "unverifiable not_fetched");
    assert_eq!(text(&pending.judge(Err(Reason::BadUrl), &roots(), at(NOW))), "failed bad_url");
}

#[test]
fn a_carriers_word_is_noted_wherever_it_stands() {
    check(&[("From", "<sip:+1555;verstat=TN-Validation-Passed@a.test;user=phone>;tag=1")], "none carrier: passed");
    check(&[("From", "<tel:+1555;verstat=No-TN-Validation>;tag=1")], "none carrier: none");
    check(&[("From", "<sip:+1555@a.test;verstat=tn-validation-failed-c>;tag=1")], "none carrier: failed C");
    check(&[("From", "<sip:+1555@a.test;verstat=TN-Validation-Perhaps>;tag=1")], "none");
    let asserted = ("P-Asserted-Identity", "<tel:+12155551212;verstat=TN-Validation-Passed-A>");
    check(&[("Identity", &good()), asserted], "passed A 9a2e-1 709J carrier: passed A");
}

#[test]
fn a_policy_decides_by_the_verdict() {
    let verdict = |outcome, attestation, reason| Verdict { outcome, attestation, reason, ..Verdict::default() };
    let passed = |attestation| verdict(Outcome::Passed, Some(attestation), None);
    let failed = |reason: Reason| Verdict::default().because(reason);
    let check = |policy, verdict: &Verdict, expected: &str| {
        let said =
            decide(policy, verdict).map_or_else(|refusal| format!("{} {}", refusal.status, refusal.phrase), |()| "ok".to_owned());
        assert_eq!(said, expected, "{verdict:?}");
    };
    for policy in [Policy::Off, Policy::Note] {
        check(policy, &failed(Reason::Signature), "ok");
        check(policy, &Verdict::default(), "ok");
    }
    let require = Policy::Require(Attestation::Partial);
    check(require, &passed(Attestation::Full), "ok");
    check(require, &passed(Attestation::Partial), "ok");
    check(require, &passed(Attestation::Gateway), "403 Attestation Too Low");
    check(require, &verdict(Outcome::Passed, None, None), "403 Attestation Too Low");
    check(require, &Verdict::default(), "428 Use Identity Header");
    check(require, &failed(Reason::Stale), "403 Stale Date");
    for reason in [Reason::BadUrl, Reason::Late, Reason::NoRoots, Reason::NotFetched] {
        check(require, &failed(reason), "436 Bad Identity Info");
    }
    for reason in [Reason::BadCertificate, Reason::Expired, Reason::KeyUsage, Reason::NumberNotCovered] {
        check(require, &failed(reason), "437 Unsupported Credential");
    }
    for reason in [Reason::Untrusted, Reason::Unsupported] {
        check(require, &failed(reason), "437 Unsupported Credential");
    }
    for reason in [Reason::Signature, Reason::Malformed, Reason::CallerMismatch, Reason::CalleeMismatch] {
        check(require, &failed(reason), "438 Invalid Identity Header");
    }
}

#[test]
fn what_we_sign_passes() {
    let random = Random::new();
    let signer = Signer::new(lab().key.serialize_pem().as_bytes(), URL, &random).unwrap();
    let call = Signed {
        caller: "+1 (215) 555-1212",
        called: "15550142;phone-context=x",
        attestation: Attestation::Partial,
        origid: "9a2e-2",
        at: at(NOW),
    };
    let header = signer.sign(&call, &random).unwrap();
    let mut parts = header.split(['.', ';']);
    let mut decoded = || String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap()).unwrap();
    assert_eq!(decoded(), HEAD);
    assert_eq!(decoded(), CLAIMS.replace("\"A\"", "\"B\"").replace("9a2e-1", "9a2e-2"));
    check(&[("Identity", &header)], "passed B 9a2e-2 709J");
    assert_eq!(signer.sign(&Signed { caller: "alice", ..call }, &random), None);
    assert_eq!(signer.sign(&Signed { called: "", ..call }, &random), None);
}

#[test]
fn an_operators_mistakes_are_named() {
    let said = |pem: &str| Signer::new(pem.as_bytes(), URL, &Random::new()).err().map(|error| error.to_string());
    assert!(said("").unwrap().contains("PKCS#8"));
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    assert_eq!(said(&p384.serialize_pem()).as_deref(), Some("is no key of P-256"));
    let roots = |pem: &str| Roots::from_pem(pem.as_bytes()).err().map(|error| error.to_string());
    assert_eq!(roots("").as_deref(), Some("holds no certificate in PEM"));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(roots(broken).unwrap().starts_with("certificate 1 cannot be used"));
}

/// The example that the last drafts of RFC 8225 have in Appendix A, with its key; other libraries verify it too.
#[test]
fn the_published_example_is_ours_too() {
    let claims = r#"{"dest":{"uri":["sip:alice@example.com"]},"iat":"1443208345","orig":{"tn":"12155551212"}}"#;
    let head = passport::head(None, "https://cert.example.org/passport.cer");
    let signed = format!("{}.{}", passport::encoded(&head), passport::encoded(claims));
    let published = "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.\
                     eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIxNTU1\
                     NTEyMTIifX0";
    assert_eq!(signed, published);
    let signature = "rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w";
    let key = "BPBzW0Hf05rwisDyh5DBfX0nGrxnh-_GE1PKi0vCORyx0kppQEy3LJUDITQvzoZVgWAutupyJaO13nm2Eu0m9-4";
    let [signature, key] = [signature, key].map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(signed.as_bytes(), &signature).unwrap();
}
