//! A server with a master key: what is on its disk, what it serves, another key while calls run, a wrong one, and a kill.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use store::{CallId, Keyring, RecordingState};
use support::{Folder, Server, http, load, offhook, rtp_range, speech, wait_for};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "6fd1c1ffe9cd2ae0b7e6a32ba8a5bb5c4be87b47d7c34ba7fb4de3ab9d0e4c11";
/// A secret that must be nowhere on the disk, and the same in base64.
const MARK: &str = "sesame-open-thyself-now";
const MARK_64: &str = "c2VzYW1lLW9wZW4tdGh5c2VsZi1ub3c=";
/// Where the chunks of a sealed file begin, and how long each is in it.
const BODY: usize = 164;
const SEALED_CHUNK: usize = 32_028;

/// A server, and the file of its keys.
struct Sealed {
    server: Server,
    keys: PathBuf,
    _folder: Folder,
}

fn start(keys: &str, more: &str) -> Sealed {
    let folder = Folder::new();
    let file = folder.path().join("master.key");
    std::fs::write(&file, keys).unwrap();
    let toml = format!(
        "[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 8\n[security]\nmaster_key_file = \"{}\"\n{more}",
        rtp_range(8),
        file.display()
    );
    Sealed { server: Server::start_with(&toml, &[("OFFHOOK_API_KEY", KEY)]), keys: file, _folder: folder }
}

