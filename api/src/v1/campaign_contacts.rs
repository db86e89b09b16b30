//! `/api/v1/campaigns/{id}/contacts`: lists of people come in as CSV, what came of each is read, and goes out as CSV.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use platform::campaigns::Settings;
use platform::campaigns::csv::escaped;
use platform::campaigns::list::{self, BadList, Defaults, ReadList};
use serde::Serialize;
use serde_json::Value;
use store::{Attempt, CONTACTS_AT_ONCE, Campaign, Contact, ContactFilter, Imported, LIST_MAX, Page, Store, StoreError};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::campaigns::own;
use super::lists::{Listed, Part, page};
use crate::problem::Problem;

/// Lines of duplicates that are told; the rest is counted.
const LINES_TOLD: usize = 100;

/// Somebody whom a campaign calls.
#[derive(Serialize, ToSchema)]
#[schema(as = Contact)]
pub(super) struct ContactShown {
    /// The id.
    id: String,
    /// The line of the list.
    line: u32,
    /// The number, with +.
    phone: String,
    /// The clock on their wall.
    zone: String,
    /// The other columns.
    #[schema(value_type = Object)]
    variables: Value,
    /// pending, dialing or done.
    state: &'static str,
    /// What came of the last call: human, answered, voicemail, busy, no_answer, declined, invalid_number, unwanted, failed, cancelled,
    /// do_not_call, unknown.
    outcome: Option<&'static str>,
    /// Calls so far.
    attempts: u32,
    /// When the next may come, while pending.
    due_at: Option<String>,
    /// When something last happened.
    updated_at: String,
    /// The calls.
    calls: Vec<AttemptShown>,
}

/// One call to somebody.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignAttempt)]
pub(super) struct AttemptShown {
    /// The call.
    call_id: String,
    /// When it was begun.
    started_at: String,
    /// When it was over.
    ended_at: Option<String>,
    /// What came of it.
    outcome: Option<&'static str>,
    /// More on that.
    detail: Option<String>,
}

/// What came of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportShown {
    /// People that are new.
    added: u64,
    /// Rows whose number was there before, in the list or the campaign.
    duplicates: usize,
    /// The first 100 of their lines.
    duplicate_lines: Vec<u32>,
    /// Rows that were left out, with `skip_wrong`.
    wrong: u64,
    /// The first 100 of them.
    wrong_rows: Vec<WrongRowShown>,
}

/// A row that was not taken.
#[derive(Serialize, ToSchema)]
pub(super) struct WrongRowShown {
    /// Its line.
    line: u32,
    /// The column at fault.
    column: String,
    /// What is wrong with it.
    reason: String,
}

impl From<&Attempt> for AttemptShown {
    fn from(attempt: &Attempt) -> Self {
        Self {
            call_id: attempt.call.to_string(),
            started_at: attempt.claimed_at.to_string(),
            ended_at: attempt.ended_at.map(|at| at.to_string()),
            outcome: attempt.outcome.map(|outcome| outcome.as_str()),
            detail: attempt.detail.clone(),
        }
    }
}

fn shown(contact: Contact, attempts: &[Attempt]) -> ContactShown {
    let pending = contact.state == store::ContactState::Pending;
    let calls = attempts.iter().filter(|attempt| attempt.contact == contact.id).map(AttemptShown::from).collect();
    ContactShown {
        id: contact.id.to_string(),
        line: contact.line,
        phone: contact.phone.reveal().to_owned(),
        zone: contact.zone,
        variables: serde_json::from_str(contact.variables.reveal()).unwrap_or_default(),
        state: contact.state.as_str(),
        outcome: contact.outcome.map(|outcome| outcome.as_str()),
        attempts: contact.attempts,
        due_at: pending.then(|| contact.due_at.to_string()),
        updated_at: contact.updated_at.to_string(),
        calls,
    }
}

/// A part of the contacts, and the calls to them.
async fn part(
    store: &Store,
    row: &Campaign,
    filter: ContactFilter,
    page: &Page,
) -> Result<(Vec<Contact>, Vec<Attempt>), StoreError> {
    let contacts = store.contacts(&row.organization, row.id, filter, page).await?;
    let attempts = match (contacts.first(), contacts.last()) {
        (Some(first), Some(last)) => store.attempts(&row.organization, row.id, (first.id, last.id)).await?,
        _ => Vec::new(),
    };
    Ok((contacts, attempts))
}

