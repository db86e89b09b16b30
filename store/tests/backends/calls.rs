//! What is written reads back.

use std::time::Duration;

use serde_json::{Value, json};
use store::*;

use crate::sample::*;

pub async fn a_call_is_kept_from_ringing_to_its_end(url: String) {
    let store = Store::open(&url).await.unwrap();
    store.ping().await.unwrap();
    let call = new_call("a");
    let id = call.id;
    assert_eq!(store.call(id).await.unwrap(), None);

    store.create_call(&call).await.unwrap();
    let record = store.call(id).await.unwrap().unwrap();
    assert_eq!(record.status(), CallStatus::Ringing);
    assert_eq!(record.call, call);
    assert_eq!((record.cause, record.stats), (None, Value::Null));

    let usage = Usage {
        input_text_tokens: 1,
        input_audio_tokens: 2,
        cached_tokens: 3,
        output_text_tokens: 4,
        output_audio_tokens: u64::MAX,
    };
    let answered = StoreWrite::CallAnswered { call: id, at: at(40) };
    let counted = StoreWrite::UsageCounted { call: id, usage };
    store.write_batch(&[answered, counted]).await.unwrap();
    let record = store.call(id).await.unwrap().unwrap();
    assert_eq!(record.status(), CallStatus::Answered);
    assert_eq!(record.answered_at, Some(at(40)));
    let output_audio_tokens = i64::MAX.unsigned_abs();
    let kept = Usage { output_audio_tokens, ..usage };
    assert_eq!(record.usage, kept);

    store.write_batch(&[ended(id, HangupCause::CallerHangup)]).await.unwrap();
    let record = store.call(id).await.unwrap().unwrap();
    assert_eq!(record.status(), CallStatus::Ended);
    assert_eq!(record.ended_at, Some(at(9_000_000)));
    assert_eq!(record.cause, Some(HangupCause::CallerHangup));
    assert_eq!(record.cause_detail.as_deref(), Some("BYE"));
    assert_eq!(record.stats, json!({"rtp_received": 450, "mos": 4.3}));
}

pub async fn a_call_of_ours_is_kept_from_dialing_to_its_refusal(url: String) {
    let store = Store::open(&url).await.unwrap();
    let call = NewCall { direction: Direction::Outbound, external_id: String::new(), ..new_call("a") };
    let id = call.id;
    store.create_call(&call).await.unwrap();
    let record = store.call(id).await.unwrap().unwrap();
    assert_eq!((record.status(), record.ringing_at, record.refused), (CallStatus::Dialing, None, None));

    let placed = StoreWrite::CallPlaced { call: id, external_id: "ours@here".to_owned() };
    let rang = |offset| StoreWrite::CallRang { call: id, at: at(offset) };
    store.write_batch(&[placed, rang(20), rang(30)]).await.unwrap();
    let record = store.call(id).await.unwrap().unwrap();
    assert_eq!((record.status(), record.ringing_at), (CallStatus::Ringing, Some(at(20))));
    assert_eq!(store.find_call(LegKind::Sip, "ours@here").await.unwrap().map(|found| found.call.id), Some(id));

    let refused = Refused { code: 486, reason: "Busy\0 Here".to_owned() };
    store.write_batch(&[StoreWrite::CallRefused { call: id, refused }, ended(id, HangupCause::Busy)]).await.unwrap();
    let record = store.call(id).await.unwrap().unwrap();
    assert_eq!((record.status(), record.cause), (CallStatus::Ended, Some(HangupCause::Busy)));
    let refused = record.refused.unwrap();
    assert_eq!(refused.code, 486);
    assert!(refused.reason.starts_with("Busy") && refused.reason.ends_with(" Here"), "{}", refused.reason);
}

