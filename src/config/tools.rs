//! `[[tools]]` and `[[mcp_servers]]`: what models may do besides talking.

use ai::net::guard::Reach;
use ai::secret::Secret;
use ai::tools::http::{self, HttpMethod, HttpTool};
use ai::tools::mcp::{self, McpConfig, McpTransport};
use ai::tools::template::Template;
use ai::tools::toolbox::{FILLER, is_name};
use ai::tools::{Tool, ToolRules, builtin, transfer};
use platform::campaigns::opt_out::DO_NOT_CALL;
use toml::{Table, Value};

use super::problem::suggestion;
use super::reader::{Given, Section};
use super::services::HttpUrl;

/// The tool that searches the knowledge base.
pub const SEARCH_KNOWLEDGE: &str = "search_knowledge";

/// Services of the node that are tools.
const SERVICES: [&str; 2] = [SEARCH_KNOWLEDGE, DO_NOT_CALL];

/// Variables that a child process has of ours, besides its own `env`.
const INHERITED: [&str; 3] = ["HOME", "LANG", "PATH"];

/// What an assistant may use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolsConfig {
    /// Rows of `[[tools]]`.
    pub http: Vec<HttpTool>,
    /// Rows of `[[mcp_servers]]`.
    pub mcp: Vec<McpConfig>,
}

/// An assistant's `tools` and `tool_filler`.
#[derive(Clone, Debug, PartialEq)]
pub struct ChosenTools {
    /// Built-in tools, rows of `[[tools]]`, and `[[mcp_servers]]` for all that they offer; each once. Default: end_call, get_time,
    /// send_dtmf.
    pub names: Vec<String>,
    /// Said while a slow tool runs, once at a time; `None` (written ""): nothing. Default `One moment, please.`
    pub filler: Option<String>,
}

/// Reads both lists. `variable` looks up the environment.
pub(super) fn read_tools(root: &mut Section<'_>, variable: &dyn Fn(&str) -> Option<Secret>) -> ToolsConfig {
    let mut taken = builtin_names();
    let mut tools = ToolsConfig { http: Vec::new(), mcp: Vec::new() };
    for (index, table) in root.tables("tools").unwrap_or_default().into_iter().enumerate() {
        let mut row = root.row("tools", index, table);
        let name = read_name(&mut row, &mut taken);
        let tool = read_http(&mut row, name, variable);
        row.finish();
        tools.http.extend(tool);
    }
    for (index, table) in root.tables("mcp_servers").unwrap_or_default().into_iter().enumerate() {
        let mut row = root.row("mcp_servers", index, table);
        let name = read_name(&mut row, &mut taken);
        let server = read_mcp(&mut row, name, variable);
        row.finish();
        tools.mcp.extend(server);
    }
    tools
}

/// Reads a tool that is not in the file.
pub(super) fn read_tool(row: &mut Section<'_>, variable: &dyn Fn(&str) -> Option<Secret>) -> Option<HttpTool> {
    let name = read_name(row, &mut builtin_names());
    read_http(row, name, variable)
}

/// Reads an MCP server that is not in the file.
pub(super) fn read_mcp_server(row: &mut Section<'_>, variable: &dyn Fn(&str) -> Option<Secret>) -> Option<McpConfig> {
    let name = read_name(row, &mut builtin_names());
    read_mcp(row, name, variable)
}

/// Names that no tool may have.
fn builtin_names() -> Vec<String> {
    builtin::NAMES.into_iter().chain(SERVICES).chain([transfer::NAME, transfer::FINISH]).map(str::to_owned).collect()
}

/// Reads what an assistant chooses of them.
pub(super) fn read_chosen(section: &mut Section<'_>, tools: &ToolsConfig) -> ChosenTools {
    let names = section.texts("tools", &builtin::DEFAULT);
    let rows = tools.http.iter().map(|tool| tool.tool.name.as_str());
    let known: Vec<&str> = builtin::NAMES
        .into_iter()
        .chain(SERVICES)
        .chain(rows)
        .chain(tools.mcp.iter().map(|server| server.name.as_str()))
        .collect();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            section.refuse("tools", format!("{name:?} is there twice"));
        } else if !known.contains(&name.as_str()) {
            let hint = suggestion(name, known.iter().copied());
            section.refuse("tools", format!("there is no tool {name:?}{hint}"));
        }
    }
    let filler = section.parsed("tool_filler", FILLER.to_owned(), super::assistant::spoken);
    ChosenTools { names, filler: Some(filler).filter(|filler| !filler.is_empty()) }
}

fn read_name(row: &mut Section<'_>, taken: &mut Vec<String>) -> String {
    let name = required(row, "name");
    if name.is_empty() {
        return name;
    }
    if !is_name(&name) {
        row.refuse("name", format!("{name:?} is not a name of 1-64 letters, digits, _ and -"));
    } else if taken.contains(&name) {
        row.refuse("name", format!("{name:?} is there twice, or a built-in tool's"));
    }
    taken.push(name.clone());
    name
}