/// Lists the people of a campaign, in the order in which they came, and what came of each.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/contacts", tag = "campaigns",
    params(Part, ("id" = String, Path), ("state" = Option<String>, Query, description = "Only those in it: pending, dialing, done"),
        ("outcome" = Option<String>, Query, description = "Only those whose last call came to it")),
    responses((status = 200, body = Listed<ContactShown>), (status = 404), (status = 422)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(campaign): Path<String>,
    Query(mut given): Query<HashMap<String, String>>,
) -> Result<Json<Listed<ContactShown>>, Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the list cannot be asked for like this");
    let page = page(&mut given, &mut wrong);
    let (state, outcome) = (given.remove("state").map(|word| word.parse()), given.remove("outcome").map(|word| word.parse()));
    if let Some(Err(_)) = state {
        wrong.add("state", "is not one of pending, dialing, done");
    }
    if let Some(Err(_)) = outcome {
        let known: Vec<_> = store::ContactOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
        wrong.add("outcome", format!("is not one of {}", known.join(", ")));
    }
    for name in given.keys() {
        wrong.add(name, "is not known; there are limit, cursor, state, outcome");
    }
    if wrong.has_fields() {
        return Err(wrong);
    }
    let row = own(&api, &asked, &campaign).await?;
    let filter = ContactFilter { state: state.and_then(Result::ok), outcome: outcome.and_then(Result::ok) };
    let (contacts, attempts) = part(api.people()?.store(), &row, filter, &page).await?;
    Ok(Json(Listed::of(contacts, &page, |contact| contact.id.to_string(), |contact| shown(contact, &attempts))))
}

/// Adds people to a campaign: CSV whose first row names the columns, `phone` among them.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/contacts", tag = "campaigns",
    params(("id" = String, Path),
        ("skip_wrong" = Option<bool>, Query, description = "Rows that cannot be taken are left out; without it they refuse the list")),
    request_body(content = String, content_type = "text/csv", example = "phone,name\n+4930123456,Ann\n"),
    responses((status = 200, body = ImportShown), (status = 404), (status = 409), (status = 413), (status = 415), (status = 422)))]
pub(super) async fn import(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(campaign): Path<String>,
    Query(given): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ImportShown>, Problem> {
    let skip = skip_wrong(&given)?;
    let row = own(&api, &asked, &campaign).await?;
    let settings = Settings::of(&row.settings)?;
    let defaults = Defaults { prefix: settings.default_prefix.as_deref(), zone: &settings.zone };
    let list = list::read(&text(&headers, &body)?, defaults).map_err(refused)?;
    if list.wrong_rows > 0 && !skip {
        return Err(wrong_rows(&list));
    }
    let store = api.people()?.store();
    let mut all = Imported { added: 0, duplicates: list.duplicates.clone() };
    for contacts in list.contacts.chunks(CONTACTS_AT_ONCE) {
        let added = store.add_contacts(&row.organization, row.id, contacts, &asked.act()).await;
        let added = added.map_err(|error| full(error, "contacts", all.added))?;
        all.added += added.added;
        all.duplicates.extend(added.duplicates);
    }
    all.duplicates.sort_unstable();
    Ok(Json(imported(all, list)))
}

pub(super) fn imported(all: Imported, list: ReadList) -> ImportShown {
    let wrong_rows = list.wrong.into_iter().map(|one| WrongRowShown { line: one.line, column: one.column, reason: one.reason });
    ImportShown {
        added: all.added,
        duplicates: all.duplicates.len(),
        duplicate_lines: all.duplicates.into_iter().take(LINES_TOLD).collect(),
        wrong: list.wrong_rows,
        wrong_rows: wrong_rows.collect(),
    }
}

/// A table that is full; what was added before stays.
pub(super) fn full(error: StoreError, what: &str, added: u64) -> Problem {
    match error {
        StoreError::Full { limit, .. } => {
            Problem::new(StatusCode::CONFLICT, format!("there would be more than {limit} {what}; {added} of the list were added"))
        }
        error => error.into(),
    }
}

pub(super) fn refused(bad: BadList) -> Problem {
    Problem::field(&format!("line {}", bad.line), bad.reason)
}

pub(super) fn wrong_rows(list: &ReadList) -> Problem {
    let detail = format!("{} rows cannot be taken, and nothing was added; skip_wrong=true adds the others", list.wrong_rows);
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    for one in &list.wrong {
        let field =
            if one.column.is_empty() { format!("line {}", one.line) } else { format!("line {}.{}", one.line, one.column) };
        problem.add(&field, one.reason.clone());
    }
    problem
}

pub(super) fn skip_wrong(given: &HashMap<String, String>) -> Result<bool, Problem> {
    if let Some(other) = given.keys().find(|name| *name != "skip_wrong") {
        return Err(Problem::field(other, "is not known; there is skip_wrong"));
    }
    match given.get("skip_wrong").map(String::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::field("skip_wrong", "is not true or false")),
    }
}

