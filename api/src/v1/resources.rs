//! What calls are answered by: resources that are rows of one table, each kind with fields of its own.
//!
//! A kind is a type with its fields, all of which may be absent: their checks are those of the file, which the node makes. A change is
//! a JSON merge patch (RFC 7396): what is absent stays, null takes away. Rows of the file are listed too, and are not changed here.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use store::{Page, Resource, ResourceId, ResourceKind, ResourceWish};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::lists::Listed;
use super::versions::{changed, made, missing, versioned};
use crate::node_gate::{FileRow, NodeGate, RowHead, RowRefusal, RowWish};
use crate::problem::Problem;

/// The longest row as JSON, in bytes: a system prompt of 32 KiB and much beside it.
const ROW_BYTES_MAX: usize = 128 * 1024;
/// What stands in place of a value that is not shown. Sent back, it leaves the value as it was.
const HIDDEN: &str = "(hidden)";
/// How the cursor of a list begins that has come to the rows of the file.
const IN_FILE: &str = "file-";

/// The fields of a kind.
pub(super) trait Fields: DeserializeOwned + Serialize + ToSchema + 'static {
    /// Which.
    const KIND: ResourceKind;
    /// Where they are.
    const PATH: &'static str;
    /// Fields whose values, by name, are not shown.
    const HIDDEN: &'static [&'static str] = &[];

    /// Checks a row; by the node, unless the kind is none of its business.
    fn check<'a>(node: &'a dyn NodeGate, wish: RowWish<'a>) -> impl Future<Output = Result<RowHead, RowRefusal>> + Send + 'a {
        node.check(wish)
    }
}

/// A row.
#[derive(Serialize, ToSchema)]
pub(super) struct Shown<T: ToSchema> {
    /// The id; of a row of the file what the file calls it.
    id: String,
    /// api, or file: then it is changed in the file, and not here.
    #[schema(example = "api")]
    source: &'static str,
    /// Counts its changes; of a row of the file 0.
    version: u64,
    /// When it was made; null for a row of the file.
    created_at: Option<String>,
    /// When it was changed last; null for a row of the file.
    updated_at: Option<String>,
    /// What it is.
    #[serde(flatten)]
    fields: T,
}

/// What a row was.
#[derive(Serialize, ToSchema)]
pub(super) struct VersionShown<T: ToSchema> {
    /// Its number.
    version: u64,
    /// Who made it so.
    changed_by: String,
    /// When.
    at: String,
    /// What it was.
    fields: T,
}

/// A row of either.
enum Row {
    Stored(Resource),
    OfFile(FileRow),
}

impl V1 {
    pub(super) fn node(&self) -> Result<&dyn NodeGate, Problem> {
        let away = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there is no node here");
        self.node.as_deref().ok_or_else(away)
    }
}

fn shown<T: Fields>(row: Row) -> Result<Shown<T>, Problem> {
    let time = |at: store::WallTime| Some(at.to_string());
    let (id, source, version, created_at, updated_at, fields) = match row {
        Row::Stored(row) => (row.id.to_string(), "api", row.version, time(row.created_at), time(row.updated_at), row.fields),
        Row::OfFile(row) => (row.id, "file", 0, None, None, Value::Object(row.fields)),
    };
    Ok(Shown { id, source, version, created_at, updated_at, fields: typed(fields)? })
}

fn typed<T: Fields>(mut fields: Value) -> Result<T, Problem> {
    for value in hidden::<T>(&mut fields) {
        *value = HIDDEN.into();
    }
    serde_json::from_value(fields).map_err(|error| {
        tracing::error!(kind = T::KIND.as_str(), %error, "a row cannot be shown");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the row cannot be shown")
    })
}

/// The values that are not shown.
fn hidden<T: Fields>(fields: &mut Value) -> Vec<&mut Value> {
    let fields = fields.as_object_mut().into_iter().flatten();
    let maps = fields.filter(|(name, _)| T::HIDDEN.contains(&name.as_str())).filter_map(|(_, value)| value.as_object_mut());
    maps.flatten().map(|(_, value)| value).filter(|value| !value.is_null()).collect()
}

