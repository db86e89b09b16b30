//! Kamailio as a registrar and proxy that wants to know who asks: 401 to REGISTER, 407 to OPTIONS and INVITE, 423 to 30 seconds.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Folder, Process, free_address, wait_for};

/// Who may register and call.
pub const USER: &str = "6001";
pub const PASSWORD: &str = "secret";

pub struct Kamailio {
    process: Process,
    folder: Folder,
    pub address: SocketAddr,
}

impl Kamailio {
    /// Starts one that hashes with this, `MD5` or `SHA-256`, and waits until it answers.
    pub fn start(algorithm: &str) -> Self {
        Self::leading(algorithm, SocketAddr::from(([127, 0, 0, 1], 9)))
    }

    /// The same, which leads calls to Berlin there.
    pub fn leading(algorithm: &str, callee: SocketAddr) -> Self {
        let script = CONFIG.replace("CALLEE", &callee.to_string()).replace("PASSWORD", PASSWORD).replace("ALGORITHM", algorithm);
        let kamailio = Self::run(&script);
        let address = kamailio.address;
        let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
        probe.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let local = probe.local_addr().unwrap();
        let options = format!(
            "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKready;rport\r\nFrom: <sip:t@{local}>;tag=t\r\n\
             To: <sip:{address}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        wait_for(Duration::from_secs(20), "kamailio", || {
            probe.send_to(options.as_bytes(), address).unwrap();
            let mut answer = [0; 2048];
            let length = probe.recv(&mut answer).ok()?;
            answer[..length].starts_with(b"SIP/2.0 407").then_some(())
        });
        kamailio
    }

    /// Runs this script, in which ADDRESS and FOLDER stand for where it listens and may write, and waits until its UDP port is taken.
    pub fn run(script: &str) -> Self {
        let (folder, address) = (Folder::new(), free_address());
        let path = folder.path();
        let script = script.replace("ADDRESS", &address.to_string()).replace("FOLDER", &path.display().to_string());
        std::fs::write(path.join("kamailio.cfg"), script).unwrap();
        let log = std::fs::File::create(path.join("log")).unwrap();
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "32", "-M", "8", "-f"])
            .arg(path.join("kamailio.cfg"))
            .arg("-Y")
            .arg(path)
            .arg("-P")
            .arg(path.join("pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("kamailio is installed (Debian: kamailio)");
        let kamailio = Self { process: Process(child), folder, address };
        wait_for(Duration::from_secs(20), "Kamailio to listen", || UdpSocket::bind(address).is_err().then_some(()));
        kamailio
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Its workers end with it only when it is asked to end.
impl Drop for Kamailio {
    fn drop(&mut self) {
        let _ended_already = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        for _ in 0..500 {
            if !matches!(self.process.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

const CONFIG: &str = r#"#!KAMAILIO
debug=2
log_stderror=yes
children=1
socket_workers=1
tcp_children=1
auto_aliases=no
listen=udp:ADDRESS
listen=tcp:ADDRESS
alias="pbx.example"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("auth", "qop", "auth")
modparam("auth", "algorithm", "ALGORITHM")
modparam("auth", "nonce_expire", 10)
modparam("registrar", "min_expires", 30)
modparam("registrar", "max_expires", 60)
request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); exit; }
        if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
        sl_send_reply("404", "Not Here");
        exit;
    }
    if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
    if (is_method("REGISTER")) {
        if (!pv_www_authenticate("pbx.example", "PASSWORD", "0")) { www_challenge("pbx.example", "1"); exit; }
        if ($hdr(Expires) == "30") {
            append_to_reply("Min-Expires: 32\r\n");
            sl_send_reply("423", "Interval Too Brief");
            exit;
        }
        save("location");
        exit;
    }
    if (!pv_proxy_authenticate("pbx.example", "PASSWORD", "0")) { proxy_challenge("pbx.example", "1"); exit; }
    if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
    consume_credentials();
    record_route();
    if ($rU =~ "^\\+4930") { $du = "sip:CALLEE"; t_relay(); exit; }
    if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
    t_relay();
}
"#;
