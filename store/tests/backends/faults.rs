//! What happens when writes fail, are cut off or come from many sides.

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use sqlx::{AnyConnection, Connection as _, Executor as _};
use store::*;

use crate::sample::*;

pub async fn a_write_without_its_call_is_refused_with_its_batch(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (id, good) = batch("a", 1);
    let nobody = CallId::generate();
    let answered = StoreWrite::CallAnswered { call: nobody, at: at(1) };
    let counted = StoreWrite::UsageCounted { call: nobody, usage: Usage::default() };
    let bad = [
        ("call_answered", answered),
        ("call_ended", ended(nobody, HangupCause::Failed)),
        ("turn_added", StoreWrite::TurnAdded(turn(nobody, 0, "hello"))),
        ("recording_opened", opened(nobody, "a.wav")),
        ("recording_closed", closed(id, "never-opened.wav", RecordingState::Complete)),
        ("incident_seen", StoreWrite::IncidentSeen(incident(nobody))),
        ("usage_counted", counted),
    ];
    for (name, bad) in bad {
        let mut writes = good.clone();
        writes.push(bad);
        let error = store.write_batch(&writes).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("write 2 ({name}) refused: ")), "{text}");
        assert!(!text.contains("hello"), "{text}");
        assert_eq!(store.call(id).await.unwrap(), None, "{name}");
    }
    store.write_batch(&good).await.unwrap();
    assert_eq!(store.turns(id).await.unwrap().len(), 1);
}

pub async fn a_batch_cut_off_at_any_point_leaves_all_or_nothing(url: String) {
    let store = Store::open(&url).await.unwrap();
    let mut finished = 0;
    for polls in 1..60 {
        let (id, writes) = batch("a", 20);
        let done = polled(store.write_batch(&writes), polls).await;
        let turns = store.turns(id).await.unwrap().len();
        match done {
            Some(result) => {
                result.unwrap();
                assert_eq!(turns, 20);
                finished += 1;
            }
            // Cut off after the commit was sent, it may be there; then it is whole.
            None => assert!(turns == 0 || turns == 20, "{turns} turns after {polls} polls"),
        }
    }
    assert!(finished < 59, "no batch was cut off");
}

/// Polls `work` as often as said and then drops it.
async fn polled<T>(work: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending if left == 1 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// What a kill leaves on disk is what a copy of the files made in mid-batch holds.
pub async fn copied_files_hold_whole_batches(folder: &Path) {
    let store = Store::open(&format!("sqlite://{}/live.db", folder.display())).await.unwrap();
    let (before, writes) = batch("a", 20);
    store.write_batch(&writes).await.unwrap();
    let (cut, writes) = batch("a", 400);
    let mut work = pin!(store.write_batch(&writes));
    // Every write waits for SQLite's thread, so 401 of them are far from done.
    assert!(polled(work.as_mut(), 30).await.is_none());
    for suffix in ["", "-wal"] {
        let name = |stem: &str| folder.join(format!("{stem}.db{suffix}"));
        std::fs::copy(name("live"), name("copy")).unwrap();
    }

    let copy = Store::open(&format!("sqlite://{}/copy.db", folder.display())).await.unwrap();
    assert_eq!(copy.turns(before).await.unwrap().len(), 20);
    assert_eq!(copy.call(cut).await.unwrap(), None);
    let lost = copy.close_lost("a", HangupCause::NodeLost, at(1)).await.unwrap();
    assert_eq!(lost.len(), 1);
    // The process that was not killed goes on.
    work.await.unwrap();
    assert_eq!(store.turns(cut).await.unwrap().len(), 400);
}

/// PostgreSQL only: its connections are cut, first idle, then in mid-batch.
pub async fn a_cut_connection_is_made_again(url: String) {
    const CUT: &str = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let store = Store::open(&url).await.unwrap();
    let mut other = AnyConnection::connect(&url).await.unwrap();
    let (before, writes) = batch("a", 20);
    store.write_batch(&writes).await.unwrap();
    other.execute(CUT).await.unwrap();
    assert_eq!(store.turns(before).await.unwrap().len(), 20);

    let (cut, writes) = batch("a", 400);
    let error = {
        let mut work = pin!(store.write_batch(&writes));
        assert!(polled(work.as_mut(), 30).await.is_none());
        other.execute(CUT).await.unwrap();
        work.await.unwrap_err()
    };
    assert!(error.is_transient(), "{error}");
    assert_eq!(store.call(cut).await.unwrap(), None);
    store.write_batch(&writes).await.unwrap();
    assert_eq!(store.turns(cut).await.unwrap().len(), 400);
}

pub async fn writers_at_the_same_time_lose_nothing(url: String) {
    // Two stores, as two processes would have.
    let stores = [Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap()];
    let writers = (0..8).map(|writer| {
        let store = stores[writer % 2].clone();
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..10 {
                let (id, writes) = batch("a", 5);
                store.write_batch(&writes).await.unwrap();
                ids.push(id);
            }
            ids
        })
    });
    let mut calls = 0;
    for writer in writers.collect::<Vec<_>>() {
        for id in writer.await.unwrap() {
            assert_eq!(stores[0].turns(id).await.unwrap().len(), 5);
            calls += 1;
        }
    }
    assert_eq!(calls, 80);
    assert_eq!(stores[1].list_calls(LIST_MAX, None).await.unwrap().len(), 80);
}

pub async fn a_thousand_writes_go_in_one_batch(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (id, writes) = batch("a", 999);
    assert_eq!(writes.len(), 1000);
    store.write_batch(&writes).await.unwrap();
    assert_eq!(store.turns(id).await.unwrap().len(), 999);
}

pub async fn a_word_we_do_not_know_is_unreadable(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (id, writes) = batch("a", 1);
    store.write_batch(&writes).await.unwrap();
    let mut other = AnyConnection::connect(&url).await.unwrap();
    other.execute("UPDATE turns SET role = 'parrot'").await.unwrap();
    other.execute("UPDATE calls SET cached_tokens = -1, stats = 'x'").await.unwrap();
    let turns = store.turns(id).await.unwrap_err();
    assert_eq!(turns.to_string(), "turns: column `role` is unreadable: `parrot` is not a Role");
    assert!(!turns.is_transient());
    let call = store.call(id).await.unwrap_err().to_string();
    assert!(call.starts_with("call: column `stats` is unreadable: "), "{call}");
}

pub async fn a_missing_table_is_unavailable(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (id, writes) = batch("a", 1);
    let mut other = AnyConnection::connect(&url).await.unwrap();
    other.execute("DROP TABLE turns").await.unwrap();
    for error in [store.write_batch(&writes).await.unwrap_err(), store.turns(id).await.unwrap_err()] {
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        assert!(error.is_transient());
    }
    assert_eq!(store.call(id).await.unwrap(), None);

    // Tables of a version that we do not know are left alone.
    other.execute("UPDATE _sqlx_migrations SET version = 999 WHERE version = 1").await.unwrap();
    let error = Store::open(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::Migrate { .. }), "{error}");
}