/// Lists the rows of an organization, the newest first, and behind them those of the file.
pub(super) async fn list<T: Fields>(api: &V1, asked: &Asked, page: Page) -> Result<Json<Listed<Shown<T>>>, Problem> {
    let organization = &asked.principal.organization;
    let limit = page.limit as usize;
    let begun = page.after.as_deref().and_then(|cursor| cursor.strip_prefix(IN_FILE)?.parse::<usize>().ok());
    let mut rows: Vec<Row> = match begun {
        Some(_) => Vec::new(),
        None => api.people()?.store().resources(organization, T::KIND, &page).await?.into_iter().map(Row::Stored).collect(),
    };
    let cursor = match rows.last() {
        Some(Row::Stored(last)) if rows.len() >= limit => Some(last.id.to_string()),
        _ => {
            let of_file = of_file::<T>(api, asked)?;
            let (from, room) = (begun.unwrap_or(0), limit - rows.len());
            let until = from.saturating_add(room);
            let more = of_file.len() > until;
            rows.extend(of_file.into_iter().skip(from).take(room).map(Row::OfFile));
            more.then(|| format!("{IN_FILE}{until}"))
        }
    };
    let data = rows.into_iter().map(shown).collect::<Result<_, _>>()?;
    Ok(Json(Listed::new(data, cursor)))
}

/// Rows of the file are the operator's.
fn of_file<T: Fields>(api: &V1, asked: &Asked) -> Result<Vec<FileRow>, Problem> {
    Ok(if asked.principal.organization.is_operator() { api.node()?.of_file(T::KIND) } else { Vec::new() })
}

async fn find<T: Fields>(api: &V1, asked: &Asked, id: &str) -> Result<Row, Problem> {
    let stored = match id.parse::<ResourceId>() {
        Ok(id) => api.people()?.store().resource(&asked.principal.organization, T::KIND, id).await?,
        Err(_) => None,
    };
    match stored {
        Some(row) => Ok(Row::Stored(row)),
        None => {
            let of_file = of_file::<T>(api, asked)?.into_iter().find(|row| row.id == id);
            of_file.map(Row::OfFile).ok_or_else(missing)
        }
    }
}

/// What the node calls a row: its name; of one of the file its id.
pub(super) async fn name_of<T: Fields>(api: &V1, asked: &Asked, id: &str) -> Result<String, Problem> {
    Ok(match find::<T>(api, asked, id).await? {
        Row::Stored(row) => row.name,
        Row::OfFile(row) => row.id,
    })
}

