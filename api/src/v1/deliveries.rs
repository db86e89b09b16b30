//! `/api/v1/webhooks/{id}/deliveries` and `/api/v1/deliveries`: what webhooks were told, and telling it again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use store::{Delivery, DeliveryState, WallTime};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::lists::{Listed, Paged, Part};
use super::versions::{changed, id, missing};
use crate::problem::Problem;

/// Where a delivery is in its life.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DeliveryState)]
enum StateShown {
    /// It is to be tried, now or later.
    Pending,
    /// The other side took it.
    Delivered,
    /// It was given up.
    Dead,
}

/// One event on its way to one webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryShown {
    /// The id.
    id: String,
    /// Where it goes.
    webhook_id: String,
    /// `webhook-id`: the same each time it is sent.
    message_id: String,
    /// The event's type.
    #[schema(example = "call.ended")]
    r#type: String,
    /// What is sent.
    #[schema(value_type = Object)]
    body: Value,
    /// Where it is in its life.
    state: StateShown,
    /// How often it was tried.
    attempts: u32,
    /// When it is tried next; null: not any more.
    next_attempt_at: Option<String>,
    /// The status of the last answer.
    response_status: Option<u16>,
    /// The beginning of the last answer.
    response_body: Option<String>,
    /// Why the last try failed.
    error: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it came to its end.
    finished_at: Option<String>,
}

impl From<Delivery> for DeliveryShown {
    fn from(row: Delivery) -> Self {
        let time = |at: Option<WallTime>| at.map(|at| at.to_string());
        let state = match row.state {
            DeliveryState::Pending => StateShown::Pending,
            DeliveryState::Delivered => StateShown::Delivered,
            DeliveryState::Dead => StateShown::Dead,
        };
        Self {
            id: row.id.to_string(),
            webhook_id: row.webhook.to_string(),
            message_id: row.message,
            r#type: row.kind,
            body: row.body,
            state,
            attempts: row.attempts,
            next_attempt_at: time(row.due_at),
            response_status: row.status,
            response_body: row.answer,
            error: row.error,
            created_at: row.created_at.to_string(),
            finished_at: time(row.finished_at),
        }
    }
}

/// Lists what a webhook was told and is to be told.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "webhooks", params(("id" = String, Path), Part),
    responses((status = 200, body = Listed<DeliveryShown>), (status = 404)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(webhook): Path<String>,
    Paged(page): Paged,
) -> Result<Json<Listed<DeliveryShown>>, Problem> {
    let (store, organization) = (api.webhooks()?.store(), &asked.principal.organization);
    let webhook = store.webhook(organization, id(&webhook)?).await?.ok_or_else(missing)?;
    let rows = store.deliveries(organization, webhook.id, &page).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.id.to_string(), DeliveryShown::from)))
}

/// Has a delivery that is over sent again, with the same message id.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/redeliver", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 202, body = DeliveryShown), (status = 404)))]
pub(super) async fn redeliver(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(delivery): Path<String>,
) -> Result<(StatusCode, Json<DeliveryShown>), Problem> {
    let store = api.webhooks()?.store();
    let again = store.redeliver(&asked.principal.organization, id(&delivery)?, &asked.act()).await?;
    Ok((StatusCode::ACCEPTED, Json(changed(again)?.into())))
}
