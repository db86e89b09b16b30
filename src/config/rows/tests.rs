//! Rows of the database beside a file: what is taken, what is refused, what is left out.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use store::WallTime;

use super::*;

fn config(text: &str) -> Config {
    Config::read(text.parse().unwrap(), &Environment::new()).unwrap()
}

fn row(organization: &OrganizationId, kind: ResourceKind, name: &str, fields: Value) -> Resource {
    let (id, at) = (ResourceId::generate(), WallTime::from_micros(0));
    let (organization, name) = (organization.clone(), name.to_owned());
    Resource { id, organization, kind, name, fields, version: 1, created_at: at, updated_at: at }
}

/// A file, rows beside it, and somebody who adds another.
struct Desk {
    file: Config,
    rows: Vec<Resource>,
    environment: Environment,
}

impl Desk {
    fn new(file: &str, rows: Vec<Resource>) -> Self {
        let environment = Environment::from([("SECRET".to_owned(), "hunter2".to_owned())]);
        Self { file: config(file), rows, environment }
    }

    fn check(&self, organization: &OrganizationId, kind: ResourceKind, fields: Value, expected: &str) {
        let merged = self.file.with_rows(&self.rows, &[], &self.environment);
        assert!(merged.left_out.is_empty(), "{:?}", merged.left_out);
        let candidate = Candidate { organization, kind, id: None, fields: fields.as_object().unwrap() };
        let said = match merged.config.check_row(&self.file, &candidate, &self.rows, &self.environment) {
            Ok(head) => format!("{} uses {}", head.name, head.uses.len()),
            Err(RowRefusal::OfFile(reason)) => format!("409 {reason}"),
            Err(RowRefusal::Fields(problems)) => problems.to_string().replace('\n', "; "),
        };
        assert_eq!(said, expected, "{fields}");
    }
}

const FILE: &str = "[[assistants]]\nname = \"desk\"\n[[numbers]]\nnumber = \"+491\"\nassistant = \"desk\"\n\
                    [[tools]]\nname = \"crm\"\ndescription = \"x\"\nurl = \"https://crm.example/\"\n";

#[test]
fn a_row_is_checked_as_the_file_s_are() {
    let here = OrganizationId::generate();
    let desk = Desk::new(FILE, Vec::new());
    let kind = ResourceKind::Assistant;
    desk.check(
        &here,
        kind,
        json!({ "name": "anna", "engine": { "kind": "offline" }, "metadata": { "x": [null] } }),
        "anna uses 0",
    );
    desk.check(&here, kind, json!({}), "name: must be set");
    desk.check(
        &here,
        kind,
        json!({ "name": "", "frist_message": "x", "engine": { "kind": "x" }, "voice": { "settings": { "speed": 9 } }, "metadata": 1 }),
        "metadata: is not an object; engine.kind: \"x\" is not one of auto, realtime, cascade, offline, stream; \
         voice.settings.speed: 9 is outside 0.25-4; name: must not be empty; frist_message: unknown key; did you mean first_message?",
    );
    desk.check(
        &here,
        kind,
        json!({ "name": "a", "engine": { "kind": "offline", "mode": "menu", "menu_prompt": "x", "menu": [{ "key": "z" }] } }),
        "engine.menu.0.action: must be set; engine.menu.0.key: \"z\" is not a key of a telephone (0-9, *, # or A-D)",
    );
    // As the file says of the same.
    let text = "[[assistants]]\nname = \"a\"\ntools = [\"nothing\"]\n";
    let said = Config::read(text.parse().unwrap(), &Environment::new()).unwrap_err().to_string();
    desk.check(&here, kind, json!({ "name": "a", "tools": ["nothing"] }), &said.replace("assistants[0].", ""));
}

