//! `/api/v1/webhooks`: who is told of events over HTTP. Secrets are shown once.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use platform::webhooks::{Refused, WebhookWish};
use serde::{Deserialize, Serialize};
use store::{EventFilter, Hidden, Webhook, WebhookChange, WebhookKind};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::deliveries::DeliveryShown;
use super::lists::{Listed, Paged, Part};
use super::versions::{IfMatch, changed, id, made, missing, versioned};
use crate::problem::Problem;

/// From this score on a lead is told, unless the webhook says otherwise.
const LEAD_THRESHOLD: u8 = 70;
/// For how long the secret of before is good too, unless it is said: a day for a roll-out.
const OVERLAP_S: u32 = 24 * 3600;

/// How a webhook is told.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WebhookKind)]
pub(super) enum KindShown {
    /// Signed, by Standard Webhooks.
    Standard,
    /// A line of text for each lead, as Slack takes it.
    Slack,
}

impl From<KindShown> for WebhookKind {
    fn from(kind: KindShown) -> Self {
        match kind {
            KindShown::Standard => Self::Standard,
            KindShown::Slack => Self::Slack,
        }
    }
}

/// A webhook, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookShown {
    /// The id.
    id: String,
    /// How it is told.
    kind: KindShown,
    /// Where; of kind slack only the host, since who knows the rest can write there.
    #[schema(example = "https://example.com/hooks/offhook")]
    url: String,
    /// What it is for.
    description: String,
    /// Of what: types, `call.*`, `*`; empty: all.
    #[schema(example = json!(["call.ended", "lead.scored"]))]
    events: Vec<String>,
    /// Leads below this score are not told; of kind slack.
    lead_threshold: u8,
    /// Whether it is told anything.
    is_active: bool,
    /// Why we switched it off; null: we did not.
    disabled_reason: Option<String>,
    /// Until when deliveries are signed with the secret before the last rotation too.
    previous_secret_until: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it was changed last.
    updated_at: String,
}

/// A webhook with its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookMade {
    /// What is shown of it from now on.
    #[serde(flatten)]
    shown: WebhookShown,
    /// What its deliveries are signed with. It is not shown again.
    #[schema(example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    secret: String,
}

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookWish)]
pub(super) struct Wish {
    /// How it is told; none: standard.
    kind: Option<KindShown>,
    /// Where: http or https.
    #[schema(min_length = 1, max_length = 2048, example = "https://example.com/hooks/offhook")]
    url: String,
    /// What it is for.
    #[schema(max_length = 200)]
    description: Option<String>,
    /// Of what: types, `call.*` for all of a group, `*` for all; none: all.
    #[schema(max_items = 32, example = json!(["call.ended", "lead.scored"]))]
    events: Option<Vec<String>>,
    /// What its deliveries are signed with, `whsec_` and 24 to 64 bytes in base64; none: we make one.
    #[schema(max_length = 128)]
    secret: Option<String>,
    /// Leads below this score are not told; of kind slack. None: 70.
    #[schema(minimum = 0, maximum = 100)]
    lead_threshold: Option<u8>,
    /// Whether it is told anything; none: true.
    is_active: Option<bool>,
}

/// What is to be changed of a webhook.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookPatch {
    /// Where.
    #[schema(min_length = 1, max_length = 2048)]
    url: Option<String>,
    /// What it is for.
    #[schema(max_length = 200)]
    description: Option<String>,
    /// Of what.
    #[schema(max_items = 32)]
    events: Option<Vec<String>>,
    /// Leads below this score are not told.
    #[schema(minimum = 0, maximum = 100)]
    lead_threshold: Option<u8>,
    /// Whether it is told anything. What waits when it is switched off is given up.
    is_active: Option<bool>,
}

/// How a secret is rotated.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretWish {
    /// The next secret; none: we make one.
    #[schema(max_length = 128)]
    secret: Option<String>,
    /// Seconds for which deliveries are signed with the one before too, a week at most; none: a day.
    #[schema(minimum = 0, maximum = 604800, example = 86400)]
    overlap_s: Option<u32>,
}

impl From<Webhook> for WebhookShown {
    fn from(row: Webhook) -> Self {
        let kind = match row.kind {
            WebhookKind::Standard => KindShown::Standard,
            WebhookKind::Slack => KindShown::Slack,
        };
        let url = match row.kind {
            WebhookKind::Standard => row.url.expose().to_owned(),
            WebhookKind::Slack => host_of(row.url.expose()),
        };
        Self {
            id: row.id.to_string(),
            kind,
            url,
            description: row.description,
            events: row.events.words().to_vec(),
            lead_threshold: row.lead_threshold,
            is_active: row.is_active,
            disabled_reason: row.disabled_why,
            previous_secret_until: row.previous.map(|(_, until)| until.to_string()),
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
        }
    }
}

/// `https://hooks.slack.com/...`.
fn host_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", ""));
    format!("{scheme}://{}/...", rest.split('/').next().unwrap_or_default())
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Field(field, reason) => Self::field(field, reason),
            Refused::Store(error) => error.into(),
            other => Self::new(StatusCode::CONFLICT, other.to_string()),
        }
    }
}

