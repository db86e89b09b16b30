//! `/api/v1/feature-flags`: what is on or off for an organization. Calls read them from a table that is made anew with each change.

use super::resources::prelude::*;
use crate::node_gate::{NodeGate, RowHead, RowRefusal, RowWish};

/// Something that is on or off. `inbound_calls` off: the organization's numbers answer nobody. `recording` off: none of its calls is
/// recorded. Others are for whoever reads them.
#[derive(Deserialize, Serialize, ToSchema)]
pub(super) struct FeatureFlag {
    /// What it is called: once in the organization, 1-128 of a-z, A-Z, 0-9, `.`, `-` and `_`. Must be set.
    #[schema(min_length = 1, max_length = 128, example = "recording")]
    key: Option<String>,
    /// Whether it is on. Must be set.
    enabled: Option<bool>,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
}

impl Fields for FeatureFlag {
    const KIND: ResourceKind = ResourceKind::FeatureFlag;
    const PATH: &'static str = "/api/v1/feature-flags";

    async fn check<'a>(_: &'a dyn NodeGate, wish: RowWish<'a>) -> Result<RowHead, RowRefusal> {
        let mut wrong = Vec::new();
        let name = key(wish.fields, &mut wrong);
        if !wish.fields.contains_key("enabled") {
            wrong.push(("enabled".to_owned(), "is missing".to_owned()));
        }
        for field in wish.fields.keys().filter(|field| !["key", "enabled", "description"].contains(&field.as_str())) {
            wrong.push((field.clone(), "is not known; there are key, enabled, description".to_owned()));
        }
        if wrong.is_empty() { Ok(RowHead { name, uses: Vec::new() }) } else { Err(RowRefusal::Fields(wrong)) }
    }
}

crud!(FeatureFlag, "feature-flags", "/api/v1/feature-flags", "/api/v1/feature-flags/{id}");

/// What a flag or a value is called.
pub(super) fn key(fields: &Map<String, Value>, wrong: &mut Vec<(String, String)>) -> String {
    let key = fields.get("key").and_then(Value::as_str);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    match key {
        Some(key) if (1..=128).contains(&key.len()) && key.bytes().all(plain) => return key.to_owned(),
        Some(_) => wrong.push(("key".to_owned(), "is not 1-128 of a-z, A-Z, 0-9, ., - and _".to_owned())),
        None => wrong.push(("key".to_owned(), "is missing".to_owned())),
    }
    String::new()
}
