//! What the whole-server tests share: a server of their own on free ports, the load generator, the simulator, and plain HTTP.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

pub mod callee;
pub mod kamailio;
pub mod media_stream;
pub mod softphone;
pub mod stereo;
pub mod tls;
pub mod told;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("offhook-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

/// Ends its process, by its own id, when dropped.
pub struct Process(pub Child);

impl Process {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "process {} did not end in {at_most:?}", self.id());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A free port for UDP and TCP both, and another one each time.
pub fn free_address() -> SocketAddr {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() && GIVEN.lock().unwrap().insert(address.port()) {
            return address;
        }
    }
}

/// A range of RTP ports that no other test of this run uses.
pub fn rtp_range(pairs: u16) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = 20_000 + (std::process::id() % 8) as u16 * 1_200;
    let first = base + NEXT.fetch_add(u32::from(pairs) * 2, Relaxed) as u16;
    format!("{first}-{}", first + pairs * 2 - 1)
}

/// A running server.
pub struct Server {
    pub process: Process,
    pub folder: Folder,
    pub sip: SocketAddr,
    pub http: SocketAddr,
    pub metrics: SocketAddr,
    config: PathBuf,
    environment: Vec<(String, String)>,
}

impl Server {
    /// Starts one with this TOML added to its listeners, and waits until it is ready.
    pub fn start(toml: &str) -> Self {
        Self::start_with(toml, &[])
    }

    pub fn start_with(toml: &str, environment: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let (sip, http, metrics) = (free_address(), free_address(), free_address());
        let config = folder.path().join("offhook.toml");
        let environment: Vec<(String, String)> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        write(&config, toml, [http, metrics, sip]);
        let process = serve(&config, folder.path(), &environment);
        let mut server = Self { process, folder, sip, http, metrics, config, environment };
        server.wait_ready();
        server
    }

    /// Changes the file and has it read again: this TOML with the same listeners.
    pub fn reload(&self, toml: &str) {
        write(&self.config, toml, [self.http, self.metrics, self.sip]);
        self.process.signal("-HUP");
    }

    /// Starts it again on the same files, as after a crash.
    pub fn restart(&mut self) {
        self.process = serve(&self.config, self.folder.path(), &self.environment);
        self.wait_ready();
    }

    fn wait_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if get(self.metrics, "/readyz").is_some_and(|(status, _)| status == 200) {
                return;
            }
            if let Some(status) = self.process.0.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", self.log());
            }
            assert!(Instant::now() < deadline, "the server is not ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The sum of all samples of a metric whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, text) = get(self.metrics, "/metrics").expect("metrics are served");
        let samples = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(labels));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until a metric is what it should be.
    pub fn wait_metric(&self, name: &str, labels: &str, wanted: f64) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.metric(name, labels) != wanted {
            assert!(Instant::now() < deadline, "{name}{{{labels}}} is {} and not {wanted}", self.metric(name, labels));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The database of the running server.
    pub fn database(&self) -> (tokio::runtime::Runtime, store::Store) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("sqlite://{}", self.folder.path().join("data/offhook.db").display());
        let database = runtime.block_on(store::Store::open(&url)).unwrap();
        (runtime, database)
    }

    /// Bytes of memory that it holds.
    pub fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Threads of its process.
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap().count()
    }

    /// Waits until the records of this many calls are closed, and gives them, newest first.
    pub fn ended_calls(&self, wanted: usize) -> Vec<EndedCall> {
        let (runtime, database) = self.database();
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let calls = runtime.block_on(database.list_calls(store::LIST_MAX, None)).unwrap();
            if calls.len() == wanted && calls.iter().all(|call| call.ended_at.is_some()) {
                let read = calls.into_iter().map(|call| async {
                    let id = call.call.id;
                    let turns = database.turns(id).await.unwrap();
                    EndedCall { turns, recordings: database.recordings(id).await.unwrap(), call }
                });
                return read.map(|read| runtime.block_on(read)).collect();
            }
            assert!(Instant::now() < deadline, "want {wanted} ended calls, have {calls:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The file of a call's one recording.
    pub fn recording(&self, ended: &EndedCall) -> PathBuf {
        assert_eq!(ended.recordings.len(), 1, "{:#?}", ended.recordings);
        self.folder.path().join("data").join(&ended.recordings[0].path)
    }

    /// Open files and sockets.
    pub fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }
}