/// Text that must be there; empty when it is not.
fn required(row: &mut Section<'_>, key: &str) -> String {
    if !row.has(key) {
        row.refuse(key, "must be set");
        return row.free_text(key, "");
    }
    row.text(key, "")
}

/// A row of `[[tools]]`; `None` when it cannot be used.
fn read_http(row: &mut Section<'_>, name: String, variable: &dyn Fn(&str) -> Option<Secret>) -> Option<HttpTool> {
    let description = required(row, "description");
    let methods = [
        ("delete", HttpMethod::Delete),
        ("get", HttpMethod::Get),
        ("patch", HttpMethod::Patch),
        ("post", HttpMethod::Post),
        ("put", HttpMethod::Put),
    ];
    let method = row.choice("method", HttpMethod::Get, &methods);
    let url = required(row, "url");
    let parsed = Template::parse(&url, variable);
    let template = parsed.map_err(|reason| row.refuse("url", reason)).ok().filter(|_| !url.is_empty());
    let tool = HttpTool {
        tool: Tool { name, description, parameters: read_parameters(row) },
        method,
        url: template.clone().unwrap_or_default(),
        query: read_templates(row, "query", variable),
        body: read_templates(row, "body", variable),
        headers: read_templates(row, "headers", variable),
        timeout: row.millis("timeout_ms", http::TIMEOUT, 100..=60_000),
        reach: read_reach(row),
        rules: read_rules(row),
    };
    template?;
    if let Err(error) = http::check(&tool) {
        row.refuse(&error.key, error.reason);
        return None;
    }
    Some(tool)
}

/// A row of `[[mcp_servers]]`; `None` when it cannot be used.
fn read_mcp(row: &mut Section<'_>, name: String, variable: &dyn Fn(&str) -> Option<Secret>) -> Option<McpConfig> {
    let url = row.optional("url", HttpUrl::parse);
    let command = row.optional("command", |text| Ok(text.to_owned()));
    let arguments = row.texts("args", &[]);
    let mut environment = read_constants(row, "env", variable);
    let headers = read_constants(row, "headers", variable);
    let reach = read_reach(row);
    let transport = match (url, command) {
        (Some(url), None) => Some(McpTransport::Http { url: url.as_str().to_owned(), headers, reach }),
        (None, Some(command)) => {
            environment.extend(INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?))));
            Some(McpTransport::Stdio { command, arguments, environment })
        }
        _ => {
            row.refuse("url", "set either url or command");
            None
        }
    };
    let timeout = row.millis("timeout_ms", mcp::TIMEOUT, 100..=60_000);
    let refresh = row.seconds("refresh_s", mcp::REFRESH, 10..=86_400);
    let only = row.texts("tools", &[]);
    let rules = read_rules(row);
    if let Err(reason) = transport.as_ref().map_or(Ok(()), mcp::check) {
        row.refuse("url", reason);
    }
    transport.map(|transport| McpConfig { name, transport, timeout, refresh, only, rules })
}

fn read_rules(row: &mut Section<'_>) -> ToolRules {
    ToolRules { cancel_on_barge_in: row.flag("cancel_on_barge_in", false), sensitive: row.flag("sensitive", false) }
}

fn read_reach(row: &mut Section<'_>) -> Reach {
    if row.flag("allow_private", false) { Reach::Private } else { Reach::Public }
}

/// The JSON schema of the arguments, written as a table; absent: there are none.
fn read_parameters(row: &mut Section<'_>) -> serde_json::Value {
    let none = || serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false });
    match read_table(row, "parameters") {
        Some(table) => serde_json::to_value(table).unwrap_or_else(|_| none()),
        None => none(),
    }
}

/// A table whose keys the operator names; a row can only be written in the file.
fn read_table(row: &mut Section<'_>, key: &str) -> Option<Table> {
    row.value(key, None, |given| match given {
        Given::File(Value::Table(table)) => Ok(Some(table.clone())),
        _ => Err("is not a table".to_owned()),
    })
}

/// Texts with places, by name.
fn read_templates(row: &mut Section<'_>, key: &str, variable: &dyn Fn(&str) -> Option<Secret>) -> Vec<(String, Template)> {
    let mut templates = Vec::new();
    for (name, value) in read_table(row, key).unwrap_or_default() {
        // What stands there may be a secret, so it is not repeated.
        let parsed = value.as_str().ok_or_else(|| "is not text (\"...\")".to_owned());
        match parsed.and_then(|text| Template::parse(text, variable)) {
            Ok(template) => templates.push((name, template)),
            Err(reason) => row.refuse(&format!("{key}.{name}"), reason),
        }
    }
    templates
}

/// Texts with places for the environment only, by name.
fn read_constants(row: &mut Section<'_>, key: &str, variable: &dyn Fn(&str) -> Option<Secret>) -> Vec<(String, Secret)> {
    let mut constants = Vec::new();
    for (name, template) in read_templates(row, key, variable) {
        match template.constant() {
            Some(value) => constants.push((name, value)),
            None => row.refuse(&format!("{key}.{name}"), "may only have places of the environment ({env.NAME})"),
        }
    }
    constants
}

#[cfg(test)]
mod tests;
