//! Rows of the database, read as the file's are: by the same readers, with the same checks.
//!
//! ```text
//! file ──────────► Config ──┐
//!                           ├──► Config with both, which the directory is made from
//! database ──► JSON rows ───┘     a row that cannot be used (any more) is left out, and told of
//! ```
//!
//! What the file names stays the file's: a row of the database that has the same number, trunk or tool is left out. An assistant of the
//! database is called by its id, so that two organizations may have one of the same name.

use actors::config::TrunkConfig;
use ai::secret::Secret as AiSecret;
use ai::tools::http::HttpTool;
use ai::tools::mcp::McpConfig;
use serde_json::{Map, Value};
use store::{OrganizationId, Resource, ResourceId, ResourceKind};
use toml::Table;

use super::assistant::{AssistantConfig, NumberConfig, PhoneNumber, phone_number, read_assistant};
use super::reader::{Reader, Section};
use super::{Config, Environment, Problem, Problems, Secret, tools, trunk};

mod elsewhere;
mod file;
mod json;

pub use file::FileRows;

/// A row that is to be.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Whose it is to be.
    pub organization: &'a OrganizationId,
    /// What it is.
    pub kind: ResourceKind,
    /// Which it is, if it is there already.
    pub id: Option<ResourceId>,
    /// All of it, as JSON.
    pub fields: &'a Map<String, Value>,
}

/// Why a row cannot be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RowRefusal {
    /// These fields are wrong.
    Fields(Problems),
    /// The file has one of this name.
    OfFile(String),
}

impl From<Problems> for RowRefusal {
    fn from(problems: Problems) -> Self {
        Self::Fields(problems)
    }
}

/// What of a row the database keeps apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowHead {
    /// What may stand once.
    pub name: String,
    /// What it needs.
    pub uses: Vec<ResourceId>,
}

/// A row that is not used, and why.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Which.
    pub id: ResourceId,
    /// What it is.
    pub kind: ResourceKind,
    /// Why.
    pub problems: Problems,
}

/// What a node has of both.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The file with the rows beside it.
    pub config: Config,
    /// What could not be used.
    pub left_out: Vec<LeftOut>,
}

impl Config {
    /// This file with `rows` beside it. Numbers of the `inactive` are switched off.
    pub fn with_rows(&self, rows: &[Resource], inactive: &[OrganizationId], environment: &Environment) -> Merged {
        let mut merged = Merged { config: self.clone(), left_out: Vec::new() };
        // What is named comes before what names it.
        for kind in
            [ResourceKind::Trunk, ResourceKind::Tool, ResourceKind::McpServer, ResourceKind::Assistant, ResourceKind::PhoneNumber]
        {
            for row in rows.iter().filter(|row| row.kind == kind) {
                if let Err(problems) = merged.config.add(self, row, rows, environment) {
                    merged.left_out.push(LeftOut { id: row.id, kind, problems });
                }
            }
        }
        for number in merged.config.numbers.iter_mut().filter(|number| inactive.contains(&number.organization)) {
            number.active = false;
        }
        merged
    }

    fn add(&mut self, file: &Self, row: &Resource, rows: &[Resource], environment: &Environment) -> Result<(), Problems> {
        let empty = Map::new();
        let fields = row.fields.as_object().unwrap_or(&empty);
        let candidate = Candidate { organization: &row.organization, kind: row.kind, id: Some(row.id), fields };
        if let Some(problem) = file.names(&candidate, &row.name) {
            return Err(Problems(vec![Problem::new("name", problem)]));
        }
        match row.kind {
            ResourceKind::Assistant => {
                let assistant = self.read_assistant_row(&candidate, environment)?;
                self.assistants.push(AssistantConfig { name: row.id.to_string(), ..assistant });
            }
            ResourceKind::McpServer => {
                let server = self.read_mcp_row(&candidate, environment)?;
                self.tools_of_mut(&row.organization).mcp.push(server);
            }
            ResourceKind::PhoneNumber => {
                let number = self.read_number_row(&candidate, rows)?;
                self.numbers.push(number);
            }
            ResourceKind::Tool => {
                let tool = self.read_tool_row(&candidate, environment)?;
                self.tools_of_mut(&row.organization).http.push(tool);
            }
            ResourceKind::Trunk => {
                let trunk = self.read_trunk_row(&candidate, environment)?;
                self.trunks.push(trunk);
            }
            ResourceKind::Configuration | ResourceKind::FeatureFlag => {}
        }
        Ok(())
    }

