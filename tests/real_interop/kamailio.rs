//! Kamailio in front of us, as carriers have a proxy: it records itself into every route, and all of a call must go by it.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use store::HangupCause;

use crate::ended;
use crate::support::kamailio::Kamailio;
use crate::support::softphone::Softphone;
use crate::support::{Server, wait_for};

/// A proxy that forwards what it gets to one server, stays in the route of each dialog, and notes each request it passes on.
struct Proxy {
    kamailio: Kamailio,
    address: SocketAddr,
}

/// In a dialog it goes where the route says, which only a peer that keeps its route set gets right.
const SCRIPT: &str = r#"
debug=0
log_stderror=yes
fork=yes
children=1
tcp_children=2
auto_aliases=no
listen=udp:ADDRESS
listen=tcp:ADDRESS
mpath="MODULES"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"

request_route {
    if (!mf_process_maxfwd_header("10")) {
        sl_send_reply("483", "Too Many Hops");
        exit;
    }
    if (has_totag()) {
        if (!loose_route()) {
            if (is_method("ACK") && t_check_trans()) {
                t_relay();
                exit;
            }
            xlog("L_ALERT", "PASSED lost $rm from $si:$sp\n");
            sl_send_reply("404", "Not here");
            exit;
        }
        xlog("L_ALERT", "PASSED inside $rm from $si:$sp by $proto\n");
        t_relay();
        exit;
    }
    if (is_method("CANCEL")) {
        xlog("L_ALERT", "PASSED outside $rm\n");
        if (t_check_trans()) {
            t_relay();
        }
        exit;
    }
    t_check_trans();
    record_route();
    xlog("L_ALERT", "PASSED outside $rm\n");
    $du = "sip:SERVER;transport=TRANSPORT";
    if (!t_relay()) {
        sl_reply_error();
    }
}
"#;

/// Where its modules are, under the architecture's folder.
pub fn modules() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path().join("kamailio/modules"));
    folders.into_iter().find(|path| path.is_dir()).expect("Kamailio's modules are installed (Debian: kamailio)")
}

impl Proxy {
    /// To the server it speaks `transport`.
    fn start(server: &Server, transport: &str) -> Self {
        let script = SCRIPT.replace("SERVER", &server.sip.to_string()).replace("TRANSPORT", transport);
        let kamailio = Kamailio::run(&script.replace("MODULES", &modules().display().to_string()));
        let address = kamailio.address;
        wait_for(Duration::from_secs(20), "Kamailio to listen", || TcpStream::connect(address).ok());
        Self { kamailio, address }
    }

    fn log(&self) -> String {
        self.kamailio.log()
    }

    /// What it passed on, in order.
    fn passed(&self) -> Vec<String> {
        self.log().lines().filter_map(|line| Some(line.split_once("PASSED ")?.1.to_owned())).collect()
    }
}

/// A softphone calls by way of the proxy; what the proxy saw inside the dialog, and how the call ended.
fn call(caller: &str, server: &Server, transport: &str) -> (Vec<String>, Option<HangupCause>) {
    let proxy = Proxy::start(server, transport);
    let phone = Softphone::call(&format!("sip:demo@{};transport={caller}", proxy.address), "PCMU", "", "");
    let records = ended(server, 1, || format!("{}\n{}", phone.log(), proxy.log()));
    assert!(records[0].answered_at.is_some(), "{}\n{}", phone.log(), proxy.log());
    assert!(phone.heard().voiced_seconds() > 2.0, "{}", phone.log());
    assert_eq!(server.metric("offhook_rtp_lost_total", ""), 0.0);
    let inside = |line: &String| Some(line.strip_prefix("inside ")?.to_owned());
    let last = wait_for(Duration::from_secs(10), "the BYE to pass the proxy", || {
        let passed: Vec<String> = proxy.passed().iter().filter_map(inside).collect();
        passed.iter().any(|line| line.starts_with("BYE")).then_some(passed)
    });
    assert!(!proxy.passed().iter().any(|line| line.starts_with("lost")), "{:?}", proxy.passed());
    (last, records[0].cause)
}

#[test]
fn a_caller_behind_a_proxy_talks_and_hangs_up_by_way_of_it() {
    thread::scope(|scope| {
        for (caller, transport) in [("udp", "udp"), ("tcp", "udp"), ("udp", "tcp")] {
            scope.spawn(move || {
                let server = Server::start("");
                let (passed, cause) = call(caller, &server, transport);
                let methods: Vec<&str> = passed.iter().map(|line| line.split(' ').next().unwrap()).collect();
                assert_eq!(methods, ["ACK", "BYE"], "{caller} {transport}");
                assert_eq!(cause, Some(HangupCause::CallerHangup));
            });
        }
    });
}

#[test]
fn our_own_bye_takes_the_route_back() {
    for transport in ["udp", "tcp"] {
        let server = Server::start("[limits]\ncall_duration_s = 10\ncall_warning_s = 0\n");
        let (passed, cause) = call("udp", &server, transport);
        let bye = passed.iter().find(|line| line.starts_with("BYE")).unwrap();
        assert!(bye.ends_with(transport), "{passed:?}");
        if transport == "udp" {
            assert_eq!(*bye, format!("BYE from {} by udp", server.sip));
        }
        assert_eq!(cause, Some(HangupCause::MaxDuration));
    }
}

#[test]
fn a_refusal_and_a_cancel_come_through_the_proxy() {
    let server = Server::start_with("[routing]\ndefault_assistant = \"\"\n", &[]);
    let proxy = Proxy::start(&server, "udp");
    let phone = Softphone::call(&format!("sip:nobody@{}", proxy.address), "PCMU", "", "");
    wait_for(Duration::from_secs(20), "the refusal", || phone.log().contains("404 Not Found").then_some(()));
    drop((phone, proxy));

    let server = Server::start_with("", &[("OFFHOOK__SIP__RING_MS", "20000")]);
    let proxy = Proxy::start(&server, "udp");
    let scenario = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/sipp/cancel.xml");
    let output = Command::new("sipp")
        .arg(proxy.address.to_string())
        .arg("-sf")
        .arg(scenario)
        .args(["-s", "demo", "-m", "5", "-l", "5", "-i", "127.0.0.1", "-timeout", "30", "-timeout_error", "-nostdin"])
        .current_dir(proxy.kamailio.folder())
        .stdin(Stdio::null())
        .output()
        .expect("sipp is installed (Debian: sip-tester)");
    assert!(output.status.success(), "{}\n{}\n{}", String::from_utf8_lossy(&output.stderr), proxy.log(), server.log());
    let causes: Vec<_> = ended(&server, 5, || proxy.log()).iter().filter_map(|record| record.cause).collect();
    assert_eq!(causes, [HangupCause::Cancelled; 5]);
}
