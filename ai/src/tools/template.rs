//! Texts with places in them: `https://api.example.com/orders/{order_id}`, `Bearer {env.ORDERS_KEY}`.
//!
//! `{name}` is an argument of the model, `{env.NAME}` a variable of the environment, looked up when the template is read,
//! `{call.id}`, `{call.from}`, `{call.to}` and `{call.assistant}` are of the call. `{{` and `}}` are braces.

use serde_json::Value;

use super::{CallInfo, ToolError};
use crate::secret::Secret;

/// A text with places.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Argument(String),
    Call(CallField),
    Secret(Secret),
    Text(String),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum CallField {
    Assistant,
    From,
    Id,
    To,
}

/// Where a filled template goes, and so what its places may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// A header's value: no control characters.
    Header,
    /// Anything that takes any text.
    Text,
    /// A URL: places are percent-encoded, and never a path step of their own.
    Url,
}

impl Template {
    /// Reads a template; `secret` looks up a variable of the environment.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn parse(text: &str, secret: impl Fn(&str) -> Option<Secret>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..at + 1];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let end = rest.find('}').filter(|_| brace == "{");
            let end = end.ok_or_else(|| format!("{brace} is alone: write {brace}{brace} for a brace"))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(place(&rest[..end], &secret)?);
            rest = &rest[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The arguments it has places for.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Argument(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The argument that is all of it: its value then keeps its kind in JSON.
    pub fn lone_argument(&self) -> Option<&str> {
        match &self.0[..] {
            [Part::Argument(name)] => Some(name),
            _ => None,
        }
    }

    /// Whether it has no place at all.
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The text with its secrets, if it has no other places.
    pub fn constant(&self) -> Option<Secret> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Secret(secret) => text.push_str(secret.expose()),
                Part::Text(plain) => text.push_str(plain),
                Part::Argument(_) | Part::Call(_) => return None,
            }
        }
        Some(Secret::from(text))
    }

    /// What stands before the first place.
    pub fn head(&self) -> &str {
        match self.0.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The text with its places filled. An argument that is absent or `null` is empty.
    ///
    /// # Errors
    /// [`ToolError::Argument`]: a value cannot stand there.
    pub fn fill(&self, arguments: &Value, call: &CallInfo, into: Target) -> Result<String, ToolError> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Argument(name) => push(&mut out, name, &plain(&arguments[name.as_str()]), into)?,
                Part::Call(field) => push(&mut out, "call", call.field(*field), into)?,
                Part::Secret(secret) if into == Target::Url => push(&mut out, "env", secret.expose(), into)?,
                Part::Secret(secret) => out.push_str(secret.expose()),
                Part::Text(text) => out.push_str(text),
            }
        }
        Ok(out)
    }
}

impl CallInfo {
    fn field(&self, field: CallField) -> &str {
        match field {
            CallField::Assistant => &self.assistant,
            CallField::From => self.from.as_str(),
            CallField::Id => &self.id,
            CallField::To => self.to.as_str(),
        }
    }
}

fn place(name: &str, secret: impl Fn(&str) -> Option<Secret>) -> Result<Part, String> {
    let field = match name.strip_prefix("call.") {
        None => None,
        Some("assistant") => Some(CallField::Assistant),
        Some("from") => Some(CallField::From),
        Some("id") => Some(CallField::Id),
        Some("to") => Some(CallField::To),
        Some(_) => return Err(format!("{{{name}}} is none of {{call.assistant}}, {{call.from}}, {{call.id}}, {{call.to}}")),
    };
    if let Some(field) = field {
        return Ok(Part::Call(field));
    }
    if let Some(variable) = name.strip_prefix("env.") {
        let secret = secret(variable).ok_or_else(|| format!("the environment variable {variable} is not set"))?;
        return Ok(Part::Secret(secret));
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(word) {
        return Err(format!("{{{name}}} is not the name of an argument (A-Z, a-z, 0-9, _ and -)"));
    }
    Ok(Part::Argument(name.to_owned()))
}

/// A value as text: strings without quotes, the rest as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn push(out: &mut String, name: &str, value: &str, into: Target) -> Result<(), ToolError> {
    let wrong = |reason| ToolError::Value { name: name.to_owned(), reason };
    match into {
        Target::Text => out.push_str(value),
        Target::Header if value.chars().any(char::is_control) => return Err(wrong("must be one line")),
        Target::Header => out.push_str(value),
        Target::Url => {
            // A step that is empty, `.` or `..` would name another resource.
            if value.is_empty() || value.bytes().all(|byte| byte == b'.') {
                return Err(wrong("must not be empty or dots"));
            }
            percent_encode(out, value);
        }
    }
    Ok(())
}

/// All but the unreserved characters of RFC 3986 §2.3.
fn percent_encode(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.extend(['%', HEX[usize::from(byte >> 4)].into(), HEX[usize::from(byte & 0xF)].into()]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(template: &str, into: Target, arguments: Value, expected: &str) {
        let secret = |name: &str| (name == "KEY").then(|| Secret::from("s3 cret"));
        let call = CallInfo {
            id: "id-1".into(),
            from: "+1555".into(),
            to: "100".into(),
            assistant: "demo".into(),
            ..CallInfo::default()
        };
        let filled = Template::parse(template, secret);
        let filled = filled.and_then(|template| template.fill(&arguments, &call, into).map_err(|error| error.to_string()));
        assert_eq!(filled.unwrap_or_else(|error| error), expected, "{template}");
    }

    #[test]
    fn places_are_filled_for_where_they_go() {
        check(
            "https://a/o/{id}?k={env.KEY}",
            Target::Url,
            json!({"id": "1/../2 é"}),
            "https://a/o/1%2F..%2F2%20%C3%A9?k=s3%20cret",
        );
        check("Bearer {env.KEY} {call.id}", Target::Header, json!({}), "Bearer s3 cret id-1");
        check("{n} {list} {gone}{{}}", Target::Text, json!({"n": 5, "list": [1, "a"]}), "5 [1,\"a\"] {}");
        check("{call.from} to {call.to} by {call.assistant}", Target::Text, json!({}), "+1555 to 100 by demo");
    }

    #[test]
    fn values_that_would_break_out_are_refused() {
        check("https://a/{id}/b", Target::Url, json!({"id": ".."}), "argument id: must not be empty or dots");
        check("https://a/{id}/b", Target::Url, json!({}), "argument id: must not be empty or dots");
        check("{id}", Target::Header, json!({"id": "a\r\nHost: b"}), "argument id: must be one line");
    }

    #[test]
    fn a_bad_template_is_explained() {
        check("{env.NONE}", Target::Text, json!({}), "the environment variable NONE is not set");
        check("{call.pin}", Target::Text, json!({}), "{call.pin} is none of {call.assistant}, {call.from}, {call.id}, {call.to}");
        check("{a b}", Target::Text, json!({}), "{a b} is not the name of an argument (A-Z, a-z, 0-9, _ and -)");
        check("{open", Target::Text, json!({}), "{ is alone: write {{ for a brace");
        check("close}", Target::Text, json!({}), "} is alone: write }} for a brace");
    }

    #[test]
    fn a_template_says_what_it_is_made_of() {
        let template = Template::parse("https://a/{x}/{y}", |_| None).unwrap();
        assert_eq!((template.head(), template.arguments().collect::<Vec<_>>()), ("https://a/", vec!["x", "y"]));
        assert_eq!(template.lone_argument(), None);
        assert_eq!(Template::parse("{x}", |_| None).unwrap().lone_argument(), Some("x"));
    }
}
