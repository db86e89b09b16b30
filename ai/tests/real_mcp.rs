//! MCP servers that nobody here wrote, over both transports, and servers that are none.
#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ai::net::guard::{Guard, Reach};
use ai::tools::mcp::{McpConfig, McpServer, McpTransport, McpWatcher};
use ai::tools::{CallInfo, ToolCall, ToolRules, ToolRunner as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How long a server may take to start and to be connected.
const PATIENCE: Duration = Duration::from_secs(60);

/// The Python with the SDK; `None`, and the reason printed, where nobody made one.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("OFFHOOK_TEST_PYTHON").map(PathBuf::from);
    if python.is_none() {
        assert!(std::env::var_os("CI").is_none(), "OFFHOOK_TEST_PYTHON is not set: use `make test`");
        println!("skipped: OFFHOOK_TEST_PYTHON is not set; `make test` sets it");
    }
    python
}

fn script() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/mcp_server.py").to_owned()
}

/// Hands on what it is told.
struct Told(mpsc::UnboundedSender<String>);

impl McpWatcher for Told {
    fn connected(&self, server: &str, tools: usize) {
        let _ended = self.0.send(format!("{server} has {tools}"));
    }

    fn lost(&self, server: &str, reason: &str) {
        let _ended = self.0.send(format!("{server} lost: {reason}"));
    }

    fn said(&self, server: &str, line: &str) {
        let _ended = self.0.send(format!("{server} said: {line}"));
    }
}

struct Running {
    server: McpServer,
    told: mpsc::UnboundedReceiver<String>,
}

fn start(transport: McpTransport, only: &[&str]) -> Running {
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    let (tell, told) = mpsc::unbounded_channel();
    let config = McpConfig {
        name: "orders".to_owned(),
        transport,
        timeout: Duration::from_secs(3),
        refresh: Duration::from_secs(300),
        only: only.iter().map(|name| (*name).to_owned()).collect(),
        rules: ToolRules::default(),
    };
    Running { server: McpServer::start(config, Guard::default(), Arc::new(Told(tell))), told }
}

