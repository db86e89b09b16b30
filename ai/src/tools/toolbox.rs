//! What one assistant has of tools, and what one call is offered of them.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::builtin::BuiltIn;
use super::transfer::{self, Destination, Way, Wish};
use super::{Tool, ToolError, ToolKind, ToolRules, ToolRunner};
use crate::json::line;

/// The most tools of one call: providers take 128. More are left out, the last runner's last first.
pub const MAX_TOOLS: usize = 128;

/// The longest name that providers take, of `[A-Za-z0-9_-]`.
pub const MAX_NAME: usize = 64;

/// The longest description, in bytes; a longer one is cut. An MCP server's could fill the model's context.
pub const MAX_DESCRIPTION: usize = 4 * 1024;

/// The longest schema, in bytes of JSON; a tool with a longer one is left out.
pub const MAX_SCHEMA: usize = 32 * 1024;

/// What is said while a slow tool runs, unless the configuration says otherwise.
pub const FILLER: &str = "One moment, please.";

/// The tools of an assistant.
#[derive(Clone)]
pub struct Toolbox {
    built_in: Vec<&'static str>,
    runners: Vec<Arc<dyn ToolRunner>>,
    /// What is said when a tool takes long; `None`: nothing.
    pub filler: Option<String>,
    /// Whom callers may be put through to; none: there is no tool for that.
    pub transfers: Vec<Arc<Destination>>,
}

impl Default for Toolbox {
    /// The built-in tools of [`DEFAULT`](super::builtin::DEFAULT).
    fn default() -> Self {
        Self::new(&super::builtin::DEFAULT, Vec::new())
    }
}

impl fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Toolbox({:?} and {} runners)", self.built_in, self.runners.len())
    }
}

impl Toolbox {
    /// These built-in tools, by name, and what these runners offer.
    pub fn new(built_in: &[&'static str], runners: Vec<Arc<dyn ToolRunner>>) -> Self {
        Self { built_in: built_in.to_vec(), runners, filler: Some(FILLER.to_owned()), transfers: Vec::new() }
    }

    /// What a call that begins now is offered. It does not change while the call lasts.
    pub fn offer(&self) -> Offer {
        let mut offer = Offer::default();
        for name in &self.built_in {
            if let Some(tool) = BuiltIn::describe(name) {
                offer.rows.push(Row { tool, runs: Runs::BuiltIn });
            }
        }
        if !self.transfers.is_empty() {
            offer.push_transfers(self.transfers.clone());
        }
        let mut taken: HashSet<String> = offer.rows.iter().map(|row| row.tool.name.clone()).collect();
        for runner in &self.runners {
            for tool in runner.tools() {
                if offer.rows.len() == MAX_TOOLS {
                    return offer;
                }
                if tool.parameters.to_string().len() > MAX_SCHEMA {
                    continue;
                }
                let (alias, name) = (alias(&tool.name, &taken), tool.name);
                taken.insert(alias.clone());
                let mut description = tool.description;
                description.truncate(description.floor_char_boundary(MAX_DESCRIPTION));
                let tool = Tool { name: alias, description, parameters: tool.parameters };
                offer.rows.push(Row { tool, runs: Runs::Runner { runner: Arc::clone(runner), name } });
            }
        }
        offer
    }
}

/// A name that providers take and that is not taken yet: the tool's own where it is one, else what remains of it with the beginning of
/// its hash, so that the same tool has the same name in every call.
fn alias(name: &str, taken: &HashSet<String>) -> String {
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    if plain == name && is_name(name) && !taken.contains(name) {
        return plain;
    }
    let hash = Sha256::digest(name.as_bytes());
    let suffix: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut alias = format!("{}_{suffix}", &plain[..plain.len().min(MAX_NAME - 9)]);
    // Two runners may have a tool of the same name.
    let mut number = 2;
    while taken.contains(&alias) {
        alias = format!("{}_{suffix}_{number}", &plain[..plain.len().min(MAX_NAME - 13)]);
        number += 1;
    }
    alias
}

/// Whether a provider takes `name` as it is.
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_plain)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// The tools of one call, by the names that its model knows them by.
#[derive(Clone, Default)]
pub struct Offer {
    rows: Vec<Row>,
}

#[derive(Clone)]
struct Row {
    /// As the model knows it.
    tool: Tool,
    runs: Runs,
}

