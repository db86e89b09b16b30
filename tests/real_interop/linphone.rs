//! linphone's command line as a caller: it speaks, holds, resumes, presses keys and listens; its SIP, SDP and media are its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use store::HangupCause;

use crate::ended;
use crate::support::{Folder, Process, Server, free_address, speech, stereo};

/// A linphonec that is typed to.
struct Linphone {
    process: Process,
    keyboard: ChildStdin,
    lines: Receiver<String>,
    folder: Folder,
}

impl Linphone {
    fn start() -> Self {
        let folder = Folder::new();
        let (sip, rtp) = (free_address().port(), free_address().port());
        // An even port for RTP, so that the next one is its RTCP's.
        let rtp = rtp & !1;
        let configuration = format!(
            "[sip]\nsip_port={sip}\nsip_tcp_port={sip}\ncontact=\"caller\" <sip:caller@127.0.0.1>\n\
             [rtp]\naudio_rtp_port={rtp}\n[sound]\nechocancellation=0\n"
        );
        std::fs::write(folder.path().join("linphonerc"), configuration).unwrap();
        let mut child = Command::new("linphonec")
            .arg("-c")
            .arg(folder.path().join("linphonerc"))
            .env("HOME", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("linphonec is installed (Debian: linphone-cli)");
        let (keyboard, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (told, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(screen).lines().map_while(Result::ok) {
                let _test_is_over = told.send(line);
            }
        });
        let mut phone = Self { process: Process(child), keyboard, lines, folder };
        let heard = phone.folder.path().join("heard.wav");
        phone.type_in("ipv6 disable");
        phone.type_in("soundcard use files");
        phone.type_in(&format!("play {}", speech().display()));
        phone.type_in(&format!("record {}", heard.display()));
        phone
    }

    fn type_in(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits until it says this.
    fn expect(&self, wanted: &str) {
        let (deadline, mut said) = (Instant::now() + Duration::from_secs(20), String::new());
        while !said.contains(wanted) {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            said += &line.unwrap_or_else(|_| panic!("linphone did not say {wanted:?} but\n{said}"));
            said.push('\n');
        }
    }
}

#[test]
fn linphone_talks_holds_resumes_and_presses_keys() {
    let server = Server::start("");
    let mut phone = Linphone::start();
    phone.type_in(&format!("call sip:demo@{}", server.sip));
    phone.expect("Media streams established");
    thread::sleep(Duration::from_secs(7));
    phone.type_in("pause");
    phone.expect("paused");
    thread::sleep(Duration::from_secs(2));
    phone.type_in("resume");
    phone.expect("Media streams established");
    for key in ["5", "#"] {
        phone.type_in(key);
        thread::sleep(Duration::from_millis(500));
    }
    thread::sleep(Duration::from_secs(5));
    phone.type_in("terminate");
    phone.expect("ended");
    let records = ended(&server, 1, String::new);
    assert_eq!(records[0].cause, Some(HangupCause::CallerHangup));
    phone.type_in("quit");
    phone.process.wait(Duration::from_secs(10));

    // The greeting, and some of what was said given back.
    let heard = stereo::read_mono(&phone.folder.path().join("heard.wav"));
    assert!(heard.voiced_seconds() > 1.0, "{} s of voice heard", heard.voiced_seconds());
    let (runtime, database) = server.database();
    let recordings = runtime.block_on(database.recordings(records[0].call.id)).unwrap();
    let [recording] = recordings.as_slice() else { panic!("{recordings:?}") };
    let [caller, _] = stereo::read(&server.folder.path().join("data").join(&recording.path));
    assert!(caller.voiced_seconds() > 3.0, "{} s of the caller's voice", caller.voiced_seconds());
    // It asked for hold and for its end.
    assert_eq!(server.metric("offhook_sip_requests_total", "method=\"INVITE\",direction=\"received\""), 3.0);
    assert_eq!(server.metric("offhook_rtp_lost_total", ""), 0.0);
}
