//! Tools that are HTTP requests: a URL, headers and a body with places for what the model and the caller give.
//!
//! Nothing of a request is logged, and what the model is told of a failure names no URL and no header: both may hold secrets.

mod answer;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jsonschema::Validator;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Url};
use serde_json::{Map, Value};

use super::template::{Target, Template};
use super::{Tool, ToolCall, ToolError, ToolKind, ToolOutcome, ToolRules, ToolRunner, ToolStatus};
use crate::net::address::Place;
use crate::net::guard::{Guard, Reach, Redirects, Refused};

/// Bytes of an answer that are read; the rest is left on the wire.
pub const MAX_ANSWER: usize = 64 * 1024;

/// How long a request may take in all, unless its row says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// An HTTP tool as its row says it.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpTool {
    /// What the model is told.
    pub tool: Tool,
    /// The request's method.
    pub method: HttpMethod,
    /// Places are only permitted behind the host.
    pub url: Template,
    /// Query parameters. Empty, and the method is without a body: all arguments that no other place takes.
    pub query: Vec<(String, Template)>,
    /// Fields of the JSON body. Empty, and the method has a body: all arguments that no other place takes.
    pub body: Vec<(String, Template)>,
    /// Headers.
    pub headers: Vec<(String, Template)>,
    /// How long it may take in all; default [`TIMEOUT`].
    pub timeout: Duration,
    /// Where it may go.
    pub reach: Reach,
    /// How it may be used.
    pub rules: ToolRules,
}

/// A method of HTTP (RFC 9110 §9.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HttpMethod {
    /// Removes; no body.
    Delete,
    /// Looks up; no body.
    Get,
    /// Changes in part.
    Patch,
    /// Makes or does.
    Post,
    /// Replaces.
    Put,
}

impl HttpMethod {
    fn has_body(self) -> bool {
        matches!(self, Self::Patch | Self::Post | Self::Put)
    }

    fn as_method(self) -> Method {
        match self {
            Self::Delete => Method::DELETE,
            Self::Get => Method::GET,
            Self::Patch => Method::PATCH,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
        }
    }
}

/// What is wrong with a row; for the operator.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct HttpToolError {
    /// The key of the row.
    pub key: String,
    /// Why its value cannot be used.
    pub reason: String,
}

/// Runs HTTP tools.
pub struct HttpTools {
    tools: Vec<Tool>,
    ready: HashMap<String, Arc<Ready>>,
}

/// A tool with all that a request needs.
struct Ready {
    config: HttpTool,
    schema: Validator,
    client: Client,
    /// Arguments that have a place, and so are not sent again.
    placed: HashSet<String>,
}

impl HttpTools {
    /// Makes the runner of one tool or more; a TLS provider must be installed. Looks nothing up yet.
    ///
    /// # Errors
    /// As [`check`]; and when the system has no TLS roots.
    pub fn new(tools: Vec<HttpTool>, guard: &Guard) -> Result<Self, HttpToolError> {
        let mut runner = Self { tools: Vec::new(), ready: HashMap::new() };
        for tool in tools {
            let name = tool.tool.name.clone();
            runner.tools.push(tool.tool.clone());
            runner.ready.insert(name, Arc::new(Ready::new(tool, guard)?));
        }
        Ok(runner)
    }
}

/// Whether a row can be used.
///
/// # Errors
/// Names the key of the row and the reason.
pub fn check(tool: &HttpTool) -> Result<(), HttpToolError> {
    let wrong = |key: &str, reason: String| HttpToolError { key: key.to_owned(), reason };
    schema_of(&tool.tool.parameters).map_err(|reason| wrong("parameters", reason))?;
    let head = tool.url.head();
    let rest = head.strip_prefix("https://").or(head.strip_prefix("http://"));
    let rest = rest.ok_or_else(|| wrong("url", "is not an http(s) URL (https://host/path)".to_owned()))?;
    let whole = tool.url.is_plain();
    if rest.is_empty() || (!whole && !rest.contains(['/', '?'])) {
        return Err(wrong("url", "its host must be written out: places are only permitted behind it".to_owned()));
    }
    let host = Url::parse(head).map_err(|error| wrong("url", error.to_string()))?;
    if let Err(reason) = reachable(tool.reach, &host) {
        return Err(wrong("url", reason));
    }
    for (name, _) in &tool.headers {
        let managed = ["host", "content-length", "transfer-encoding", "connection"];
        if HeaderName::from_bytes(name.as_bytes()).is_err() || managed.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(wrong(&format!("headers.{name}"), "is not a header that can be set".to_owned()));
        }
    }
    let known = tool.tool.parameters["properties"].as_object();
    let templates = [("query", &tool.query), ("body", &tool.body), ("headers", &tool.headers)];
    let fields = templates.iter().flat_map(|(key, rows)| rows.iter().map(move |(name, row)| (format!("{key}.{name}"), row)));
    for (key, template) in fields.chain([("url".to_owned(), &tool.url)]) {
        if let Some(unknown) = template.arguments().find(|name| !known.is_some_and(|known| known.contains_key(*name))) {
            return Err(wrong(&key, format!("{{{unknown}}} is none of the parameters' properties")));
        }
    }
    if !tool.body.is_empty() && !tool.method.has_body() {
        return Err(wrong("body", "goes with the methods patch, post and put".to_owned()));
    }
    Ok(())
}