/// A row that can be changed.
pub(super) async fn stored<T: Fields>(api: &V1, asked: &Asked, id: &str) -> Result<Resource, Problem> {
    match find::<T>(api, asked, id).await? {
        Row::Stored(row) => Ok(row),
        Row::OfFile(_) => {
            let detail =
                "the configuration file has this: change it there, and have it read again (SIGHUP or POST /admin/reload)";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

/// Tells of a row.
pub(super) async fn show<T: Fields>(api: &V1, asked: &Asked, id: &str) -> Result<Response, Problem> {
    let row = shown::<T>(find::<T>(api, asked, id).await?)?;
    Ok(versioned(StatusCode::OK, row.version, row))
}

/// Makes a row.
pub(super) async fn create<T: Fields>(api: &V1, asked: &Asked, fields: Map<String, Value>) -> Result<Response, Problem> {
    let fields = whole::<T>(fields, None)?;
    let head = check::<T>(api, asked, None, &fields).await?;
    let (fields, organization) = (Value::Object(fields), &asked.principal.organization);
    let wish = ResourceWish { name: &head.name, fields: &fields, uses: &head.uses };
    let row = api.people()?.store().create_resource(organization, T::KIND, wish, &asked.act()).await.map_err(refused)?;
    took_effect::<T>(api).await?;
    let location = format!("{}/{}", T::PATH, row.id);
    Ok(made(row.version, location, shown::<T>(Row::Stored(row))?))
}

/// Changes of a row what `patch` says.
pub(super) async fn change<T: Fields>(
    api: &V1,
    asked: &Asked,
    version: Option<u64>,
    id: &str,
    patch: Map<String, Value>,
) -> Result<Response, Problem> {
    let row = stored::<T>(api, asked, id).await?;
    let mut fields = row.fields.as_object().cloned().unwrap_or_default();
    merge(&mut fields, &patch);
    stays_at_home::<T>(&fields, &row.fields)?;
    let fields = whole::<T>(fields, Some(&row.fields))?;
    replace::<T>(api, asked, version, &row, fields).await
}

/// Makes a row what these fields are.
pub(super) async fn replace<T: Fields>(
    api: &V1,
    asked: &Asked,
    version: Option<u64>,
    row: &Resource,
    fields: Map<String, Value>,
) -> Result<Response, Problem> {
    let head = check::<T>(api, asked, Some(row.id), &fields).await?;
    let fields = Value::Object(fields);
    let wish = ResourceWish { name: &head.name, fields: &fields, uses: &head.uses };
    let store = api.people()?.store();
    let changed_row = store.change_resource(row, version.unwrap_or(row.version), wish, &asked.act()).await.map_err(refused)?;
    let row = changed(changed_row)?;
    took_effect::<T>(api).await?;
    Ok(versioned(StatusCode::OK, row.version, shown::<T>(Row::Stored(row))?))
}

/// Deletes a row.
pub(super) async fn delete<T: Fields>(api: &V1, asked: &Asked, version: Option<u64>, id: &str) -> Result<StatusCode, Problem> {
    let row = stored::<T>(api, asked, id).await?;
    let store = api.people()?.store();
    let deleted = store.delete_resource(&asked.principal.organization, T::KIND, row.id, version, &asked.act()).await;
    changed(deleted.map_err(refused)?)?;
    took_effect::<T>(api).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a row was, the latest first.
pub(super) async fn versions<T: Fields>(
    api: &V1,
    asked: &Asked,
    id: &str,
    page: &Page,
) -> Result<Json<Listed<VersionShown<T>>>, Problem> {
    let row = stored::<T>(api, asked, id).await?;
    let rows = api.people()?.store().resource_versions(&asked.principal.organization, row.id, page).await?;
    let cursor = rows.last().filter(|last| rows.len() >= page.limit as usize && last.version > 1);
    let cursor = cursor.map(|last| last.version.to_string());
    let shown = |was: store::ResourceVersion| {
        let fields = typed(was.fields)?;
        Ok(VersionShown { version: was.version, changed_by: was.changed_by, at: was.at.to_string(), fields })
    };
    Ok(Json(Listed::new(rows.into_iter().map(shown).collect::<Result<_, Problem>>()?, cursor)))
}

/// Makes a row what it was in a version: a new version, checked as any.
pub(super) async fn restore<T: Fields>(
    api: &V1,
    asked: &Asked,
    version: Option<u64>,
    (id, wanted): (&str, &str),
) -> Result<Response, Problem> {
    let row = stored::<T>(api, asked, id).await?;
    let wanted: u64 = wanted.parse().map_err(|_| missing())?;
    let page = Page { limit: 1, after: Some(wanted.saturating_add(1).to_string()) };
    let was = api.people()?.store().resource_versions(&asked.principal.organization, row.id, &page).await?.pop();
    let was = was.filter(|was| was.version == wanted).ok_or_else(missing)?;
    let fields = was.fields.as_object().cloned().unwrap_or_default();
    replace::<T>(api, asked, version, &row, fields).await
}

/// Has the node look at what was changed; none of its calls is answered by a configuration value.
async fn took_effect<T: Fields>(api: &V1) -> Result<(), Problem> {
    if T::KIND != ResourceKind::Configuration {
        api.node()?.changed().await;
    }
    Ok(())
}

async fn check<T: Fields>(
    api: &V1,
    asked: &Asked,
    id: Option<ResourceId>,
    fields: &Map<String, Value>,
) -> Result<RowHead, Problem> {
    let wish = RowWish { organization: &asked.principal.organization, kind: T::KIND, id, fields };
    T::check(api.node()?, wish).await.map_err(|refusal| match refusal {
        RowRefusal::Fields(fields) => {
            let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be taken as it is");
            for (field, reason) in fields {
                wrong.add(&field, reason);
            }
            wrong
        }
        RowRefusal::OfFile(detail) => Problem::new(StatusCode::CONFLICT, detail),
        RowRefusal::Away => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the records cannot be asked now").again_after(1),
    })
}

/// What is not shown goes nowhere else: with another URL it has to be given again.
fn stays_at_home<T: Fields>(fields: &Map<String, Value>, before: &Value) -> Result<(), Problem> {
    if fields.get("url") == before.get("url") {
        return Ok(());
    }
    for name in T::HIDDEN {
        let (now, was) = (fields.get(*name).and_then(Value::as_object), before.get(name));
        for (key, value) in now.into_iter().flatten() {
            if value.as_str() == Some(HIDDEN) || was.is_some_and(|was| was.get(key) == Some(value)) {
                return Err(Problem::field(&format!("{name}.{key}"), "must be given again, or null, where url changes"));
            }
        }
    }
    Ok(())
}

/// A row with the values that were not shown in their place, not too long, and without what is absent.
fn whole<T: Fields>(fields: Map<String, Value>, before: Option<&Value>) -> Result<Map<String, Value>, Problem> {
    let mut fields = Value::Object(fields);
    for name in T::HIDDEN {
        let was = |key: &str| before.and_then(|before| before.get(name)?.get(key));
        for (key, value) in fields.get_mut(name).and_then(Value::as_object_mut).into_iter().flatten() {
            if value.as_str() == Some(HIDDEN) {
                *value =
                    was(key).cloned().ok_or_else(|| Problem::field(&format!("{name}.{key}"), "has no value that could stay"))?;
            }
        }
    }
    let length = fields.to_string().len();
    if length > ROW_BYTES_MAX {
        let detail = format!("all of it is {length} bytes as JSON, more than {ROW_BYTES_MAX}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let mut fields = fields.as_object().cloned().unwrap_or_default();
    fields.retain(|_, value| !value.is_null());
    Ok(fields)
}

/// RFC 7396: null takes away, an object goes into what is there, all else takes its place.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => drop(target.remove(key)),
            Value::Object(inner) => {
                let place = target.entry(key.clone()).or_insert(Value::Null);
                let mut below = place.as_object().cloned().unwrap_or_default();
                merge(&mut below, inner);
                *place = Value::Object(below);
            }
            other => drop(target.insert(key.clone(), other.clone())),
        }
    }
}

fn refused(error: store::StoreError) -> Problem {
    let detail = match &error {
        store::StoreError::Taken { .. } => "there is one of this name already".to_owned(),
        store::StoreError::InUse { .. } => "others use it, or it uses one that is gone: mend that first".to_owned(),
        store::StoreError::Full { limit, .. } => format!("there are {limit} already, as many as there may be"),
        store::StoreError::TooLong { limit, .. } => {
            format!("all rows of the organization together would be more than {limit} bytes as JSON: delete some first")
        }
        _ => return error.into(),
    };
    Problem::new(StatusCode::CONFLICT, detail)
}

/// The five routes of a kind: its fields, its tag, its path and that of one.
macro_rules! crud {
    ($fields:ident, $tag:tt, $all:tt, $one:tt) => {
        /// Lists them, the newest first; those of the file come last.
        #[utoipa::path(get, path = $all, tag = $tag, params(Part), responses((status = 200, body = Listed<Shown<$fields>>)))]
        pub(super) async fn list(
            State(api): State<Arc<V1>>,
            asked: Asked,
            Paged(page): Paged,
        ) -> Result<Json<Listed<Shown<$fields>>>, Problem> {
            resources::list(&api, &asked, page).await
        }

        /// Makes one. The next call finds it.
        #[utoipa::path(post, path = $all, tag = $tag, request_body = $fields,
            responses((status = 201, body = Shown<$fields>), (status = 409), (status = 422)))]
        pub(super) async fn create(
            State(api): State<Arc<V1>>,
            asked: Asked,
            Given { fields, .. }: Given<$fields>,
        ) -> Result<Response, Problem> {
            resources::create::<$fields>(&api, &asked, fields).await
        }

        /// Tells of one.
        #[utoipa::path(get, path = $one, tag = $tag, params(("id" = String, Path)),
            responses((status = 200, body = Shown<$fields>), (status = 404)))]
        pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(id): Path<String>) -> Result<Response, Problem> {
            resources::show::<$fields>(&api, &asked, &id).await
        }

        /// Changes one by a merge patch: what is absent stays, null takes away. The next call finds it so.
        #[utoipa::path(patch, path = $one, tag = $tag, params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
            request_body = $fields,
            responses((status = 200, body = Shown<$fields>), (status = 404), (status = 409), (status = 412), (status = 422)))]
        pub(super) async fn change(
            State(api): State<Arc<V1>>,
            asked: Asked,
            IfMatch(version): IfMatch,
            Path(id): Path<String>,
            Given { fields, .. }: Given<$fields>,
        ) -> Result<Response, Problem> {
            resources::change::<$fields>(&api, &asked, version, &id, fields).await
        }

        /// Deletes one that nothing uses.
        #[utoipa::path(delete, path = $one, tag = $tag, params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
            responses((status = 204), (status = 404), (status = 409), (status = 412)))]
        pub(super) async fn delete(
            State(api): State<Arc<V1>>,
            asked: Asked,
            IfMatch(version): IfMatch,
            Path(id): Path<String>,
        ) -> Result<StatusCode, Problem> {
            resources::delete::<$fields>(&api, &asked, version, &id).await
        }
    };
}
pub(super) use crud;

