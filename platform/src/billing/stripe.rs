//! Stripe behind the port: meter events and sessions of its customer portal, form-encoded, each repeatable under its own name.

use std::fmt;
use std::time::Duration;

use ai::net::guard::{Guard, Reach, Redirects};
use ai::secret::Secret;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use serde_json::Value;
use store::ReportJob;

use super::{Asked, BillingPort, PortError};

/// Time for a request, from the connection to the end of its answer.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);
/// Of an answer, in bytes: what the service sends has under a thousand.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Of a reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 300;

/// How Stripe is reached.
#[derive(Clone, Debug)]
pub struct StripeConfig {
    /// Without a slash at the end: `https://api.stripe.com`.
    pub base_url: String,
    /// The secret or restricted key.
    pub api_key: Secret,
    /// What names of meter events begin with; the meter follows.
    pub event_prefix: String,
    /// Where the portal leads back to; `None`: nowhere.
    pub return_url: Option<String>,
}

/// Stripe.
#[derive(Clone)]
pub struct Stripe {
    config: StripeConfig,
    guard: Guard,
}

impl Stripe {
    /// Requests go where the operator says, and follow no redirect.
    #[must_use]
    pub fn new(config: StripeConfig, guard: Guard) -> Self {
        Self { config, guard }
    }

    /// Posts a form; the answer of a success. `name` makes a repetition the same request.
    async fn post(&self, path: &str, name: Option<&str>, form: &[(&str, &str)]) -> Result<Value, PortError> {
        let away = |reason: String| PortError::Away { reason, again: None };
        let asked = async {
            let client = self.guard.client(Reach::Private, Redirects::Nowhere).map_err(|error| away(error.to_string()))?;
            let request = client
                .post(format!("{}{path}", self.config.base_url))
                .bearer_auth(self.config.api_key.expose())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(encoded(form));
            let request = name.into_iter().fold(request, |request, name| request.header("idempotency-key", name));
            let answer = request.send().await.map_err(|error| away(error.without_url().to_string()))?;
            read(answer).await
        };
        let late = || away(format!("no answer within {} s", ANSWER_TIME_MAX.as_secs()));
        tokio::time::timeout(ANSWER_TIME_MAX, asked).await.unwrap_or_else(|_| Err(late()))
    }
}

impl BillingPort for Stripe {
    fn report<'a>(&'a self, job: &'a ReportJob) -> Asked<'a, ()> {
        Box::pin(async move {
            let (event, quantity) = (format!("{}{}", self.config.event_prefix, job.meter), job.quantity.to_string());
            let seconds = job.at.micros().div_euclid(1_000_000).to_string();
            let form = [
                ("event_name", event.as_str()),
                ("identifier", &job.id),
                ("timestamp", &seconds),
                ("payload[stripe_customer_id]", &job.customer),
                ("payload[value]", &quantity),
            ];
            match self.post("/v1/billing/meter_events", Some(&job.id), &form).await {
                // It was taken, and our note of that was lost.
                Err(PortError::Refused(reason)) if is_duplicate(&reason) => Ok(()),
                answer => answer.map(drop),
            }
        })
    }

    fn portal<'a>(&'a self, customer: &'a str) -> Asked<'a, String> {
        Box::pin(async move {
            let back = self.config.return_url.as_deref().map(|url| ("return_url", url));
            let form: Vec<_> = std::iter::once(("customer", customer)).chain(back).collect();
            let answer = self.post("/v1/billing_portal/sessions", None, &form).await?;
            let url = answer["url"].as_str().map(str::to_owned);
            url.ok_or_else(|| PortError::Refused("its answer has no url".to_owned()))
        })
    }
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripe").field("config", &self.config).finish_non_exhaustive()
    }
}

/// `application/x-www-form-urlencoded`, as the URL standard has it.
fn encoded(form: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://form.invalid/").expect("this is a URL");
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

async fn read(mut answer: Response) -> Result<Value, PortError> {
    let status = answer.status();
    let again = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| PortError::Away { reason: error.without_url().to_string(), again: None };
    while let Some(piece) = answer.chunk().await.map_err(broken)? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(PortError::Refused(format!("its answer has more than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status.is_success() { Ok(body) } else { Err(refusal(status, &body, again.map(Duration::from_secs))) }
}

/// What a refusal means: a key that is wrong can be put right, a request that is wrong cannot.
fn refusal(status: StatusCode, body: &Value, again: Option<Duration>) -> PortError {
    let error = &body["error"];
    let words = |field: &str| error[field].as_str().unwrap_or_default();
    let mut reason = format!("{} {} {}", status.as_u16(), words("code"), words("message"));
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    match status.as_u16() {
        // 409: another request with the same name is under way.
        401 | 403 | 408 | 409 | 424 | 425 | 429 | 500.. => PortError::Away { reason, again },
        _ => PortError::Refused(reason),
    }
}

/// Stripe's words for an identifier that it knows; their code is not documented, so both are looked for.
fn is_duplicate(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    reason.contains("identifier") && (reason.contains("already exists") || reason.contains("duplicate"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_is_encoded() {
        let form = [("payload[value]", "25"), ("return_url", "https://a.example/b?c=d&e")];
        assert_eq!(encoded(&form), "payload%5Bvalue%5D=25&return_url=https%3A%2F%2Fa.example%2Fb%3Fc%3Dd%26e");
    }

    #[test]
    fn what_can_be_put_right_is_tried_again() {
        let of = |status: u16, message: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            refusal(status, &json!({ "error": { "code": "", "message": message } }), None)
        };
        for status in [401, 403, 409, 429, 500, 503] {
            assert!(matches!(of(status, "no"), PortError::Away { .. }), "{status}");
        }
        for status in [302, 400, 402, 404] {
            assert!(matches!(of(status, "no"), PortError::Refused(_)), "{status}");
        }
        let PortError::Refused(reason) = of(400, "An event already exists with identifier abc.") else { panic!("refused") };
        assert!(is_duplicate(&reason) && !is_duplicate("400 No such customer"));
    }

    #[test]
    fn a_key_is_in_no_debug_text() {
        let config = StripeConfig {
            base_url: "http://127.0.0.1:1".to_owned(),
            api_key: Secret::from("sk_test_1"),
            event_prefix: String::new(),
            return_url: None,
        };
        assert!(!format!("{:?}", Stripe::new(config, Guard::default())).contains("sk_test_1"));
    }
}
