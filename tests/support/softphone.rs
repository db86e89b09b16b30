//! baresip as a caller: a softphone that is not ours, which speaks and listens.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use media::wav::{WavFormat, header};

use super::stereo::{self, Side};
use super::{Folder, Process, free_address, speech, wait_for};

/// Silence before the speech, in which the greeting is heard, and after it, in which the answer is.
pub const LISTEN_SECONDS: usize = 7;

/// A configured baresip in a folder of its own, which ends with this.
pub struct Softphone {
    _process: Process,
    folder: Folder,
    control: SocketAddr,
}

impl Softphone {
    /// Calls this URI in this codec; it says the speech, and hangs up when its file is at its end. `account` has more parameters of its
    /// account, each with its semicolon; `config` is added to its own.
    pub fn call(uri: &str, codec: &str, account: &str, config: &str) -> Self {
        Self::start(codec, account, config, &["-e", &format!("d {uri}")])
    }

    /// Waits for a call in this codec at the address that is given, to the user `softphone`, and picks up at once; then as
    /// [`Self::call`].
    pub fn wait(codec: &str, account: &str) -> (Self, SocketAddr) {
        // A port that was free a moment ago may be another program's by now.
        for _ in 0..3 {
            let address = free_address();
            let phone = Self::start(codec, &format!(";answermode=auto{account}"), &format!("sip_listen {address}\n"), &[]);
            for _ in 0..100 {
                if UdpSocket::bind(address).is_err() {
                    return (phone, address);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            eprintln!("baresip does not listen at {address}:\n{}", phone.log());
        }
        panic!("baresip does not listen");
    }

    fn start(codec: &str, account: &str, config: &str, arguments: &[&str]) -> Self {
        let folder = Folder::new();
        let path = folder.path();
        std::fs::write(path.join("said.wav"), spoken()).unwrap();
        std::fs::create_dir(path.join("heard")).unwrap();
        let control = free_address();
        let own = CONFIG.replace("FOLDER", &path.display().to_string()).replace("MODULES", &modules().display().to_string());
        let own = own.replace("CONTROL", &control.to_string());
        // The first of two lines counts.
        std::fs::write(path.join("config"), config.to_owned() + &own).unwrap();
        std::fs::write(path.join("accounts"), format!("<sip:softphone@127.0.0.1>;regint=0;audio_codecs={codec}{account}\n"))
            .unwrap();
        std::fs::write(path.join("contacts"), "").unwrap();
        let log = std::fs::File::create(path.join("log")).unwrap();
        let child = Command::new("baresip")
            .arg("-f")
            .arg(path)
            .args(arguments)
            .args(["-t", "60"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("baresip is installed (Debian: baresip-core)");
        Self { _process: Process(child), folder, control }
    }

    /// Has a command of its menu done: `hold`, `resume`, `transfer` with a URI. It takes them as netstrings of JSON.
    pub fn command(&self, command: &str, parameters: &str) {
        let wish = serde_json::json!({ "command": command, "params": parameters }).to_string();
        let mut stream = TcpStream::connect(self.control).expect("baresip takes commands");
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "{}:{wish},", wish.len()).unwrap();
        let (mut answer, mut buffer) = (String::new(), [0; 4_096]);
        // What happens meanwhile comes too.
        while !answer.contains("\"response\":true") {
            let length = stream.read(&mut buffer).expect("baresip answers");
            assert!(length > 0, "baresip closed after {answer:?}: {}", self.log());
            answer += &String::from_utf8_lossy(&buffer[..length]);
        }
        assert!(answer.contains("\"response\":true,\"ok\":true"), "{command}: {answer}");
    }

    /// Waits until it says this.
    pub fn wait_log(&self, wanted: &str) {
        wait_for(Duration::from_secs(20), wanted, || self.log().contains(wanted).then_some(()));
    }

    /// What it heard, after decoding.
    pub fn heard(&self) -> Side {
        let files = std::fs::read_dir(self.folder.path().join("heard")).unwrap();
        let mut files = files.map(|file| file.unwrap().path()).filter(|path| path.to_string_lossy().ends_with("-dec.wav"));
        stereo::read_mono(&files.next().expect("baresip wrote what it decoded"))
    }

    pub fn log(&self) -> String {
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
module ctrl_tcp.so
ctrl_tcp_listen CONTROL
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