/// What the routes of a kind are made from.
pub(super) mod prelude {
    pub(in crate::v1) use std::sync::Arc;

    pub(in crate::v1) use axum::Json;
    pub(in crate::v1) use axum::extract::{Path, State};
    pub(in crate::v1) use axum::http::StatusCode;
    pub(in crate::v1) use axum::response::Response;
    pub(in crate::v1) use serde::{Deserialize, Serialize};
    pub(in crate::v1) use serde_json::{Map, Value};
    pub(in crate::v1) use store::ResourceKind;
    pub(in crate::v1) use utoipa::ToSchema;

    pub(in crate::v1) use super::{Fields, Shown, crud};
    pub(in crate::v1) use crate::problem::Problem;
    pub(in crate::v1) use crate::v1::access::Asked;
    pub(in crate::v1) use crate::v1::body::Given;
    pub(in crate::v1) use crate::v1::lists::{Listed, Paged, Part};
    pub(in crate::v1) use crate::v1::versions::IfMatch;
    pub(in crate::v1) use crate::v1::{V1, resources};
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_takes_away_by_null_and_goes_into_objects() {
        let mut row = json!({ "a": "b", "voice": { "x": 1, "y": 2 }, "tools": ["a"] });
        let patch = json!({ "a": null, "voice": { "x": null, "z": { "deep": 1, "gone": null } }, "tools": ["b"], "new": 1 });
        merge(row.as_object_mut().expect("an object"), patch.as_object().expect("an object"));
        assert_eq!(row, json!({ "voice": { "y": 2, "z": { "deep": 1 } }, "tools": ["b"], "new": 1 }));
    }
}