fn child(command: &str, arguments: &[&str]) -> McpTransport {
    let path = std::env::var("PATH").unwrap();
    McpTransport::Stdio {
        command: command.to_owned(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment: vec![("PATH".to_owned(), path.into()), ("ORDERS_KEY".to_owned(), "s3cret".into())],
    }
}

impl Running {
    /// Waits until it is told something with `wanted` in it.
    async fn wait(&mut self, wanted: &str) -> String {
        let mut before = Vec::new();
        let told = tokio::time::timeout(PATIENCE, async {
            loop {
                let told = self.told.recv().await.unwrap();
                if told.contains(wanted) {
                    return told;
                }
                before.push(told);
            }
        });
        told.await.unwrap_or_else(|_| panic!("{wanted:?} was not told"))
    }

    async fn call(&self, name: &str, arguments: Value) -> String {
        let call = ToolCall { name: name.to_owned(), arguments, call: Arc::new(CallInfo::default()) };
        let outcome = self.server.run(call).await;
        format!("{} {}", outcome.status.as_str(), outcome.output.as_str())
    }

    fn names(&self) -> Vec<String> {
        self.server.tools().into_iter().map(|tool| tool.name).collect()
    }
}

/// What any server of the SDK must do, over either transport.
async fn behaves(running: &mut Running) {
    running.wait("orders has 7").await;
    let tools = running.server.tools();
    let find = tools.iter().find(|tool| tool.name == "find_order").unwrap();
    assert_eq!(find.description, "Looks up an order by its number.");
    assert_eq!(find.parameters["properties"]["number"]["type"], "string");
    assert_eq!(running.call("find_order", json!({"number": "A-1"})).await, "ok order A-1 is on its way");
    let refused = running.call("orders.cancel", json!({"number": "A-1"})).await;
    assert!(refused.starts_with("failed ") && refused.contains("order A-1 has left already"), "{refused}");
    let unknown = running.call("fly", json!({})).await;
    assert!(unknown.starts_with("failed ") && unknown.to_lowercase().contains("unknown tool"), "{unknown}");
    let wrong = running.call("find_order", json!({"number": []})).await;
    assert!(wrong.starts_with("failed "), "{wrong}");
    let late = running.call("slow", json!({"seconds": 60})).await;
    assert_eq!(late, r#"timeout {"error":"the tool gave no answer within 3000 ms","ok":false}"#);
    let huge = running.call("huge", json!({"kilobytes": 100})).await;
    assert_eq!(huge.len(), "ok ".len() + ai::tools::MAX_OUTPUT);
    assert!(huge.ends_with("x [cut: the output was longer]"));
    assert_eq!(running.call("grow", json!({})).await, "ok grown");
    running.wait("orders has 8").await;
    assert!(running.names().contains(&"newcomer".to_owned()));
}

#[tokio::test]
async fn a_child_process_is_a_server() {
    let Some(python) = python() else { return };
    let mut running = start(child(python.to_str().unwrap(), &[&script(), "stdio"]), &[]);
    running.wait("orders said: the server speaks").await;
    behaves(&mut running).await;
    let environment = running.call("environment", json!({})).await;
    assert!(environment.contains("ORDERS_KEY") && !environment.contains("CARGO"), "{environment}");
    // Fifty megabytes on one line are dropped, and the connection goes on.
    assert!(running.call("huge", json!({"kilobytes": 50_000})).await.starts_with("timeout "));
    assert!(running.call("find_order", json!({"number": "B"})).await.starts_with("ok "));
    let died = running.call("die", json!({})).await;
    assert_eq!(died, r#"failed {"error":"the connection to the tool's server broke","ok":false}"#);
    running.wait("orders lost: ").await;
    running.wait("orders has 7").await;
    assert_eq!(running.call("find_order", json!({"number": "A-2"})).await, "ok order A-2 is on its way");
}

/// Ends its process when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn serve(python: &PathBuf, port: u16) -> Process {
    let mut command = Command::new(python);
    command.args([&script(), "http", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    Process(command.spawn().unwrap())
}

#[tokio::test]
async fn a_server_over_http_may_be_down_die_and_come_back() {
    let Some(python) = python() else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/mcp");
    let mut running = start(McpTransport::Http { url, headers: Vec::new(), reach: Reach::Private }, &[]);
    running.wait("orders lost: ").await;
    assert!(running.names().is_empty());
    let absent = running.call("find_order", json!({"number": "A"})).await;
    assert_eq!(absent, r#"failed {"error":"the tool's server is not connected now","ok":false}"#);
    let process = serve(&python, port);
    behaves(&mut running).await;
    // Refused for its size, or not even sent in time by a busy machine.
    let huge = running.call("huge", json!({"kilobytes": 50_000})).await;
    assert!(huge.starts_with("failed ") || huge.starts_with("timeout "), "{huge}");
    let died = running.call("die", json!({})).await;
    assert!(died.starts_with("failed ") || died.starts_with("timeout "), "{died}");
    drop(process);
    let broken = running.call("find_order", json!({"number": "A"})).await;
    assert!(broken.starts_with("failed "), "{broken}");
    running.wait("orders lost: ").await;
    let _process = serve(&python, port);
    running.wait("orders has 7").await;
    assert_eq!(running.call("find_order", json!({"number": "A-2"})).await, "ok order A-2 is on its way");
}

#[tokio::test]
async fn a_server_of_an_older_protocol_is_greeted_in_its_own_way() {
    let Some(python) = python() else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/mcp_legacy.py");
    let mut running = start(child(python.to_str().unwrap(), &[script]), &[]);
    running.wait("orders has 1").await;
    assert_eq!(running.call("find.order", json!({"number": "A"})).await, "ok called find.order");
    running.wait("orders has 2").await;
    assert_eq!(running.names(), ["find.order", "newcomer"]);
    // What it says in mid-call is no answer, and the connection goes on.
    let garbage = running.call("garbage", json!({})).await;
    assert_eq!(garbage, r#"timeout {"error":"the tool gave no answer within 3000 ms","ok":false}"#);
    let nonsense = running.call("nonsense", json!({})).await;
    assert_eq!(nonsense, r#"failed {"error":"the tool's server answered outside the protocol","ok":false}"#);
    assert!(running.call("find.order", json!({})).await.starts_with("ok "));
}

#[tokio::test]
async fn only_the_tools_that_are_wanted_are_offered() {
    let Some(python) = python() else { return };
    let mut running = start(child(python.to_str().unwrap(), &[&script(), "stdio"]), &["slow", "gone"]);
    running.wait("orders has 1").await;
    assert_eq!(running.names(), ["slow"]);
}

#[tokio::test]
async fn what_is_no_server_is_lost_and_tried_again() {
    let mut garbage = start(child("sh", &["-c", "while read line; do echo '{garbage'; done"]), &[]);
    assert!(garbage.wait("lost").await.contains("no answer within 25 s"));
    let mut ended = start(child("true", &[]), &[]);
    ended.wait("lost").await;
    ended.wait("lost").await;
    let mut absent = start(child("/nowhere/mcp", &[]), &[]);
    assert!(absent.wait("lost").await.contains("/nowhere/mcp cannot be started"));
    let inside = McpTransport::Http { url: "http://127.0.0.1:1/mcp".into(), headers: Vec::new(), reach: Reach::Public };
    assert!(start(inside, &[]).wait("lost").await.contains("its address is private"));
    let keys = McpTransport::Http { url: "http://[fd00:ec2::254]/mcp".into(), headers: Vec::new(), reach: Reach::Private };
    assert!(start(keys, &[]).wait("lost").await.contains("never allowed"));
}