fn id(key: &str) -> String {
    key.parse::<Keyring>().unwrap().newest().unwrap().id().to_string()
}

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("Host: {}\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json", server.http);
    let request =
        format!("{method} /api/v1{path} HTTP/1.1\r\n{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (status, answer) = http(server.http, &request).unwrap();
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

/// The recording of a call over the API, or a part of it.
fn recording(server: &Server, call: CallId, range: Option<&str>) -> (u16, Vec<u8>) {
    let range = range.map(|range| format!("Range: bytes={range}\r\n")).unwrap_or_default();
    let host = server.http;
    let request = format!(
        "GET /api/v1/calls/{call}/recording HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n{range}Connection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(server.http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer[end + 4..].to_vec())
}

/// Runs a command on the server's files; its exit code and what it printed.
fn run(server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let output = offhook(server.folder.path(), &[arguments, &["--config", "offhook.toml"]].concat(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text + &String::from_utf8(output.stderr).unwrap())
}

/// The WAV file of a recording, by the command line.
fn decrypted(server: &Server, file: &Path) -> Vec<u8> {
    let folder = Folder::new();
    let out = folder.path().join("out.wav");
    let (code, said) = run(server, &["recording", "decrypt", file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    std::fs::read(out).unwrap()
}

fn callers(server: &Server, calls: u32, seconds: u32) -> JoinHandle<Value> {
    let (target, calls, hold) = (server.sip.to_string(), calls.to_string(), seconds.to_string());
    let speech = speech().display().to_string();
    std::thread::spawn(move || {
        let arguments = ["sip", "--target", &target, "--calls", &calls, "--hold", &hold, "--audio", &speech];
        load(&[&arguments[..], &["--allow-failures"]].concat()).1
    })
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Pieces of audio that are not the same octet over and over.
fn voiced(wav: &[u8]) -> Vec<&[u8]> {
    let loud = |piece: &&[u8]| piece.iter().collect::<std::collections::BTreeSet<_>>().len() > 12;
    wav[44..].chunks_exact(32).filter(loud).step_by(50).collect()
}

/// Makes a webhook and a tool with secrets.
fn secrets(server: &Server) {
    let webhook =
        json!({ "url": format!("https://example.com/{MARK}"), "events": ["lead.*"], "secret": format!("whsec_{MARK_64}") });
    let (status, made) = ask(server, "POST", "/webhooks", &webhook);
    assert_eq!(status, 201, "{made}");
    let tool = json!({
        "name": "find_order", "description": "Finds an order.", "url": "https://example.com/orders",
        "headers": { "Authorization": format!("Bearer {MARK}") }
    });
    let (status, made) = ask(server, "POST", "/tools", &tool);
    assert_eq!(status, 201, "{made}");
}

/// Nothing of the data folder, the log included, has the secret in the clear.
fn nowhere(server: &Server) {
    for file in files(server.folder.path()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        for mark in [MARK, MARK_64] {
            assert!(!contains(&bytes, mark.as_bytes()), "{} has {mark}", file.display());
        }
    }
}

#[test]
fn what_is_on_the_disk_is_sealed_and_is_served_as_it_was() {
    let Sealed { server, _folder, .. } = start(OLD, "");
    assert!(server.log().contains(&format!("newest=\"{}\"", id(OLD))), "{}", server.log());
    secrets(&server);
    assert_eq!(callers(&server, 2, 5).join().unwrap()["failed"], 0);
    for ended in server.ended_calls(2) {
        let (call, path) = (ended.call.call.id, server.recording(&ended));
        wait_for(Duration::from_secs(10), "a closed recording", || (recording(&server, call, None).0 == 200).then_some(()));
        let sealed = std::fs::read(&path).unwrap();
        assert!(sealed.starts_with(b"OFFHOOK\x01") && sealed.len() > BODY + 3 * SEALED_CHUNK, "{} octets", sealed.len());
        let clear = decrypted(&server, &path);
        assert_eq!(u64::from(u32::from_le_bytes(clear[40..44].try_into().unwrap())) + 44, clear.len() as u64);
        let pieces = voiced(&clear);
        assert!(pieces.len() > 5 && pieces.iter().all(|piece| !contains(&sealed, piece)), "{} pieces", pieces.len());

        let (status, whole) = recording(&server, call, None);
        assert!(status == 200 && whole == clear, "{status}, {} of {} octets", whole.len(), clear.len());
        let end = clear.len();
        for (range, part) in [
            ("0-99".to_owned(), &clear[..100]),
            ("40-32050".to_owned(), &clear[40..32_051]),
            ("32043-32044".to_owned(), &clear[32_043..32_045]),
            (format!("{}-", end - 33_000), &clear[end - 33_000..]),
            ("-500".to_owned(), &clear[end - 500..]),
        ] {
            let (status, got) = recording(&server, call, Some(&range));
            assert!(status == 206 && got == part, "{range}: {status}, {} octets", got.len());
        }
    }
    nowhere(&server);
    let (code, said) = run(&server, &["audit", "verify"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn another_key_is_taken_while_calls_run_and_a_wrong_one_names_what_is_missing() {
    let Sealed { mut server, keys, _folder } = start(OLD, "");
    secrets(&server);
    let running = callers(&server, 2, 12);
    server.wait_metric("offhook_calls_active", "", 2.0);
    std::thread::sleep(Duration::from_secs(3));

    // One that opens nothing is refused, and the node goes on.
    let stranger = "11".repeat(31) + "22";
    std::fs::write(&keys, &stranger).unwrap();
    server.process.signal("-HUP");
    server.wait_metric("offhook_config_reloads_total", "refused", 1.0);
    let missing = format!("are sealed with the master key {}, which is not configured", id(OLD));
    assert!(server.log().contains(&missing), "{}", server.log());

    std::fs::write(&keys, format!("{NEW}\n{OLD}\n")).unwrap();
    server.process.signal("-HUP");
    server.wait_metric("offhook_config_reloads_total", "taken", 1.0);
    let (code, said) = run(&server, &["seal"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("recordings: 2 of 2 sealed anew") && !said.contains(&id(OLD)), "{said}");
    assert_eq!(server.metric("offhook_calls_active", ""), 2.0, "the calls are up all the while");
    assert_eq!(running.join().unwrap()["failed"], 0);
    std::fs::write(&keys, NEW).unwrap();
    server.process.signal("-HUP");
    server.wait_metric("offhook_config_reloads_total", "taken", 2.0);
    for ended in server.ended_calls(2) {
        assert_eq!(ended.recordings[0].state, RecordingState::Complete, "{:?}", ended.recordings);
        let (status, whole) = recording(&server, ended.call.call.id, None);
        assert!(status == 200 && whole == decrypted(&server, &server.recording(&ended)));
    }
    nowhere(&server);

    server.process.signal("-TERM");
    server.process.wait(Duration::from_secs(20));
    std::fs::write(&keys, OLD).unwrap();
    let (code, said) = run(&server, &["serve"]);
    let missing = format!("are sealed with the master key {}, which is not configured", id(NEW));
    assert!(code == Some(1) && said.contains(&missing), "{code:?} {said}");
    std::fs::write(&keys, NEW).unwrap();
    server.restart();
    assert_eq!(ask(&server, "GET", "/webhooks", &Value::Null).0, 200);
}

#[test]
fn a_killed_server_leaves_a_sealed_recording_that_is_read_up_to_its_last_second() {
    let Sealed { mut server, _folder, .. } = start(OLD, "");
    let caller = callers(&server, 1, 8);
    server.wait_metric("offhook_calls_active", "", 1.0);
    let folder = server.folder.path().join("data/recordings");
    let file = wait_for(Duration::from_secs(20), "three seconds of a recording", || {
        let file = files(&folder).into_iter().next()?;
        (file.metadata().unwrap().len() as usize > BODY + 3 * SEALED_CHUNK).then_some(file)
    });
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    let cut = decrypted(&server, &file);
    assert!(cut.len() >= 44 + 3 * 32_000 && voiced(&cut).len() > 5, "{} octets", cut.len());
    server.restart();
    let _hung_up = caller.join();
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.recordings[0].state, RecordingState::Repaired, "{:?}", ended.recordings);
    let (status, whole) = recording(&server, ended.call.call.id, None);
    assert!(status == 200 && whole[44..] == cut[44..], "{status}, {} of {} octets", whole.len(), cut.len());
    assert_eq!(u64::from(u32::from_le_bytes(whole[40..44].try_into().unwrap())) + 44, whole.len() as u64);
    assert_eq!(ended.recordings[0].bytes, Some(whole.len() as u64));

    // One that is cut later is not served as if it were whole.
    let length = file.metadata().unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length - 10).unwrap();
    let (status, answer) = recording(&server, ended.call.call.id, None);
    assert_eq!(status, 500);
    assert!(contains(&answer, b"its end is missing"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn what_lay_in_the_clear_is_sealed_afterwards() {
    let folder = Folder::new();
    let keys = folder.path().join("master.key");
    std::fs::write(&keys, OLD).unwrap();
    let toml = format!("[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 8\n", rtp_range(8));
    let server = Server::start_with(&toml, &[("OFFHOOK_API_KEY", KEY)]);
    assert!(server.log().contains("there is none, so these are stored in the clear"), "{}", server.log());
    secrets(&server);
    assert_eq!(callers(&server, 1, 3).join().unwrap()["failed"], 0);
    let ended = server.ended_calls(1).remove(0);
    let path = server.recording(&ended);
    let call = ended.call.call.id;
    wait_for(Duration::from_secs(10), "a closed recording", || (recording(&server, call, None).0 == 200).then_some(()));
    let clear = std::fs::read(&path).unwrap();
    assert!(clear.starts_with(b"RIFF"));
    assert_eq!(run(&server, &["seal"]).0, Some(1), "there is no key yet");

    server.reload(&format!("{toml}[security]\nmaster_key_file = \"{}\"\n", keys.display()));
    server.wait_metric("offhook_config_reloads_total", "taken", 1.0);
    let (code, said) = run(&server, &["seal"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("recordings: 1 of 1 sealed anew") && !said.contains("in the clear\n"), "{said}");
    assert!(std::fs::read(&path).unwrap().starts_with(b"OFFHOOK\x01"));
    let (status, whole) = recording(&server, call, None);
    assert!(status == 200 && whole == clear);
    nowhere(&server);
}

#[test]
fn card_numbers_and_addresses_are_not_kept() {
    let said = "4111 1111 1111 1111 and ada@example.com. Order 4111 1111 1111 1112.";
    let more = format!("[[assistants]]\nname = \"demo\"\nredact = [\"card_numbers\", \"emails\"]\nfirst_message = \"{said}\"\n");
    let Sealed { server, _folder, .. } = start(OLD, &more);
    let (target, calls) = (server.sip.to_string(), "1");
    let report = load(&["sip", "--target", &target, "--calls", calls, "--hold", "14", "--allow-failures"]).1;
    assert_eq!(report["failed"], 0, "{report:#}");
    let ended = server.ended_calls(1).remove(0);
    let told: Vec<&str> = ended.turns.iter().map(|turn| turn.text.reveal()).collect();
    assert!(told.iter().any(|text| text.starts_with("[card number] and [e-mail]. Order 4111")), "{told:?}");
    // The file says what the assistant says, and the log what is in the file.
    for file in files(&server.folder.path().join("data")) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let within = |mark: &str| contains(&bytes, mark.as_bytes());
        assert!(!within("4111 1111 1111 1111") && !within("ada@example.com"), "{}", file.display());
    }
}