    /// Checks a row that is to be, beside the file, and `self` being both. `rows` are those there are.
    ///
    /// # Errors
    /// Every field that is wrong, or that the file has it.
    pub fn check_row(
        &self,
        file: &Self,
        candidate: &Candidate<'_>,
        rows: &[Resource],
        environment: &Environment,
    ) -> Result<RowHead, RowRefusal> {
        let mut uses = Vec::new();
        let name = match candidate.kind {
            ResourceKind::Assistant => {
                let assistant = self.read_assistant_row(candidate, environment)?;
                uses.extend(assistant.tools.names.iter().filter_map(|name| tool_named(rows, candidate.organization, name)));
                assistant.name
            }
            ResourceKind::McpServer => self.read_mcp_row(candidate, environment)?.name,
            ResourceKind::PhoneNumber => {
                let number = self.read_number_row(candidate, rows)?;
                let id = |field: &&str| candidate.fields.get(*field)?.as_str()?.parse::<ResourceId>().ok();
                uses.extend(["assistant_id", "trunk_id"].iter().filter_map(id));
                number.number.as_str().trim_start_matches('+').to_owned()
            }
            ResourceKind::Tool => self.read_tool_row(candidate, environment)?.tool.name,
            ResourceKind::Trunk => self.read_trunk_row(candidate, environment)?.name.to_string(),
            ResourceKind::Configuration | ResourceKind::FeatureFlag => String::new(),
        };
        if let Some(problem) = file.names(candidate, &name) {
            return Err(RowRefusal::OfFile(problem));
        }
        self.check_tool_name(candidate, &name, rows)?;
        Ok(RowHead { name, uses })
    }

    /// What the file has of this name, in words.
    fn names(&self, candidate: &Candidate<'_>, name: &str) -> Option<String> {
        let here = candidate.organization.is_operator();
        let tools = || {
            let http = self.tools.http.iter().map(|tool| &tool.tool.name);
            http.chain(self.tools.mcp.iter().map(|server| &server.name)).any(|other| other == name)
        };
        let (named, what) = match candidate.kind {
            ResourceKind::Assistant => (here && self.assistants.iter().any(|other| other.name == name), "assistant"),
            ResourceKind::McpServer | ResourceKind::Tool => (here && tools(), "tool or MCP server"),
            ResourceKind::PhoneNumber => {
                let same = |other: &NumberConfig| other.number.as_str().trim_start_matches('+') == name;
                (self.numbers.iter().any(same), "number")
            }
            ResourceKind::Trunk => (self.trunks.iter().any(|other| &*other.name == name), "trunk"),
            ResourceKind::Configuration | ResourceKind::FeatureFlag => (false, ""),
        };
        named.then(|| format!("the configuration file has this {what}: change it there"))
    }

    /// Tools and MCP servers share their names, and who is chosen by an assistant keeps its own.
    fn check_tool_name(&self, candidate: &Candidate<'_>, name: &str, rows: &[Resource]) -> Result<(), Problems> {
        if !matches!(candidate.kind, ResourceKind::McpServer | ResourceKind::Tool) {
            return Ok(());
        }
        let wrong = |reason: String| Err(Problems(vec![Problem::new("name", reason)]));
        if tool_named(rows, candidate.organization, name).is_some_and(|other| Some(other) != candidate.id) {
            return wrong(format!("{name:?} is there already, as a tool or an MCP server"));
        }
        let before = rows.iter().find(|row| Some(row.id) == candidate.id).filter(|row| row.name != name);
        let Some(before) = before else { return Ok(()) };
        let chosen = |assistant: &&AssistantConfig| {
            assistant.organization == *candidate.organization && assistant.tools.names.contains(&before.name)
        };
        match self.assistants.iter().find(chosen) {
            Some(assistant) => wrong(format!("the assistant {} names it {:?}", assistant.name, before.name)),
            None => Ok(()),
        }
    }

    fn read_assistant_row(&self, candidate: &Candidate<'_>, environment: &Environment) -> Result<AssistantConfig, Problems> {
        let none = Default::default();
        let tools = self.tools_of(candidate.organization).unwrap_or(&none);
        let key = variables(candidate.organization, environment);
        let mut fields = candidate.fields.clone();
        let metadata = fields.remove("metadata");
        let mut wrong = elsewhere::assistant(candidate.organization, &fields);
        if metadata.is_some_and(|metadata| !metadata.is_object()) {
            wrong.push(Problem::new("metadata", "is not an object"));
        }
        let assistant = read(&fields, wrong, |section| read_assistant(section, &self.turn, &self.providers, tools, &key))?;
        Ok(AssistantConfig { organization: candidate.organization.clone(), ..assistant })
    }

    fn read_tool_row(&self, candidate: &Candidate<'_>, environment: &Environment) -> Result<HttpTool, Problems> {
        let wrong = elsewhere::tool(candidate.organization, candidate.fields);
        let key = variables(candidate.organization, environment);
        let variable = |name: &str| Some(AiSecret::from(key(name)?.expose()));
        let tool = read(candidate.fields, wrong, |mut row| {
            let tool = tools::read_tool(&mut row, &variable);
            row.finish();
            tool
        })?;
        tool.ok_or_else(|| Problems(vec![Problem::new("url", "cannot be used")]))
    }