/// Whether an operator's URL may be asked, as far as it says so itself.
///
/// # Errors
/// What the operator can do about it.
pub(super) fn reachable(reach: Reach, url: &Url) -> Result<(), String> {
    reach.check(url).map_err(|refused| match refused {
        Refused::Credentials => "must have no user and password: put them in a header".to_owned(),
        Refused::Address { place: Place::Local, .. } => "is a private address: set allow_private = true to permit it".to_owned(),
        refused => format!("cannot be used: {refused}"),
    })
}

/// A schema that arguments can be held to.
fn schema_of(parameters: &Value) -> Result<Validator, String> {
    if parameters["type"] != "object" {
        return Err("type must be \"object\"".to_owned());
    }
    jsonschema::validator_for(parameters).map_err(|error| format!("is not a JSON schema: {error}"))
}

impl Ready {
    fn new(config: HttpTool, guard: &Guard) -> Result<Self, HttpToolError> {
        check(&config)?;
        let wrong = |key: &str, reason: String| HttpToolError { key: key.to_owned(), reason };
        let schema = schema_of(&config.tool.parameters).map_err(|reason| wrong("parameters", reason))?;
        // A key in a header must not follow a redirect to someone else.
        let redirects = if config.headers.is_empty() { Redirects::AnyHost } else { Redirects::SameOrigin };
        let client = guard.client(config.reach, redirects);
        let client = client.map_err(|error| wrong("url", format!("no client can be made: {error}")))?;
        let rows = [&config.query, &config.body, &config.headers].into_iter().flatten().map(|(_, template)| template);
        let placed = rows.chain([&config.url]).flat_map(Template::arguments).map(str::to_owned).collect();
        Ok(Self { config, schema, client, placed })
    }

    /// The request for a call.
    fn request(&self, call: &ToolCall) -> Result<Request, ToolError> {
        if let Err(error) = self.schema.validate(&call.arguments) {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "the object".to_owned() } else { place };
            return Err(ToolError::Schema { reason: format!("{} (at {place})", error.masked()) });
        }
        let config = &self.config;
        let fill = |template: &Template, target| template.fill(&call.arguments, &call.call, target);
        let unusable = |reason| ToolError::Value { name: "url".to_owned(), reason };
        let mut url = Url::parse(&fill(&config.url, Target::Url)?).map_err(|_| unusable("is no URL with these arguments"))?;
        config.reach.check(&url).map_err(|_| unusable("leads to an address that is not allowed"))?;
        for (name, template) in &config.query {
            let value = fill(template, Target::Text)?;
            url.query_pairs_mut().append_pair(name, &value);
        }
        let rest = call.arguments.as_object().into_iter().flatten().filter(|(name, _)| !self.placed.contains(*name));
        let rest: Map<String, Value> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut request = Request::new(config.method.as_method(), url);
        *request.headers_mut() = self.headers(call)?;
        if config.method.has_body() {
            let fields = if config.body.is_empty() { rest } else { self.fields(call)? };
            request.headers_mut().entry("content-type").or_insert(HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(Value::Object(fields).to_string().into());
        } else if config.query.is_empty() && !rest.is_empty() {
            let mut query = request.url_mut().query_pairs_mut();
            for (name, value) in rest {
                query.append_pair(&name, value.as_str().unwrap_or(&value.to_string()));
            }
        }
        Ok(request)
    }

    /// The body's fields; an argument that is a whole field keeps its kind, and is left out when it is absent.
    fn fields(&self, call: &ToolCall) -> Result<Map<String, Value>, ToolError> {
        let mut fields = Map::new();
        for (name, template) in &self.config.body {
            let value = match template.lone_argument() {
                Some(argument) => match call.arguments.get(argument) {
                    Some(value) => value.clone(),
                    None => continue,
                },
                None => template.fill(&call.arguments, &call.call, Target::Text)?.into(),
            };
            fields.insert(name.clone(), value);
        }
        Ok(fields)
    }

    fn headers(&self, call: &ToolCall) -> Result<HeaderMap, ToolError> {
        let mut headers = HeaderMap::new();
        for (name, template) in &self.config.headers {
            let wrong = |reason| ToolError::Value { name: format!("header {name}"), reason };
            let value = template.fill(&call.arguments, &call.call, Target::Header)?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| wrong("cannot be sent"))?;
            value.set_sensitive(true);
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("cannot be sent"))?;
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

impl ToolRunner for HttpTools {
    fn tools(&self) -> Vec<Tool> {
        self.tools.clone()
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let ready = self.ready.get(&call.name).cloned();
        Box::pin(async move {
            let Some(ready) = ready else { return ToolError::Unknown { name: call.name }.into() };
            let request = match ready.request(&call) {
                Ok(request) => request,
                Err(error) => return error.into(),
            };
            let asked = async {
                match ready.client.execute(request).await {
                    Ok(response) => answer::read(response).await,
                    Err(error) => explain(&error),
                }
            };
            let limit = ready.config.timeout;
            tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| ToolOutcome::late(limit))
        })
    }

    fn rules(&self, name: &str) -> ToolRules {
        self.ready.get(name).map(|ready| ready.config.rules).unwrap_or_default()
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Http
    }
}

/// Why there is no answer, without the URL.
fn explain(error: &reqwest::Error) -> ToolOutcome {
    if let Some(refused) = Refused::of(error) {
        return ToolOutcome::not_done(ToolStatus::Refused, &format!("the service was not asked: {refused}"));
    }
    let reason = if error.is_connect() { "the service cannot be reached" } else { "the service broke the connection" };
    ToolOutcome::not_done(ToolStatus::Failed, reason)
}
