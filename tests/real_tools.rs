//! Tools end to end: what a model calls is run, recorded and told to it, whatever dies meanwhile.
#![allow(clippy::unwrap_used)]

#[path = "support/node.rs"]
mod node;
mod support;
#[path = "support/wiretap.rs"]
mod wiretap;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::config::EngineConfig;
use actors::fault::Fault;
use actors::kind::ActorKind;
use ai::offline::OfflineConfig;
use ai::openai::RealtimeEndpoint;
use ai::realtime::RealtimeConfig;
use ai::tools::toolbox::Toolbox;
use ai::tools::{Tool, ToolCall, ToolKind, ToolOutcome, ToolRules, ToolRunner};
use node::{Node, wait};
use serde_json::{Value, json};
use store::{Recording, Role, ToolUse, Turn};
use support::{Folder, Server, Simulator, load, rtp_range};
use wiretap::Wiretap;

const SHIPPED: &str = r#"{"state":"shipped"}"#;
const HUGE: usize = 50_000_000;

/// A service that answers every request after `wait`, and keeps what it was asked. Its answer to `/huge` has 50 MB.
struct Service {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn start(wait: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let (mut request, mut length) = (String::new(), 0);
                while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).unwrap() > 0 {
                    let line = request.lines().next_back().unwrap_or_default().to_lowercase();
                    length = line.strip_prefix("content-length: ").map_or(length, |text| text.parse().unwrap());
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let answer = if request.starts_with("GET /huge ") { "x".repeat(HUGE) } else { SHIPPED.to_owned() };
                kept.lock().unwrap().push(request + std::str::from_utf8(&body).unwrap());
                std::thread::sleep(wait);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
                let _given_up = reader.get_mut().write_all((head + &answer).as_bytes());
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A script of the simulator: a short greeting, then these turns.
fn simulator(folder: &Folder, turns: &str) -> Simulator {
    let path = folder.path().join("script.toml");
    let head = "[greeting]\ntext = \"Hello.\"\nduration_ms = 400\n[[turns]]\ntext = \"never\"\n";
    std::fs::write(&path, format!("{head}{turns}")).unwrap();
    Simulator::start(&["--script", path.to_str().unwrap()])
}

/// A server whose assistant speaks through `base_url` and has these tools.
fn server(base_url: &str, chosen: &str, rows: &str) -> Server {
    let toml = format!(
        "[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 16\n[telemetry]\nlog_level = \"debug\"\n\
         [providers.acme]\nkind = \"openai\"\napi_key_env = \"ACME_KEY\"\nbase_url = \"{base_url}\"\n\
         [[assistants]]\nname = \"demo\"\nfirst_message = \"Hello.\"\ntools = [{chosen}]\n\
         [assistants.engine]\nkind = \"realtime\"\nprovider = \"acme\"\n{rows}\n",
        rtp_range(16)
    );
    Server::start_with(&toml, &[("ACME_KEY", "sk-test"), ("ORDERS_KEY", "s3cret-token")])
}

/// A silent caller, who presses these keys from a second after the answer.
fn call(target: SocketAddr, seconds: u64, keys: &str) -> Value {
    place(target, seconds, &["--say", "silent", "--dtmf", keys])
}

/// A caller who talks and talks.
fn talk(target: SocketAddr, seconds: u64) -> Value {
    place(target, seconds, &["--say", "continuous", "--audio", support::speech().to_str().unwrap()])
}

fn place(target: SocketAddr, seconds: u64, manner: &[&str]) -> Value {
    let (target, hold) = (target.to_string(), seconds.to_string());
    load(&[&["sip", "--target", &target, "--hold", &hold, "--allow-failures"], manner].concat()).1
}

/// What the record of the one call says.
struct Told {
    turns: Vec<Turn>,
    uses: Vec<ToolUse>,
    recording: Recording,
}

fn told(server: &Server) -> Told {
    server.wait_metric("offhook_calls_active", "", 0.0);
    std::thread::sleep(Duration::from_millis(500));
    let (runtime, database) = server.database();
    runtime.block_on(async {
        let call = database.list_calls(1, None).await.unwrap().remove(0).call.id;
        let (turns, uses) = (database.turns(call).await.unwrap(), database.tool_uses(call).await.unwrap());
        let recording = database.recordings(call).await.unwrap().remove(0);
        database.close().await;
        Told { turns, uses, recording }
    })
}

impl Told {
    fn agent(&self) -> Vec<&str> {
        let agent = self.turns.iter().filter(|turn| turn.role == Role::Agent);
        agent.map(|turn| turn.text.reveal()).collect()
    }

    fn uses(&self) -> Vec<String> {
        let show = |used: &ToolUse| {
            let arguments = used.arguments.as_ref().map_or("secret", |arguments| arguments.reveal());
            format!("{} {} {} {arguments}", used.kind, used.name, used.outcome.as_deref().unwrap_or("open"))
        };
        self.uses.iter().map(show).collect()
    }
}

/// What the model was told of its tools, in order.
fn outputs(tap: &Wiretap) -> Vec<String> {
    let items = tap.sent_of("conversation.item.create").into_iter().map(|event| event["item"].clone());
    let outputs = items.filter(|item| item["type"] == "function_call_output");
    outputs.map(|item| item["output"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_slow_service_is_asked_and_the_caller_hears_that_it_takes_a_moment() {
    let folder = Folder::new();
    let simulator = simulator(
        &folder,
        "[[turns]]\ntool = { name = \"find_order\", arguments = '{\"number\": \"A-1\"}' }\n\
         [[turns]]\ntext = \"One moment, please.\"\nduration_ms = 400\n\
         [[turns]]\ntext = \"It is shipped.\"\nduration_ms = 400\n",
    );
    let (tap, service) = (Wiretap::start(&simulator.base_url), Service::start(Duration::from_millis(2_500)));
    let row = format!(
        "[[tools]]\nname = \"find_order\"\ndescription = \"Looks an order up.\"\nallow_private = true\n\
         url = \"http://{}/orders/{{number}}\"\nheaders = {{ authorization = \"Bearer {{env.ORDERS_KEY}}\" }}\n\
         [tools.parameters]\ntype = \"object\"\nproperties = {{ number = {{ type = \"string\" }} }}\n",
        service.address
    );
    let server = server(&tap.base_url, "\"find_order\"", &row);
    call(server.sip, 8, "1#");
    let told = told(&server);
    assert_eq!(told.agent(), ["Hello.", "One moment, please.", "It is shipped."]);
    assert_eq!(told.uses(), [r#"http find_order ok {"number": "A-1"}"#]);
    assert!(told.uses[0].duration.unwrap() >= Duration::from_millis(2_500));
    assert_eq!(outputs(&tap), [r#"{"state":"shipped"}"#]);
    let said: Vec<Value> =
        tap.sent_of("response.create").into_iter().map(|event| event["response"]["instructions"].clone()).collect();
    assert!(said[2].as_str().unwrap().ends_with("nothing else: One moment, please."), "{said:?}");
    let asked = service.asked();
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].starts_with("GET /orders/A-1 HTTP/1.1\r\n") && asked[0].contains("authorization: Bearer s3cret-token"),
        "{asked:?}"
    );
    assert!(!server.log().contains("s3cret-token") && !server.log().contains("A-1"));
    let offered = &tap.sent_of("session.update")[0]["session"]["tools"];
    assert_eq!((offered.as_array().unwrap().len(), &offered[0]["name"]), (1, &json!("find_order")));
    assert_eq!(server.metric("offhook_tool_calls_total", "outcome=\"ok\""), 1.0);
    assert_eq!(server.metric("offhook_tool_seconds_count", "kind=\"http\""), 1.0);
}

#[test]
fn fifty_megabytes_and_an_address_that_is_spelled_back_leave_the_call_as_it_was() {
    let folder = Folder::new();
    let email = |more: &str| format!("{{\"email\": \"Ada dot L at example dot com\"{more}}}");
    let (first, confirmed) = (email(""), email(", \"confirmed\": true"));
    let simulator = simulator(
        &folder,
        &format!(
            "[[turns]]\ntool = {{ name = \"dump\" }}\n\
             [[turns]]\ntool = {{ name = \"collect_email\", arguments = '{confirmed}' }}\n\
             [[turns]]\ntool = {{ name = \"collect_email\", arguments = '{first}' }}\n\
             [[turns]]\ntool = {{ name = \"collect_email\", arguments = '{confirmed}' }}\n\
             [[turns]]\ntext = \"Thank you.\"\nduration_ms = 400\n"
        ),
    );
    let (tap, service) = (Wiretap::start(&simulator.base_url), Service::start(Duration::ZERO));
    let row = format!(
        "[[tools]]\nname = \"dump\"\ndescription = \"All there is.\"\nallow_private = true\nurl = \"http://{}/huge\"\n",
        service.address
    );
    let server = server(&tap.base_url, "\"dump\", \"collect_email\"", &row);
    let before = server.rss();
    let report = call(server.sip, 6, "1#");
    assert_eq!((&report["failed"], &report["answered"]), (&json!(0), &json!(1)), "{report:#}");
    let told = told(&server);
    assert_eq!(told.agent(), ["Hello.", "Thank you."]);
    assert_eq!(
        told.uses(),
        [
            "http dump ok {}",
            "builtin collect_email ok secret",
            "builtin collect_email ok secret",
            "builtin collect_email ok secret"
        ]
    );
    let outputs = outputs(&tap);
    let cut = "[the answer is cut: it has more than 65536 bytes] xxx";
    assert!(outputs[0].starts_with(cut) && outputs[0].len() == ai::tools::MAX_OUTPUT, "{} bytes", outputs[0].len());
    let grown = server.rss().saturating_sub(before);
    assert!(grown < HUGE as u64 / 2, "{grown} bytes");
    let read = |output: &String| serde_json::from_str::<Value>(output).unwrap();
    // What was never spelled back cannot have been confirmed.
    assert_eq!(read(&outputs[1])["confirmed"], false);
    assert_eq!(read(&outputs[1])["spell_back"], "a, d, a, dot, l, at, example, dot, com");
    assert_eq!(read(&outputs[2])["confirmed"], false);
    // Nor what nobody was asked: the caller had no turn since.
    assert_eq!(read(&outputs[3])["confirmed"], false);
    assert_eq!(read(&outputs[3])["email"], "ada.l@example.com");
    assert!(!server.log().contains("ada.l@") && !server.log().contains("Ada dot"));
}

#[test]
fn a_question_is_looked_up_and_the_record_says_in_which_passages() {
    let folder = Folder::new();
    let document = folder.path().join("hours.md");
    std::fs::write(&document, "# Shop\n\nWe open at nine.").unwrap();
    let simulator = simulator(
        &folder,
        "[[turns]]\ntool = { name = \"search_knowledge\", arguments = '{\"query\": \"When do you open?\"}' }\n\
         [[turns]]\ntext = \"At nine.\"\nduration_ms = 400\n",
    );
    let tap = Wiretap::start(&simulator.base_url);
    let server = server(&tap.base_url, "\"search_knowledge\"", &format!("[[knowledge.documents]]\npath = {document:?}\n"));
    server.wait_metric("offhook_knowledge_documents", "status=\"ready\"", 1.0);
    call(server.sip, 6, "1#");
    let told = told(&server);
    assert_eq!(told.agent(), ["Hello.", "At nine."]);
    assert_eq!(told.uses(), [r#"service search_knowledge ok {"query": "When do you open?"}"#]);
    assert!(outputs(&tap)[0].contains("We open at nine."), "{:?}", outputs(&tap));
    let answer = told.turns.iter().find(|turn| turn.text.reveal() == "At nine.").unwrap();
    let (runtime, database) = server.database();
    let cited = runtime.block_on(database.citations(answer.call)).unwrap();
    let cited: Vec<_> = cited.iter().map(|row| (row.turn, row.document.as_str(), row.text.as_str())).collect();
    assert_eq!(cited, [(answer.number, "hours.md", "We open at nine.")]);
}

#[test]
fn the_tools_of_an_mcp_server_are_offered_and_called_by_an_alias() {
    let Some(python) = support::python() else { return };
    let folder = Folder::new();
    let simulator = simulator(
        &folder,
        "[[turns]]\ntool = { name = \"find_order\", arguments = '{\"number\": \"B-2\"}' }\n\
         [[turns]]\ntool = { name = \"orders_cancel_e8ebb43a\", arguments = '{\"number\": \"B-2\"}' }\n\
         [[turns]]\ntool = { name = \"get_time\", arguments = '{\"timezone\": \"Asia/Tokyo\"}' }\n\
         [[turns]]\ntext = \"It cannot be cancelled.\"\nduration_ms = 400\n",
    );
    let tap = Wiretap::start(&simulator.base_url);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp_server.py");
    let rows = format!("[[mcp_servers]]\nname = \"orders\"\ncommand = {python:?}\nargs = [{script:?}, \"stdio\"]\n");
    let server = server(&tap.base_url, "\"get_time\", \"orders\"", &rows);
    support::wait_for(Duration::from_secs(30), "the MCP server", || {
        (server.metric("offhook_mcp_server_up", "server=\"orders\"") == 1.0).then_some(())
    });
    call(server.sip, 6, "1#");
    let told = told(&server);
    assert_eq!(told.agent(), ["Hello.", "It cannot be cancelled."]);
    assert_eq!(
        told.uses(),
        [
            r#"mcp find_order ok {"number": "B-2"}"#,
            r#"mcp orders_cancel_e8ebb43a failed {"number": "B-2"}"#,
            r#"builtin get_time ok {"timezone": "Asia/Tokyo"}"#,
        ]
    );
    let outputs = outputs(&tap);
    assert_eq!(outputs[0], "order B-2 is on its way");
    assert!(outputs[1].contains("order B-2 has left already"), "{outputs:?}");
    assert!(outputs[2].contains(r#"+09:00","timezone":"Asia/Tokyo""#), "{outputs:?}");
    assert!(server.log().contains("MCP server is connected"), "{}", server.log());
}

#[test]
fn digits_that_are_nobodys_business_reach_only_the_tool_that_needs_them() {
    let folder = Folder::new();
    let digits = r#"{\"min\": 4, \"max\": 12, \"sensitive\": true}"#.replace('\\', "");
    let simulator = simulator(
        &folder,
        &format!(
            "[[turns]]\ntool = {{ name = \"collect_digits\", arguments = '{digits}' }}\n\
             [[turns]]\ntool = {{ name = \"pay\", arguments = '{{\"card\": \"secret-digits-1\"}}' }}\n\
             [[turns]]\ntext = \"It is paid.\"\nduration_ms = 400\n"
        ),
    );
    let (tap, service) = (Wiretap::start(&simulator.base_url), Service::start(Duration::ZERO));
    let row = format!(
        "[[tools]]\nname = \"pay\"\ndescription = \"Pays.\"\nallow_private = true\nmethod = \"post\"\nsensitive = true\n\
         url = \"http://{}/\"\n[tools.parameters]\ntype = \"object\"\nproperties = {{ card = {{ type = \"string\" }} }}\n",
        service.address
    );
    let server = server(&tap.base_url, "\"collect_digits\", \"pay\"", &row);
    call(server.sip, 11, "1#47119922#");
    let told = told(&server);
    assert!(service.asked()[0].ends_with(r#"{"card":"47119922"}"#), "{:?}", service.asked());
    assert_eq!(told.agent(), ["Hello.", "It is paid."]);
    assert_eq!(told.uses(), [format!("builtin collect_digits ok {digits}"), "http pay ok secret".to_owned()]);
    assert_eq!(outputs(&tap)[0], r#"{"digits":8,"ok":true,"reference":"secret-digits-1"}"#);
    let seen = format!("{:?}{}{:?}", tap.sent(), server.log(), told.turns);
    // Fewer digits than six are in some time of day, port or id of the log by chance.
    let parts = ["471199", "711992", "119922"];
    assert!(!parts.iter().any(|part| seen.contains(part)));
    assert_eq!(told.recording.note.as_deref(), Some("is silent where the caller typed something secret"));
    // The call was 11 s long, and so is the recording.
    assert!(told.recording.duration.unwrap() >= Duration::from_millis(10_500), "{:?}", told.recording);
}

#[test]
fn the_recording_is_silent_while_the_caller_types_something_secret() {
    let folder = Folder::new();
    let turns = "[[turns]]\ntool = { name = \"collect_digits\", arguments = '{\"min\": 4, \"max\": 4, \"sensitive\": true, \"timeout_s\": 5}' }\n\
                 [[turns]]\ntext = \"Never mind.\"\nduration_ms = 400\n";
    let simulator = simulator(&folder, turns);
    let tap = Wiretap::start(&simulator.base_url);
    let server = server(&tap.base_url, "\"collect_digits\"", "");
    talk(server.sip, 16);
    let told = told(&server);
    assert_eq!(told.uses[0].outcome.as_deref(), Some("timeout"));
    let late = r#"{"error":"the caller typed 0 digits within 5 s, and did not finish","ok":false}"#;
    assert_eq!(outputs(&tap)[0], late);
    let path = server.folder.path().join("data").join(&told.recording.path);
    let [caller, _] = support::stereo::read(&path);
    let runs = caller.0.chunk_by(|before, after| (*before == 0) == (*after == 0)).filter(|run| run[0] == 0);
    let silence = runs.map(<[i16]>::len).max().unwrap() as f64 / 8_000.0;
    assert!((5.0..7.0).contains(&silence), "{silence} s of silence");
    assert!(caller.voiced_seconds() > 3.0 && caller.seconds() > 15.0, "{} of {}", caller.voiced_seconds(), caller.seconds());
}

/// A tool that takes three seconds, and counts how often it is run.
struct Slow {
    runs: Arc<AtomicU32>,
    rules: ToolRules,
}

impl ToolRunner for Slow {
    fn tools(&self) -> Vec<Tool> {
        vec![Tool { name: "look".to_owned(), description: "Looks.".to_owned(), parameters: json!({ "type": "object" }) }]
    }

    fn run(&self, _: ToolCall) -> futures_util::future::BoxFuture<'static, ToolOutcome> {
        self.runs.fetch_add(1, Relaxed);
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            ToolOutcome::ok("forty-two")
        })
    }

    fn rules(&self, _: &str) -> ToolRules {
        self.rules
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Service
    }
}

/// Calls the slow tool, and tells what it said.
const LOOK: &str = "[[turns]]\ntool = { name = \"look\" }\n[[turns]]\ntext = \"It is forty-two.\"\nduration_ms = 400\n";

/// A node whose model does these turns; the wire to its provider, and how often the tool was run.
fn slow_node(folder: &Folder, turns: &str, rules: ToolRules) -> (Node, Simulator, Wiretap, Arc<AtomicU32>) {
    let simulator = simulator(folder, turns);
    let tap = Wiretap::start(&simulator.base_url);
    let base_url = tap.base_url.clone();
    let endpoint =
        RealtimeEndpoint { provider: "acme".into(), base_url, api_key: "sk-test".into(), ..RealtimeEndpoint::default() };
    let session = RealtimeConfig { endpoint, first_message: Some("Hello.".to_owned()), ..RealtimeConfig::default() };
    let engine = EngineConfig::Realtime { session: Box::new(session), fallback: OfflineConfig::default() };
    let runs = Arc::new(AtomicU32::new(0));
    let slow: Arc<dyn ToolRunner> = Arc::new(Slow { runs: Arc::clone(&runs), rules });
    let mut tools = Toolbox::new(&["collect_digits"], vec![slow]);
    tools.filler = None;
    (Node::start_with_tools(engine, tools), simulator, tap, runs)
}

#[test]
fn a_caller_who_speaks_gives_up_only_what_may_be_given_up() {
    for (cancel_on_barge_in, expected) in [(true, "cancelled"), (false, "ok")] {
        let folder = Folder::new();
        let rules = ToolRules { cancel_on_barge_in, sensitive: false };
        let (node, _simulator, tap, runs) = slow_node(&folder, LOOK, rules);
        talk(node.sip, 12);
        let id = only_call(&node);
        node.ended(id);
        let uses = || node.runtime.block_on(node.database.tool_uses(id)).unwrap();
        // Those that were still running when the call ended are run to their end, and recorded.
        wait("the last tool", || uses().iter().all(|used| used.outcome.is_some()));
        let uses = uses();
        assert_eq!(uses.len(), runs.load(Relaxed) as usize);
        let outcomes: Vec<_> = uses.iter().map(|used| used.outcome.as_deref().unwrap()).collect();
        assert!(!outcomes.is_empty() && outcomes[0] == expected, "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| *outcome == expected), "{outcomes:?}");
        let told = outputs(&tap);
        assert_eq!(told[0] == "forty-two", !cancel_on_barge_in, "{told:?}");
    }
}

fn only_call(node: &Node) -> store::CallId {
    let listed = || node.runtime.block_on(node.database.list_calls(1, None)).unwrap();
    // A call may be up before its record is written.
    wait("the call's record", || !listed().is_empty());
    listed().remove(0).call.id
}

/// What the provider was told on its first connection and on its second, without words and audio.
fn two_sessions(tap: &Wiretap) -> [Vec<String>; 2] {
    let show = |event: &Value| match event["item"]["type"].as_str() {
        Some("function_call") => format!("call {}", event["item"]["name"].as_str().unwrap()),
        Some("function_call_output") => format!("output {}", event["item"]["output"].as_str().unwrap()),
        Some(_) => "words".to_owned(),
        None => event["type"].as_str().unwrap().to_owned(),
    };
    let plain = |events: &Vec<Value>| events.iter().map(show).filter(|said| said != "words").collect();
    let sessions: Vec<Vec<String>> = tap.sent().iter().map(plain).collect();
    sessions.try_into().expect("one session before, and one after")
}

#[test]
fn digits_that_were_being_typed_are_asked_for_again_by_the_next_session() {
    let folder = Folder::new();
    let turns = "[[turns]]\ntool = { name = \"collect_digits\", arguments = '{\"min\": 4, \"max\": 4, \"sensitive\": true}' }\n";
    let (node, _simulator, tap, _) = slow_node(&folder, turns, ToolRules::default());
    let target = node.sip;
    let caller = std::thread::spawn(move || call(target, 8, "1#23"));
    node.wait_calls(1);
    let id = only_call(&node);
    let uses = || node.runtime.block_on(node.database.tool_uses(id)).unwrap();
    wait("the tool", || uses().len() == 1);
    node.inject(id, ActorKind::AiSession, Fault::Panic);
    wait("its end", || uses()[0].outcome.as_deref() == Some("cancelled"));
    caller.join().unwrap();
    node.ended(id);
    let [_, after] = two_sessions(&tap);
    let told = r#"output {"error":"it was interrupted: ask the caller to type the digits again","ok":false}"#;
    assert_eq!(after[..4], ["session.update", "call collect_digits", told, "response.create"]);
}

#[test]
fn a_result_reaches_the_next_session_when_its_own_has_died() {
    let folder = Folder::new();
    let (node, _simulator, tap, runs) = slow_node(&folder, LOOK, ToolRules::default());
    let target = node.sip;
    let caller = std::thread::spawn(move || call(target, 9, "1#"));
    wait("the tool", || runs.load(Relaxed) == 1);
    let id = only_call(&node);
    node.inject(id, ActorKind::AiSession, Fault::Panic);
    caller.join().unwrap();
    node.ended(id);
    let [before, after] = two_sessions(&tap);
    assert_eq!(after, ["session.update", "call look", "output forty-two", "response.create"]);
    assert!(!before.iter().any(|said| said.starts_with("output")), "{before:?}");
    assert_eq!(runs.load(Relaxed), 1, "it is not run again");
    let uses = node.runtime.block_on(node.database.tool_uses(id)).unwrap();
    assert_eq!((uses.len(), uses[0].outcome.as_deref()), (1, Some("ok")));
}