    fn read_mcp_row(&self, candidate: &Candidate<'_>, environment: &Environment) -> Result<McpConfig, Problems> {
        let wrong = elsewhere::mcp_server(candidate.organization, candidate.fields);
        let key = variables(candidate.organization, environment);
        let variable = |name: &str| Some(AiSecret::from(key(name)?.expose()));
        let server = read(candidate.fields, wrong, |mut row| {
            let server = tools::read_mcp_server(&mut row, &variable);
            row.finish();
            server
        })?;
        server.ok_or_else(|| Problems(vec![Problem::new("url", "cannot be used")]))
    }

    fn read_trunk_row(&self, candidate: &Candidate<'_>, environment: &Environment) -> Result<TrunkConfig, Problems> {
        let mut wrong = elsewhere::trunk(candidate.organization, candidate.fields);
        let judged = self.sip.tls.as_ref().is_some_and(|tls| tls.client_roots.is_some());
        if candidate.fields.contains_key("certificate_names") && !judged {
            wrong.push(Problem::new("certificate_names", "need sip.tls_client_roots: without them no certificate is asked for"));
        }
        let key = variables(candidate.organization, environment);
        let defaults = trunk::Defaults { codecs: self.codecs.wire(), srtp: self.rtp.srtp.wire(), identity: &self.identity };
        read(candidate.fields, wrong, |mut row| {
            let trunk = trunk::read_trunk_beside(&mut row, &self.trunks, &defaults, &key);
            row.finish();
            trunk
        })
    }

    fn read_number_row(&self, candidate: &Candidate<'_>, rows: &[Resource]) -> Result<NumberConfig, Problems> {
        let organization = candidate.organization;
        read(candidate.fields, Vec::new(), |mut row| {
            for key in ["number", "assistant_id"] {
                if !row.has(key) {
                    row.refuse(key, "must be set");
                }
            }
            let number = row.value("number", String::new(), |given| phone_number(&given.text()?));
            let assistant = row.free_text("assistant_id", "");
            // One that is there and cannot be used answers nobody; the number is right all the same.
            let usable = |other: &AssistantConfig| other.name == assistant && other.organization == *organization;
            let there = || row_of(rows, organization, ResourceKind::Assistant, &assistant).is_some();
            if !assistant.is_empty() && !self.assistants.iter().any(usable) && !there() {
                row.refuse("assistant_id", "there is no such assistant");
            }
            let trunk_id = row.free_text("trunk_id", "");
            let trunk = match trunk_id.as_str() {
                "" => None,
                id => self.trunk_named(id, rows),
            };
            if !trunk_id.is_empty() && trunk.is_none() {
                row.refuse("trunk_id", "there is no such trunk");
            }
            let active = row.flag("active", true);
            row.finish();
            NumberConfig { number: PhoneNumber(number), organization: organization.clone(), assistant, trunk, active }
        })
    }

    /// The name of the trunk with this id: that of its row, or the file's own. Trunks are the operator's, and carry everybody's numbers.
    fn trunk_named(&self, id: &str, rows: &[Resource]) -> Option<String> {
        let row = row_of(rows, &OrganizationId::operator(), ResourceKind::Trunk, id).map(|row| row.name.clone());
        row.or_else(|| self.trunks.iter().find(|trunk| &*trunk.name == id).map(|trunk| trunk.name.to_string()))
    }
}

/// The row of an organization with this id.
fn row_of<'a>(rows: &'a [Resource], organization: &OrganizationId, kind: ResourceKind, id: &str) -> Option<&'a Resource> {
    let id = id.parse::<ResourceId>().ok()?;
    rows.iter().find(|row| row.id == id && row.kind == kind && row.organization == *organization)
}

/// The tool or MCP server of an organization with this name.
fn tool_named(rows: &[Resource], organization: &OrganizationId, name: &str) -> Option<ResourceId> {
    let tool = |row: &&Resource| matches!(row.kind, ResourceKind::McpServer | ResourceKind::Tool);
    rows.iter().filter(tool).find(|row| row.organization == *organization && row.name == name).map(|row| row.id)
}

/// The environment, for the operator's own rows: what is there is not for others to send where they like. What configures the server,
/// its own key above all, is for nobody: who may make a tool would be who owns the server.
fn variables<'a>(organization: &OrganizationId, environment: &'a Environment) -> impl Fn(&str) -> Option<Secret> + 'a {
    let open = organization.is_operator();
    move |name: &str| {
        environment.get(name).filter(|value| open && !value.is_empty() && !name.starts_with("OFFHOOK_")).map(Secret::new)
    }
}

/// Reads a row, and says all that is wrong with it, `wrong` among it.
fn read<T>(fields: &Map<String, Value>, wrong: Vec<Problem>, read: impl FnOnce(Section<'_>) -> T) -> Result<T, Problems> {
    let table: Table = json::table(fields)?;
    let mut reader = Reader::new(std::iter::empty());
    reader.problems = wrong;
    let value = read(reader.root(table));
    match reader.finish() {
        Ok(_) => Ok(value),
        Err(Problems(problems)) => Err(Problems(problems.into_iter().map(json::in_json).collect())),
    }
}

#[cfg(test)]
mod tests;