#[derive(Clone)]
enum Runs {
    BuiltIn,
    Transfer(Vec<Arc<Destination>>),
    Runner { runner: Arc<dyn ToolRunner>, name: String },
}

/// A tool that was called.
pub enum Called {
    /// For the call's actor.
    BuiltIn(BuiltIn),
    /// For the call: it is to be put through, or what is to come of that.
    Transfer(Wish),
    /// For a runner.
    Runner {
        /// Which.
        runner: Arc<dyn ToolRunner>,
        /// The tool's name there.
        name: String,
        /// The arguments, an object; the runner checks them.
        arguments: Value,
    },
}

/// What is known of a tool before it is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// What runs it.
    pub kind: ToolKind,
    /// How it may be used.
    pub rules: ToolRules,
}

impl Offer {
    /// What the model is told.
    pub fn tools(&self) -> Vec<Tool> {
        self.rows.iter().map(|row| row.tool.clone()).collect()
    }

    /// What is known of the tool that the model calls `name`.
    pub fn known(&self, name: &str) -> Option<Known> {
        self.row(name).map(|row| match &row.runs {
            Runs::BuiltIn => Known { kind: ToolKind::BuiltIn, rules: BuiltIn::rules(name) },
            Runs::Transfer(_) => Known { kind: ToolKind::BuiltIn, rules: ToolRules::default() },
            Runs::Runner { runner, name } => Known { kind: runner.kind(), rules: runner.rules(name) },
        })
    }

    /// Who runs a call of the model.
    ///
    /// # Errors
    /// [`ToolError::Unknown`], or what is wrong with the arguments.
    pub fn resolve(&self, name: &str, arguments: &str) -> Result<Called, ToolError> {
        let row = self.row(name).ok_or_else(|| ToolError::Unknown { name: line(name) })?;
        let arguments = super::parse_arguments(arguments)?;
        match &row.runs {
            Runs::BuiltIn => BuiltIn::parse(name, &arguments).map(Called::BuiltIn),
            Runs::Transfer(destinations) => transfer::parse(name, destinations, &arguments).map(Called::Transfer),
            Runs::Runner { runner, name } => Ok(Called::Runner { runner: Arc::clone(runner), name: name.clone(), arguments }),
        }
    }

    /// Without the destinations to which the peer alone leads, for legs that cannot ask it: a model is not told of what cannot be done.
    #[must_use]
    pub fn without_refer(mut self) -> Self {
        let transfers = self.rows.iter().find_map(|row| match &row.runs {
            Runs::Transfer(destinations) => Some(destinations.clone()),
            Runs::BuiltIn | Runs::Runner { .. } => None,
        });
        let Some(mut destinations) = transfers else { return self };
        self.rows.retain(|row| !matches!(row.runs, Runs::Transfer(_)));
        destinations.retain(|destination| destination.way != Way::Refer);
        if !destinations.is_empty() {
            self.push_transfers(destinations);
        }
        self
    }

    fn push_transfers(&mut self, destinations: Vec<Arc<Destination>>) {
        let tools = transfer::describe(&destinations).into_iter();
        self.rows.extend(tools.map(|tool| Row { tool, runs: Runs::Transfer(destinations.clone()) }));
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.tool.name == name)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::BoxFuture;
    use serde_json::json;

    use super::super::{ToolCall, ToolOutcome};
    use super::*;

    /// Offers tools of these names.
    struct Named(Vec<String>);

    impl ToolRunner for Named {
        fn tools(&self) -> Vec<Tool> {
            let tool = |name: &String| Tool { name: name.clone(), description: "x".repeat(5_000), parameters: json!({}) };
            self.0.iter().map(tool).collect()
        }

        fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
            Box::pin(async move { ToolOutcome::ok(call.name) })
        }

        fn rules(&self, name: &str) -> ToolRules {
            ToolRules { cancel_on_barge_in: name == "a.b", sensitive: false }
        }

