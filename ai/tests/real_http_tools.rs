//! HTTP tools against a service on a socket that answers as it should, badly, or not at all.
#![allow(clippy::unwrap_used)]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ai::net::guard::{Guard, Lookup, Reach};
use ai::secret::Secret;
use ai::tools::http::{HttpMethod, HttpTool, HttpTools};
use ai::tools::template::Template;
use ai::tools::{CallInfo, Tool, ToolCall, ToolOutcome, ToolRules, ToolRunner as _};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A service that answers each request by its path, and keeps what it was asked.
struct Service {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, address, Arc::clone(&kept)));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, address: SocketAddr, kept: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !whole(&request) {
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&piece[..length]),
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    kept.lock().unwrap().push(request);
    let redirect = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let status =
        |line: &str, body: &str| format!("HTTP/1.1 {line}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let answer = match path.split('?').next().unwrap() {
        "/huge" => return flood(stream).await,
        "/hang" => return std::future::pending().await,
        "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nnot all".to_owned(),
        "/nonsense" => "I am not HTTP\r\n\r\n".to_owned(),
        "/bytes" => {
            let _ended = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n\x66\xFF\xFE").await;
            return;
        }
        "/500" => status("500 Internal Server Error", "stack trace"),
        "/422" => status("422 Unprocessable Content", "the date is in the past"),
        "/empty" => status("204 No Content", ""),
        "/metadata" => redirect("http://169.254.169.254/latest/meta-data/"),
        "/inside" => redirect("http://127.0.0.1:1/"),
        "/loop" => redirect("/loop"),
        "/moved" => redirect("/here"),
        "/elsewhere" => redirect(&format!("http://localhost:{}/here", address.port())),
        "/file" => redirect("file:///etc/passwd"),
        _ => status("200 OK", r#"{"state":"shipped"}"#),
    };
    let _ended = stream.write_all(answer.as_bytes()).await;
}

/// Whether a request has its head and its body.
fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