pub async fn a_use_of_a_tool_is_kept_from_its_beginning_to_its_end(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (id, mut writes) = batch("a", 0);
    let began = ToolUse {
        call: id,
        number: 1 << 32,
        name: "find_order".to_owned(),
        kind: "http".to_owned(),
        arguments: Some(Transcript::new(r#"{"number":"A-1"}"#)),
        started_at: at(7),
        outcome: None,
        duration: None,
    };
    let ended = ToolUse { outcome: Some("ok".to_owned()), duration: Some(Duration::from_millis(1_500)), ..began.clone() };
    let secret = ToolUse { number: 2, arguments: None, ..began.clone() };
    writes.extend([StoreWrite::ToolUsed(began.clone()), StoreWrite::ToolUsed(secret.clone())]);
    store.write_batch(&writes).await.unwrap();
    assert_eq!(store.tool_uses(id).await.unwrap(), [secret.clone(), began]);
    store.write_batch(&[StoreWrite::ToolUsed(ended.clone()), StoreWrite::ToolUsed(ended.clone())]).await.unwrap();
    assert_eq!(store.tool_uses(id).await.unwrap(), [secret, ended]);
}

pub async fn turns_recordings_and_incidents_read_back(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (id, mut writes) = batch("a", 0);
    let heard_whole = Turn { interrupted: None, role: Role::Caller, timings: Value::Null, ..turn(id, 0, "hello?") };
    let turns = vec![heard_whole, turn(id, 1, "Hello, this is the demo.")];
    let added = turns.iter().rev().cloned().map(StoreWrite::TurnAdded);
    writes.extend(added);
    writes.extend([opened(id, "a.wav"), opened(id, "b.wav")]);
    writes.push(closed(id, "b.wav", RecordingState::Complete));
    writes.push(StoreWrite::IncidentSeen(incident(id)));
    store.write_batch(&writes).await.unwrap();

    assert_eq!(store.turns(id).await.unwrap(), turns);
    assert_eq!(store.incidents(id).await.unwrap(), [incident(id)]);
    let writing = Recording {
        call: id,
        path: "a.wav".to_owned(),
        format: RecordingFormat::Wav,
        state: RecordingState::Writing,
        opened_at: at(5),
        duration: None,
        bytes: None,
        note: None,
    };
    let complete = Recording {
        path: "b.wav".to_owned(),
        state: RecordingState::Complete,
        duration: Some(Duration::from_millis(61_020)),
        bytes: Some(1_952_684),
        note: Some("gap of 40 ms at 0:12".to_owned()),
        ..writing.clone()
    };
    assert_eq!(store.recordings(id).await.unwrap(), [writing, complete]);
    let other = CallId::generate();
    assert_eq!(store.turns(other).await.unwrap(), []);
}

pub async fn every_write_may_be_repeated(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (id, mut writes) = batch("a", 2);
    let usage = Usage { cached_tokens: 7, ..Usage::default() };
    writes.extend([
        StoreWrite::CallAnswered { call: id, at: at(40) },
        opened(id, "a.wav"),
        StoreWrite::IncidentSeen(incident(id)),
        StoreWrite::UsageCounted { call: id, usage },
        StoreWrite::LanguageHeard { call: id, language: "de".to_owned() },
        StoreWrite::TrunkKnown { call: id, trunk: "carrier".to_owned() },
        StoreWrite::IdentityJudged { call: id, identity: identity() },
        closed(id, "a.wav", RecordingState::Complete),
        ended(id, HangupCause::AgentHangup),
    ]);
    store.write_batch(&writes).await.unwrap();
    assert_eq!(store.call(id).await.unwrap().and_then(|call| call.trunk).as_deref(), Some("carrier"));
    assert_eq!(store.call(id).await.unwrap().unwrap().identity, Some(identity()));
    let once = everything(&store, id).await;
    store.write_batch(&writes).await.unwrap();
    assert_eq!(everything(&store, id).await, once);

    let again = StoreWrite::TurnAdded(turn(id, 1, "corrected"));
    store.write_batch(&[again]).await.unwrap();
    let turns = store.turns(id).await.unwrap();
    assert_eq!(turns[1].text.reveal(), "corrected");
    assert_eq!(turns.len(), 2);
}

fn identity() -> CallIdentity {
    let [attestation, reason, origid, provider] = ["A", "late", "9a2e", "709J"].map(|text| Some(text.to_owned()));
    let (noted, carrier) = (Some("div".to_owned()), None);
    CallIdentity { verdict: IdentityVerdict::Passed, attestation, reason, origid, provider, noted, carrier }
}

/// All that is known of a call, as text.
async fn everything(store: &Store, id: CallId) -> String {
    let call = store.call(id).await.unwrap();
    let turns = store.turns(id).await.unwrap();
    let recordings = store.recordings(id).await.unwrap();
    let incidents = store.incidents(id).await.unwrap();
    format!("{call:?} {turns:?} {recordings:?} {incidents:?}")
}

pub async fn the_first_end_stays(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (id, writes) = batch("a", 0);
    store.write_batch(&writes).await.unwrap();
    store.write_batch(&[ended(id, HangupCause::CallerHangup)]).await.unwrap();
    let later =
        StoreWrite::CallEnded { call: id, at: at(99_000_000), cause: HangupCause::Crashed, detail: None, stats: Value::Null };
    store.write_batch(&[later]).await.unwrap();
    let record = store.call(id).await.unwrap().unwrap();
    assert_eq!(record.ended_at, Some(at(9_000_000)));
    assert_eq!(record.cause, Some(HangupCause::CallerHangup));
    assert_eq!(record.cause_detail.as_deref(), Some("BYE"));
    assert_eq!(record.stats["mos"], 4.3);
}

pub async fn lists_go_back_by_cursor(url: String) {
    let store = Store::open(&url).await.unwrap();
    let calls: Vec<NewCall> = (0..5).map(|_| new_call("a")).collect();
    let writes: Vec<StoreWrite> = calls.iter().cloned().map(StoreWrite::CallCreated).collect();
    store.write_batch(&writes).await.unwrap();
    let check = async |limit, before, expected: &[usize]| {
        let list = store.list_calls(limit, before).await.unwrap();
        let places = list.iter().map(|record| calls.iter().position(|call| *call == record.call));
        assert_eq!(places.map(Option::unwrap).collect::<Vec<_>>(), expected);
    };
    check(2, None, &[4, 3]).await;
    check(2, Some(calls[3].id), &[2, 1]).await;
    check(2, Some(calls[1].id), &[0]).await;
    check(0, None, &[4]).await;
    check(u32::MAX, None, &[4, 3, 2, 1, 0]).await;
}

pub async fn the_latest_call_of_an_external_id_is_found(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (early, late) = (new_call("a"), new_call("a"));
    store.create_call(&early).await.unwrap();
    store.create_call(&late).await.unwrap();
    let found = store.find_call(LegKind::Sip, &early.external_id).await.unwrap();
    assert_eq!(found.unwrap().call.id, late.id);
    let other_leg = store.find_call(LegKind::Twilio, &early.external_id).await.unwrap();
    assert_eq!(other_leg, None);
    assert_eq!(store.find_call(LegKind::Sip, "nobody").await.unwrap(), None);
}

pub async fn lost_calls_are_closed_once(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (open, mut writes) = batch("a", 0);
    let (other_node, more) = batch("b", 0);
    let (over, most) = batch("a", 0);
    writes.extend(more.into_iter().chain(most));
    writes.extend([opened(open, "cut.wav"), opened(over, "done.wav")]);
    writes.push(closed(over, "done.wav", RecordingState::Complete));
    writes.push(ended(over, HangupCause::CallerHangup));
    store.write_batch(&writes).await.unwrap();

    let lost = store.close_lost("a", HangupCause::NodeLost, at(60_000_000)).await.unwrap();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].id, open);
    assert_eq!(lost[0].writing[0].path, "cut.wav");
    let record = store.call(open).await.unwrap().unwrap();
    assert_eq!(record.cause, Some(HangupCause::NodeLost));
    assert_eq!(record.ended_at, Some(at(60_000_000)));
    let over = store.call(over).await.unwrap().unwrap();
    assert_eq!(over.cause, Some(HangupCause::CallerHangup));
    let other = store.call(other_node).await.unwrap().unwrap();
    assert_eq!(other.status(), CallStatus::Ringing);

    // A start that died before it repaired the file leaves it for the next one.
    let again = store.close_lost("a", HangupCause::NodeLost, at(70_000_000)).await.unwrap();
    assert_eq!(again, lost);
    store.write_batch(&[closed(open, "cut.wav", RecordingState::Repaired)]).await.unwrap();
    assert_eq!(store.close_lost("a", HangupCause::NodeLost, at(80_000_000)).await.unwrap(), []);
    let record = store.call(open).await.unwrap().unwrap();
    assert_eq!(record.ended_at, Some(at(60_000_000)));
}