/// Lists the webhooks of the organization.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", params(Part), responses((status = 200, body = Listed<WebhookShown>)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<WebhookShown>>, Problem> {
    let rows = api.webhooks()?.store().webhooks(&asked.principal.organization, &page).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.id.to_string(), WebhookShown::from)))
}

/// Makes a webhook, and shows its secret this once.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", request_body = Wish,
    responses((status = 201, body = WebhookMade), (status = 409), (status = 422)))]
pub(super) async fn create(State(api): State<Arc<V1>>, asked: Asked, Body(wish): Body<Wish>) -> Result<Response, Problem> {
    let wish = WebhookWish {
        kind: wish.kind.map_or(WebhookKind::Standard, WebhookKind::from),
        url: wish.url,
        description: wish.description.unwrap_or_default(),
        events: filter(wish.events.unwrap_or_default())?,
        lead_threshold: wish.lead_threshold.unwrap_or(LEAD_THRESHOLD),
        secret: wish.secret,
        is_active: wish.is_active.unwrap_or(true),
    };
    let (row, secret) = api.webhooks()?.make(&asked.principal.organization, wish, &asked.act()).await?;
    let (version, location) = (row.version, format!("/api/v1/webhooks/{}", row.id));
    Ok(made(version, location, WebhookMade { shown: row.into(), secret: secret.expose().to_owned() }))
}

/// The events of these words, or which of them is none.
fn filter(words: Vec<String>) -> Result<EventFilter, Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be taken as it is");
    for (place, word) in words.iter().enumerate() {
        if word.contains(char::is_whitespace) || EventFilter::new([word.as_str()]).is_err() {
            wrong.add(&format!("events.{place}"), "is no type of event, and no group such as call.*");
        }
    }
    if wrong.has_fields() {
        return Err(wrong);
    }
    EventFilter::new(words.iter().map(String::as_str)).map_err(|unknown| Problem::field("events", unknown.to_string()))
}

/// Tells of a webhook.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = WebhookShown), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(webhook): Path<String>) -> Result<Response, Problem> {
    let row = api.webhooks()?.store().webhook(&asked.principal.organization, id(&webhook)?).await?.ok_or_else(missing)?;
    Ok(versioned(StatusCode::OK, row.version, WebhookShown::from(row)))
}

/// Changes a webhook.
#[utoipa::path(patch, path = "/api/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = WebhookPatch,
    responses((status = 200, body = WebhookShown), (status = 404), (status = 412), (status = 422)))]
pub(super) async fn change(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(webhook): Path<String>,
    Body(patch): Body<WebhookPatch>,
) -> Result<Response, Problem> {
    let webhooks = api.webhooks()?;
    if let Some(url) = &patch.url {
        webhooks.check_url(&asked.principal.organization, url)?;
    }
    let change = WebhookChange {
        url: patch.url.map(Hidden::new),
        description: patch.description,
        events: patch.events.map(filter).transpose()?,
        lead_threshold: patch.lead_threshold,
        is_active: patch.is_active,
    };
    let store = webhooks.store();
    let row = store.change_webhook(&asked.principal.organization, id(&webhook)?, version, &change, &asked.act()).await?;
    let row = changed(row)?;
    Ok(versioned(StatusCode::OK, row.version, WebhookShown::from(row)))
}

/// Deletes a webhook, and what it was and is to be told.
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), responses((status = 204), (status = 404), (status = 412)))]
pub(super) async fn delete(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(webhook): Path<String>,
) -> Result<StatusCode, Problem> {
    let store = api.webhooks()?.store();
    changed(store.delete_webhook(&asked.principal.organization, id(&webhook)?, version, &asked.act()).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook another secret, and shows it this once; deliveries are signed with the one before too for a while.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/rotate", tag = "webhooks", params(("id" = String, Path)), request_body = SecretWish,
    responses((status = 200, body = WebhookMade), (status = 404), (status = 422)))]
pub(super) async fn rotate(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(webhook): Path<String>,
    Body(wish): Body<SecretWish>,
) -> Result<Response, Problem> {
    let overlap = Duration::from_secs(u64::from(wish.overlap_s.unwrap_or(OVERLAP_S)));
    let organization = &asked.principal.organization;
    let rotated = api.webhooks()?.rotate(organization, id(&webhook)?, wish.secret, overlap, &asked.act()).await?;
    let (row, secret) = changed(rotated)?;
    Ok(versioned(StatusCode::OK, row.version, WebhookMade { shown: row.into(), secret: secret.expose().to_owned() }))
}

/// Sends something for a test: an event of the type `webhook.test`.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 202, body = DeliveryShown), (status = 404)))]
pub(super) async fn test(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(webhook): Path<String>,
) -> Result<(StatusCode, Json<DeliveryShown>), Problem> {
    let queued = api.webhooks()?.test(&asked.principal.organization, id(&webhook)?, &asked.act()).await?;
    Ok((StatusCode::ACCEPTED, Json(queued.ok_or_else(missing)?.into())))
}
