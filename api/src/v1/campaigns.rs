//! `/api/v1/campaigns`: people on a list are called, one after the other, at times that suit them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use platform::campaigns::Settings;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{Campaign, CampaignCounts, CampaignStatus, Store, StoreError};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Given;
use super::calls::{may_dial, trunk_named};
use super::lists::{Listed, Part, page};
use super::versions::{IfMatch, changed, id, made, missing, versioned};
use crate::problem::Problem;

/// When people may be called, by the clock on their wall.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CampaignWindow {
    /// mon, tue, wed, thu, fri, sat, sun.
    #[schema(min_items = 1, max_items = 7, example = json!(["mon", "tue", "wed", "thu", "fri"]))]
    days: Vec<String>,
    /// The first minute.
    #[schema(max_length = 5, example = "09:00")]
    from: String,
    /// The minute at which it is over; no later than `from`: over midnight.
    #[schema(max_length = 5, example = "18:00")]
    until: String,
}

/// How often somebody is called again, and how long after.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CampaignRetry {
    /// Calls more.
    #[schema(minimum = 0, maximum = 9, example = 2)]
    times: u32,
    /// Seconds after the end of the last.
    #[schema(minimum = 1, maximum = 2678400, example = 600)]
    after_s: u64,
}

/// The same by what came of a call; after anything else nobody is called again.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CampaignRetries {
    /// Busy. None: twice, after 10 minutes.
    busy: Option<CampaignRetry>,
    /// Nobody picked up. None: twice, after 2 hours.
    no_answer: Option<CampaignRetry>,
    /// The network failed, or we did. None: twice, after 5 minutes.
    failed: Option<CampaignRetry>,
    /// A machine answered. None: never.
    voicemail: Option<CampaignRetry>,
    /// The node was lost with the call, and nobody knows what came of it. None: never, since the telephone may have rung.
    unknown: Option<CampaignRetry>,
}

/// What is done when a machine answers.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CampaignMachine {
    /// Nobody listens for one: the agent talks at once with whatever answers.
    Ignore,
    /// The call ends.
    HangUp,
    /// The message is said after its beep, and the call ends.
    LeaveMessage,
}

/// A body with what a campaign does and when behind its own first fields.
macro_rules! body {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        pub(super) struct $name {
            $($(#[$field_doc])* $field: $kind,)*
            /// Who calls; none: nobody who says so.
            #[schema(min_length = 1, max_length = 384, example = "+4930123456")]
            from: Option<String>,
            /// The trunk that carries the calls; none: as the node finds.
            #[schema(min_length = 1, max_length = 128)]
            trunk_id: Option<String>,
            /// The clock of people whose list, country or area code does not say it: an IANA name. None: UTC.
            #[schema(max_length = 64, example = "Europe/Berlin")]
            zone: Option<String>,
            /// The country of numbers that are written without one.
            #[schema(max_length = 5, example = "+49")]
            default_prefix: Option<String>,
            /// When people may be called. None: Monday to Friday from 09:00 to 18:00.
            #[schema(min_items = 1, max_items = 32)]
            windows: Option<Vec<CampaignWindow>>,
            /// Dials a minute, evenly. None: 10.
            #[schema(minimum = 1, maximum = 600)]
            calls_per_minute: Option<u32>,
            /// Calls at once, on all nodes. None: 2.
            #[schema(minimum = 1, maximum = 1000)]
            concurrency: Option<u32>,
            /// Whether and when somebody is called again.
            retries: Option<CampaignRetries>,
            /// What is done when a machine answers. None: hang_up.
            on_machine: Option<CampaignMachine>,
            /// What is left with a machine; `{{name}}` is a column of the list.
            #[schema(max_length = 1500, example = "Hello {{name}}, please call us back.")]
            message: Option<String>,
        }
    };
}

body! {
    /// A campaign to be made.
    #[derive(Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[schema(as = CampaignWish)]
    #[allow(dead_code)]
    Wish {
        /// What it is called, once in the organization.
        #[schema(min_length = 1, max_length = 128, example = "Spring check-up")]
        name: String,
        /// The assistant that talks.
        #[schema(min_length = 1, max_length = 128, example = "demo")]
        assistant_id: String,
    }
}

body! {
    /// What is to be changed of a campaign; null: as by default.
    #[derive(Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    CampaignPatch {
        /// What it is called.
        #[schema(min_length = 1, max_length = 128)]
        name: Option<String>,
        /// The assistant that talks.
        #[schema(min_length = 1, max_length = 128)]
        assistant_id: Option<String>,
    }
}