pub async fn unicode_nul_and_endless_text_are_kept_or_cut(url: String) {
    let store = Store::open(&url).await.unwrap();
    let call = NewCall { from: PhoneNumber::new("\0anonymous"), external_id: "nul\0id".to_owned(), ..new_call("nœud\0") };
    let id = call.id;
    store.create_call(&call).await.unwrap();
    let texts = ["Grüße, 你好 👋🏽 \u{202e}", "a\0b", &"ü".repeat(TEXT_BYTES_MAX)];
    let turns = texts.iter().zip(0..).map(|(text, number)| turn(id, number, text));
    let mut writes: Vec<StoreWrite> = turns.map(StoreWrite::TurnAdded).collect();
    writes.push(StoreWrite::CallEnded {
        call: id,
        at: at(1),
        cause: HangupCause::Failed,
        detail: Some("\0".to_owned()),
        stats: json!({"nul": "a\0b"}),
    });
    store.write_batch(&writes).await.unwrap();

    let read = store.turns(id).await.unwrap();
    assert_eq!(read[0].text.reveal(), texts[0]);
    assert_eq!(read[1].text.reveal(), "a\u{fffd}b");
    assert_eq!(read[2].text.reveal(), &texts[2][..TEXT_BYTES_MAX]);
    let found = store.find_call(LegKind::Sip, "nul\0id").await.unwrap().unwrap();
    assert_eq!(found.call.from.reveal(), "\u{fffd}anonymous");
    assert_eq!(found.cause_detail.as_deref(), Some("\u{fffd}"));
    assert_eq!(found.stats, json!({"nul": "a\0b"}));
}

pub async fn a_database_is_opened_again_as_it_was(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (id, writes) = batch("a", 3);
    store.write_batch(&writes).await.unwrap();
    let before = everything(&store, id).await;
    store.close().await;
    let store = Store::open(&url).await.unwrap();
    assert_eq!(everything(&store, id).await, before);
}
