//! What a call's messages look like to others: Kamailio as a collector of HEP, as Homer is one, tcpdump as the reader of our capture.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::ended;
use crate::kamailio::modules;
use crate::peer::Peer;
use crate::support::kamailio::Kamailio;
use crate::support::{Folder, Server, wait_for};

const KEY: &str = "a key for the tests of ladders";

/// It writes a line for each message that it was sent, from where it says that it came.
const SCRIPT: &str = r#"
debug=0
log_stderror=yes
fork=yes
children=1
auto_aliases=no
listen=udp:ADDRESS
mpath="MODULES"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "db_text.so"
loadmodule "sipcapture.so"
modparam("sipcapture", "db_url", "text://FOLDER")
modparam("sipcapture", "capture_on", 1)
modparam("sipcapture", "hep_capture_on", 1)

request_route {
    xlog("L_ALERT", "COLLECTED $rm $cs of $ci from $si:$sp\n");
    drop;
}

onreply_route {
    xlog("L_ALERT", "COLLECTED $rs $cs of $ci from $si:$sp\n");
    drop;
}
"#;

struct Collector(Kamailio);

impl Collector {
    fn start() -> Self {
        Self(Kamailio::run(&SCRIPT.replace("MODULES", &modules().display().to_string())))
    }

    /// Status or method, CSeq and sender of each message of a call, in order of their arrival.
    fn collected(&self, call_id: &str) -> Vec<String> {
        let log = self.0.log();
        let lines = log.lines().filter_map(|line| line.split_once("COLLECTED ")?.1.split_once(" of "));
        lines.filter_map(|(what, rest)| Some(format!("{what} {}", rest.strip_prefix(call_id)?.trim()))).collect()
    }
}

/// The bytes of what the API answers.
fn ask(server: &Server, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(server.http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nX-API-Key: {KEY}\r\nConnection: close\r\n\r\n", server.http).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..head].to_vec()).unwrap(), answer[head + 4..].to_vec())
}

#[test]
fn the_messages_of_a_call_are_collected_kept_and_captured() {
    let collector = Collector::start();
    let endpoint = collector.0.address.to_string();
    let environment =
        [("OFFHOOK_API_KEY", KEY), ("OFFHOOK__TELEMETRY__HEP_ENDPOINT", &endpoint), ("OFFHOOK__TELEMETRY__SIP_LADDERS", "true")];
    let server = Server::start_with("", &environment);
    let mut peer = Peer::call(server.sip, "caller");
    let caller = peer.address();
    peer.hang_up();
    let record = ended(&server, 1, String::new).remove(0);
    let (id, call_id) = (record.call.id, record.call.external_id.clone());
    let body = wait_for(Duration::from_secs(10), "the ladder", || {
        let (head, body) = ask(&server, &format!("/api/v1/calls/{id}/sip"));
        head.starts_with("HTTP/1.1 200").then_some(body)
    });
    let ladder: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(ladder["call_id"], call_id.as_str());

    // What we kept: first lines and senders, the Request-URIs left out.
    let kept = ladder["data"].as_array().unwrap().iter().map(|message| {
        let text = |name: &str| message[name].as_str().unwrap().to_owned();
        let words: Vec<String> = text("summary").split(' ').map(str::to_owned).collect();
        let what = if words[0] == "SIP/2.0" { words[1].clone() } else { words[0].clone() };
        let cseq =
            text("text").lines().find_map(|line| Some(line.strip_prefix("CSeq: ")?.split(' ').next()?.to_owned())).unwrap();
        format!("{what} {cseq} from {}", text("from"))
    });
    let kept: Vec<String> = kept.collect();
    let (us, them) = (format!("from {}", server.sip), format!("from {caller}"));
    let expected = [
        format!("INVITE 1 {them}"),
        format!("100 1 {us}"),
        format!("200 1 {us}"),
        format!("ACK 1 {them}"),
        format!("BYE 2 {them}"),
        format!("200 2 {us}"),
    ];
    let without_ringing: Vec<&String> = kept.iter().filter(|line| !line.starts_with("180 ")).collect();
    assert_eq!(without_ringing, expected.iter().collect::<Vec<_>>());
    assert_eq!(
        wait_for(Duration::from_secs(5), "all to be collected", || Some(collector.collected(&call_id))
            .filter(|all| all.len() == kept.len())),
        kept
    );
    assert_eq!(server.metric("offhook_hep_packets_total", "sent"), kept.len() as f64);

    let (head, capture) = ask(&server, &format!("/api/v1/calls/{id}/pcap"));
    assert!(head.contains("application/vnd.tcpdump.pcap"), "{head}");
    check_capture(&capture, &server, caller, kept.len());

    let (head, _) = ask(&server, "/api/v1/calls/018f6b1e-0000-7000-8000-0000000000ab/sip");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}

/// tcpdump finds each message, from whom to whom, and no sum that is wrong.
fn check_capture(capture: &[u8], server: &Server, caller: SocketAddr, messages: usize) {
    let folder = Folder::new();
    let path = folder.path().join("call.pcap");
    std::fs::write(&path, capture).unwrap();
    let output =
        Command::new("tcpdump").args(["-nn", "-vv", "-r"]).arg(&path).output().expect("tcpdump is installed (Debian: tcpdump)");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches("udp sum ok").count(), messages, "{text}");
    assert!(!text.contains("bad"), "{text}");
    let dotted = |address: SocketAddr| format!("{}.{}", address.ip(), address.port());
    assert!(text.contains(&format!("{} > {}:", dotted(caller), dotted(server.sip))), "{text}");
    assert!(text.contains(&format!("{} > {}:", dotted(server.sip), dotted(caller))), "{text}");
}
