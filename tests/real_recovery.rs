//! A killed server, a full disk, a drain and a database that is away: what callers and records see of it.
#![allow(clippy::unwrap_used)]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use peer::Peer;
use serde_json::Value;
use store::{CallRecord, HangupCause, Recording, RecordingState};
use support::{Server, load, rtp_range, speech};

/// The talkback assistant on RTP ports of its own, with more of the configuration at the end of its `[node]` section.
fn server(node: &str) -> Server {
    let ports = rtp_range(16);
    Server::start(&format!("[rtp]\nport_range = \"{ports}\"\n[node]\nmax_calls = 16\n{node}"))
}

fn callers(server: &Server, calls: u64, seconds: u64) -> JoinHandle<Value> {
    let (target, calls, hold) = (server.sip.to_string(), calls.to_string(), seconds.to_string());
    let speech = speech().display().to_string();
    std::thread::spawn(move || {
        let arguments =
            ["sip", "--target", &target, "--calls", &calls, "--hold", &hold, "--audio", &speech, "--say", "continuous"];
        load(&[&arguments[..], &["--allow-failures"]].concat()).1
    })
}

/// The records with their recordings and what went wrong, newest first.
fn records(server: &Server) -> Vec<(CallRecord, Vec<Recording>, Vec<String>)> {
    let (runtime, database) = server.database();
    runtime.block_on(async {
        let mut all = Vec::new();
        for record in database.list_calls(200, None).await.unwrap() {
            let id = record.call.id;
            let incidents = database.incidents(id).await.unwrap();
            let wrongs = incidents.iter().map(|wrong| format!("{}: {}", wrong.kind.as_str(), wrong.detail)).collect();
            all.push((record, database.recordings(id).await.unwrap(), wrongs));
        }
        database.close().await;
        all
    })
}

/// Sizes as a WAV header gives them, and how loud each side is at its loudest.
#[derive(Debug)]
struct Wav {
    riff: u64,
    data: u64,
    file: u64,
    peaks: [u16; 2],
}