/// A call that is over, with what belongs to it.
pub struct EndedCall {
    pub call: store::CallRecord,
    pub turns: Vec<store::Turn>,
    pub recordings: Vec<store::Recording>,
}

fn write(config: &Path, toml: &str, [http, metrics, sip]: [SocketAddr; 3]) {
    let text = format!("{toml}\n[http]\nlisten = \"{http}\"\n[metrics]\nlisten = \"{metrics}\"\n[sip]\nlisten = \"{sip}\"\n");
    std::fs::write(config, text).unwrap();
}

fn serve(config: &Path, folder: &Path, environment: &[(String, String)]) -> Process {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_offhook"))
        .args(["serve", "--config"])
        .arg(config)
        .current_dir(folder)
        .env_remove("OPENAI_API_KEY")
        // The tests themselves keep the machine busy, and run several servers at once.
        .env("OFFHOOK__LIMITS__CPU_PERCENT", "100")
        .env("OFFHOOK__WEBRTC__LISTEN", "127.0.0.1:0")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Process(child)
}

/// Runs the server's program to its end: for wrong configurations and other commands.
pub fn offhook(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_offhook"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("OPENAI_API_KEY")
        .env("OFFHOOK__WEBRTC__LISTEN", "127.0.0.1:0")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("offhook {arguments:?} did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

/// A program of this workspace that is not of the root package; `make test` builds it before.
pub fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_offhook")).with_file_name(name);
    assert!(path.exists(), "{} is not built: run `cargo build --workspace --bins`", path.display());
    path
}

/// Runs `offhook-load` and reads its report.
pub fn load(arguments: &[&str]) -> (ExitStatus, serde_json::Value, String) {
    load_with(arguments, &[])
}

/// The same with these variables.
pub fn load_with(arguments: &[&str], environment: &[(&str, &str)]) -> (ExitStatus, serde_json::Value, String) {
    let folder = Folder::new();
    let report = folder.path().join("report.json");
    let mut command = Command::new(program("offhook-load"));
    command.args(arguments).arg("--json").arg(&report).envs(environment.iter().copied());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let json = std::fs::read_to_string(&report).ok().and_then(|text| serde_json::from_str(&text).ok());
    (output.status, json.unwrap_or(serde_json::Value::Null), text)
}

/// Callers of `offhook-load` that stay on the line.
pub struct Callers(Process);

impl Callers {
    /// Places these many calls over SIP, and waits until all are up.
    pub fn place(server: &Server, calls: u32) -> Self {
        let child = Command::new(program("offhook-load"))
            .args(["sip", "--target", &server.sip.to_string(), "--calls", &calls.to_string(), "--rate", "50"])
            .args(["--hold", "120", "--audio"])
            .arg(speech())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let callers = Self(Process(child));
        server.wait_metric("offhook_calls_active", "", f64::from(calls));
        callers
    }

    /// Hangs up as Ctrl-C does, and waits until the server has seen it.
    pub fn hang_up(mut self, server: &Server) {
        self.0.signal("-INT");
        self.0.wait(Duration::from_secs(20));
        server.wait_metric("offhook_calls_active", "", 0.0);
    }
}

/// Asks again and again until there is an answer.
pub fn wait_for<T>(at_most: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + at_most;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {at_most:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A provider simulator, and the base URL that points at it.
pub struct Simulator {
    pub process: Process,
    pub base_url: String,
}

impl Simulator {
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(program("offhook-sim"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("ws://")).unwrap_or_else(|| panic!("{line}"));
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { process: Process(child), base_url: url.replacen("ws://", "http://", 1) }
    }
}

/// One plain HTTP request; `None` when nobody answers.
pub fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    http(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

/// Sends bytes as they are, and reads to the end of the answer.
pub fn http(address: SocketAddr, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let _reset_after_answer = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Some((status, body))
}

/// The Python of the tests that listen as others do; `None`, and the reason printed, where nobody made one.
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("OFFHOOK_TEST_PYTHON").map(PathBuf::from);
    if python.is_none() {
        assert!(std::env::var_os("CI").is_none(), "OFFHOOK_TEST_PYTHON is not set: use `make test`");
        println!("skipped: OFFHOOK_TEST_PYTHON is not set; `make test` sets it");
    }
    python
}

/// The speech that tests send.
pub fn speech() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("media/tests/data/jfk_8k.wav")
}
