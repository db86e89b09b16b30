//! One try of one delivery, and what follows from it.

use std::time::Duration;

use ai::net::guard::{Redirects, Refused};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, Url};
use store::{DeliveryEnd, DeliveryJob, DeliveryTry, WallTime, Webhook, WebhookKind};

use super::{Webhooks, sign, slack};

/// Time for a request, from the connection to the end of its answer. Receivers should take it and work later.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// How long a delivery is tried.
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 3600);

/// What of an answer is kept, in bytes: enough for the reason of a refusal.
const ANSWER_BYTES_MAX: usize = 1_024;

/// Wait after the first try; it doubles up to [`WAIT_MAX`], a fifth of it more or less, so that what failed together does not come
/// back together.
const WAIT_MIN: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// What a try came to.
pub(super) struct Tried {
    pub(super) what: DeliveryTry,
    /// How long the other side wants to be left alone.
    pub(super) asked: Option<Duration>,
}

impl Webhooks {
    /// Sends a delivery once.
    pub(super) async fn send(&self, job: &DeliveryJob, now: WallTime) -> Tried {
        let failed = |error: String| Tried { what: DeliveryTry { error: Some(error), ..DeliveryTry::default() }, asked: None };
        match tokio::time::timeout(ANSWER_TIME_MAX, self.ask(job, now)).await {
            Err(_) => failed(format!("no answer within {} s", ANSWER_TIME_MAX.as_secs())),
            Ok(Err(reason)) => failed(reason),
            Ok(Ok(response)) => tried(response).await,
        }
    }

    /// The answer, or why there is none, without a word of the URL.
    async fn ask(&self, job: &DeliveryJob, now: WallTime) -> Result<Response, String> {
        let url = Url::parse(job.webhook.url.expose()).map_err(|_| "its URL is none".to_owned())?;
        let reach = self.reach_of(&job.webhook.organization);
        reach.check(&url).map_err(|refused| refused.to_string())?;
        let client = self.guard.client(reach, Redirects::Nowhere).map_err(|error| error.to_string())?;
        let (headers, body) = message(job, now)?;
        let request = client.post(url).headers(headers).body(body);
        request.send().await.map_err(|error| match Refused::of(&error) {
            Some(refused) => refused.to_string(),
            None if error.is_connect() => "no connection".to_owned(),
            None => error.without_url().to_string(),
        })
    }
}

/// Headers and body of a delivery.
fn message(job: &DeliveryJob, now: WallTime) -> Result<(HeaderMap, String), String> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: String| -> Result<(), String> {
        headers.insert(name, value.parse().map_err(|_| format!("{name} cannot be sent"))?);
        Ok(())
    };
    add("content-type", "application/json".to_owned())?;
    let body = match job.webhook.kind {
        WebhookKind::Slack => slack::text(&serde_json::from_str(&job.body).unwrap_or_default()),
        WebhookKind::Standard => job.body.clone(),
    };
    if job.webhook.kind == WebhookKind::Standard {
        let seconds = now.micros() / 1_000_000;
        add("webhook-id", job.message.clone())?;
        add("webhook-timestamp", seconds.to_string())?;
        add("webhook-signature", signatures(&job.webhook, &job.message, seconds, &body, now))?;
    }
    Ok((headers, body))
}

/// One for the secret, and one for that of before while both are good.
fn signatures(webhook: &Webhook, message: &str, seconds: i64, body: &str, now: WallTime) -> String {
    let previous = webhook.previous.as_ref().filter(|(_, until)| *until > now).map(|(secret, _)| secret);
    let secrets = std::iter::once(&webhook.secret).chain(previous);
    let signatures = secrets.filter_map(|secret| sign::signature(secret.expose(), message, seconds, body));
    signatures.collect::<Vec<_>>().join(" ")
}

async fn tried(mut response: Response) -> Tried {
    let status = response.status();
    // Those by which a server says that it has too much to do, or is not there now.
    let busy = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut answer = Vec::new();
    // As far as it comes in time: the status alone decides.
    let rest = async {
        while answer.len() < ANSWER_BYTES_MAX
            && let Ok(Some(piece)) = response.chunk().await
        {
            answer.extend_from_slice(&piece[..piece.len().min(ANSWER_BYTES_MAX - answer.len())]);
        }
    };
    let _late = tokio::time::timeout(ANSWER_TIME_MAX, rest).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let error = (!status.is_success()).then(|| format!("the endpoint answered {status}"));
    let answer = Some(answer).filter(|answer| !answer.is_empty());
    let what = DeliveryTry { status: Some(status.as_u16()), error, answer };
    Tried { what, asked: asked.filter(|_| busy).map(Duration::from_secs) }
}

/// How a delivery goes on after a try; `chance` is 0 to 1.
pub(super) fn end(job: &DeliveryJob, tried: &Tried, now: WallTime, chance: f32) -> DeliveryEnd {
    match tried.what.status {
        Some(200..=299) => return DeliveryEnd::Delivered,
        Some(410) => return DeliveryEnd::Gone,
        _ => {}
    }
    let wait = wait(job.claim.attempt, tried.asked, chance);
    let due = WallTime::from_micros(now.micros().saturating_add(wait.as_micros() as i64));
    if due.since(job.queued_at) > TRIED_FOR { DeliveryEnd::Dead } else { DeliveryEnd::Retry { due } }
}

/// How long to wait after try `attempt`, from 1.
fn wait(attempt: u32, asked: Option<Duration>, chance: f32) -> Duration {
    let doubled = WAIT_MIN.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
    doubled.min(WAIT_MAX).mul_f32(0.8 + 0.4 * chance).max(asked.unwrap_or_default().min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_last_a_day() {
        let waits: Vec<u64> = [1, 2, 3, 8, 11, 12, 40, u32::MAX].map(|attempt| wait(attempt, None, 0.5).as_secs()).to_vec();
        assert_eq!(waits, [5, 10, 20, 640, 3_600, 3_600, 3_600, 3_600]);
        assert_eq!(wait(1, None, 0.0), Duration::from_secs(4));
        assert_eq!(wait(1, Some(Duration::from_secs(90)), 0.5), Duration::from_secs(90));
        assert_eq!(wait(1, Some(Duration::from_secs(90_000)), 0.5), WAIT_MAX);
        let (mut passed, mut tries) = (Duration::ZERO, 0);
        while passed <= TRIED_FOR {
            tries += 1;
            passed += wait(tries, None, 0.5);
        }
        assert_eq!(tries, 33, "tries in a day");
    }
}
