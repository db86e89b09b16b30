//! What is asked about the calls of an assistant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jsonschema::Validator;
use serde_json::Value;

/// The longest schema of fields, in bytes: every answer costs it as input.
pub const FIELDS_BYTES_MAX: usize = 16 * 1024;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    /// What the call was about, and how the caller felt.
    pub summary: bool,
    /// When a call has done what it is for; asked for when there is one.
    pub rubric: Option<String>,
    /// Fields to fill in.
    pub fields: Option<FieldSchema>,
    /// What makes a caller promising; asked for when there are some.
    pub lead_criteria: Option<String>,
    /// How long what the caller told is remembered; `None`: not at all.
    pub retention: Option<Duration>,
}

impl Questions {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        !self.summary
            && self.rubric.is_none()
            && self.fields.is_none()
            && self.lead_criteria.is_none()
            && self.retention.is_none()
    }
}

/// The JSON Schema of the fields to fill in: an object.
#[derive(Clone)]
pub struct FieldSchema {
    schema: Value,
    validator: Arc<Validator>,
}

impl FieldSchema {
    /// The schema as JSON.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Checks what a model filled in. The reason names places and rules, and repeats no value.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, fields: &Value) -> Result<(), String> {
        let Err(error) = self.validator.validate(fields) else { return Ok(()) };
        let place = error.instance_path().to_string();
        Err(format!("fields{place}: {}", error.masked()))
    }
}

impl FromStr for FieldSchema {
    type Err = String;

    /// Reads a schema; it may not refer to others outside it.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > FIELDS_BYTES_MAX {
            return Err(format!("{} bytes are above {FIELDS_BYTES_MAX}", text.len()));
        }
        let schema: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err("is not a JSON schema of an object ({\"type\": \"object\", ...})".to_owned());
        }
        let validator = jsonschema::validator_for(&schema).map_err(|error| format!("is not a JSON schema: {error}"))?;
        Ok(Self { schema, validator: Arc::new(validator) })
    }
}

impl fmt::Debug for FieldSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldSchema({})", self.schema)
    }
}

impl fmt::Display for FieldSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.schema.fmt(f)
    }
}

impl PartialEq for FieldSchema {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_that_cannot_be_used_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<FieldSchema>().unwrap_err();
        assert!(refused("{").starts_with("is not JSON: "));
        assert!(refused("[]").starts_with("is not a JSON schema of an object"));
        assert!(refused(r#"{"type":"array"}"#).starts_with("is not a JSON schema of an object"));
        assert!(refused(r#"{"type":"object","properties":5}"#).starts_with("is not a JSON schema: "));
        assert!(refused(r#"{"type":"object","$ref":"https://example.com/s.json"}"#).starts_with("is not a JSON schema: "));
        assert!(
            refused(&format!("{{\"type\":\"object\",\"title\":\"{}\"}}", "x".repeat(FIELDS_BYTES_MAX))).contains("above 16384")
        );
    }

    #[test]
    fn what_does_not_fit_is_told_by_place_without_its_value() {
        let schema = r##"{"type":"object","required":["size"],"properties":{"size":{"enum":["small","large"]},
            "guests":{"$ref":"#/$defs/count"}},"$defs":{"count":{"type":"integer","maximum":9}}}"##;
        let schema: FieldSchema = schema.parse().unwrap();
        assert_eq!(schema.check(&json!({"size": "large", "guests": 4})), Ok(()));
        for (fields, place) in [
            (json!({}), "fields: "),
            (json!({"size": "hunter2"}), "fields/size: "),
            (json!({"size": "small", "guests": "hunter2"}), "fields/guests: "),
            (json!({"size": "small", "guests": 10}), "fields/guests: "),
        ] {
            let reason = schema.check(&fields).unwrap_err();
            assert!(reason.starts_with(place) && !reason.contains("hunter2"), "{reason}");
        }
    }
}
