//! `[billing]`: who is told in the mistakes or the values out.

use super::{check, load, mistakes};

#[test]
fn stripe_needs_its_key() {
    assert_eq!(load("", &[("STRIPE_API_KEY", "sk_test")]).billing.stripe, None);
    let missing = "billing.service: stripe needs the environment variable STRIPE_API_KEY (stripe_api_key_env)";
    check("[billing]\nservice = \"stripe\"", missing);
    let text = "[billing]\nservice = \"stripe\"\nstripe_api_key_env = \"OTHER\"\nstripe_base_url = \"http://127.0.0.1:1/\"";
    assert_eq!(mistakes(text, &[("OTHER", "sk_test")]), "");
    let stripe = load(text, &[("OTHER", "sk_test")]).billing.stripe.unwrap();
    assert_eq!((stripe.base_url.as_str(), stripe.event_prefix.as_str()), ("http://127.0.0.1:1", "offhook_"));
    assert!(stripe.return_url.is_none() && !format!("{stripe:?}").contains("sk_test"));
}

#[test]
fn what_is_no_currency_or_name_is_refused() {
    check("[billing]\ncurrency = \"usd\"", "billing.currency: \"usd\" is no code of ISO 4217, such as USD");
    let reason = "\"a b\" has more than 64 characters, or others than a-z, 0-9, _, - and .";
    check("[billing]\nstripe_event_prefix = \"a b\"", &format!("billing.stripe_event_prefix: {reason}"));
}