        fn kind(&self) -> ToolKind {
            ToolKind::Mcp
        }
    }

    fn offer(names: &[&[&str]]) -> Offer {
        let runner =
            |names: &&[&str]| Arc::new(Named(names.iter().map(|name| (*name).to_owned()).collect())) as Arc<dyn ToolRunner>;
        Toolbox::new(&["end_call"], names.iter().map(runner).collect()).offer()
    }

    fn check(names: &[&[&str]], expected: &str) {
        let offer = offer(names);
        let told: Vec<String> = offer.tools().into_iter().map(|tool| tool.name).collect();
        assert_eq!(told.join(" "), expected);
        assert!(told.iter().all(|name| is_name(name)));
    }

    #[test]
    fn names_that_providers_refuse_get_an_alias_of_their_own() {
        check(&[&["look", "a.b", "a b", "crm/look"]], "end_call look a_b_2e7336dc a_b_c8687a08 crm_look_f89cb09d");
        check(&[&["look"], &["look"], &["look"]], "end_call look look_3c01eba1 look_3c01eba1_2");
        check(&[&["end_call", "é"]], "end_call end_call_1bc3569a __4a99557e");
        let long = "x".repeat(70);
        let told = offer(&[&[&long]]).tools().remove(1).name;
        assert_eq!((told.len(), told.starts_with("xxx")), (MAX_NAME, true));
    }

    #[test]
    fn a_call_by_its_alias_reaches_the_tool_by_its_name() {
        let offer = offer(&[&["look"], &["a.b", "look"]]);
        let told = |name: &str, arguments: &str| match offer.resolve(name, arguments) {
            Ok(Called::BuiltIn(call)) => call.name().to_owned(),
            Ok(Called::Transfer(wish)) => format!("{wish:?}"),
            Ok(Called::Runner { name, arguments, .. }) => format!("{name} {arguments}"),
            Err(error) => error.to_string(),
        };
        let alias = offer.tools()[2].name.clone();
        assert_eq!(told(&alias, r#"{"x":1}"#), r#"a.b {"x":1}"#);
        assert_eq!(told("end_call", ""), "end_call");
        assert_eq!(told("a.b", "{}"), "there is no tool named a.b");
        assert_eq!(told("look", "5"), "arguments are not a json object: it is another kind of value");
        assert!(offer.known(&alias).is_some_and(|known| known.rules.cancel_on_barge_in && known.kind == ToolKind::Mcp));
        assert_eq!(offer.known("fly"), None);
    }

    #[test]
    fn callers_are_put_through_where_there_is_somebody_and_the_leg_can() {
        let (name, text) = ("sales".to_owned(), String::new);
        let sales = Destination { name, target: text(), description: text(), say: text(), way: Way::Refer };
        let desk = Destination { name: "desk".to_owned(), way: Way::Warm, ..sales.clone() };
        let toolbox = Toolbox { transfers: vec![Arc::new(sales)], ..Toolbox::new(&["end_call"], Vec::new()) };
        let told = |offer: &Offer| offer.tools().into_iter().map(|tool| tool.name).collect::<Vec<_>>().join(" ");
        assert_eq!(told(&toolbox.offer()), "end_call transfer_call");
        assert_eq!(told(&toolbox.offer().without_refer()), "end_call");
        let called = toolbox.offer().resolve("transfer_call", r#"{"to":"sales"}"#);
        assert!(matches!(called, Ok(Called::Transfer(Wish::PutThrough { to, .. })) if to.name == "sales"));
        assert!(toolbox.offer().without_refer().resolve("transfer_call", r#"{"to":"sales"}"#).is_err());
        let both = Toolbox { transfers: vec![Arc::clone(&toolbox.transfers[0]), Arc::new(desk)], ..toolbox };
        assert_eq!(told(&both.offer()), "end_call transfer_call finish_transfer");
        let offer = both.offer().without_refer();
        assert_eq!(told(&offer), "end_call transfer_call finish_transfer");
        assert_eq!(offer.tools()[1].parameters["properties"]["to"]["enum"], json!(["desk"]));
        assert!(offer.resolve("transfer_call", r#"{"to":"sales"}"#).is_err());
        assert!(matches!(offer.resolve("finish_transfer", r#"{"outcome":"join"}"#), Ok(Called::Transfer(Wish::Join))));
    }

    #[test]
    fn there_are_not_more_tools_than_providers_take() {
        let many: Vec<String> = (0..200).map(|number| format!("tool_{number}")).collect();
        let offer = offer(&[&many.iter().map(String::as_str).collect::<Vec<_>>()]);
        assert_eq!(offer.tools().len(), MAX_TOOLS);
        assert!(offer.tools().iter().all(|tool| tool.description.len() <= MAX_DESCRIPTION));
    }
}
