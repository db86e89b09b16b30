//! Rows of tools: TOML in, the mistakes or the values out.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ai::net::guard::Reach;
use ai::tools::http::HttpMethod;
use ai::tools::mcp::McpTransport;

use super::super::{Config, Environment};

fn environment() -> Environment {
    [("ORDERS_KEY", "s3cret"), ("PATH", "/bin")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn load(text: &str) -> Config {
    Config::read(text.parse().unwrap(), &environment()).unwrap()
}

fn check(text: &str, expected: &str) {
    let told =
        Config::read(text.parse().unwrap(), &environment()).map_or_else(|problems| problems.to_string(), |_| String::new());
    assert_eq!(told, expected, "in:\n{text}");
}

/// A row that can be used, with more in it.
fn row(more: &str) -> String {
    format!(
        "[[tools]]\nname = \"order\"\ndescription = \"Looks an order up.\"\nurl = \"https://api.example.com/orders/{{id}}\"\n{more}\n\
         [tools.parameters]\ntype = \"object\"\nrequired = [\"id\"]\n[tools.parameters.properties.id]\ntype = \"string\"\n"
    )
}

#[test]
fn a_row_becomes_a_tool() {
    let more = "method = \"post\"\ntimeout_ms = 2500\nallow_private = true\ncancel_on_barge_in = true\nsensitive = true\n\
                headers = { authorization = \"Bearer {env.ORDERS_KEY}\" }\nbody = { order = \"{id}\", call = \"{call.id}\" }";
    let config = load(&row(more));
    let tool = &config.tools.http[0];
    assert_eq!((tool.tool.name.as_str(), tool.method, tool.timeout), ("order", HttpMethod::Post, Duration::from_millis(2_500)));
    assert_eq!((tool.reach, tool.rules.cancel_on_barge_in, tool.rules.sensitive), (Reach::Private, true, true));
    assert_eq!(tool.tool.parameters["properties"]["id"]["type"], "string");
    assert_eq!((tool.headers.len(), tool.body.len()), (1, 2));
    assert!(!format!("{config:?}").contains("s3cret"));
    let plain = load("[[tools]]\nname = \"ping\"\ndescription = \"Pings.\"\nurl = \"https://example.com/\"").tools.http.remove(0);
    assert_eq!((plain.method, plain.timeout, plain.reach), (HttpMethod::Get, Duration::from_secs(10), Reach::Public));
    assert_eq!(plain.tool.parameters["type"], "object");
}

#[test]
fn an_assistant_has_the_tools_it_names() {
    assert_eq!(load("").assistants[0].tools.names, ["end_call", "get_time", "send_dtmf"]);
    assert_eq!(load("").assistants[0].tools.filler.as_deref(), Some("One moment, please."));
    let named = "[[assistants]]\nname = \"demo\"\ntools = [\"end_call\", \"order\"]\ntool_filler = \"\"\n";
    let chosen = load(&format!("{}{named}", row(""))).assistants.remove(0).tools;
    assert_eq!((chosen.names, chosen.filler), (vec!["end_call".to_owned(), "order".to_owned()], None));
    check("[[assistants]]\nname = \"demo\"\ntools = [\"ordr\"]", "assistants[0].tools: there is no tool \"ordr\"");
    check(
        "[[assistants]]\nname = \"demo\"\ntools = [\"end_cal\"]",
        "assistants[0].tools: there is no tool \"end_cal\"; did you mean end_call?",
    );
    check(
        "[[assistants]]\nname = \"demo\"\ntools = [\"end_call\", \"end_call\"]",
        "assistants[0].tools: \"end_call\" is there twice",
    );
    check("[[assistants]]\nname = \"demo\"\ntools = 5", "assistants[0].tools: 5 is not a list of texts ([\"...\"])");
}

#[test]
fn a_row_that_cannot_work_is_refused_with_its_key() {
    check("[[tools]]", "tools[0].name: must be set\ntools[0].description: must be set\ntools[0].url: must be set");
    let with = |url: &str| format!("[[tools]]\nname = \"a\"\ndescription = \"A.\"\nurl = \"{url}\"");
    check(&with("ftp://a/"), "tools[0].url: is not an http(s) URL (https://host/path)");
    check(&with("https://{host}/"), "tools[0].url: its host must be written out: places are only permitted behind it");
    check(&with("https://a/{id}"), "tools[0].url: {id} is none of the parameters' properties");
    check(&with("https://a/{env.NONE}"), "tools[0].url: the environment variable NONE is not set");
    check(&with("https://u:p@a/"), "tools[0].url: must have no user and password: put them in a header");
    check(&with("http://127.0.0.1/"), "tools[0].url: is a private address: set allow_private = true to permit it");
    let never = "its address is link-local or of a cloud's metadata service, which is never allowed";
    let metadata = with("http://[fd00:ec2::254]/") + "\nallow_private = true";
    check(&metadata, &format!("tools[0].url: cannot be used: {never}"));
    check(&row("timeout_ms = 5"), "tools[0].timeout_ms: 5 ms is below 100 ms");
    check(&row("method = \"head\""), "tools[0].method: \"head\" is not one of delete, get, patch, post, put");
    check(&row("headers = { host = \"a\" }"), "tools[0].headers.host: is not a header that can be set");
    check(&row("headers = { a = 5 }"), "tools[0].headers.a: is not text (\"...\")");
    check(&row("headers = 5"), "tools[0].headers: is not a table");
    check(&row("body = { a = \"{id}\" }"), "tools[0].body: goes with the methods patch, post and put");
    check(&row("query = { a = \"{b}\" }"), "tools[0].query.a: {b} is none of the parameters' properties");
    check(&row("retries = 5"), "tools[0].retries: unknown key");
    let twice = format!("{}{}", row(""), row(""));
    check(&twice, "tools[1].name: \"order\" is there twice, or a built-in tool's");
    check(
        &with("https://a/").replace("\"a\"", "\"get time\""),
        "tools[0].name: \"get time\" is not a name of 1-64 letters, digits, _ and -",
    );
    check(
        &with("https://a/").replace("\"a\"", "\"get_time\""),
        "tools[0].name: \"get_time\" is there twice, or a built-in tool's",
    );
    let schema = with("https://a/") + "\n[tools.parameters]\ntype = \"array\"";
    check(&schema, "tools[0].parameters: type must be \"object\"");
    let schema = with("https://a/") + "\n[tools.parameters]\ntype = \"object\"\nrequired = 5";
    check(&schema, "tools[0].parameters: is not a JSON schema: 5 is not of type \"array\"");
}

#[test]
fn what_the_guide_shows_can_be_used() {
    let guide = include_str!("../../../docs/tools.md");
    let shown: Vec<&str> = guide.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    let keys = ["ORDERS_KEY", "PAY_KEY", "CRM_KEY", "FILES_TOKEN"].map(|name| (name.to_owned(), "key".to_owned()));
    let config = Config::read(shown.join("\n").parse().unwrap(), &keys.into()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((config.tools.http.len(), config.tools.mcp.len()), (2, 2));
}

#[test]
fn a_server_is_reached_by_http_or_as_a_child() {
    let text = "[[mcp_servers]]\nname = \"crm\"\nurl = \"https://crm.example.com/mcp\"\nrefresh_s = 60\ntools = [\"find\"]\n\
                headers = { authorization = \"Bearer {env.ORDERS_KEY}\" }\n\
                [[mcp_servers]]\nname = \"files\"\ncommand = \"files\"\nargs = [\"--root\", \"/srv\"]\nenv = { KEY = \"{env.ORDERS_KEY}\" }\n";
    let config = load(text);
    let [crm, files] = &config.tools.mcp[..] else { panic!("want two servers") };
    assert_eq!((crm.name.as_str(), crm.refresh, crm.only.len()), ("crm", Duration::from_secs(60), 1));
    let McpTransport::Http { headers, reach, .. } = &crm.transport else { panic!("want HTTP") };
    assert_eq!((headers[0].1.expose(), *reach), ("Bearer s3cret", Reach::Public));
    let McpTransport::Stdio { arguments, environment, .. } = &files.transport else { panic!("want a child") };
    let names: Vec<&str> = environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((arguments.len(), names), (2, vec!["KEY", "PATH"]));
    assert!(!format!("{config:?}").contains("s3cret"));
    check("[[mcp_servers]]\nname = \"a\"", "mcp_servers[0].url: set either url or command");
    check(
        "[[mcp_servers]]\nname = \"a\"\nurl = \"http://10.0.0.1/mcp\"",
        "mcp_servers[0].url: is a private address: set allow_private = true to permit it",
    );
    check(
        "[[mcp_servers]]\nname = \"a\"\ncommand = \"a\"\nenv = { A = \"{id}\" }",
        "mcp_servers[0].env.A: may only have places of the environment ({env.NAME})",
    );
    check("[[mcp_servers]]\nname = \"a\"\ncommand = \"a\"\nrefresh_s = 1", "mcp_servers[0].refresh_s: 1 s is below 10 s");
}
