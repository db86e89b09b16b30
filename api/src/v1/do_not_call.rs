//! `/api/v1/do-not-call`: whom no campaign of the organization calls.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use platform::campaigns::list::{self, Defaults};
use platform::campaigns::phone::normalise;
use serde::{Deserialize, Serialize};
use store::{CONTACTS_AT_ONCE, DoNotCall, Imported, PhoneNumber};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::campaign_contacts::{ImportShown, full, imported, refused, skip_wrong, text, wrong_rows};
use super::lists::{Listed, Paged, Part};
use super::versions::missing;
use crate::problem::Problem;

/// Somebody who is not called.
#[derive(Serialize, ToSchema)]
#[schema(as = DoNotCall)]
pub(super) struct DoNotCallShown {
    /// The number, with +.
    #[schema(example = "+4930123456")]
    phone: String,
    /// Why.
    reason: String,
    /// Who said so: `user:ID`, `key:ID`, `node`, `call:ID`.
    source: String,
    /// Since when.
    created_at: String,
}

/// Somebody who is not to be called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DoNotCallWish {
    /// The number, with + or 00.
    #[schema(min_length = 1, max_length = 64, example = "+4930123456")]
    phone: String,
    /// Why.
    #[schema(max_length = 200)]
    reason: Option<String>,
}

impl From<DoNotCall> for DoNotCallShown {
    fn from(row: DoNotCall) -> Self {
        let phone = row.phone.reveal().to_owned();
        Self { phone, reason: row.reason, source: row.source, created_at: row.created_at.to_string() }
    }
}

/// Lists who is not called, by number.
#[utoipa::path(get, path = "/api/v1/do-not-call", tag = "campaigns", params(Part),
    responses((status = 200, body = Listed<DoNotCallShown>)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<DoNotCallShown>>, Problem> {
    let rows = api.people()?.store().do_not_call(&asked.principal.organization, &page).await?;
    let place = |row: &DoNotCall| row.phone.reveal().trim_start_matches('+').to_owned();
    Ok(Json(Listed::of(rows, &page, place, DoNotCallShown::from)))
}

/// Puts a number on the list; one that is there stays as it is.
#[utoipa::path(post, path = "/api/v1/do-not-call", tag = "campaigns", request_body = DoNotCallWish,
    responses((status = 201, body = DoNotCallShown), (status = 409), (status = 422)))]
pub(super) async fn add(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Body(wish): Body<DoNotCallWish>,
) -> Result<(StatusCode, Json<DoNotCallShown>), Problem> {
    let phone = normalise(&wish.phone, None).map_err(|reason| Problem::field("phone", reason))?;
    let (phone, reason) = (PhoneNumber::new(phone), wish.reason.unwrap_or_default());
    let (store, organization, act) = (api.people()?.store(), &asked.principal.organization, asked.act());
    let added = store.forbid_calls(organization, std::slice::from_ref(&phone), (&reason, act.actor), &act).await;
    added.map_err(|error| full(error, "numbers", 0))?;
    let row = store.is_not_called(organization, &phone).await?.ok_or_else(missing)?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// Puts the numbers of a list there: CSV with a column `phone`.
#[utoipa::path(post, path = "/api/v1/do-not-call/import", tag = "campaigns",
    params(("skip_wrong" = Option<bool>, Query, description = "Rows that cannot be taken are left out; without it they refuse the list")),
    request_body(content = String, content_type = "text/csv", example = "phone\n+4930123456\n"),
    responses((status = 200, body = ImportShown), (status = 409), (status = 413), (status = 415), (status = 422)))]
pub(super) async fn import(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Query(given): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ImportShown>, Problem> {
    let skip = skip_wrong(&given)?;
    let list = list::read(&text(&headers, &body)?, Defaults { prefix: None, zone: "UTC" }).map_err(refused)?;
    if list.wrong_rows > 0 && !skip {
        return Err(wrong_rows(&list));
    }
    let (store, act) = (api.people()?.store(), asked.act());
    let phones: Vec<PhoneNumber> = list.contacts.iter().map(|contact| contact.phone.clone()).collect();
    let mut added = 0;
    for phones in phones.chunks(CONTACTS_AT_ONCE) {
        let new = store.forbid_calls(&asked.principal.organization, phones, ("imported", act.actor), &act).await;
        added += new.map_err(|error| full(error, "numbers", added))?;
    }
    Ok(Json(imported(Imported { added, duplicates: list.duplicates.clone() }, list)))
}

/// Takes a number off the list.
#[utoipa::path(delete, path = "/api/v1/do-not-call/{phone}", tag = "campaigns",
    params(("phone" = String, Path, description = "With or without its +")), responses((status = 204), (status = 404)))]
pub(super) async fn remove(State(api): State<Arc<V1>>, asked: Asked, Path(phone): Path<String>) -> Result<StatusCode, Problem> {
    let phone = normalise(&format!("+{}", phone.trim().trim_start_matches('+')), None).map_err(|_| missing())?;
    let organization = &asked.principal.organization;
    let gone = api.people()?.store().allow_calls(organization, &PhoneNumber::new(phone), &asked.act()).await?;
    if gone { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}
