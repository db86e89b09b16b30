//! Exports and erasures over a database in a file, with recordings beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use platform::archive::Archive;
use platform::privacy::{Privacy, PrivacyConfig, Refused, Signer};
use serde_json::json;
use store::*;

const NUMBER: &str = "+4930555001";

struct Place {
    folder: PathBuf,
    store: Store,
    privacy: Privacy,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.folder);
    }
}

fn act() -> Act<'static> {
    Act { actor: "test", address: "", at: WallTime::now() }
}

async fn place(name: &str) -> Place {
    let folder = std::env::temp_dir().join(format!("offhook-privacy-{name}-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("recordings")).unwrap();
    let store = Store::open(&format!("sqlite://{}", folder.join("offhook.db").display())).await.unwrap();
    let privacy = node(&store, &folder, "node-1").await;
    Place { folder, store, privacy }
}

/// The service of a node; all nodes here have one folder.
async fn node(store: &Store, folder: &Path, name: &str) -> Privacy {
    let config = PrivacyConfig {
        data_dir: folder.to_owned(),
        node: name.to_owned(),
        exports_kept: Duration::from_secs(3_600),
        own_numbers: Arc::new(|_| vec!["+4930999".to_owned()]),
    };
    Privacy::open(store.clone(), config).await.unwrap()
}

/// A call on a node, with a recording; `ended` so long ago, or still up.
async fn call(place: &Place, from: &str, node: &str, ended: Option<Duration>) -> CallId {
    let (id, now) = (CallId::generate(), WallTime::now());
    let new = NewCall {
        id,
        organization: OrganizationId::operator(),
        node: node.to_owned(),
        leg: LegKind::Sip,
        direction: Direction::Inbound,
        from: PhoneNumber::new(from),
        to: PhoneNumber::new("demo"),
        assistant: "demo".to_owned(),
        engine: "offline".to_owned(),
        external_id: format!("{id}@x"),
        created_at: now,
    };
    let path = format!("recordings/{id}.wav");
    let mut writes = vec![
        StoreWrite::CallCreated(new),
        StoreWrite::RecordingOpened { call: id, path: path.clone(), format: RecordingFormat::Wav, at: now },
    ];
    if let Some(ago) = ended {
        let at = WallTime::from_micros(now.micros() - ago.as_micros() as i64);
        writes.push(StoreWrite::CallEnded { call: id, at, cause: HangupCause::CallerHangup, detail: None, stats: json!({}) });
    }
    place.store.write_batch(&writes).await.unwrap();
    std::fs::write(place.folder.join(path), [7; 500]).unwrap();
    id
}

async fn request(place: &Place, kind: PrivacyKind, number: &str) -> Result<PrivacyJob, Refused> {
    place.privacy.request(&OrganizationId::operator(), (kind, Subject::phone(number).unwrap()), &act()).await
}

/// The job once it has this state.
async fn until(place: &Place, job: &PrivacyJob, state: PrivacyState) -> PrivacyJob {
    for _ in 0..600 {
        let is = place.store.privacy_job(&OrganizationId::operator(), job.id).await.unwrap().unwrap();
        if is.state == state {
            return is;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the job is never {state}");
}

fn file(place: &Place, id: CallId) -> PathBuf {
    place.folder.join(format!("recordings/{id}.wav"))
}

const LONG_AGO: Option<Duration> = Some(Duration::from_secs(60));

#[tokio::test]
async fn an_export_holds_the_person_and_an_erasure_takes_it_away_too() {
    let place = place("both").await;
    let (own, other) = (call(&place, NUMBER, "node-1", LONG_AGO).await, call(&place, "+4930555002", "node-1", LONG_AGO).await);
    let away = call(&place, NUMBER, "node-2", LONG_AGO).await;
    let work = place.privacy.start();
    let asked = request(&place, PrivacyKind::Export, NUMBER).await.unwrap();
    let export = until(&place, &asked, PrivacyState::Done).await;
    let path = place.privacy.file(export.file.as_ref().unwrap()).unwrap();
    let archive = Archive::open(&path).unwrap();
    let manifest = archive.manifest();
    assert_eq!((&manifest["format"], &manifest["subject"]["value"]), (&json!("offhook-export"), &json!(NUMBER)));
    let parts = manifest["parts"].as_object().unwrap();
    assert!(parts.contains_key(&format!("recordings/{own}.wav")) && !parts.contains_key(&format!("recordings/{other}.wav")));
    assert_eq!(manifest["missing"][0]["why"], "it lies on node node-2");
    assert_eq!(export.counts.tables["calls"], (2, 0));
    assert_eq!(std::fs::read_dir(place.folder.join("exports")).unwrap().count(), 1, "nothing else is left");

    let asked = request(&place, PrivacyKind::Erase, "0049 30 555 001").await.unwrap();
    assert_eq!(asked.subject_hash, export.subject_hash);
    let waits = until(&place, &asked, PrivacyState::Waiting).await;
    assert_eq!(waits.reason.as_deref(), Some("recordings of this person lie on node node-2"));
    assert!(!path.exists() && !file(&place, own).exists() && file(&place, other).exists());
    // The other node does its part.
    work.abort();
    let there = node(&place.store, &place.folder, "node-2").await;
    let work = there.start();
    let done = until(&place, &asked, PrivacyState::Done).await;
    work.abort();
    assert!(!file(&place, away).exists());
    assert_eq!((done.counts.files, done.counts.tables["calls"], done.subject), (2, (0, 2), None));
    let report = Signer::open(&place.store).await.unwrap().verify(&done.report.unwrap()).unwrap();
    assert_eq!((&report["erased"]["files"], &report["subject"]["hash"]), (&json!(2), &json!(asked.subject_hash)));
    let database = std::fs::read(place.folder.join("offhook.db")).unwrap();
    assert!(!String::from_utf8_lossy(&database).contains("4930555001"));
}

#[tokio::test]
async fn an_erasure_waits_for_the_end_of_a_call_and_one_s_own_number_is_refused() {
    let place = place("waits").await;
    let up = call(&place, NUMBER, "node-1", None).await;
    assert!(matches!(request(&place, PrivacyKind::Erase, "0049 30999").await, Err(Refused::OwnNumber)));
    let work = place.privacy.start();
    let asked = request(&place, PrivacyKind::Erase, NUMBER).await.unwrap();
    let waits = until(&place, &asked, PrivacyState::Waiting).await;
    assert_eq!(waits.reason.as_deref(), Some("a call of this person goes on, or has just ended"));
    assert!(file(&place, up).exists());
    let at = WallTime::from_micros(WallTime::now().micros() - 60_000_000);
    let end = StoreWrite::CallEnded { call: up, at, cause: HangupCause::CallerHangup, detail: None, stats: json!({}) };
    place.store.write_batch(&[end]).await.unwrap();
    until(&place, &asked, PrivacyState::Done).await;
    work.abort();
    assert!(!file(&place, up).exists());
    assert_eq!(place.store.call(up).await.unwrap().unwrap().call.from.reveal(), "");
}