fn wav(path: &Path) -> Wav {
    let bytes = std::fs::read(path).unwrap();
    let size = |at: usize| u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
    assert_eq!((&bytes[..4], &bytes[8..16], &bytes[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
    let mut peaks = [0; 2];
    let data = usize::try_from(size(40)).unwrap();
    for row in bytes[44..44 + data].chunks_exact(4) {
        for (side, sample) in row.chunks_exact(2).enumerate() {
            peaks[side] = peaks[side].max(i16::from_le_bytes([sample[0], sample[1]]).unsigned_abs());
        }
    }
    Wav { riff: size(4), data: size(40), file: bytes.len() as u64, peaks }
}

fn recordings(server: &Server) -> PathBuf {
    server.folder.path().join("data/recordings")
}

#[test]
fn a_killed_server_leaves_a_recording_that_plays_and_mends_its_records() {
    let mut server = server("");
    let caller = callers(&server, 2, 12);
    server.wait_metric("offhook_calls_active", "", 2.0);
    let answered = Instant::now();
    std::thread::sleep(Duration::from_secs(7));
    let talked = answered.elapsed();
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    let files: Vec<PathBuf> = std::fs::read_dir(recordings(&server)).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    for file in &files {
        let wav = wav(file);
        // Header and audio agree but for one piece, if the kill came between the two writes; and at most a second and what
        // waits for the other side is missing.
        assert!(wav.riff == wav.data + 36 && (0..=40_000).contains(&(wav.file - 44 - wav.data)), "{wav:?}");
        assert!(wav.data as f64 >= (talked.as_secs_f64() - 2.0) * 32_000.0, "{wav:?} of {talked:?}");
        assert!(wav.peaks.iter().all(|peak| *peak > 2_000), "{wav:?}");
    }
    let killed = Instant::now();
    server.restart();
    assert!(killed.elapsed() < Duration::from_secs(60));
    let records = records(&server);
    assert_eq!(records.len(), 2);
    for (record, recordings, _) in &records {
        assert_eq!(record.cause, Some(HangupCause::NodeLost));
        let [recording] = &recordings[..] else { panic!("{recordings:?}") };
        assert_eq!((recording.state, recording.note.as_deref()), (RecordingState::Repaired, Some("cut short by a crash")));
        let wav = wav(&server.folder.path().join("data").join(&recording.path));
        assert_eq!((wav.data + 44, Some(wav.file)), (wav.file, recording.bytes));
        assert_eq!(recording.duration, Some(Duration::from_millis(wav.data / 32)));
    }
    // It takes calls again, and the callers of before are answered when they hang up, though nobody knows them.
    assert_eq!(callers(&server, 1, 1).join().unwrap()["failed"], 0);
    assert_eq!(caller.join().unwrap()["failed"], 0);
}

/// A file system of a few hundred kilobytes, gone with the value. Only root may make one.
struct TinyDisk(PathBuf);

impl TinyDisk {
    fn mount(at: &Path, kilobytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _left_behind = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_costs_the_recording_and_not_the_call() {
    let server = server("");
    let Some(_disk) = TinyDisk::mount(&recordings(&server), 160) else {
        println!("skipped: only root can mount a file system that is full soon");
        return;
    };
    // 160 KiB are 5 s of one call. It goes on; so does the next, for which there is no room at all.
    for _ in 0..2 {
        let report = callers(&server, 1, 8).join().unwrap();
        assert_eq!((&report["failed"], &report["packets"]["lost"]), (&0.into(), &0.into()), "{report:#}");
    }
    let after = records(&server);
    for (record, recordings, wrongs) in &after {
        assert_eq!(record.cause, Some(HangupCause::CallerHangup));
        assert!(
            wrongs.len() == 1 && wrongs[0].starts_with("recording_fault") && wrongs[0].contains("No space left"),
            "{wrongs:?}"
        );
        assert_eq!((recordings.len(), recordings[0].state), (1, RecordingState::Failed), "{recordings:?}");
        assert!(recordings[0].note.as_deref().unwrap().contains("No space left"), "{recordings:?}");
    }
    // What fitted of the first is there, and plays.
    let first = &after[1].1[0];
    let kept = wav(&server.folder.path().join("data").join(&first.path));
    assert_eq!((kept.data + 44, Some(kept.file)), (kept.file, first.bytes));
    assert!((96_000..=160_000).contains(&kept.data), "{kept:?}");
    // With room again, calls are recorded again.
    for file in std::fs::read_dir(recordings(&server)).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    callers(&server, 1, 2).join().unwrap();
    let (_, recordings, wrongs) = &records(&server)[0];
    assert_eq!((recordings[0].state, wrongs.len()), (RecordingState::Complete, 0), "{recordings:?} {wrongs:?}");
}

#[test]
fn a_drain_cuts_no_call_and_takes_none() {
    let mut server = server("");
    let callers = callers(&server, 3, 6);
    server.wait_metric("offhook_calls_active", "", 3.0);
    server.process.signal("-TERM");
    server.wait_metric("offhook_node_draining", "", 1.0);
    let mut refused = Peer::invite(server.sip, "late");
    assert_eq!(refused.wait_refused(), 503);
    let answer = refused.received.last().unwrap();
    assert!(answer.contains("\r\nRetry-After: 60\r\n"), "{answer}");
    let report = callers.join().unwrap();
    assert_eq!((&report["failed"], &report["packets"]["lost"]), (&0.into(), &0.into()), "{report:#}");
    assert_eq!(server.process.wait(Duration::from_secs(10)).code(), Some(0));
    let causes: Vec<_> = records(&server).iter().map(|(record, ..)| record.cause).collect();
    assert_eq!(causes, [Some(HangupCause::CallerHangup); 3]);
}

#[test]
fn calls_left_when_the_drain_time_is_over_are_hung_up() {
    let mut server = server("drain_timeout_s = 1");
    let mut peers = [Peer::call(server.sip, "one"), Peer::call(server.sip, "two")];
    server.process.signal("-TERM");
    for peer in &mut peers {
        assert_eq!(peer.wait_bye(), r#"Q.850;cause=41;text="going out of service""#);
    }
    assert_eq!(server.process.wait(Duration::from_secs(10)).code(), Some(0));
    for (record, recordings, wrongs) in records(&server) {
        assert_eq!(record.cause, Some(HangupCause::Drained));
        assert_eq!((recordings[0].state, wrongs.len()), (RecordingState::Complete, 0));
    }
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let mut server = server("drain_timeout_s = 600");
    let _peer = Peer::call(server.sip, "one");
    server.process.signal("-TERM");
    server.wait_metric("offhook_node_draining", "", 1.0);
    server.process.signal("-INT");
    assert_eq!(server.process.wait(Duration::from_secs(5)).code(), Some(1));
}

/// Another program that holds the database's write lock until it is dropped.
struct Lock(Child);

impl Lock {
    fn take(database: &Path) -> Self {
        const HOLD: &str = "import sqlite3, sys\n\
            database = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
            database.execute('BEGIN EXCLUSIVE')\n\
            print('locked', flush=True)\n\
            sys.stdin.read()";
        let child = Command::new("python3").args(["-c", HOLD]).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        Self(child)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _reaped = self.0.wait();
    }
}

#[test]
fn calls_go_on_while_the_database_is_away_and_their_records_follow() {
    let server = server("");
    // Longer than SQLite waits by itself (5 s), so that batches fail and are tried again.
    let lock = Lock::take(&server.folder.path().join("data/offhook.db"));
    let locked = Instant::now();
    let report = callers(&server, 3, 5).join().unwrap();
    assert_eq!((&report["answered"], &report["failed"]), (&3.into(), &0.into()), "{report:#}");
    assert_eq!(report["packets"]["lost"], 0, "{report:#}");
    std::thread::sleep(Duration::from_secs(8).saturating_sub(locked.elapsed()));
    assert_eq!(records(&server).len(), 0);
    drop(lock);
    let deadline = Instant::now() + Duration::from_secs(20);
    while records(&server).iter().filter(|(record, ..)| record.ended_at.is_some()).count() < 3 {
        assert!(Instant::now() < deadline, "{}", server.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(server.log().contains("records wait for the database"), "{}", server.log());
    for (record, recordings, wrongs) in records(&server) {
        assert_eq!((record.cause, record.answered_at.is_some()), (Some(HangupCause::CallerHangup), true));
        assert_eq!((recordings[0].state, wrongs.len()), (RecordingState::Complete, 0));
    }
}
