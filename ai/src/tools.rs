//! What the model may do besides talking: how tools are described to it, and the built-in ones.
//!
//! A [`Tool`] is only a description; whoever gets an `Output::ToolCall` runs it. The built-in ones are parsed here into
//! a [`BuiltIn`]; HTTP and MCP tools join as further descriptions and are found by name where this one says
//! [`ToolError::Unknown`].

use serde_json::{Value, json};

use crate::json::line;

/// A tool as it is told to the model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tool {
    /// 1 to 64 of `[A-Za-z0-9_-]`, unique in the session.
    pub name: String,
    /// When to use it, in the model's language.
    pub description: String,
    /// JSON Schema of the arguments: an object.
    pub parameters: Value,
}

/// A call of a built-in tool, its arguments checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BuiltIn {
    /// End the call once what was said has been heard.
    HangUp {
        /// Why, in the model's words.
        reason: Option<String>,
    },
    /// Press keys toward the caller's side.
    SendDtmf {
        /// 1 to [`MAX_DIGITS`] of `0-9 A-D * #`.
        digits: String,
    },
}

/// The most digits in one call of `send_dtmf`.
pub const MAX_DIGITS: usize = 32;

/// The longest arguments that are read, in bytes: ten times what a built-in tool can need.
pub const MAX_ARGUMENTS: usize = 4_096;

/// Why a call was not understood. The model's fault: [`output`](Self::output) tells it, so that it can try again.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// An argument is missing or cannot be.
    #[error("argument {name}: {reason}")]
    Argument {
        /// Which.
        name: &'static str,
        /// What it must be.
        reason: &'static str,
    },
    /// The arguments are not a JSON object.
    #[error("arguments are not a json object: {reason}")]
    Json {
        /// What the parser says.
        reason: String,
    },
    /// The arguments are too long.
    #[error("arguments of {length} bytes are over {MAX_ARGUMENTS}")]
    TooLong {
        /// Their length in bytes.
        length: usize,
    },
    /// No built-in tool has this name.
    #[error("there is no tool named {name}")]
    Unknown {
        /// The name.
        name: String,
    },
}

impl ToolError {
    /// The tool output that tells the model.
    pub fn output(&self) -> String {
        failure(&self.to_string())
    }
}

/// The tool output of a call that was carried out.
pub fn success() -> String {
    json!({ "ok": true }).to_string()
}

/// The tool output of a call that was not carried out.
pub fn failure(reason: &str) -> String {
    json!({ "ok": false, "error": reason }).to_string()
}

struct Row {
    name: &'static str,
    description: &'static str,
    parameters: fn() -> Value,
    parse: fn(&Value) -> Result<BuiltIn, ToolError>,
}

/// Every built-in tool, one row each.
static BUILT_IN: [Row; 2] = [
    Row {
        name: "hang_up",
        description: "End the phone call. Say goodbye first; the call ends after your last words were heard.",
        parameters: || {
            json!({
                "type": "object",
                "properties": { "reason": { "type": "string", "description": "Why the call ends, in a few words." } },
                "additionalProperties": false
            })
        },
        parse: hang_up,
    },
    Row {
        name: "send_dtmf",
        description: "Press keys on the phone keypad, for example to use the menu of a machine on the other side.",
        parameters: || {
            json!({
                "type": "object",
                "properties": { "digits": {
                    "type": "string",
                    "description": "Keys in order: 0-9, *, #, A-D.",
                    "pattern": "^[0-9A-Da-d*#]{1,32}$"
                } },
                "required": ["digits"],
                "additionalProperties": false
            })
        },
        parse: send_dtmf,
    },
];

impl BuiltIn {
    /// The descriptions of all built-in tools.
    pub fn tools() -> Vec<Tool> {
        let describe = |row: &Row| Tool {
            name: row.name.to_owned(),
            description: row.description.to_owned(),
            parameters: (row.parameters)(),
        };
        BUILT_IN.iter().map(describe).collect()
    }