#[test]
fn what_the_file_names_is_the_file_s() {
    let operator = OrganizationId::operator();
    let here = OrganizationId::generate();
    let desk = Desk::new(FILE, Vec::new());
    let of_file = |what: &str| format!("409 the configuration file has this {what}: change it there");
    desk.check(&operator, ResourceKind::Assistant, json!({ "name": "desk" }), &of_file("assistant"));
    desk.check(&here, ResourceKind::Assistant, json!({ "name": "desk" }), "desk uses 0");
    let tool = json!({ "name": "crm", "description": "x", "url": "https://a.example/" });
    desk.check(&operator, ResourceKind::Tool, tool.clone(), &of_file("tool or MCP server"));
    desk.check(&here, ResourceKind::Tool, tool, "crm uses 0");
    let number = |assistant: &str| json!({ "number": "491", "assistant_id": assistant });
    desk.check(&operator, ResourceKind::PhoneNumber, number("desk"), &of_file("number"));
    desk.check(&operator, ResourceKind::PhoneNumber, json!({ "number": "+492", "assistant_id": "desk" }), "492 uses 0");
    // The operator's assistants are not everybody's.
    desk.check(&here, ResourceKind::PhoneNumber, number("desk"), "assistant_id: there is no such assistant");
}

#[test]
fn other_organizations_reach_nothing_of_the_server_s() {
    let here = OrganizationId::generate();
    let operator = OrganizationId::operator();
    let desk = Desk::new(FILE, Vec::new());
    let bot = json!({ "name": "a", "engine": { "kind": "stream", "url": "wss://bot.example/", "auth_token_env": "SECRET" } });
    desk.check(&operator, ResourceKind::Assistant, bot.clone(), "a uses 0");
    desk.check(
        &here,
        ResourceKind::Assistant,
        bot,
        "engine.auth_token_env: can be set by the operator's organization only; \
         engine.auth_token_env: the environment variable SECRET is not set",
    );
    let bot = |url: &str| json!({ "name": "a", "engine": { "kind": "stream", "url": url, "allow_plain": true } });
    desk.check(&here, ResourceKind::Assistant, bot("wss://bot.example/media"), "a uses 0");
    for url in
        ["ws://127.0.0.1:9/", "ws://10.0.0.1/", "wss://localhost/", "wss://[::1]/", "wss://169.254.169.254/", "wss://2130706433/"]
    {
        desk.check(&operator, ResourceKind::Assistant, bot(url), "a uses 0");
        let said = "engine.url: leads into the server's own network, which is for the operator's organization";
        desk.check(&here, ResourceKind::Assistant, bot(url), said);
    }
    let far = json!({ "name": "a", "transfer": [{ "name": "x", "target": "tel:+49301", "description": "x", "way": "bridge" }] });
    desk.check(&operator, ResourceKind::Assistant, far.clone(), "a uses 0");
    let said = "transfer: is for the operator's organization: calls go over its trunks";
    desk.check(&here, ResourceKind::Assistant, far, said);
    let own = json!({ "name": "a", "tools": ["search_knowledge"], "knowledge": { "bases": ["faq"] } });
    desk.check(&here, ResourceKind::Assistant, own, "a uses 0");
    let wide = json!({ "name": "a", "ambience": { "file": "/etc/passwd" } });
    let merged = desk.file.with_rows(&[], &[], &desk.environment);
    let candidate = Candidate { organization: &here, kind: ResourceKind::Assistant, id: None, fields: wide.as_object().unwrap() };
    let Err(RowRefusal::Fields(problems)) = merged.config.check_row(&desk.file, &candidate, &[], &desk.environment) else {
        panic!()
    };
    assert_eq!(problems.0[0].key, "ambience.file");

    let leak = json!({ "name": "leak", "description": "x", "url": "https://eve.example/", "headers": { "X": "{env.SECRET}" } });
    desk.check(&operator, ResourceKind::Tool, leak.clone(), "leak uses 0");
    let own =
        json!({ "name": "leak", "description": "x", "url": "https://eve.example/", "headers": { "X": "{env.OFFHOOK_API_KEY}" } });
    let candidate = Candidate { organization: &operator, kind: ResourceKind::Tool, id: None, fields: own.as_object().unwrap() };
    let said = format!("{:?}", merged.config.check_row(&desk.file, &candidate, &[], &desk.environment).unwrap_err());
    assert!(said.contains("headers.X"), "the server's own key: {said}");
    let candidate = Candidate { organization: &here, kind: ResourceKind::Tool, id: None, fields: leak.as_object().unwrap() };
    let said = merged.config.check_row(&desk.file, &candidate, &[], &desk.environment).unwrap_err();
    let said = format!("{said:?}");
    assert!(said.contains("headers.X") && !said.contains("hunter2"), "{said}");
    let near = json!({ "name": "near", "description": "x", "url": "https://eve.example/", "allow_private": true });
    desk.check(&here, ResourceKind::Tool, near, "allow_private: can be set by the operator's organization only");
    let program = json!({ "name": "shell", "command": "/bin/sh" });
    desk.check(&operator, ResourceKind::McpServer, program, "command: can be set in the configuration file only");
}

