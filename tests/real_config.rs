//! A wrong configuration ends the program at start: one line a mistake, each naming its key, and nothing else.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::{SocketAddr, TcpListener, UdpSocket};

use support::{Folder, Server, free_address, offhook};

/// The three listeners on free ports, and whatever else a case sets; written as `offhook.toml`.
struct Files {
    folder: Folder,
    http: SocketAddr,
    metrics: SocketAddr,
    sip: SocketAddr,
}

impl Files {
    fn new() -> Self {
        Self { folder: Folder::new(), http: free_address(), metrics: free_address(), sip: free_address() }
    }

    fn write(&self, more: &str) {
        let Self { http, metrics, sip, .. } = self;
        let text = format!("{more}\n[http]\nlisten = \"{http}\"\n[metrics]\nlisten = \"{metrics}\"\n[sip]\nlisten = \"{sip}\"\n");
        std::fs::write(self.folder.path().join("offhook.toml"), text).unwrap();
    }

    /// Runs a command on the file; its exit code, and the whole of standard error.
    fn run(&self, command: &str) -> (Option<i32>, String) {
        let output = offhook(self.folder.path(), &[command, "--config", "offhook.toml"], &[]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Checks that `serve` with `more` in the file ends with this code and these lines.
    fn refused(&self, more: &str, code: i32, lines: &[&str]) {
        self.write(more);
        let (status, errors) = self.run("serve");
        assert_eq!(errors.lines().collect::<Vec<_>>(), lines);
        assert_eq!(status, Some(code));
    }
}

#[test]
fn a_mistake_in_the_file_ends_it_with_its_key() {
    let files = Files::new();
    files.refused("[node]\nmax_cals = 5", 2, &["node.max_cals: unknown key; did you mean max_calls?"]);
    files.refused("[nodes]\nname = \"a\"", 2, &["nodes: unknown section; did you mean node?"]);
    files.refused(
        "[[assistants]]\nname = \"demo\"\n[assistants.engine]\nkind = \"realtime\"",
        2,
        &["assistants[0].engine.kind: realtime needs the environment variable OPENAI_API_KEY (providers.openai.api_key_env)"],
    );
    files.refused("[telemetry]\nlog_level = 5", 2, &["telemetry.log_level: 5 is not text (\"...\")"]);
    files.refused("[codecs]\norder = [\"speex\"]", 2, &["codecs.order: \"speex\" is not one of pcmu, pcma, opus, g722"]);
}

#[test]
fn a_file_that_is_no_toml_is_shown_where() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("offhook.toml"), "[node]\nname = \n").unwrap();
    let output = offhook(folder.path(), &["serve", "--config", "offhook.toml"], &[]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("offhook.toml: line 2"), "{errors}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn check_prints_every_mistake_at_once() {
    let folder = Folder::new();
    let text =
        "[node]\nmax_calls = 0\n[sip]\nlisten = \"nowhere\"\n[http]\nlisten = 8080\n[rtp]\ntimeout_s = 1\nports = \"1-2\"\n";
    std::fs::write(folder.path().join("offhook.toml"), text).unwrap();
    let output = offhook(folder.path(), &["check", "--config", "offhook.toml"], &[("OFFHOOK__TURN__START_SPEECH_MS", "soon")]);
    let errors = String::from_utf8(output.stderr).unwrap();
    let keys: Vec<&str> = errors.lines().map(|line| line.split([':', ' ']).next().unwrap()).collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["http.listen", "node.max_calls", "rtp.ports", "rtp.timeout_s", "sip.listen", "turn.start_speech_ms"]);
    assert!(output.stdout.is_empty());
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_port_in_use_is_named_by_its_key() {
    let files = Files::new();
    for (key, address) in [("http.listen", files.http), ("metrics.listen", files.metrics), ("sip.listen (TCP)", files.sip)] {
        let _taken = TcpListener::bind(address).unwrap();
        files.refused("", 1, &[&format!("{key}: {address} is in use")]);
    }
    let _taken = UdpSocket::bind(files.sip).unwrap();
    files.refused("", 1, &[&format!("sip.listen (UDP): {} is in use", files.sip)]);
}

#[test]
fn an_address_of_another_machine_is_named_by_its_key() {
    // TEST-NET-1 (RFC 5737): nobody has it.
    let files = Files { http: "192.0.2.1:8080".parse().unwrap(), ..Files::new() };
    files.refused("", 1, &["http.listen: 192.0.2.1:8080 is not an address of this machine"]);
    let files = Files { sip: "192.0.2.1:5060".parse().unwrap(), ..Files::new() };
    files.refused("", 1, &["sip.listen (UDP): 192.0.2.1:5060 is not an address of this machine"]);
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let files = Files::new();
    std::fs::write(files.folder.path().join("file"), "").unwrap();
    files.refused(
        "[node]\ndata_dir = \"file/data\"",
        1,
        &["node.data_dir: file/data cannot be made: Not a directory (os error 20)"],
    );
    // Not even root can write there.
    let (code, lines) = (1, ["node.data_dir: /proc/self cannot be written: No such file or directory (os error 2)"]);
    files.refused("[node]\ndata_dir = \"/proc/self\"", code, &lines);
}

#[test]
fn a_data_folder_has_one_server_at_a_time() {
    let mut server = Server::start("");
    let data = server.folder.path().join("data");
    let files = Files::new();
    let data_dir = format!("[node]\ndata_dir = {data:?}");
    files.refused(&data_dir, 1, &[&format!("node.data_dir: {} is in use by another offhook", data.display())]);
    // After a crash it is free again.
    server.process.signal("-KILL");
    server.process.wait(std::time::Duration::from_secs(10));
    server.restart();
}

#[test]
fn a_database_that_cannot_be_opened_is_named_without_its_password() {
    let files = Files::new();
    let nobody = free_address();
    let more = format!("[database]\nurl = \"postgres://offhook:s3cret@{nobody}/calls\"");
    files.write(&more);
    for command in ["serve", "migrate"] {
        let (code, errors) = files.run(command);
        let start = format!("database.url: cannot open postgres {nobody}/calls: ");
        assert!(errors.starts_with(&start), "{errors}");
        assert_eq!(errors.matches("refused").count(), 1, "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(!errors.contains("s3cret"), "{errors}");
        assert_eq!(code, Some(1));
    }
    files.refused("[database]\nurl = \"mysql://db/calls\"", 2, &["database.url: must begin with sqlite:// or postgres://"]);
    std::fs::create_dir_all(files.folder.path().join("data/folder.db")).unwrap();
    files.write("[database]\nurl = \"sqlite://data/folder.db\"");
    let (code, errors) = files.run("serve");
    assert!(errors.starts_with("database.url: cannot open sqlite data/folder.db: "), "{errors}");
    assert_eq!((code, errors.lines().count()), (Some(1), 1), "{errors}");
}

#[test]
fn migrate_makes_the_database_and_can_be_repeated() {
    let files = Files::new();
    files.write("");
    for _ in 0..2 {
        let output = offhook(files.folder.path(), &["migrate", "--config", "offhook.toml"], &[]);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "the database is up to date\n");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert_eq!(output.status.code(), Some(0));
        assert!(files.folder.path().join("data/offhook.db").is_file());
    }
}