body! {
    /// What a campaign does and when.
    #[derive(Deserialize, Serialize, ToSchema)]
    CampaignFields {}
}

/// A campaign.
#[derive(Serialize, ToSchema)]
#[schema(as = Campaign)]
pub(super) struct CampaignShown {
    /// The id.
    id: String,
    /// What it is called.
    name: String,
    /// draft, running, paused or finished.
    status: &'static str,
    /// Why it was paused, when nobody asked for it.
    status_reason: Option<String>,
    /// The assistant that talks.
    assistant_id: String,
    /// What it does and when.
    #[serde(flatten)]
    fields: CampaignFields,
    /// How far it is; null in lists.
    counts: Option<CountsShown>,
    /// When it was made.
    created_at: String,
    /// When it was changed last.
    updated_at: String,
    /// When it was first started.
    started_at: Option<String>,
    /// When it was finished.
    finished_at: Option<String>,
}

/// How far a campaign is.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignCounts)]
pub(super) struct CountsShown {
    /// People to be called.
    pending: u64,
    /// People being called.
    dialing: u64,
    /// People who are not called any more.
    done: u64,
    /// Calls so far.
    attempts: u64,
    /// Those who are done, by what came of them.
    #[schema(example = json!({ "human": 41, "voicemail": 12, "do_not_call": 1 }))]
    outcomes: HashMap<&'static str, u64>,
}

impl From<CampaignCounts> for CountsShown {
    fn from(counts: CampaignCounts) -> Self {
        let CampaignCounts { pending, dialing, done, outcomes, attempts } = counts;
        let outcomes = outcomes.into_iter().map(|(outcome, people)| (outcome.as_str(), people)).collect();
        Self { pending, dialing, done, attempts, outcomes }
    }
}

fn shown(row: Campaign, counts: Option<CampaignCounts>) -> Result<CampaignShown, Problem> {
    let settings = Settings::of(&row.settings)?;
    let unreadable = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "another version wrote this campaign");
    // The same words on both sides: what is left out is shown as it is taken.
    let whole = serde_json::to_value(&settings).map_err(unreadable)?;
    Ok(CampaignShown {
        id: row.id.to_string(),
        name: row.name,
        status: row.status.as_str(),
        status_reason: row.status_why,
        assistant_id: settings.assistant_id,
        fields: serde_json::from_value(whole).map_err(unreadable)?,
        counts: counts.map(CountsShown::from),
        created_at: row.created_at.to_string(),
        updated_at: row.updated_at.to_string(),
        started_at: row.started_at.map(|at| at.to_string()),
        finished_at: row.finished_at.map(|at| at.to_string()),
    })
}

/// The campaign of whoever asks: those of others are not there.
pub(super) async fn own(api: &V1, asked: &Asked, text: &str) -> Result<Campaign, Problem> {
    let row = api.people()?.store().campaign(&asked.principal.organization, id(text)?).await?;
    row.ok_or_else(missing)
}

async fn whole(store: &Store, row: Campaign) -> Result<CampaignShown, Problem> {
    let counts = store.campaign_counts(&row.organization, row.id).await?;
    shown(row, Some(counts))
}