    /// Its name, as the model calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HangUp { .. } => "hang_up",
            Self::SendDtmf { .. } => "send_dtmf",
        }
    }

    /// Reads a call as the model wrote it.
    ///
    /// # Errors
    /// [`ToolError::Unknown`] when the name is not a built-in tool's; otherwise what is wrong with the arguments.
    pub fn parse(name: &str, arguments: &str) -> Result<Self, ToolError> {
        let row = BUILT_IN.iter().find(|row| row.name == name);
        let row = row.ok_or_else(|| ToolError::Unknown { name: line(name) })?;
        let length = arguments.len();
        if length > MAX_ARGUMENTS {
            return Err(ToolError::TooLong { length });
        }
        // Models leave the arguments of a call without any empty.
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let value: Value = serde_json::from_str(arguments).map_err(|error| ToolError::Json { reason: error.to_string() })?;
        if !value.is_object() {
            return Err(ToolError::Json { reason: "it is another kind of value".to_owned() });
        }
        (row.parse)(&value)
    }
}

fn hang_up(arguments: &Value) -> Result<BuiltIn, ToolError> {
    match &arguments["reason"] {
        Value::Null => Ok(BuiltIn::HangUp { reason: None }),
        Value::String(reason) => Ok(BuiltIn::HangUp { reason: Some(line(reason)) }),
        _ => Err(ToolError::Argument { name: "reason", reason: "must be a string" }),
    }
}

fn send_dtmf(arguments: &Value) -> Result<BuiltIn, ToolError> {
    let wrong = |reason| ToolError::Argument { name: "digits", reason };
    let digits = match &arguments["digits"] {
        Value::Null => return Err(wrong("is missing")),
        Value::Number(number) => number.to_string(),
        Value::String(digits) => digits.to_ascii_uppercase(),
        _ => return Err(wrong("must be a string")),
    };
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return Err(wrong("must have 1 to 32 keys"));
    }
    if !digits.bytes().all(|key| b"0123456789ABCD*#".contains(&key)) {
        return Err(wrong("may hold only 0-9, A-D, * and #"));
    }
    Ok(BuiltIn::SendDtmf { digits })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn check(name: &str, arguments: &str, expected: &str) {
        let outcome = match BuiltIn::parse(name, arguments) {
            Ok(call) => format!("{call:?}"),
            Err(error) => error.output(),
        };
        assert_eq!(outcome, expected, "{name} {arguments}");
    }

    #[test]
    fn calls_are_read_as_models_write_them() {
        check("hang_up", "", "HangUp { reason: None }");
        check("hang_up", "{}", "HangUp { reason: None }");
        check("hang_up", r#"{"reason":"done\nand more"}"#, r#"HangUp { reason: Some("done") }"#);
        check("send_dtmf", r#"{"digits":"12#ab","more":1}"#, r##"SendDtmf { digits: "12#AB" }"##);
        check("send_dtmf", r#"{"digits":42}"#, r#"SendDtmf { digits: "42" }"#);
    }

    #[test]
    fn errors_go_back_to_the_model() {
        let output = |error: &str| json!({ "ok": false, "error": error }).to_string();
        check("fly", "{}", &output("there is no tool named fly"));
        check("hang_up", "[]", &output("arguments are not a json object: it is another kind of value"));
        check(
            "hang_up",
            r#"{"reason":"#,
            &output("arguments are not a json object: EOF while parsing a value at line 1 column 10"),
        );
        check("hang_up", r#"{"reason":1}"#, &output("argument reason: must be a string"));
        check("hang_up", &" ".repeat(MAX_ARGUMENTS + 1), &output("arguments of 4097 bytes are over 4096"));
        check("send_dtmf", "{}", &output("argument digits: is missing"));
        check("send_dtmf", r#"{"digits":[1]}"#, &output("argument digits: must be a string"));
        check("send_dtmf", r#"{"digits":""}"#, &output("argument digits: must have 1 to 32 keys"));
        check("send_dtmf", r#"{"digits":"1 2"}"#, &output("argument digits: may hold only 0-9, A-D, * and #"));
        check(
            "send_dtmf",
            &format!(r#"{{"digits":"{}"}}"#, "1".repeat(MAX_DIGITS + 1)),
            &output("argument digits: must have 1 to 32 keys"),
        );
    }

    #[test]
    fn descriptions_fit_what_is_parsed() {
        for tool in BuiltIn::tools() {
            assert_eq!(tool.parameters["type"], "object");
            assert!(!matches!(BuiltIn::parse(&tool.name, "{}"), Err(ToolError::Unknown { .. })));
        }
        assert_eq!(success(), r#"{"ok":true}"#);
    }

    proptest! {
        #[test]
        fn any_arguments_are_a_call_or_an_error(arguments in "\\PC*") {
            let _ = BuiltIn::parse("send_dtmf", &arguments);
            let _ = BuiltIn::parse("hang_up", &arguments);
        }
    }
}