#[test]
fn rows_join_the_file_and_what_cannot_be_used_is_left_out() {
    let (here, there) = (OrganizationId::generate(), OrganizationId::generate());
    let offline = |name: &str| json!({ "name": name, "engine": { "kind": "offline" }, "tools": ["book"] });
    let book = json!({ "name": "book", "description": "x", "url": "https://a.example/" });
    let tool = row(&here, ResourceKind::Tool, "book", book);
    let anna = row(&here, ResourceKind::Assistant, "anna", offline("anna"));
    let lost = row(&there, ResourceKind::Assistant, "anna", offline("anna"));
    let number = |organization: &OrganizationId, number: &str, assistant: &Resource| {
        let fields = json!({ "number": number, "assistant_id": assistant.id.to_string() });
        row(organization, ResourceKind::PhoneNumber, number.trim_start_matches('+'), fields)
    };
    let numbers = [number(&here, "+492", &anna), number(&there, "+493", &lost), number(&here, "+491", &anna)];
    let rows: Vec<Resource> = [tool, anna.clone(), lost.clone()].into_iter().chain(numbers).collect();
    let environment = Environment::new();
    let Merged { config: merged, left_out } = config(FILE).with_rows(&rows, &[], &environment);
    let said: Vec<String> = left_out.iter().map(|row| format!("{}: {}", row.kind, row.problems)).collect();
    assert_eq!(
        said,
        [
            "assistant: tools: there is no tool \"book\"",
            "phone_number: name: the configuration file has this number: change it there"
        ]
    );
    let assistant = merged.assistants.iter().find(|assistant| assistant.name == anna.id.to_string()).unwrap();
    assert_eq!((&assistant.organization, merged.tools_of(&here).unwrap().http.len()), (&here, 1));
    let numbers: Vec<_> = merged.numbers.iter().map(|row| (row.number.as_str(), row.assistant.as_str(), row.active)).collect();
    let (anna, lost) = (anna.id.to_string(), lost.id.to_string());
    // The number of an assistant that is left out is known, and answered by nobody.
    assert_eq!(numbers, [("+491", "desk", true), ("+492", &anna, true), ("+493", &lost, true)]);
    let off = config(FILE).with_rows(&rows, &[here], &environment).config;
    assert_eq!(off.numbers.iter().map(|row| row.active).collect::<Vec<_>>(), [true, false, true]);

    // What an assistant has chosen keeps its name.
    let desk = Desk { file: config(FILE), rows: rows[..2].to_vec(), environment };
    let merged = desk.file.with_rows(&desk.rows, &[], &desk.environment).config;
    let fields = json!({ "name": "other", "description": "x", "url": "https://a.example/" });
    let candidate = Candidate {
        organization: &desk.rows[0].organization,
        kind: ResourceKind::Tool,
        id: Some(desk.rows[0].id),
        fields: fields.as_object().unwrap(),
    };
    let said = merged.check_row(&desk.file, &candidate, &desk.rows, &desk.environment).unwrap_err();
    assert!(format!("{said:?}").contains("names it"), "{said:?}");
    desk.check(
        &desk.rows[0].organization,
        ResourceKind::McpServer,
        json!({ "name": "book", "url": "https://mcp.example/" }),
        "name: \"book\" is there already, as a tool or an MCP server",
    );
}

#[test]
fn rows_of_the_file_are_shown_as_it_has_them() {
    let rows = config(FILE).file_rows.0;
    let shown: Vec<String> =
        rows.iter().map(|row| format!("{} {} {}", row.kind, row.id, Value::Object(row.fields.clone()))).collect();
    assert_eq!(
        shown,
        [
            r#"assistant desk {"name":"desk"}"#,
            r#"phone_number +491 {"assistant_id":"desk","number":"+491"}"#,
            r#"tool crm {"description":"x","name":"crm","url":"https://crm.example/"}"#,
            r#"assistant demo {"name":"demo"}"#,
        ]
    );
}
