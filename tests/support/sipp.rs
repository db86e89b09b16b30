//! SIPp as one caller whose call is written down step by step: its parser, its dialogs and its timers are not ours.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use super::{Folder, Server};

/// A call of SIPp. Each step is sent, or must come, in this order; SIPp ends with an error at the first that does not.
pub struct Script {
    steps: String,
    cseq: u32,
    keepers: Vec<String>,
}

impl Script {
    /// A call with this offer that is answered.
    pub fn call(offer: &str) -> Self {
        Self::call_with(offer, "")
    }

    /// The same with these headers more in the INVITE.
    pub fn call_with(offer: &str, headers: &str) -> Self {
        let mut script = Self { steps: String::new(), cseq: 0, keepers: Vec::new() };
        script.send("INVITE", "sip:[service]@[remote_ip]:[remote_port]", headers, "application/sdp", offer);
        script.steps.push_str(
            "<recv response=\"100\" optional=\"true\"/><recv response=\"180\" optional=\"true\"/>\
             <recv response=\"200\" rrs=\"true\"><action>\
             <ereg regexp=\".*\" search_in=\"hdr\" header=\"To:\" assign_to=\"to\"/></action></recv>",
        );
        script.keepers.push("to".to_owned());
        script.ack(1)
    }

    /// Another offer in the call, and the answer must have this in its body.
    pub fn reinvite(mut self, offer: &str, answer: &str) -> Self {
        self.send("INVITE", "[next_url]", "", "application/sdp", offer);
        self.steps.push_str("<recv response=\"100\" optional=\"true\"/>");
        self.expect("response=\"200\"", answer, "body");
        let cseq = self.cseq;
        self.ack(cseq)
    }

    pub fn pause(mut self, milliseconds: u32) -> Self {
        let _ = write!(self.steps, "<pause milliseconds=\"{milliseconds}\"/>");
        self
    }

    /// A request in the dialog, and its final answer.
    pub fn request(mut self, method: &str, headers: &str, kind: &str, body: &str, answer: u16) -> Self {
        self.send(method, "[next_url]", headers, kind, body);
        let _ = write!(self.steps, "<recv response=\"{answer}\"/>");
        self
    }

    /// The key that ends what is typed: a model is asked at once.
    pub fn key(self) -> Self {
        self.request("INFO", "", "application/dtmf-relay", "Signal=#\nDuration=160", 200)
    }

    /// What is told of a transfer.
    pub fn notify(self, state: &str, status: &str) -> Self {
        let headers = format!("Event: refer\nSubscription-State: {state}\n");
        self.request("NOTIFY", &headers, "message/sipfrag;version=2.0", &format!("SIP/2.0 {status}"), 200)
    }

    /// A request that must come with this in it, and our answer.
    pub fn answers(mut self, method: &str, holds: &str, status: &str) -> Self {
        self.expect(&format!("request=\"{method}\" timeout=\"75000\""), holds, "msg");
        let _ = write!(
            self.steps,
            "<send><![CDATA[\n\nSIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n\
             Contact: <sip:sipp@[local_ip]:[local_port]>\nContent-Length: 0\n\n]]></send>"
        );
        self
    }

    pub fn bye(self) -> Self {
        self.request("BYE", "", "", "", 200)
    }

    /// The same, while the other side may still tell something.
    pub fn leave(mut self) -> Self {
        self.send("BYE", "[next_url]", "", "", "");
        self.steps.push_str("<recv request=\"NOTIFY\" optional=\"true\"/><recv response=\"200\"/>");
        self
    }

    fn ack(mut self, cseq: u32) -> Self {
        let head = head("ACK", "[next_url]", cseq, "To: [$to]");
        let _ = write!(self.steps, "<send><![CDATA[\n\n{head}Content-Length: 0\n\n]]></send>");
        self
    }

    fn send(&mut self, method: &str, uri: &str, headers: &str, kind: &str, body: &str) {
        self.cseq += 1;
        let to = if self.cseq == 1 { "To: <sip:[service]@[remote_ip]:[remote_port]>" } else { "To: [$to]" };
        let head = head(method, uri, self.cseq, to);
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\n") };
        let _ = write!(
            self.steps,
            "<send retrans=\"500\"><![CDATA[\n\n{head}{headers}{kind}Content-Length: [len]\n\n{body}\n]]></send>"
        );
    }

    fn expect(&mut self, what: &str, holds: &str, place: &str) {
        let name = format!("seen{}", self.keepers.len());
        let _ = write!(
            self.steps,
            "<recv {what}><action><ereg regexp=\"{holds}\" search_in=\"{place}\" check_it=\"true\" assign_to=\"{name}\"/></action></recv>"
        );
        self.keepers.push(name);
    }

    /// Makes the call; it must go as it is written.
    pub fn run(self, server: &Server, user: &str) {
        let folder = Folder::new();
        let script = folder.path().join("call.xml");
        let kept = self.keepers.join(",");
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><!DOCTYPE scenario SYSTEM \"sipp.dtd\"><scenario name=\"call\">{}\
             <Reference variables=\"{kept}\"/></scenario>",
            self.steps
        );
        std::fs::write(&script, text).unwrap();
        let output = Command::new("sipp")
            .arg(server.sip.to_string())
            .arg("-sf")
            .arg(&script)
            .args(["-s", user, "-t", "u1", "-m", "1", "-l", "1", "-i", "127.0.0.1", "-mi", "127.0.0.1"])
            .args(["-timeout", "120", "-timeout_error", "-nostdin", "-trace_err", "-error_file", "errors"])
            .args(["-trace_msg", "-message_file", "messages"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("sipp is installed (Debian: sip-tester)");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        assert_eq!(output.status.code(), Some(0), "{}\n{}\n{}", read("errors"), read("messages"), server.log());
    }
}

fn head(method: &str, uri: &str, cseq: u32, to: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport\n\
         From: <sip:sipp@[local_ip]:[local_port]>;tag=[pid]t[call_number]\n{to}\nCall-ID: [call_id]\nCSeq: {cseq} {method}\n\
         Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>\nMax-Forwards: 70\n"
    )
}