/// The text of a list: the body, or the first file of a form.
pub(super) fn text(headers: &HeaderMap, body: &[u8]) -> Result<String, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (kind, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let bytes = match kind.trim().to_ascii_lowercase().as_str() {
        "text/csv" => Some(body),
        "multipart/form-data" => form_file(parameters, body),
        _ => {
            let detail = "the body must be text/csv, or multipart/form-data with the list as a file";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    let bytes = bytes.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "the form has no file"))?;
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        let line = bytes[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem::field(&format!("line {line}"), "is not UTF-8")
    })
}

/// The first file of a form (RFC 7578).
fn form_file<'a>(parameters: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    let boundary = parameters.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    // RFC 2046 §5.1.1; longer ones would be looked for at each octet of the list.
    let boundary = Some(boundary).filter(|boundary| (1..=70).contains(&boundary.len()))?;
    let mark = format!("--{boundary}");
    let mut rest = &body[find(body, mark.as_bytes())? + mark.len()..];
    loop {
        let head = find(rest, b"\r\n\r\n")?;
        let end = head + 4 + find(&rest[head + 4..], format!("\r\n{mark}").as_bytes())?;
        if find(&rest[..head].to_ascii_lowercase(), b"filename=").is_some() {
            return Some(&rest[head + 4..end]);
        }
        rest = &rest[end + 2 + mark.len()..];
    }
}

fn find(all: &[u8], part: &[u8]) -> Option<usize> {
    all.windows(part.len()).position(|window| window == part)
}

/// What came of everybody, as CSV.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/results", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404)))]
pub(super) async fn results(State(api): State<Arc<V1>>, asked: Asked, Path(campaign): Path<String>) -> Result<Response, Problem> {
    const HEAD: &str = "line,phone,zone,state,outcome,attempts,updated_at,call_ids,variables\r\n";
    let row = own(&api, &asked, &campaign).await?;
    let store = api.people()?.store().clone();
    let name = HeaderValue::from_str(&format!("attachment; filename=\"campaign-{}.csv\"", row.id));
    // A part at a time: a reader who is slow holds one part, and no transaction.
    let parts = stream::try_unfold(Some((store, row, Page { limit: LIST_MAX, after: None })), async |state| {
        let Some((store, row, page)) = state else { return Ok::<_, StoreError>(None) };
        let (contacts, attempts) = part(&store, &row, ContactFilter::default(), &page).await?;
        let head = if page.after.is_none() { HEAD } else { "" };
        let lines = contacts.iter().map(|contact| line(contact, &attempts)).collect::<String>();
        let next = contacts.last().filter(|_| contacts.len() >= page.limit as usize).map(|last| last.id.to_string());
        let next = next.map(|after| (store, row, Page { limit: page.limit, after: Some(after) }));
        Ok(Some((Bytes::from(format!("{head}{lines}")), next)))
    });
    let mut response = Body::from_stream(parts).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(name) = name {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn line(contact: &Contact, attempts: &[Attempt]) -> String {
    let calls = attempts.iter().filter(|attempt| attempt.contact == contact.id);
    let calls = calls.map(|attempt| attempt.call.to_string()).collect::<Vec<_>>().join(" ");
    let fields = [
        contact.line.to_string(),
        contact.phone.reveal().to_owned(),
        contact.zone.clone(),
        contact.state.to_string(),
        contact.outcome.map(|outcome| outcome.to_string()).unwrap_or_default(),
        contact.attempts.to_string(),
        contact.updated_at.to_string(),
        calls,
        contact.variables.reveal().to_owned(),
    ];
    fields.iter().map(|field| escaped(field)).collect::<Vec<_>>().join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &'static str, body: &[u8], expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        assert_eq!(text(&headers, body).unwrap_or_else(|problem| problem.told()), expected, "{kind}");
    }

    #[test]
    fn a_list_is_the_body_or_the_file_of_a_form() {
        check("text/csv; charset=utf-8", b"phone\n1", "phone\n1");
        let form =
            b"--xx\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--xx\r\nContent-Disposition: form-data; \
                     name=\"file\"; FileName=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\nphone\r\n1\r\n\r\n--xx--\r\n";
        check("multipart/form-data; boundary=xx", form, "phone\r\n1\r\n");
        check("multipart/form-data; boundary=yy", form, "the form has no file");
        check("multipart/form-data", form, "the form has no file");
        check("application/json", b"{}", "the body must be text/csv, or multipart/form-data with the list as a file");
        check("text/csv", b"phone\n\xff", "line 2: is not UTF-8");
    }
}
