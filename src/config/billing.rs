//! The section `[billing]`: in which currency usage is charged, and which payment service is told.

use super::reader::Section;
use super::secret::Secret;
use super::services::HttpUrl;

/// Where Stripe's key is looked for without a word about it.
const STRIPE_KEY_ENV: &str = "STRIPE_API_KEY";
const STRIPE_URL: &str = "https://api.stripe.com";
const EVENT_PREFIX: &str = "offhook_";
/// A meter's name of Stripe has 100 characters; the longest of ours follows.
const EVENT_PREFIX_MAX: usize = 64;

/// `[billing]`: what usage costs is in the plans, which are rows.
#[derive(Clone, Debug, PartialEq)]
pub struct BillingConfig {
    /// ISO 4217, default USD.
    pub currency: String,
    /// The payment service; `None`: none is told.
    pub stripe: Option<StripeConfig>,
}

/// Stripe.
#[derive(Clone, Debug, PartialEq)]
pub struct StripeConfig {
    /// What the variable that `stripe_api_key_env` names holds.
    pub api_key: Secret,
    /// Without a slash at the end.
    pub base_url: HttpUrl,
    /// What names of meter events begin with.
    pub event_prefix: String,
    /// Where the customer portal leads back to.
    pub return_url: Option<HttpUrl>,
}

/// `variable` looks a name up in the environment.
pub(super) fn read_billing(mut section: Section<'_>, variable: impl Fn(&str) -> Option<Secret>) -> BillingConfig {
    let currency = section.text("currency", "USD");
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        section.refuse("currency", format!("{currency:?} is no code of ISO 4217, such as USD"));
    }
    let told = section.choice("service", false, &[("none", false), ("stripe", true)]);
    let name = section.text("stripe_api_key_env", STRIPE_KEY_ENV);
    let default_url = HttpUrl::parse(STRIPE_URL).expect("this is a URL");
    let base_url = section.parsed("stripe_base_url", default_url, HttpUrl::parse);
    let event_prefix = section.free_text("stripe_event_prefix", EVENT_PREFIX);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if event_prefix.len() > EVENT_PREFIX_MAX || !event_prefix.chars().all(plain) {
        let reason = format!("{event_prefix:?} has more than {EVENT_PREFIX_MAX} characters, or others than a-z, 0-9, _, - and .");
        section.refuse("stripe_event_prefix", reason);
    }
    let return_url = section.optional("stripe_return_url", HttpUrl::parse);
    let api_key = variable(&name);
    if told && api_key.is_none() {
        section.refuse("service", format!("stripe needs the environment variable {name} (stripe_api_key_env)"));
    }
    section.finish();
    let stripe = api_key.filter(|_| told).map(|api_key| StripeConfig { api_key, base_url, event_prefix, return_url });
    BillingConfig { currency, stripe }
}
