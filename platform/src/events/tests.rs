//! Readers over a log in memory: replay, slowness, limits.
#![allow(clippy::unwrap_used)]

use store::EventKind;

use super::hub::{BEHIND_MAX, QUEUE, STUCK_MAX};
use super::*;

async fn open(limits: ReaderLimits) -> Events {
    let store = Store::open("sqlite::memory:").await.unwrap();
    Events::open(store, limits).await.unwrap()
}

/// Writes so many events.
async fn happen(events: &Events, times: usize) {
    for second in 0..times {
        let at = WallTime::from_micros(second as i64 * 1_000_000);
        events.store.tell_of_node(EventKind::NodeStarted, "a", at).await.unwrap();
    }
}

fn reader(events: &Events, after: Option<u64>) -> Reader {
    events.reader(&OrganizationId::operator(), EventFilter::default(), after).unwrap()
}

async fn read(reader: &mut Reader, times: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..times {
        let next = tokio::time::timeout(Duration::from_secs(5), reader.next()).await;
        numbers.push(next.expect("an event").unwrap().number);
    }
    numbers
}

async fn nothing(reader: &mut Reader) {
    let next = tokio::time::timeout(Duration::from_millis(50), reader.next()).await;
    assert!(next.is_err(), "{next:?}");
}

fn row(from: u64, to: u64) -> Vec<u64> {
    (from..=to).collect()
}

#[tokio::test]
async fn a_reader_gets_what_comes_and_what_came_behind_its_last_event() {
    let events = open(ReaderLimits::default()).await;
    happen(&events, 3).await;
    events.hand_on().await.unwrap();
    let mut new = reader(&events, None);
    let mut old = reader(&events, Some(1));
    let mut lost = reader(&events, Some(99));
    assert_eq!(read(&mut old, 2).await, row(2, 3));
    happen(&events, 2).await;
    events.hand_on().await.unwrap();
    for reader in [&mut new, &mut old, &mut lost] {
        assert_eq!(read(reader, 2).await, row(4, 5));
    }
    let other = events.reader(&OrganizationId::generate(), EventFilter::default(), Some(0)).unwrap();
    let calls = events.reader(&OrganizationId::operator(), "call.*".parse().unwrap(), Some(0)).unwrap();
    for mut reader in [other, calls] {
        nothing(&mut reader).await;
    }
}

#[tokio::test]
async fn a_long_log_is_replayed_whole_while_more_happens() {
    let events = open(ReaderLimits::default()).await;
    happen(&events, 450).await;
    events.hand_on().await.unwrap();
    let mut reader = reader(&events, Some(0));
    assert_eq!(read(&mut reader, 250).await, row(1, 250));
    happen(&events, 450).await;
    events.hand_on().await.unwrap();
    assert_eq!(read(&mut reader, 650).await, row(251, 900));
}

#[tokio::test]
async fn a_slow_reader_reads_the_log_itself_and_others_go_on() {
    let events = open(ReaderLimits::default()).await;
    let (mut slow, mut quick) = (reader(&events, None), reader(&events, None));
    let all = QUEUE as u64 + 100;
    let task = tokio::spawn(async move {
        let read = read(&mut quick, all as usize).await;
        (quick, read)
    });
    for _ in 0..all {
        happen(&events, 1).await;
        events.hand_on().await.unwrap();
        tokio::task::yield_now().await;
    }
    let (_quick, numbers) = task.await.unwrap();
    assert_eq!(numbers, row(1, all));
    assert_eq!(read(&mut slow, all as usize).await, row(1, all), "it is behind, and misses nothing");
    happen(&events, 1).await;
    events.hand_on().await.unwrap();
    assert_eq!(read(&mut slow, 1).await, [all + 1]);
}

#[tokio::test]
async fn who_takes_nothing_or_never_catches_up_is_dropped() {
    let events = open(ReaderLimits { of_organization: 2, in_all: 9 }).await;
    let (mut stuck, mut idle) = (reader(&events, None), reader(&events, None));
    let refused = events.reader(&OrganizationId::operator(), EventFilter::default(), None);
    assert_eq!(refused.unwrap_err(), TooManyReaders::OfOrganization);
    for reader in [&mut stuck, &mut idle] {
        nothing(reader).await;
    }
    // Nothing has happened for an hour.
    events.hub().look_after(Instant::now() + Duration::from_secs(3_600));
    happen(&events, 1).await;
    events.hand_on().await.unwrap();
    assert_eq!(read(&mut idle, 1).await, [1]);
    // Nothing waits for one of them; the other has not come.
    nothing(&mut idle).await;
    events.hub().look_after(Instant::now() + STUCK_MAX);
    assert_eq!(stuck.next().await.unwrap_err(), ReaderEnd::Slow);
    happen(&events, 1).await;
    events.hand_on().await.unwrap();
    assert_eq!(read(&mut idle, 1).await, [2]);
    let mut back = reader(&events, Some(0));
    assert_eq!(read(&mut back, 2).await, [1, 2], "it comes back with its last event");

    // One that comes, and is behind for too long.
    happen(&events, QUEUE + 1).await;
    events.hand_on().await.unwrap();
    read(&mut back, 10).await;
    events.hub().look_after(Instant::now() + STUCK_MAX / 2);
    read(&mut back, 10).await;
    events.hub().look_after(Instant::now() + BEHIND_MAX);
    assert_eq!(back.next().await.unwrap_err(), ReaderEnd::Slow);
}

#[tokio::test]
async fn places_are_bounded_in_all_and_given_back() {
    let events = open(ReaderLimits { of_organization: 9, in_all: 1 }).await;
    let first = reader(&events, None);
    let other = OrganizationId::generate();
    let refused = events.reader(&other, EventFilter::default(), None).map(drop);
    assert_eq!(refused, Err(TooManyReaders::InAll));
    drop(first);
    assert!(events.reader(&other, EventFilter::default(), None).is_ok());
}
