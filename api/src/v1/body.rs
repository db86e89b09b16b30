//! Bodies: the one way in which all resources read them.
//!
//! A body is a type with `Deserialize` and `ToSchema`. It is held to the schema that the OpenAPI document shows, by a validator that
//! finds every mistake, and only then read. So what is documented is what is checked, and all mistakes are told at once.

use std::any::TypeId;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::problem::Problem;

/// A JSON body that fits its schema.
pub(super) struct Body<T>(pub(super) T);

/// The same as it was sent: null is another thing than nothing.
pub(super) struct Given<T> {
    pub(super) fields: Map<String, Value>,
    of: PhantomData<T>,
}

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: DeserializeOwned + ToSchema + 'static,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        read(&bytes_of(request, state).await?).map(Self)
    }
}

impl<S, T> FromRequest<S> for Given<T>
where
    S: Send + Sync,
    T: ToSchema + 'static,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match fitting::<T>(&bytes_of(request, state).await?)? {
            Value::Object(fields) => Ok(Self { fields, of: PhantomData }),
            _ => Err(Problem::new(StatusCode::BAD_REQUEST, "the body must be a JSON object")),
        }
    }
}

async fn bytes_of<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_json = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
    let bytes = Bytes::from_request(request, state).await;
    let bytes = bytes.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    if !is_json {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
    }
    Ok(bytes)
}

fn read<T: DeserializeOwned + ToSchema + 'static>(bytes: &[u8]) -> Result<T, Problem> {
    let value = fitting::<T>(bytes)?;
    // What fits the schema and not the type is a schema that says too little.
    serde_json::from_value(value).map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

/// A JSON object that fits the schema of `T`.
fn fitting<T: ToSchema + 'static>(bytes: &[u8]) -> Result<Value, Problem> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}")))?;
    if !value.is_object() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the body must be a JSON object"));
    }
    let schema = schema_of::<T>();
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be taken as it is");
    for error in schema.validator.iter_errors(&value) {
        for (field, reason) in told(&error, &schema.fields) {
            wrong.add(&field, reason);
        }
    }
    if wrong.has_fields() { Err(wrong) } else { Ok(value) }
}

/// The schema of a type, ready to use.
struct Schema {
    validator: Validator,
    /// Its fields, for who writes others.
    fields: String,
}

fn schema_of<T: ToSchema + 'static>() -> Arc<Schema> {
    static KNOWN: LazyLock<RwLock<HashMap<TypeId, Arc<Schema>>>> = LazyLock::new(RwLock::default);
    let id = TypeId::of::<T>();
    if let Some(schema) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Arc::clone(schema);
    }
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let json = |schema| serde_json::to_value(schema).expect("a schema is JSON");
    let parts: Map<String, Value> = parts.into_iter().map(|(name, schema)| (name, json(schema))).collect();
    let mut root = json(T::schema());
    let fields = root["properties"].as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>().join(", "));
    if let Some(root) = root.as_object_mut() {
        root.insert("components".to_owned(), serde_json::json!({ "schemas": parts }));
    }
    let validator = jsonschema::validator_for(&root).expect("what utoipa derives is a schema");
    let schema = Arc::new(Schema { validator, fields: fields.unwrap_or_default() });
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&schema));
    schema
}

/// Which fields a mistake is of, and what it is. No value is repeated: it may be a password.
fn told(error: &ValidationError<'_>, fields: &str) -> Vec<(String, String)> {
    let path = error.instance_path().to_string();
    let path = path.trim_start_matches('/').replace('/', ".");
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let reason = match error.kind() {
        ValidationErrorKind::Required { property } => {
            return vec![(below(property.as_str().unwrap_or_default()), "is missing".to_owned())];
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = if path.is_empty() { format!("is not known; there are {fields}") } else { "is not known".to_owned() };
            return unexpected.iter().map(|name| (below(name), known.clone())).collect();
        }
        ValidationErrorKind::Type { kind } => format!("is not {}", kinds(kind)),
        ValidationErrorKind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        ValidationErrorKind::MinLength { limit } => format!("has fewer than {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("has more than {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("has fewer than {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("has more than {limit} items"),
        ValidationErrorKind::Minimum { limit } => format!("is below {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("is above {limit}"),
        ValidationErrorKind::Enum { options } => {
            let words: Vec<_> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            format!("is not one of {}", words.join(", "))
        }
        ValidationErrorKind::Pattern { pattern } => format!("does not match {pattern}"),
        other => format!("breaks the rule {} of its schema", other.keyword()),
    };
    vec![(path, reason)]
}

fn kinds(kind: &TypeKind) -> String {
    let word = |kind: String| match kind.as_str() {
        "string" => "a text".to_owned(),
        "object" | "array" | "integer" => format!("an {kind}"),
        _ => format!("a {kind}"),
    };
    match kind {
        TypeKind::Single(kind) => word(kind.to_string()),
        // null is how an absent one may be written, and not worth a word.
        TypeKind::Multiple(kinds) => {
            kinds.iter().map(|kind| kind.to_string()).filter(|kind| kind != "null").map(word).collect::<Vec<_>>().join(" or ")
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, ToSchema)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(serde::Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        #[schema(maximum = 9)]
        size: u32,
    }

    #[derive(serde::Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Wish {
        #[schema(min_length = 1, max_length = 5)]
        name: String,
        colour: Option<Colour>,
        #[schema(max_items = 2)]
        parts: Option<Vec<Inner>>,
        active: Option<bool>,
    }

    fn check(body: &str, expected: &str) {
        let said = match read::<Wish>(body.as_bytes()) {
            Ok(_) => String::new(),
            Err(problem) => problem.told(),
        };
        assert_eq!(said, expected, "{body}");
    }

    #[test]
    fn every_mistake_is_told_at_once_and_no_value_is_repeated() {
        check(r#"{"name":"a"}"#, "");
        check(r#"{"name":"a","colour":"red","parts":[{"size":9}],"active":null}"#, "");
        check("{}", "name: is missing");
        check("[]", "the body must be a JSON object");
        check("{", "the body is not JSON: EOF while parsing an object at line 1 column 1");
        check(
            r#"{"name":"","active":"hunter2","parts":[{"size":10},{"size":"hunter2","weight":1}],"extra":1}"#,
            "active: is not a boolean; name: must not be empty; parts.0.size: is above 9; parts.1.size: is not an integer; \
             parts.1.weight: is not known; extra: is not known; there are active, colour, name, parts",
        );
        check(r#"{"name":"hunter2"}"#, "name: has more than 5 characters");
    }
}
