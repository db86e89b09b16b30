//! A softphone that is not ours calls: baresip speaks, listens, and both sides of the call have both voices.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use media::wav::{WavFormat, header};
use store::{CallRecord, HangupCause, RecordingState};
use support::stereo::{self, Side};
use support::{Folder, Process, Server, speech};

/// Silence before the speech, in which the greeting is heard, and after it, in which the answer is.
const LISTEN_SECONDS: usize = 7;

/// A configured baresip in a folder of its own, which ends with this.
struct Softphone {
    _process: Process,
    folder: Folder,
}

impl Softphone {
    /// Calls the demo assistant; it says the speech, and hangs up when its file is at its end.
    fn call(server: &Server, codec: &str, account: &str, transport: &str) -> Self {
        let folder = Folder::new();
        let path = folder.path();
        std::fs::write(path.join("said.wav"), spoken()).unwrap();
        std::fs::create_dir(path.join("heard")).unwrap();
        let config = CONFIG.replace("FOLDER", &path.display().to_string()).replace("MODULES", &modules().display().to_string());
        std::fs::write(path.join("config"), config).unwrap();
        std::fs::write(path.join("accounts"), format!("<sip:softphone@127.0.0.1>;regint=0;audio_codecs={codec}{account}\n"))
            .unwrap();
        std::fs::write(path.join("contacts"), "").unwrap();
        let log = std::fs::File::create(path.join("log")).unwrap();
        let child = Command::new("baresip")
            .arg("-f")
            .arg(path)
            .args(["-e", &format!("d sip:demo@{};transport={transport}", server.sip), "-t", "60"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("baresip is installed (Debian: baresip-core)");
        Self { _process: Process(child), folder }
    }

    /// What it heard, after decoding.
    fn heard(&self) -> Side {
        let files = std::fs::read_dir(self.folder.path().join("heard")).unwrap();
        let mut files = files.map(|file| file.unwrap().path()).filter(|path| path.to_string_lossy().ends_with("-dec.wav"));
        stereo::read_mono(&files.next().expect("baresip wrote what it decoded"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Everything on loopback and in files: a source that plays one, a filter that writes what is decoded to another.
const CONFIG: &str = "
sip_listen 127.0.0.1:0
net_interface 127.0.0.1
audio_source aufile,FOLDER/said.wav
audio_player aubridge,nil
audio_channels 1
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
snd_path FOLDER/heard
module_path MODULES
module aufile.so
module aubridge.so
module g711.so
module g722.so
module opus.so
module srtp.so
module sndfile.so
module_tmp account.so
module_app menu.so
";

/// Debian has them in `/usr/lib/baresip/modules`; other packages under the architecture's folder.
fn modules() -> PathBuf {
    let mut folders = vec![PathBuf::from("/usr/lib/baresip/modules")];
    let inside = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path().join("baresip/modules"));
    folders.extend(inside);
    folders.into_iter().find(|folder| folder.is_dir()).expect("baresip's modules are installed (Debian: baresip-core)")
}

/// Silence, the speech, silence.
fn spoken() -> Vec<u8> {
    let file = std::fs::read(speech()).unwrap();
    let silence = vec![0; LISTEN_SECONDS * 16_000];
    let samples = [&silence, &file[44..], &silence].concat();
    let format = WavFormat { channels: 1, ..WavFormat::RECORDING };
    [header(format, samples.len() as u64).as_slice(), &samples].concat()
}

/// The record of the one call, when it has ended.
fn ended(server: &Server, phone: &Softphone) -> CallRecord {
    let (runtime, database) = server.database();
    support::wait_for(Duration::from_secs(45), "the end of the softphone's call", || {
        let mut records = runtime.block_on(database.list_calls(10, None)).unwrap();
        assert!(records.len() <= 1, "{}", phone.log());
        records.pop().filter(|record| record.cause.is_some())
    })
}

fn check(codec: &str, clock: u32, transport: &str) {
    talk(&Server::start(""), codec, clock, "", transport);
}

/// A call of a softphone with these parameters of its account.
fn talk(server: &Server, codec: &str, clock: u32, account: &str, transport: &str) {
    let phone = Softphone::call(server, codec, account, transport);
    let record = ended(server, &phone);
    assert_eq!(record.cause, Some(HangupCause::CallerHangup), "{}", phone.log());
    assert!(phone.log().contains(&format!("Set audio decoder: {codec} {clock}Hz")), "{}", phone.log());

    let said = stereo::read_mono(&speech());
    let length = said.seconds() + 2.0 * LISTEN_SECONDS as f64;
    let heard = phone.heard();
    assert!((heard.seconds() - length).abs() < 1.0, "{} s heard of {length} s", heard.seconds());
    // The greeting alone is about three seconds.
    assert!(heard.voiced_seconds() > 3.0, "{} s of voice heard", heard.voiced_seconds());

    let (runtime, database) = server.database();
    let recordings = runtime.block_on(database.recordings(record.call.id)).unwrap();
    let [recording] = recordings.as_slice() else { panic!("{recordings:?}") };
    assert_eq!(recording.state, RecordingState::Complete, "{recording:?}");
    let [caller, agent] = stereo::read(&server.folder.path().join("data").join(&recording.path));
    for (side, wanted) in [(&caller, &said), (&agent, &heard)] {
        let (got, wanted) = (side.voiced_seconds(), wanted.voiced_seconds());
        assert!((got - wanted).abs() < 0.5, "{got} s of voice recorded of {wanted} s");
    }
    let (said_alike, heard_alike) = (caller.alike(&said), agent.alike(&heard));
    assert!(said_alike > 0.95 && heard_alike > 0.95, "recorded as {said_alike} and {heard_alike} of what was said and heard");
    assert_eq!(server.metric("offhook_rtp_rejected_total", ""), 0.0);
    assert_eq!(server.metric("offhook_rtp_lost_total", ""), 0.0);
    // Scored both ways: what we heard, and what the softphone's reports say that it heard.
    for direction in ["received", "sent"] {
        let score = |part: &str| server.metric(&format!("offhook_call_mos_{part}"), &format!("direction=\"{direction}\""));
        assert_eq!(score("count"), 1.0, "{direction}");
        assert!(score("sum") > 4.2, "{direction}: {}", score("sum"));
    }
}

#[test]
fn a_softphone_talks_over_udp_in_pcmu() {
    check("PCMU", 8_000, "udp");
}

#[test]
fn a_softphone_talks_over_tcp_in_pcma() {
    check("PCMA", 8_000, "tcp");
}

#[test]
fn a_softphone_talks_in_opus() {
    check("opus", 48_000, "udp");
}

#[test]
fn a_softphone_talks_in_g722() {
    check("G722", 16_000, "udp");
}

#[test]
fn a_softphone_talks_encrypted() {
    // Who is not encrypted is refused here, so what is heard was.
    let server = Server::start("[rtp]\nsrtp = \"required\"\n");
    talk(&server, "PCMU", 8_000, ";mediaenc=srtp-mand", "udp");
}

#[test]
fn a_softphone_talks_encrypted_under_a_plain_profile() {
    let server = Server::start("[rtp]\nsrtp = \"required\"\n");
    talk(&server, "opus", 48_000, ";mediaenc=srtp", "tcp");
}
