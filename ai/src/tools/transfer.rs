//! The tool `transfer_call`: whom an assistant may put its callers through to. The model knows names only: where they lead is the
//! operator's word, so nobody talks it into calling a number of their own.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Tool, ToolError};

/// Its name.
pub const NAME: &str = "transfer_call";

/// Destinations of one assistant: as many departments as a caller can be told of.
pub const MAX_DESTINATIONS: usize = 32;

/// Somebody whom callers are put through to. `Debug` shows no number.
#[derive(Clone, Eq, PartialEq)]
pub struct Destination {
    /// As the model and the record call it.
    pub name: String,
    /// A `sip:`, `sips:` or `tel:` URI.
    pub target: String,
    /// When it is the right one, for the model.
    pub description: String,
    /// Said before, if the model called the tool without a word; empty: nothing.
    pub say: String,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({})", self.name)
    }
}

/// The tool as the model is told of it.
pub(super) fn describe(destinations: &[Arc<Destination>]) -> Tool {
    let names: Vec<&str> = destinations.iter().map(|destination| destination.name.as_str()).collect();
    let mut description =
        "Put the caller through to somebody else. Tell the caller so first. When it works, the call is over for you. \
                           When it does not, you are told why, and go on talking with the caller. Destinations:"
            .to_owned();
    for Destination { name, description: when, .. } in destinations.iter().map(Arc::as_ref) {
        description.push_str(&format!("\n- {name}: {when}"));
    }
    let parameters = json!({
        "type": "object",
        "properties": { "to": { "type": "string", "enum": names, "description": "Whom to put the caller through to." } },
        "required": ["to"],
        "additionalProperties": false
    });
    Tool { name: NAME.to_owned(), description, parameters }
}

/// Reads a call as the model wrote it.
///
/// # Errors
/// [`ToolError::Argument`] for anything but the name of a destination.
pub(super) fn parse(destinations: &[Arc<Destination>], arguments: &Value) -> Result<Arc<Destination>, ToolError> {
    let wrong = |reason| ToolError::Argument { name: "to", reason };
    let name = arguments["to"].as_str().ok_or(wrong("must be the name of a destination"))?;
    let named = |destination: &&Arc<Destination>| destination.name.eq_ignore_ascii_case(name.trim());
    destinations.iter().find(named).cloned().ok_or(wrong("is none of the destinations"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations() -> Vec<Arc<Destination>> {
        let one = |name: &str, when: &str| Destination {
            name: name.to_owned(),
            target: "tel:+15551230000".to_owned(),
            description: when.to_owned(),
            say: String::new(),
        };
        vec![Arc::new(one("sales", "new orders")), Arc::new(one("support", "something broke"))]
    }

    fn check(arguments: Value, expected: &str) {
        let read = parse(&destinations(), &arguments);
        assert_eq!(read.map_or_else(|error| error.to_string(), |to| format!("{to:?}")), expected, "{arguments}");
    }

    #[test]
    fn only_names_of_the_list_are_taken() {
        check(json!({ "to": "sales" }), "Destination(sales)");
        check(json!({ "to": " Support " }), "Destination(support)");
        check(json!({ "to": "+19005550000" }), "argument to: is none of the destinations");
        check(json!({ "to": "tel:+15551230000" }), "argument to: is none of the destinations");
        check(json!({ "to": 5 }), "argument to: must be the name of a destination");
        check(json!({}), "argument to: must be the name of a destination");
    }

    #[test]
    fn the_model_is_told_names_and_no_number() {
        let tool = describe(&destinations());
        assert_eq!(tool.parameters["properties"]["to"]["enum"], json!(["sales", "support"]));
        assert!(
            tool.description.ends_with("Destinations:\n- sales: new orders\n- support: something broke"),
            "{}",
            tool.description
        );
        assert!(!format!("{} {}", tool.description, tool.parameters).contains("555"));
    }
}
