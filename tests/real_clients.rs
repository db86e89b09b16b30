//! Clients that generators make of the document, at a server that runs: an assistant, a number, a session that is typed in, a call to a
//! telephone of somebody else, and a webhook that the package standardwebhooks verifies.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use support::callee::Callee;
use support::{Folder, Process, Server, Simulator, python, rtp_range};

const KEY: &str = "a-key-for-the-tests-of-clients";
/// A call of 8 s, a generator of clients and a compiler, on a machine that all tests keep busy.
const TIME_MAX: Duration = Duration::from_secs(240);

/// All that a client works with.
struct Stage {
    _simulator: Simulator,
    _receiver: Process,
    server: Server,
    callee: Callee,
    folder: Folder,
    url: String,
}

/// `None`: there is no Python for the receiver.
fn stage() -> Option<Stage> {
    let python = python()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Folder::new();
    let mut receiver = Command::new(python);
    receiver.arg(root.join("tests/webhook_receiver.py")).arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut receiver = receiver.spawn().unwrap();
    let mut url = String::new();
    BufReader::new(receiver.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let simulator = Simulator::start(&["--delay-ms", "200"]);
    let environment = [
        ("OPENAI_API_KEY", "test"),
        ("OFFHOOK__PROVIDERS__OPENAI__BASE_URL", simulator.base_url.as_str()),
        ("OFFHOOK_API_KEY", KEY),
        ("OFFHOOK__SIP__DIRECT_CALLS", "127.0.0.0/8"),
    ];
    let toml =
        format!("[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 8\n[webhooks]\nallow_private_urls = true\n", rtp_range(8));
    let server = Server::start_with(&toml, &environment);
    let callee = Callee::start("callee_answers");
    let url = url.trim().to_owned();
    Some(Stage { _simulator: simulator, _receiver: Process(receiver), server, callee, folder, url })
}

impl Stage {
    /// Has the client do all of it, and looks at what the server says.
    fn run(self, mut client: Command) {
        let said = self.folder.path().join("said");
        let output = std::fs::File::create(&said).unwrap();
        let callee = format!("sip:ada@{}", self.callee.address);
        client.arg(self.folder.path()).arg(format!("http://{}", self.server.http)).args([KEY, &callee, &self.url]);
        let child = client.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        let status = Process(child).wait(TIME_MAX);
        let said = std::fs::read_to_string(said).unwrap();
        assert!(status.success(), "{said}\n{}", self.server.log());
        println!("{said}");
        self.callee.went_well(&self.server.log());
        assert_eq!(self.server.ended_calls(2).len(), 2, "a session and a call");
    }
}

#[test]
fn a_python_client_made_of_the_document_works() {
    let Some(stage) = stage() else { return };
    let mut client = Command::new(python().unwrap());
    client.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generated_client.py"));
    stage.run(client);
}

/// Node with the dashboard's packages; `None`, and the reason printed, where nobody has prepared them.
fn node() -> Option<PathBuf> {
    let node = std::env::var_os("OFFHOOK_TEST_NODE").map(PathBuf::from);
    if node.is_none() {
        assert!(std::env::var_os("CI").is_none(), "OFFHOOK_TEST_NODE is not set: use `make test`");
        eprintln!("skipped: `scripts/dashboard.sh` and OFFHOOK_TEST_NODE=$(scripts/dashboard.sh --node) are needed");
    }
    node
}

#[test]
fn a_typescript_client_made_of_the_document_works() {
    let (Some(node), Some(stage)) = (node(), stage()) else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (folder, packages) = (Folder::new(), root.join("dashboard/node_modules"));
    std::os::unix::fs::symlink(&packages, folder.path().join("node_modules")).unwrap();
    std::fs::copy(root.join("tests/generated_client.ts"), folder.path().join("client.ts")).unwrap();
    std::fs::write(folder.path().join("package.json"), r#"{"type":"module"}"#).unwrap();
    let document = format!("http://{}/api/openapi.json", stage.server.http);
    let make = |program: &str, arguments: &[&str]| {
        let made = Command::new(&node).arg(packages.join(program)).args(arguments).current_dir(folder.path()).output().unwrap();
        let said = [made.stdout, made.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(made.status.success(), "{program}: {said}");
    };
    make("openapi-typescript/bin/cli.js", &[&document, "--output", "schema.d.ts"]);
    let options = ["--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck", "--types", "node", "client.ts"];
    make("typescript/bin/tsc", &options);
    let mut client = Command::new(&node);
    client.arg(folder.path().join("client.js"));
    stage.run(client);
}