/// Settings of what was given on top of what there was.
async fn settings(api: &V1, asked: &Asked, before: Map<String, Value>, given: Map<String, Value>) -> Result<Settings, Problem> {
    let mut fields = before;
    for (name, value) in given {
        match value {
            Value::Null => drop(fields.remove(&name)),
            value => drop(fields.insert(name, value)),
        }
    }
    if let Some(retries) = fields.get_mut("retries").and_then(Value::as_object_mut) {
        retries.retain(|_, rule| !rule.is_null());
    }
    let mut settings = Settings::read(&Value::Object(fields)).map_err(|wrong| {
        let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be taken as it is");
        wrong.into_iter().for_each(|(field, reason)| problem.add(&field, reason));
        problem
    })?;
    settings.assistant_id = api
        .gate
        .assistant(&asked.principal.organization, Some(&settings.assistant_id))
        .map_err(|none| Problem::field("assistant_id", none.0))?;
    settings.trunk_id = trunk_named(api, asked, settings.trunk_id).await?;
    Ok(settings)
}

fn taken(error: StoreError) -> Problem {
    match error {
        StoreError::Taken { .. } => {
            let mut problem = Problem::new(StatusCode::CONFLICT, "the organization has a campaign of this name");
            problem.add("name", "is another campaign's");
            problem
        }
        error => error.into(),
    }
}

/// Lists the campaigns of the organization.
#[utoipa::path(get, path = "/api/v1/campaigns", tag = "campaigns",
    params(Part, ("status" = Option<String>, Query, description = "Only those with it: draft, running, paused, finished")),
    responses((status = 200, body = Listed<CampaignShown>), (status = 422)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Query(mut given): Query<HashMap<String, String>>,
) -> Result<Json<Listed<CampaignShown>>, Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the list cannot be asked for like this");
    let page = page(&mut given, &mut wrong);
    let status = given.remove("status").map(|status| status.parse::<CampaignStatus>());
    if let Some(Err(_)) = status {
        wrong.add("status", "is not one of draft, running, paused, finished");
    }
    for name in given.keys() {
        wrong.add(name, "is not known; there are limit, cursor, status");
    }
    if wrong.has_fields() {
        return Err(wrong);
    }
    let rows = api.people()?.store().campaigns(&asked.principal.organization, status.and_then(Result::ok), &page).await?;
    let next = rows.last().filter(|_| rows.len() >= page.limit as usize).map(|row| row.id.to_string());
    let rows: Result<Vec<_>, Problem> = rows.into_iter().map(|row| shown(row, None)).collect();
    Ok(Json(Listed::new(rows?, next)))
}

/// Makes a campaign, a draft without people.
#[utoipa::path(post, path = "/api/v1/campaigns", tag = "campaigns", request_body = Wish,
    responses((status = 201, body = CampaignShown), (status = 409), (status = 422)))]
pub(super) async fn create(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Given { mut fields, .. }: Given<Wish>,
) -> Result<Response, Problem> {
    let name = fields.remove("name").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let settings = settings(&api, &asked, Map::new(), fields).await?;
    let store = api.people()?.store();
    let row = store.create_campaign(&asked.principal.organization, &settings.wish(name), &asked.act()).await.map_err(taken)?;
    let (version, location) = (row.version, format!("/api/v1/campaigns/{}", row.id));
    Ok(made(version, location, whole(store, row).await?))
}

/// Tells of a campaign, and how far it is.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = CampaignShown), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(campaign): Path<String>) -> Result<Response, Problem> {
    let row = own(&api, &asked, &campaign).await?;
    Ok(versioned(StatusCode::OK, row.version, whole(api.people()?.store(), row).await?))
}

/// Changes a campaign, also while it runs: the next call is placed as it says then.
#[utoipa::path(patch, path = "/api/v1/campaigns/{id}", tag = "campaigns",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = CampaignPatch,
    responses((status = 200, body = CampaignShown), (status = 404), (status = 409), (status = 412), (status = 422)))]
