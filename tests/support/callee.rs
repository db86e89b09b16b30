//! SIPp as a callee: what it does is a scenario, and whether we did our part it says by its exit code.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use media::codec::Codec;

use super::{Folder, Process, free_address, speech, wait_for};

/// SIPp as a callee, for one call.
pub struct Callee {
    process: Process,
    folder: Folder,
    pub address: SocketAddr,
}

impl Callee {
    /// Plays this scenario of `load-tests/sipp`.
    pub fn start(scenario: &str) -> Self {
        Self::play(&Self::scenario(scenario), &[])
    }

    /// The same without SIPp's own sense of what is a repeat: the scenario has a line for each message, and one more is a fault.
    pub fn counting(scenario: &str) -> Self {
        Self::play(&Self::scenario(scenario), &["-nr"])
    }

    /// As that, and it says what it hears.
    pub fn echo(scenario: &str) -> Self {
        Self::play(&Self::scenario(scenario), &["-rtp_echo"])
    }

    /// As that, but its media is at this port.
    pub fn with_media(scenario: &str, port: u16) -> Self {
        Self::play(&Self::scenario(scenario).replace("[media_port]", &port.to_string()), &[])
    }

    /// As that, but it rings with early media in PCMU, and answers in PCMA.
    pub fn with_two_codecs(port: u16) -> Self {
        let text = Self::scenario("callee_answers").replace("[media_port]", &port.to_string());
        let sdp = text[text.find("v=0").unwrap()..text.find("    ]]>\n  </send>\n  <recv request=\"ACK\"/>").unwrap()].to_owned();
        let body = format!("Content-Type: application/sdp\n      Content-Length: [len]\n\n      {sdp}");
        let text = text.replace(&sdp, &sdp.replace("AVP 0", "AVP 8").replace("0 PCMU", "8 PCMA"));
        let text = text.replacen("180 Ringing", "183 Session Progress", 1).replacen("Content-Length: 0\n", &body, 1);
        Self::play(&text, &[])
    }

    /// As that, and it says in its answer that it can be put through to others.
    pub fn with_replaces(scenario: &str, port: u16) -> Self {
        let kind = "Content-Type: application/sdp";
        let able = format!("Allow: INVITE, ACK, BYE, CANCEL, INFO, REFER, NOTIFY\n      Supported: replaces\n      {kind}");
        Self::play(&Self::scenario(scenario).replace("[media_port]", &port.to_string()).replace(kind, &able), &[])
    }

    /// Refuses the call so: `404 Not Found`.
    pub fn refuse(reply: &str) -> Self {
        Self::play(&Self::scenario("callee_refuses").replace("486 Busy Here", reply), &[])
    }

    /// The same behind a proxy that stays in the way.
    pub fn behind_proxy(scenario: &str) -> Self {
        Self::play(&Self::scenario(scenario).replace("[last_CSeq:]\n", "[last_CSeq:]\n      [last_Record-Route:]\n"), &[])
    }

    fn scenario(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("load-tests/sipp/{name}.xml"));
        std::fs::read_to_string(path).unwrap()
    }

    fn play(scenario: &str, more: &[&str]) -> Self {
        let (folder, address) = (Folder::new(), free_address());
        std::fs::write(folder.path().join("scenario.xml"), scenario).unwrap();
        std::fs::write(folder.path().join("speech.ul"), speech_in_g711()).unwrap();
        let child = Command::new("sipp")
            .args(["-sf", "scenario.xml"])
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", &address.port().to_string(), "-m", "1"])
            .args(["-timeout", "60", "-timeout_error", "-nostdin", "-trace_err", "-error_file", "errors"])
            .args(["-trace_msg", "-message_file", "messages"])
            .args(more)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("sipp is installed (Debian: sip-tester)");
        wait_for(Duration::from_secs(10), "SIPp", || UdpSocket::bind(address).is_err().then_some(()));
        Self { process: Process(child), folder, address }
    }

    /// Waits until it rings.
    pub fn wait_rings(&self) {
        let messages = self.folder.path().join("messages");
        let rings = || std::fs::read_to_string(&messages).is_ok_and(|all| all.contains("180 Ringing")).then_some(());
        wait_for(Duration::from_secs(10), "a telephone that rings", rings);
    }

    /// Everything went as scripted; all messages of the call. `log` is shown if it did not.
    pub fn went_well(mut self, log: &str) -> String {
        let status = self.process.wait(Duration::from_secs(60));
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        assert_eq!(status.code(), Some(0), "{}\n{}\n{log}", read("errors"), read("messages"));
        read("messages")
    }
}

/// The speech as SIPp streams it: PCMU without a header.
pub fn speech_in_g711() -> Vec<u8> {
    let wav = std::fs::read(speech()).unwrap();
    let samples: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let mut octets = Vec::new();
    Codec::Pcmu.encode(&samples, &mut octets);
    octets
}