/// 50 MB.
async fn flood(mut stream: TcpStream) {
    let megabyte = "x".repeat(1_000_000);
    let _ended = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n").await;
    for _ in 0..50 {
        if stream.write_all(megabyte.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Every name is at this address.
struct Everywhere(&'static str);

impl Lookup for Everywhere {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let address = SocketAddr::new(self.0.parse().unwrap(), 0);
        Box::pin(async move { Ok(vec![address]) })
    }
}

fn tool(url: &str) -> HttpTool {
    let template = |text: &str| Template::parse(text, |name| (name == "KEY").then(|| Secret::from("s3cret"))).unwrap();
    HttpTool {
        tool: Tool {
            name: "order".to_owned(),
            description: String::new(),
            parameters: json!({ "type": "object", "properties": { "id": { "type": "string", "maxLength": 20 }, "n": {}, "gone": {} },
                                "additionalProperties": false }),
        },
        method: HttpMethod::Get,
        url: template(url),
        query: Vec::new(),
        body: Vec::new(),
        headers: Vec::new(),
        timeout: Duration::from_millis(1_500),
        reach: Reach::Private,
        rules: ToolRules::default(),
    }
}

fn header(name: &str, text: &str) -> (String, Template) {
    (name.to_owned(), Template::parse(text, |_| Some(Secret::from("s3cret"))).unwrap())
}

async fn ask(tool: HttpTool, arguments: Value) -> ToolOutcome {
    ask_at("127.0.0.1", tool, arguments).await
}

/// Asks when every name is at `address`.
async fn ask_at(address: &'static str, tool: HttpTool, arguments: Value) -> ToolOutcome {
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    let runner = HttpTools::new(vec![tool], &Guard::new(Arc::new(Everywhere(address)))).unwrap();
    let call =
        CallInfo { id: "id-1".into(), from: "+1555".into(), to: "100".into(), assistant: "demo".into(), ..CallInfo::default() };
    runner.run(ToolCall { name: "order".into(), arguments, call: Arc::new(call) }).await
}

/// What the model is told by a tool that gets `path`.
async fn check(path: &str, expected: &str) {
    let service = Service::start().await;
    let outcome = ask(tool(&format!("http://{}{path}", service.address)), json!({})).await;
    let told = format!("{} {}", outcome.status.as_str(), outcome.output.as_str());
    assert_eq!(told, expected, "{path}");
}

#[tokio::test]
async fn a_request_is_worded_from_the_arguments_and_the_answer_told() {
    let service = Service::start().await;
    let mut get = tool(&format!("http://{}/orders/{{id}}", service.address));
    get.headers = vec![header("authorization", "Bearer {env.KEY}"), header("x-caller", "{call.from}")];
    let outcome = ask(get, json!({"id": "A/1", "n": 5})).await;
    assert_eq!((outcome.status.as_str(), outcome.output.as_str()), ("ok", r#"{"state":"shipped"}"#));
    let mut post = tool(&format!("http://{}/orders?kind=new", service.address));
    post.method = HttpMethod::Post;
    post.query = vec![header("call", "{call.id}")];
    post.body = vec![header("number", "{n}"), header("text", "is {id}"), header("gone", "{gone}")];
    assert_eq!(ask(post, json!({"id": "A", "n": [1, 2]})).await.status.as_str(), "ok");
    let mut rest = tool(&format!("http://{}/put", service.address));
    rest.method = HttpMethod::Put;
    assert_eq!(ask(rest, json!({"n": {"x": null}})).await.status.as_str(), "ok");
    let asked = service.asked();
    assert!(asked[0].starts_with("GET /orders/A%2F1?n=5 HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].contains("authorization: Bearer s3cret\r\n") && asked[0].contains("x-caller: +1555\r\n"), "{}", asked[0]);
    assert!(asked[1].starts_with("POST /orders?kind=new&call=id-1 HTTP/1.1\r\n"), "{}", asked[1]);
    assert!(asked[1].ends_with("\r\n\r\n{\"number\":[1,2],\"text\":\"is A\"}"), "{}", asked[1]);
    assert!(asked[1].contains("content-type: application/json\r\n"), "{}", asked[1]);
    assert!(asked[2].ends_with("\r\n\r\n{\"n\":{\"x\":null}}"), "{}", asked[2]);
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_before_anything_is_sent() {
    let service = Service::start().await;
    let told = |arguments| {
        let tool = tool(&format!("http://{}/{{id}}", service.address));
        async { ask(tool, arguments).await.output.into_string() }
    };
    let long = told(json!({"id": "4111111111111111111111"})).await;
    assert_eq!(long, r#"{"error":"arguments do not fit the schema: value is longer than 20 characters (at /id)","ok":false}"#);
    assert!(told(json!({"id": "a", "more": 1})).await.contains("arguments do not fit the schema"));
    assert!(told(json!({"id": ".."})).await.contains("argument id: must not be empty or dots"));
    assert_eq!(service.asked().len(), 0);
}

#[tokio::test]
async fn a_service_that_fails_is_told_in_plain_words() {
    check("/500", r#"failed {"error":"the service answered 500 Internal Server Error","ok":false}"#).await;
    let refused =
        r#"failed {"answer":"the date is in the past","error":"the service answered 422 Unprocessable Entity","ok":false}"#;
    check("/422", refused).await;
    check("/empty", r#"ok {"ok":true}"#).await;
    check("/bytes", r#"failed {"error":"the service's answer is not text (UTF-8)","ok":false}"#).await;
    check("/cut", r#"failed {"error":"the service broke the connection","ok":false}"#).await;
    check("/nonsense", r#"failed {"error":"the service broke the connection","ok":false}"#).await;
    check("/hang", r#"timeout {"error":"the tool gave no answer within 1500 ms","ok":false}"#).await;
    let nobody = ask(tool("http://127.0.0.1:1/"), json!({})).await;
    assert_eq!(nobody.output.as_str(), r#"{"error":"the service cannot be reached","ok":false}"#);
}

#[tokio::test]
async fn of_fifty_megabytes_the_first_are_told_and_the_rest_is_not_read() {
    let service = Service::start().await;
    let outcome = ask(tool(&format!("http://{}/huge", service.address)), json!({})).await;
    let told = outcome.output.as_str();
    assert_eq!((outcome.status.as_str(), told.len()), ("ok", ai::tools::MAX_OUTPUT));
    assert!(told.starts_with("[the answer is cut: it has more than 65536 bytes] xxx"), "{}", &told[..80]);
    assert!(told.ends_with("x [cut: the output was longer]"));
}

#[tokio::test]
async fn redirects_are_followed_only_where_the_first_request_may_go() {
    check("/moved", r#"ok {"state":"shipped"}"#).await;
    check("/elsewhere", r#"ok {"state":"shipped"}"#).await;
    let metadata = "its address is link-local or of a cloud's metadata service, which is never allowed";
    check("/metadata", &format!(r#"refused {{"error":"the service was not asked: {metadata}","ok":false}}"#)).await;
    check("/loop", r#"refused {"error":"the service was not asked: it redirects more than 5 times","ok":false}"#).await;
    check("/file", r#"failed {"error":"the service answered 302 Found","ok":false}"#).await;
}

#[tokio::test]
async fn a_key_does_not_follow_a_redirect_to_someone_else() {
    let service = Service::start().await;
    let mut tool = tool(&format!("http://{}/elsewhere", service.address));
    tool.headers = vec![header("x-key", "{env.KEY}")];
    let outcome = ask(tool, json!({})).await;
    assert_eq!(outcome.output.as_str(), r#"{"error":"the service was not asked: it redirects to another host","ok":false}"#);
    assert_eq!(service.asked().len(), 1);
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_followed() {
    let service = Service::start().await;
    let url = |host: &str| format!("http://{host}:{}/", service.address.port());
    let public = |host: &str| HttpTool { reach: Reach::Public, ..tool(&url(host)) };
    // Whatever it was when somebody looked: what counts is where the connection would go.
    let rebound = ask(public("rebind.example.com"), json!({})).await;
    let refused = r#"{"error":"the service was not asked: its address is private, which is not allowed","ok":false}"#;
    assert_eq!((rebound.status.as_str(), rebound.output.as_str()), ("refused", refused));
    assert_eq!(service.asked().len(), 0);
    assert_eq!(ask(tool(&url("rebind.example.com")), json!({})).await.status.as_str(), "ok");
}

#[tokio::test]
async fn a_tool_that_may_ask_private_addresses_asks_no_metadata_service() {
    let told = "the service was not asked: its address is link-local or of a cloud's metadata service, which is never allowed";
    for address in ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "::ffff:169.254.169.254"] {
        let named = ask_at(address, tool("http://metadata.example.com/latest/"), json!({})).await;
        let output = json!({"error": told, "ok": false}).to_string();
        assert_eq!((named.status.as_str(), named.output.as_str()), ("refused", output.as_str()), "{address}");
    }
}

#[tokio::test]
async fn a_tool_that_is_given_up_leaves_its_request() {
    let service = Service::start().await;
    let asked = async {
        while service.asked().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        outcome = ask(tool(&format!("http://{}/hang", service.address)), json!({})) => panic!("{outcome:?}"),
        () = asked => {}
    }
    assert_eq!(service.asked().len(), 1);
}
