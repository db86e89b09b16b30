//! The tools `transfer_call` and `finish_transfer`: whom an assistant may put its callers through to. The model knows names only: where
//! they lead is the operator's word, so nobody talks it into calling a number of their own.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Tool, ToolError};
use crate::engine::Words;

/// Puts the caller through.
pub const NAME: &str = "transfer_call";

/// Says what comes of it, once somebody heard from the agent what the call is about.
pub const FINISH: &str = "finish_transfer";

/// Destinations of one assistant: as many departments as a caller can be told of.
pub const MAX_DESTINATIONS: usize = 32;

/// The longest summary, in bytes: half a minute of speech, for which somebody who has picked up listens.
pub const SUMMARY_BYTES_MAX: usize = 600;

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
    /// How callers get there.
    pub way: Way,
}

/// How a caller is put through.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Way {
    /// His telephone network is asked to call the target (REFER). Where it refuses that, and on legs that cannot be asked, as
    /// [`Self::Bridge`].
    #[default]
    Auto,
    /// It is asked, and nothing else is tried.
    Refer,
    /// We call the target while the caller hears music, and both talk when it has picked up.
    Bridge,
    /// As that, and the agent tells the target first what it is about, unheard by the caller.
    Warm,
}

impl Way {
    /// All of them, as an operator writes them.
    pub const ALL: [(&'static str, Self); 4] =
        [("auto", Self::Auto), ("refer", Self::Refer), ("bridge", Self::Bridge), ("warm", Self::Warm)];
}

/// What the model wants.
#[derive(Clone, Debug)]
pub enum Wish {
    /// The caller is to be put through.
    PutThrough {
        /// To whom.
        to: Arc<Destination>,
        /// What that one is told first, where the destination is [`Way::Warm`].
        summary: Option<Words>,
    },
    /// Whoever was told of the caller takes the call: both are to talk, and the agent leaves.
    Join,
    /// That one does not take it: the caller is to have the agent back.
    Back,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({})", self.name)
    }
}

/// The tools as the model is told of them; the second is there when somebody is to be told of callers first.
pub(super) fn describe(destinations: &[Arc<Destination>]) -> Vec<Tool> {
    let names: Vec<&str> = destinations.iter().map(|destination| destination.name.as_str()).collect();
    let mut description =
        "Put the caller through to somebody else. Tell the caller so first. When it works, the call is over for you. \
                           When it does not, you are told why, and go on talking with the caller. Destinations:"
            .to_owned();
    for Destination { name, description: when, .. } in destinations.iter().map(Arc::as_ref) {
        description.push_str(&format!("\n- {name}: {when}"));
    }
    let mut parameters = json!({
        "type": "object",
        "properties": { "to": { "type": "string", "enum": names, "description": "Whom to put the caller through to." } },
        "required": ["to"],
        "additionalProperties": false
    });
    let warm = destinations.iter().filter(|destination| destination.way == Way::Warm);
    let warm: Vec<&str> = warm.map(|destination| destination.name.as_str()).collect();
    let mut finish = None;
    if !warm.is_empty() {
        let what =
            "For the destination, before the caller is there: who calls, and what about, in one or two sentences. Needed for";
        parameters["properties"]["summary"] = json!({ "type": "string", "description": format!("{what}: {}.", warm.join(", ")) });
        finish = Some(describe_finish());
    }
    [Tool { name: NAME.to_owned(), description, parameters }].into_iter().chain(finish).collect()
}

fn describe_finish() -> Tool {
    let description = "After transfer_call, when somebody has picked up and you have told them of the caller, who is on hold: join brings \
                       the two together, and the call is over for you; back brings you back to the caller, when they do not take the call \
                       or when a machine answers.";
    let parameters = json!({
        "type": "object",
        "properties": { "outcome": { "type": "string", "enum": ["join", "back"] } },
        "required": ["outcome"],
        "additionalProperties": false
    });
    Tool { name: FINISH.to_owned(), description: description.to_owned(), parameters }
}

/// Reads a call of one of the two as the model wrote it.
///
/// # Errors
/// [`ToolError::Argument`] for anything but the name of a destination, and for a warm one without a summary of it.
pub(super) fn parse(tool: &str, destinations: &[Arc<Destination>], arguments: &Value) -> Result<Wish, ToolError> {
    if tool == FINISH {
        return match arguments["outcome"].as_str() {
            Some("join") => Ok(Wish::Join),
            Some("back") => Ok(Wish::Back),
            _ => Err(ToolError::Argument { name: "outcome", reason: "must be join or back" }),
        };
    }
    let wrong = |reason| ToolError::Argument { name: "to", reason };
    let name = arguments["to"].as_str().ok_or(wrong("must be the name of a destination"))?;
    let named = |destination: &&Arc<Destination>| destination.name.eq_ignore_ascii_case(name.trim());
    let to = destinations.iter().find(named).cloned().ok_or(wrong("is none of the destinations"))?;
    let wrong = |reason| ToolError::Argument { name: "summary", reason };
    let summary = match (to.way, arguments["summary"].as_str().map(str::trim)) {
        (Way::Warm, None | Some("")) => return Err(wrong("must say who calls and what about")),
        (Way::Warm, Some(text)) if text.len() > SUMMARY_BYTES_MAX => return Err(wrong("is too long: say it in two sentences")),
        (Way::Warm, Some(text)) => Some(text.into()),
        _ => None,
    };
    Ok(Wish::PutThrough { to, summary })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations() -> Vec<Arc<Destination>> {
        let one = |name: &str, when: &str, way: Way| {
            let target = "tel:+15551230000".to_owned();
            Arc::new(Destination { name: name.to_owned(), target, description: when.to_owned(), say: String::new(), way })
        };
        vec![one("sales", "new orders", Way::Auto), one("support", "something broke", Way::Bridge)]
    }

    fn check(arguments: Value, expected: &str) {
        let read = parse(NAME, &destinations(), &arguments);
        let told = read.map_or_else(|error| error.to_string(), |wish| format!("{wish:?}"));
        assert_eq!(told, expected, "{arguments}");
    }

    #[test]
    fn only_names_of_the_list_are_taken() {
        check(json!({ "to": "sales" }), "PutThrough { to: Destination(sales), summary: None }");
        check(json!({ "to": " Support " }), "PutThrough { to: Destination(support), summary: None }");
        check(json!({ "to": "+19005550000" }), "argument to: is none of the destinations");
        check(json!({ "to": "tel:+15551230000" }), "argument to: is none of the destinations");
        check(json!({ "to": 5 }), "argument to: must be the name of a destination");
        check(json!({}), "argument to: must be the name of a destination");
    }

    #[test]
    fn who_is_told_of_the_caller_first_needs_words_for_it() {
        let mut destinations = destinations();
        destinations.push(Arc::new(Destination { name: "boss".to_owned(), way: Way::Warm, ..(*destinations[0]).clone() }));
        let summary = |arguments: Value| match parse(NAME, &destinations, &arguments) {
            Ok(Wish::PutThrough { summary, .. }) => summary.map_or("-".to_owned(), Words::into_string),
            Ok(wish) => format!("{wish:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(summary(json!({ "to": "boss", "summary": " Ann, about an order. " })), "Ann, about an order.");
        assert_eq!(summary(json!({ "to": "boss" })), "argument summary: must say who calls and what about");
        assert_eq!(summary(json!({ "to": "boss", "summary": " " })), "argument summary: must say who calls and what about");
        let long = "x".repeat(SUMMARY_BYTES_MAX + 1);
        let told = summary(json!({ "to": "boss", "summary": long }));
        assert_eq!(told, "argument summary: is too long: say it in two sentences");
        assert_eq!(summary(json!({ "to": "sales", "summary": "Ann" })), "-");
        let told = describe(&destinations)[0].parameters["properties"]["summary"]["description"].to_string();
        assert!(told.ends_with("Needed for: boss.\""), "{told}");
    }

    #[test]
    fn what_comes_of_it_is_said_in_one_of_two_words() {
        let told = |arguments: Value| match parse(FINISH, &[], &arguments) {
            Ok(wish) => format!("{wish:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(told(json!({ "outcome": "join" })), "Join");
        assert_eq!(told(json!({ "outcome": "back" })), "Back");
        assert_eq!(told(json!({ "outcome": "sales" })), "argument outcome: must be join or back");
        assert_eq!(told(json!({})), "argument outcome: must be join or back");
    }

    #[test]
    fn the_model_is_told_names_and_no_number() {
        let [tool] = &describe(&destinations())[..] else { panic!("nobody is told of callers first") };
        assert_eq!(tool.parameters["properties"]["to"]["enum"], json!(["sales", "support"]));
        assert!(
            tool.description.ends_with("Destinations:\n- sales: new orders\n- support: something broke"),
            "{}",
            tool.description
        );
        assert!(!format!("{} {}", tool.description, tool.parameters).contains("555"));
    }
}
