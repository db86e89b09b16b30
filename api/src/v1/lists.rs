//! Lists: a part of them at a time, and where the next one begins.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Serialize;
use store::{LIST_MAX, Page};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;

/// Rows of a list of which nobody said how many.
const LIMIT: u32 = 50;
/// Longest cursor: an id.
const CURSOR_MAX: usize = 64;

/// A part of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Listed<T: ToSchema> {
    /// The rows, the newest first.
    data: Vec<T>,
    /// What `cursor` must be for the next part; null: this is the last one.
    next_cursor: Option<String>,
}

impl<T: ToSchema> Listed<T> {
    /// These rows, and where the next part begins.
    pub(super) fn new(data: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { data, next_cursor }
    }

    /// The answer to `page`; `place` tells where a row stands.
    pub(super) fn of<R>(rows: Vec<R>, page: &Page, place: impl Fn(&R) -> String, shown: impl Fn(R) -> T) -> Self {
        let full = rows.len() >= page.limit as usize;
        let next_cursor = rows.last().filter(|_| full).map(place);
        Self { data: rows.into_iter().map(shown).collect(), next_cursor }
    }
}

/// Which part of a list is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(super) struct Part {
    /// Most rows of the answer.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(max_length = 64)]
    cursor: Option<String>,
}

/// What a request for a list asks for: a page, and nothing else.
pub(super) struct Paged(pub(super) Page);

impl<S: Send + Sync> FromRequestParts<S> for Paged {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let given = Query::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Query(mut given) = given.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
        let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the list cannot be asked for like this");
        let page = page(&mut given, &mut wrong);
        for name in given.keys() {
            wrong.add(name, "is not known; there are limit, cursor");
        }
        if wrong.has_fields() { Err(wrong) } else { Ok(Self(page)) }
    }
}

/// Takes `limit` and `cursor` out of what is given; lists with filters take theirs out of the rest.
pub(super) fn page(given: &mut HashMap<String, String>, wrong: &mut Problem) -> Page {
    let limit =
        given.remove("limit").map_or(Some(LIMIT), |limit| limit.parse().ok().filter(|limit| (1..=LIST_MAX).contains(limit)));
    if limit.is_none() {
        wrong.add("limit", format!("is not a number from 1 to {LIST_MAX}"));
    }
    let after = given.remove("cursor").filter(|cursor| !cursor.is_empty());
    let fits =
        |cursor: &String| cursor.len() <= CURSOR_MAX && cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !after.as_ref().is_none_or(fits) {
        wrong.add("cursor", "is no next_cursor of this list");
    }
    Page { limit: limit.unwrap_or(LIMIT), after }
}
