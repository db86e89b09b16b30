//! What is remembered of callers.

use store::*;

use crate::analyses::{after, claim_one, ended_call, findings};

fn caller(number: &str) -> Caller {
    Caller::of(&PhoneNumber::new(number)).unwrap()
}

fn new_memory(number: &str, text: &str, seconds: i64) -> NewMemory {
    NewMemory {
        organization: OrganizationId::operator(),
        caller: caller(number),
        text: Transcript::new(text),
        call: CallId::generate(),
        assistant: "demo".to_owned(),
        source: MemorySource::Tool,
        at: after(seconds),
        expires_at: after(seconds + 1_000),
    }
}

/// What is remembered, in the order of the list.
async fn texts(store: &Store, number: &str, seconds: i64) -> Vec<String> {
    let memories = store.memories(&OrganizationId::operator(), &caller(number), after(seconds)).await.unwrap();
    memories.into_iter().map(|memory| memory.text.reveal().to_owned()).collect()
}

pub async fn memories_are_bounded_and_the_one_confirmed_longest_ago_goes(url: String) {
    let store = Store::open(&url).await.unwrap();
    for number in 0..i64::from(MEMORIES_MAX) {
        store.remember(&new_memory("+1", &format!("fact {number}"), number)).await.unwrap();
    }
    store.remember(&new_memory("+2", "another's", 0)).await.unwrap();
    // Said again, the first is the latest; so the second goes when one more comes.
    store.remember(&new_memory("1", "fact 0", 100)).await.unwrap();
    store.remember(&new_memory("+1", "one more", 101)).await.unwrap();
    let kept = texts(&store, "+1", 102).await;
    assert_eq!(kept.len(), MEMORIES_MAX as usize);
    assert_eq!((kept[0].as_str(), kept[1].as_str(), kept[49].as_str()), ("one more", "fact 0", "fact 2"));
    assert_eq!(texts(&store, "+2", 102).await, ["another's"]);

    // Too long is cut, nothing is not kept, and what no database can keep is replaced.
    store.remember(&new_memory("+3", &"ü".repeat(MEMORY_BYTES_MAX), 0)).await.unwrap();
    store.remember(&new_memory("+3", "  ", 1)).await.unwrap();
    store.remember(&new_memory("+3", "a\0b", 1)).await.unwrap();
    assert_eq!(texts(&store, "+3", 2).await, ["a\u{fffd}b".to_owned(), "ü".repeat(MEMORY_BYTES_MAX / 2)]);
}

pub async fn what_is_known_is_confirmed_and_what_expires_is_gone(url: String) {
    let store = Store::open(&url).await.unwrap();
    let first = new_memory("+1", "likes tea", 0);
    store.remember(&first).await.unwrap();
    store.remember(&new_memory("+1", "has a dog", 5)).await.unwrap();
    store.remember(&NewMemory { source: MemorySource::Analysis, ..new_memory("+1", "likes tea", 10) }).await.unwrap();
    let memories = store.memories(&OrganizationId::operator(), &caller("+1"), after(11)).await.unwrap();
    let tea = &memories[0];
    assert_eq!((tea.text.reveal(), tea.call, tea.source), ("likes tea", first.call, MemorySource::Tool));
    assert_eq!((tea.created_at, tea.confirmed_at, tea.expires_at), (after(0), after(10), after(1_010)));
    assert_eq!((tea.assistant.as_str(), &tea.caller), ("demo", &caller("+1")));

    assert_eq!(texts(&store, "+1", 1_005).await, ["likes tea"], "the dog has expired");
    assert_eq!(store.expire_memories(after(1_005)).await.unwrap(), 1);
    assert_eq!(store.expire_memories(after(1_005)).await.unwrap(), 0);
    assert_eq!(texts(&store, "+1", 11).await, ["likes tea"]);
}

pub async fn an_analysis_teaches_and_corrects(url: String) {
    let store = Store::open(&url).await.unwrap();
    store.remember(&new_memory("+1", "lives in Rome", 0)).await.unwrap();
    let outdated = store.memories(&OrganizationId::operator(), &caller("+1"), after(1)).await.unwrap()[0].id;
    let call = ended_call(&store, "a", "+1").await;
    let claim = claim_one(&store).await;
    let new = NewMemory { call, source: MemorySource::Analysis, ..new_memory("+1", "lives in Bonn", 2) };
    let learned = Learned { new: vec![new], outdated: vec![outdated, MemoryId::generate()] };
    let end = AnalysisEnd::Done { findings: Box::new(findings()), learned };
    assert_eq!(store.end_analyses(&[(claim, end.clone())], after(3)).await.unwrap(), 1);
    let memories = store.memories(&OrganizationId::operator(), &caller("+1"), after(4)).await.unwrap();
    assert_eq!(memories.len(), 1);
    assert_eq!((memories[0].text.reveal(), memories[0].call), ("lives in Bonn", call));

    // The same end again is no claim any more, and teaches nothing.
    store.erase_memories(&caller("+1")).await.unwrap();
    assert_eq!(store.end_analyses(&[(claim, end)], after(5)).await.unwrap(), 0);
    assert_eq!(texts(&store, "+1", 6).await, Vec::<String>::new());
}

pub async fn what_is_erased_does_not_come_back_from_the_queue(url: String) {
    let store = Store::open(&url).await.unwrap();
    let done = |number: &str| AnalysisEnd::Done {
        findings: Box::new(findings()),
        learned: Learned { new: vec![new_memory(number, "told in the call", 2)], outdated: Vec::new() },
    };
    for from in ["+1", "1", "sip:1@example.com"] {
        store.remember(&new_memory("+1", "told before", 0)).await.unwrap();
        let call = ended_call(&store, "a", from).await;
        let claim = claim_one(&store).await;
        assert_eq!(store.erase_memories(&caller("+1")).await.unwrap(), 1);
        assert_eq!(store.end_analyses(&[(claim, done("+1"))], after(3)).await.unwrap(), 1);
        assert_eq!(store.analysis(call).await.unwrap().unwrap().state, AnalysisState::Done);
        assert_eq!(texts(&store, "+1", 4).await, Vec::<String>::new(), "{from}");
    }
    // Another caller's call, and one after the erasure, teach as before.
    ended_call(&store, "a", "+2").await;
    let claim = claim_one(&store).await;
    assert_eq!(store.erase_memories(&caller("+1")).await.unwrap(), 0);
    store.end_analyses(&[(claim, done("+2"))], after(3)).await.unwrap();
    assert_eq!(texts(&store, "+2", 4).await, ["told in the call"]);
    ended_call(&store, "a", "+1").await;
    let claim = claim_one(&store).await;
    store.end_analyses(&[(claim, done("+1"))], after(3)).await.unwrap();
    assert_eq!(texts(&store, "+1", 4).await, ["told in the call"]);
}
