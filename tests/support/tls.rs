//! Certificates made by openssl, and its client: TLS that is not ours.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::{Folder, Process};

/// Longer than any answer takes that is not lost.
const PATIENCE: Duration = Duration::from_secs(10);

fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> String {
    let output = openssl(arguments).output().expect("openssl is installed (Debian: openssl)");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A root of its own, and what it signed, in a folder that goes with it.
pub struct Authority {
    folder: Folder,
}

impl Authority {
    pub fn new() -> Self {
        let authority = Self { folder: Folder::new() };
        let [root, key] = ["root.pem", "root.key"].map(|file| authority.file(file));
        let [root, key] = [&root, &key].map(|path| path.to_str().unwrap());
        let request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "60"];
        run(&[&request[..], &["-subj", "/CN=Offhook test root", "-keyout", key, "-out", root]].concat());
        authority
    }

    pub fn root(&self) -> PathBuf {
        self.file("root.pem")
    }

    /// Certificate and key for this machine, under this name.
    pub fn sign(&self, name: &str, days: u32) -> (PathBuf, PathBuf) {
        let extensions = "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n\
                          basicConstraints=critical,CA:FALSE\n";
        std::fs::write(self.file("extensions"), extensions).unwrap();
        let file = |suffix: &str| self.file(&format!("{name}.{suffix}"));
        let (certificate, key, request) = (file("pem"), file("key"), file("csr"));
        let [root, root_key, extensions] = ["root.pem", "root.key", "extensions"].map(|name| self.file(name));
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        run(&[&new[..], &["-subj", &format!("/CN={name}"), "-keyout", &text(&key), "-out", &text(&request)]].concat());
        let days = days.to_string();
        let sign = ["x509", "-req", "-days", &days, "-CAcreateserial"];
        let from = ["-in", &text(&request), "-CA", &text(&root), "-CAkey", &text(&root_key)];
        run(&[&sign[..], &from, &["-extfile", &text(&extensions), "-out", &text(&certificate)]].concat());
        (certificate, key)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// `openssl s_client`: one connection, which ends with this.
pub struct Connection {
    process: Process,
    output: Receiver<Vec<u8>>,
}

impl Connection {
    /// Connects, trusting `root` alone, with these arguments more.
    pub fn open(target: SocketAddr, root: &Path, more: &[&str]) -> Self {
        let mut child = openssl(&["s_client", "-quiet", "-verify_return_error", "-connect", &target.to_string()])
            .arg("-CAfile")
            .arg(root)
            .args(more)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = read(&mut child);
        Self { process: Process(child), output }
    }

    /// Sends bytes, and gives all that came when `wanted` is at its end, or the connection is.
    pub fn ask(&mut self, bytes: &str, wanted: &str) -> String {
        // A broken pipe is an end, which shows below.
        let input = self.process.0.stdin.as_mut().unwrap();
        let _written = input.write_all(bytes.as_bytes()).and_then(|()| input.flush());
        let mut got = String::new();
        while !got.ends_with(wanted) {
            let Ok(more) = self.output.recv_timeout(PATIENCE) else { break };
            got.push_str(&String::from_utf8_lossy(&more));
        }
        got
    }
}

fn read(child: &mut Child) -> Receiver<Vec<u8>> {
    let mut output = child.stdout.take().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            let Ok(()) = sender.send(buffer[..length].to_vec()) else { return };
        }
    });
    receiver
}

/// The name on the certificate that is served.
pub fn served_name(target: SocketAddr) -> String {
    let text = openssl(&["s_client", "-connect", &target.to_string()]).output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let subject = text.lines().find(|line| line.starts_with("subject=")).unwrap_or_else(|| panic!("{text}"));
    subject.rsplit('=').next().unwrap().trim().to_owned()
}