pub(super) async fn change(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(campaign): Path<String>,
    Given { mut fields, .. }: Given<CampaignPatch>,
) -> Result<Response, Problem> {
    let before = own(&api, &asked, &campaign).await?;
    let name = match fields.remove("name") {
        None => before.name.clone(),
        Some(name) => name.as_str().map(str::to_owned).ok_or_else(|| Problem::field("name", "is not a text"))?,
    };
    let is = before.settings.as_object().cloned().unwrap_or_default();
    let settings = settings(&api, &asked, is, fields).await?;
    let store = api.people()?.store();
    let row = store.change_campaign(&before, version.unwrap_or(before.version), &settings.wish(name), &asked.act()).await;
    let row = changed(row.map_err(taken)?)?;
    Ok(versioned(StatusCode::OK, row.version, whole(store, row).await?))
}

/// Deletes a campaign that does not run, with its people and what came of them; its calls stay on the record.
#[utoipa::path(delete, path = "/api/v1/campaigns/{id}", tag = "campaigns",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204), (status = 404), (status = 409), (status = 412)))]
pub(super) async fn delete(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(campaign): Path<String>,
) -> Result<StatusCode, Problem> {
    let row = own(&api, &asked, &campaign).await?;
    if row.status == CampaignStatus::Running {
        return Err(Problem::new(StatusCode::CONFLICT, "the campaign runs: pause or finish it first"));
    }
    changed(api.people()?.store().delete_campaign(&row, version, &asked.act()).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Starts a campaign, or has it go on.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/start", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = CampaignShown), (status = 403), (status = 404), (status = 409)))]
pub(super) async fn start(State(api): State<Arc<V1>>, asked: Asked, Path(campaign): Path<String>) -> Result<Response, Problem> {
    may_dial(&asked)?;
    let row = own(&api, &asked, &campaign).await?;
    let counts = api.people()?.store().campaign_counts(&row.organization, row.id).await?;
    if counts.pending == 0 {
        return Err(Problem::new(StatusCode::CONFLICT, "the campaign has nobody to call: add contacts first"));
    }
    let from = [CampaignStatus::Draft, CampaignStatus::Paused, CampaignStatus::Finished];
    goes(&api, &asked, row, &from, CampaignStatus::Running).await
}

/// Pauses a campaign: nobody more is called; calls that are up go on.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/pause", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = CampaignShown), (status = 404), (status = 409)))]
pub(super) async fn pause(State(api): State<Arc<V1>>, asked: Asked, Path(campaign): Path<String>) -> Result<Response, Problem> {
    let row = own(&api, &asked, &campaign).await?;
    goes(&api, &asked, row, &[CampaignStatus::Running], CampaignStatus::Paused).await
}

/// Ends a campaign; whoever was not called stays pending, and is called if it is started again.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/finish", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = CampaignShown), (status = 404), (status = 409)))]
pub(super) async fn finish(State(api): State<Arc<V1>>, asked: Asked, Path(campaign): Path<String>) -> Result<Response, Problem> {
    let row = own(&api, &asked, &campaign).await?;
    let from = [CampaignStatus::Draft, CampaignStatus::Running, CampaignStatus::Paused];
    goes(&api, &asked, row, &from, CampaignStatus::Finished).await
}

async fn goes(api: &V1, asked: &Asked, row: Campaign, from: &[CampaignStatus], to: CampaignStatus) -> Result<Response, Problem> {
    let store = api.people()?.store();
    if row.status == to {
        return Ok(versioned(StatusCode::OK, row.version, whole(store, row).await?));
    }
    let moved = store.move_campaign((&row.organization, row.id), from, to, None, &asked.act()).await?;
    let row = moved.ok_or_else(|| Problem::new(StatusCode::CONFLICT, format!("the campaign is {}", row.status)))?;
    Ok(versioned(StatusCode::OK, row.version, whole(store, row).await?))
}
