//! `/api/v1/configurations`: values that an organization keeps here, each of a type.

use super::feature_flags::key;
use super::resources::prelude::*;
use crate::node_gate::{NodeGate, RowHead, RowRefusal, RowWish};

/// A value.
#[derive(Deserialize, Serialize, ToSchema)]
pub(super) struct Configuration {
    /// What it is called: once in the organization, 1-128 of a-z, A-Z, 0-9, `.`, `-` and `_`. Must be set.
    #[schema(min_length = 1, max_length = 128, example = "opening_hours")]
    key: Option<String>,
    /// What it is; of the type that is said. Must be set.
    #[schema(value_type = Option<Value>, example = json!({ "mon": "9-17" }))]
    value: Option<Value>,
    /// string, number, boolean or json; null: json.
    r#type: Option<ValueType>,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
}

/// What a value is.
#[derive(Clone, Copy, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ValueType {
    /// A text.
    String,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Any JSON but null.
    Json,
}

impl Fields for Configuration {
    const KIND: ResourceKind = ResourceKind::Configuration;
    const PATH: &'static str = "/api/v1/configurations";

    async fn check<'a>(_: &'a dyn NodeGate, wish: RowWish<'a>) -> Result<RowHead, RowRefusal> {
        check(wish.fields)
    }
}

crud!(Configuration, "configurations", "/api/v1/configurations", "/api/v1/configurations/{id}");

/// No node is asked: what it means is its owner's affair.
fn check(fields: &Map<String, Value>) -> Result<RowHead, RowRefusal> {
    let mut wrong = Vec::new();
    let name = key(fields, &mut wrong);
    let (value, kind) = (fields.get("value"), fields.get("type").and_then(Value::as_str).unwrap_or("json"));
    let fits = match (kind, value) {
        (_, None) => Err("is missing".to_owned()),
        ("string", Some(Value::String(_))) | ("number", Some(Value::Number(_))) | ("boolean", Some(Value::Bool(_))) => Ok(()),
        ("json", Some(_)) => Ok(()),
        (kind, Some(_)) => Err(format!("is not a {kind}")),
    };
    if let Err(reason) = fits {
        wrong.push(("value".to_owned(), reason));
    }
    for field in fields.keys().filter(|field| !["key", "value", "type", "description"].contains(&field.as_str())) {
        wrong.push((field.clone(), "is not known; there are key, value, type, description".to_owned()));
    }
    if wrong.is_empty() { Ok(RowHead { name, uses: Vec::new() }) } else { Err(RowRefusal::Fields(wrong)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    fn check(fields: serde_json::Value, expected: &str) {
        let said = match super::check(fields.as_object().expect("an object")) {
            Ok(head) => head.name,
            Err(super::RowRefusal::Fields(wrong)) => {
                wrong.iter().map(|(field, reason)| format!("{field}: {reason}")).collect::<Vec<_>>().join("; ")
            }
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(said, expected, "{fields}");
    }

    #[test]
    fn a_value_is_of_its_type() {
        check(json!({ "key": "a.b-c_1", "value": "x", "type": "string" }), "a.b-c_1");
        check(json!({ "key": "a", "value": 1.5, "type": "number" }), "a");
        check(json!({ "key": "a", "value": false, "type": "boolean" }), "a");
        check(json!({ "key": "a", "value": [1] }), "a");
        check(json!({ "key": "a", "value": "1", "type": "number" }), "value: is not a number");
        check(json!({ "key": "a", "value": 0, "type": "boolean" }), "value: is not a boolean");
        check(json!({ "key": "a", "value": {}, "type": "string" }), "value: is not a string");
        check(
            json!({ "key": "ä", "more": 1 }),
            "key: is not 1-128 of a-z, A-Z, 0-9, ., - and _; value: is missing; \
             more: is not known; there are key, value, type, description",
        );
    }
}
