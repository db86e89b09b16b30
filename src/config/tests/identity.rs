//! `[identity]`: what fits together.

use super::{check, load};

#[test]
fn what_is_required_needs_roots_and_a_key_its_url() {
    check(
        "[identity]\npolicy = \"require\"",
        "identity.policy: \"require\" needs identity.roots: without them no call would be taken",
    );
    check("[identity]\npolicy = \"require\"\nroots = \"roots.pem\"", "");
    check("[identity]\nsign_key = \"k.pem\"", "identity.sign_certificate_url: must be set with sign_key");
    check(
        "[identity]\nsign_certificate_url = \"https://a.example/c.pem\"",
        "identity.sign_key: must be set with sign_certificate_url",
    );
    check(
        "[identity]\nsign_key = \"k.pem\"\nsign_certificate_url = \"http://a.example/c.pem\"",
        "identity.sign_certificate_url: \"http://a.example/c.pem\" is not an https URL\nidentity.sign_certificate_url: must be set with \
         sign_key",
    );
}

#[test]
fn a_countrys_code_is_digits() {
    for wrong in ["+1", "01", "1234", "de"] {
        let expected = format!("identity.country_code: {wrong:?} is not a country's code (1, 44, 49)");
        check(&format!("[identity]\ncountry_code = \"{wrong}\""), &expected);
    }
    assert_eq!(load("[identity]\ncountry_code = \"49\"", &[]).identity.country_code.as_deref(), Some("49"));
}
