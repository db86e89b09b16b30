//! What rows of the database may not have, though the file may: files and programs of the server, and for organizations other than the
//! operator's also its environment, its network and its trunks.

use ai::net::guard::{Reach, Url};
use serde_json::{Map, Value};
use store::OrganizationId;

use crate::config::Problem;

const FILE_ONLY: &str = "can be set in the configuration file only";
const OPERATORS: &str = "can be set by the operator's organization only";

/// Of an assistant.
pub(super) fn assistant(organization: &OrganizationId, fields: &Map<String, Value>) -> Vec<Problem> {
    let mut wrong = Vec::new();
    if organization.is_operator() {
        return wrong;
    }
    let within = |section: &str, key: &str| fields.get(section).and_then(|section| section.get(key));
    // Names are looked at when they are connected to, in `ai::link::socket`.
    if within("engine", "url").and_then(Value::as_str).is_some_and(|url| !is_public(url)) {
        wrong.push(Problem::new("engine.url", "leads into the server's own network, which is for the operator's organization"));
    }
    for key in ["auth_token_env", "authorization_env"].into_iter().filter(|key| within("engine", key).is_some()) {
        wrong.push(Problem::new(format!("engine.{key}"), OPERATORS));
    }
    if fields.contains_key("transfer") {
        wrong.push(Problem::new("transfer", "is for the operator's organization: calls go over its trunks"));
    }
    if within("ambience", "file").is_some() {
        wrong.push(Problem::new("ambience.file", OPERATORS));
    }
    wrong
}

/// Whether a WebSocket's URL leads to the Internet, as far as it says so itself. What is no URL at all is told by its own reader.
fn is_public(url: &str) -> bool {
    let url = url.strip_prefix("ws").map(|rest| format!("http{rest}"));
    url.and_then(|url| Url::parse(&url).ok()).is_none_or(|url| Reach::Public.check(&url).is_ok())
}

/// Of an HTTP tool.
pub(super) fn tool(organization: &OrganizationId, fields: &Map<String, Value>) -> Vec<Problem> {
    let mut wrong = Vec::new();
    near(organization, fields, &mut wrong);
    wrong
}

/// Of an MCP server.
pub(super) fn mcp_server(organization: &OrganizationId, fields: &Map<String, Value>) -> Vec<Problem> {
    let mut wrong = only_in_the_file(fields, &["command", "args", "env"]);
    near(organization, fields, &mut wrong);
    wrong
}

/// Of a trunk. They are the operator's: a trunk claims addresses, and carries numbers of all.
pub(super) fn trunk(_: &OrganizationId, fields: &Map<String, Value>) -> Vec<Problem> {
    only_in_the_file(fields, &["tls_certificate", "tls_key", "tls_roots"])
}

fn only_in_the_file(fields: &Map<String, Value>, keys: &[&str]) -> Vec<Problem> {
    let given = keys.iter().filter(|key| fields.get(**key).is_some_and(|value| !value.is_null()));
    given.map(|key| Problem::new(*key, FILE_ONLY)).collect()
}

fn near(organization: &OrganizationId, fields: &Map<String, Value>, wrong: &mut Vec<Problem>) {
    if !organization.is_operator() && fields.get("allow_private").and_then(Value::as_bool) == Some(true) {
        wrong.push(Problem::new("allow_private", OPERATORS));
    }
}
