//! What an organization sees of calls: lists, figures, sessions.

use std::time::Duration;

use serde_json::{Value, json};
use store::*;

use crate::sample::*;

async fn organization(store: &Store) -> OrganizationId {
    let new = NewOrganization { name: "Acme".to_owned(), domain: String::new(), description: String::new(), plan: String::new() };
    store.create_organization(&new, &act(0)).await.unwrap().id
}

fn act(seconds: i64) -> Act<'static> {
    Act { actor: "node", address: "", at: at(seconds * 1_000_000) }
}

pub async fn calls_are_listed_for_their_organization_alone(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (here, there) = (organization(&store).await, organization(&store).await);
    let call = |number: i64, direction, assistant: &str, from: &str| NewCall {
        organization: here.clone(),
        direction,
        assistant: assistant.to_owned(),
        from: PhoneNumber::new(from),
        created_at: at(number * 1_000_000),
        ..new_call("a")
    };
    let calls = [
        call(0, Direction::Inbound, "demo", "+1"),
        call(1, Direction::Outbound, "demo", "+2"),
        call(2, Direction::Outbound, "sales", "+2"),
        call(3, Direction::Inbound, "sales", "+3"),
    ];
    let foreign = NewCall { organization: there.clone(), ..new_call("a") };
    let mut writes: Vec<StoreWrite> = calls.iter().chain([&foreign]).cloned().map(StoreWrite::CallCreated).collect();
    writes.extend([
        StoreWrite::CallAnswered { call: calls[0].id, at: at(5) },
        ended(calls[0].id, HangupCause::CallerHangup),
        StoreWrite::CallRang { call: calls[2].id, at: at(5) },
        StoreWrite::CallAnswered { call: calls[3].id, at: at(5) },
        StoreWrite::CallCharged { call: calls[1].id, micros: 1_234 },
    ]);
    store.write_batch(&writes).await.unwrap();
    let check = async |filter: CallFilter, expected: &[usize]| {
        let list = store.calls_of(&here, &filter, &Page { limit: 200, after: None }).await.unwrap();
        let places = list.iter().map(|record| calls.iter().position(|call| *call == record.call).unwrap());
        assert_eq!(places.collect::<Vec<_>>(), expected, "{filter:?}");
    };
    let all = CallFilter::default;
    check(all(), &[3, 2, 1, 0]).await;
    for (status, expected) in
        [(CallStatus::Ended, 0), (CallStatus::Dialing, 1), (CallStatus::Ringing, 2), (CallStatus::Answered, 3)]
    {
        check(CallFilter { status: Some(status), ..all() }, &[expected]).await;
        let record = store.call_of(&here, calls[expected].id).await.unwrap().unwrap();
        assert_eq!(record.status(), status);
    }
    check(CallFilter { direction: Some(Direction::Outbound), ..all() }, &[2, 1]).await;
    check(CallFilter { from: Some(PhoneNumber::new("+2")), ..all() }, &[2, 1]).await;
    check(CallFilter { from: Some(PhoneNumber::new("+2' OR 1=1 --")), ..all() }, &[]).await;
    check(CallFilter { to: Some(PhoneNumber::new("nobody\0")), ..all() }, &[]).await;
    check(CallFilter { assistant: Some("sales".to_owned()), direction: Some(Direction::Inbound), ..all() }, &[3]).await;
    check(CallFilter { since: Some(at(1_000_000)), until: Some(at(3_000_000)), ..all() }, &[2, 1]).await;
    let page = Page { limit: 2, after: Some(calls[2].id.to_string()) };
    assert_eq!(store.calls_of(&here, &all(), &page).await.unwrap().len(), 2);
    assert_eq!(store.call_of(&here, foreign.id).await.unwrap(), None);
    assert_eq!(store.call_of(&there, foreign.id).await.unwrap().unwrap().call, foreign);
    assert_eq!(store.call_of(&here, calls[1].id).await.unwrap().unwrap().cost_micros, Some(1_234));
}

/// A turn of the agent that answered so late.
fn answer(call: CallId, number: u32, gap: u64, interrupted: bool) -> StoreWrite {
    let interrupted = interrupted.then_some(Duration::from_millis(300));
    StoreWrite::TurnAdded(Turn { interrupted, timings: json!({ "response_gap_ms": gap }), ..turn(call, number, "yes") })
}

pub async fn figures_are_counted_by_the_database(url: String) {
    const HOUR: i64 = 3_600_000_000;
    let store = Store::open(&url).await.unwrap();
    let here = organization(&store).await;
    let none = store.figures(&here, (at(0), at(HOUR)), GroupBy::Nothing).await.unwrap();
    assert_eq!(none, []);
    let mut writes = Vec::new();
    let mut call = |hours: i64, assistant: &str, seconds: i64, cause| {
        let created_at = at(hours * HOUR);
        let call = NewCall { organization: here.clone(), assistant: assistant.to_owned(), created_at, ..new_call("a") };
        let (id, ended_at) = (call.id, at(hours * HOUR + seconds * 1_000_000));
        writes.push(StoreWrite::CallCreated(call));
        if seconds > 0 {
            writes.push(StoreWrite::CallAnswered { call: id, at: created_at });
        }
        writes.push(StoreWrite::CallEnded { call: id, at: ended_at, cause, detail: None, stats: Value::Null });
        id
    };
    let first = call(0, "demo", 60, HangupCause::CallerHangup);
    let second = call(0, "sales", 30, HangupCause::Crashed);
    call(1, "demo", 0, HangupCause::Busy);
    let outside = call(30, "demo", 10, HangupCause::CallerHangup);
    // A hundred gaps of 10 to 1,000 ms, in no order.
    writes.extend((0..100).map(|number| answer(first, number, u64::from((number * 37) % 100 + 1) * 10, number < 3)));
    writes.extend([answer(second, 0, 5_000, false), answer(outside, 0, 9_000, true)]);
    writes.push(StoreWrite::TurnAdded(Turn { timings: Value::Null, interrupted: None, ..turn(second, 1, "no gap") }));
    writes.push(StoreWrite::CallCharged { call: second, micros: 2_000_000 });
    store.write_batch(&writes).await.unwrap();
    let span = (at(0), at(2 * HOUR));
    let by = async |by| store.figures(&here, span, by).await.unwrap();

    let all = by(GroupBy::Nothing).await;
    let ms = Duration::from_millis;
    assert_eq!(
        all,
        [Figures {
            group: String::new(),
            calls: 3,
            answered: 2,
            ended: 3,
            failed: 1,
            talked: Duration::from_secs(90),
            judged: 0,
            successful: 0,
            turns: 102,
            interruptions: 3,
            cost_micros: 2_000_000,
            response_gap: Some(Gaps { count: 101, p50: ms(510), p95: ms(960), p99: ms(1_000), max: ms(5_000) }),
        }]
    );
    let assistants = by(GroupBy::Assistant).await;
    let shown: Vec<_> = assistants.iter().map(|one| (one.group.as_str(), one.calls, one.turns)).collect();
    assert_eq!(shown, [("demo", 2, 100), ("sales", 1, 2)]);
    assert_eq!(assistants[0].response_gap, Some(Gaps { count: 100, p50: ms(500), p95: ms(950), p99: ms(990), max: ms(1_000) }));
    let hours: Vec<_> = by(GroupBy::Hour).await.into_iter().map(|one| (one.group, one.calls)).collect();
    assert_eq!(hours, [("2023-11-14T22:00:00Z".to_owned(), 2), ("2023-11-14T23:00:00Z".to_owned(), 1)]);
    let days: Vec<_> = by(GroupBy::Day).await.into_iter().map(|one| (one.group, one.calls)).collect();
    assert_eq!(days, [("2023-11-14T00:00:00Z".to_owned(), 3)]);
    assert_eq!(by(GroupBy::Direction).await[0].group, "inbound");
    assert_eq!(store.figures(&OrganizationId::operator(), span, GroupBy::Nothing).await.unwrap(), []);
}

pub async fn a_session_is_opened_once_and_counted_while_it_is_open(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (here, there) = (organization(&store).await, organization(&store).await);
    let new = |assistant: &str| NewSession {
        assistant: assistant.to_owned(),
        metadata: json!({ "page": "/pricing" }),
        token_hash: Hidden::new("hash"),
        token_expires_at: at(900_000_000),
        open_max: 2,
    };
    let first = store.create_session(&here, &new("demo"), &act(1)).await.unwrap().unwrap();
    assert_eq!(store.session(&here, first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(store.session(&there, first.id).await.unwrap(), None);
    assert_eq!(store.session_of_anybody(first.id).await.unwrap(), Some(first.clone()));
    assert_eq!((first.status(at(2)), first.status(at(900_000_000))), (SessionStatus::Created, SessionStatus::Expired));

    assert!(!store.connect_session(&there, first.id, at(3)).await.unwrap());
    assert!(!store.connect_session(&here, first.id, at(900_000_000)).await.unwrap(), "too late");
    assert!(store.connect_session(&here, first.id, at(3)).await.unwrap());
    assert!(!store.connect_session(&here, first.id, at(4)).await.unwrap(), "once");
    assert!(store.disconnect_session(&here, first.id, at(4)).await.unwrap(), "it was not taken");
    assert!(store.connect_session(&here, first.id, at(5)).await.unwrap());
    let active = store.session(&here, first.id).await.unwrap().unwrap();
    assert_eq!(active.status(at(900_000_000)), SessionStatus::Active);

    let second = store.create_session(&here, &new("sales"), &act(2)).await.unwrap().unwrap();
    assert_eq!(store.create_session(&here, &new("demo"), &act(3)).await.unwrap(), None, "as many as it may");
    assert!(store.create_session(&there, &new("demo"), &act(3)).await.unwrap().is_some(), "others have their own");
    // Its call ends, and the session with it.
    let call = NewCall { id: first.id, organization: here.clone(), leg: LegKind::Ws, ..new_call("a") };
    store.write_batch(&[StoreWrite::CallCreated(call), ended(first.id, HangupCause::AgentHangup)]).await.unwrap();
    let over = store.session(&here, first.id).await.unwrap().unwrap();
    assert_eq!((over.status(at(6)), over.cause), (SessionStatus::Ended, Some(HangupCause::AgentHangup)));
    assert!(store.create_session(&here, &new("demo"), &act(4)).await.unwrap().is_some());
    // One that nobody opened in time does not count.
    assert!(store.create_session(&here, &new("demo"), &act(901)).await.unwrap().is_some());

    assert!(!store.end_session(&there, second.id, &act(5)).await.unwrap());
    assert!(store.end_session(&here, second.id, &act(5)).await.unwrap());
    assert!(store.end_session(&here, second.id, &act(6)).await.unwrap(), "again");
    let gone = store.session(&here, second.id).await.unwrap().unwrap();
    assert_eq!((gone.ended_at, gone.status(at(7))), (Some(at(5_000_000)), SessionStatus::Ended));
    assert!(!store.connect_session(&here, second.id, at(8)).await.unwrap());
    let list = store.sessions(&here, &Page { limit: 2, after: None }).await.unwrap();
    let rest = store.sessions(&here, &Page { limit: 200, after: Some(list[1].id.to_string()) }).await.unwrap();
    assert_eq!((list.len(), rest.iter().map(|one| one.id).collect::<Vec<_>>()), (2, vec![second.id, first.id]));
    assert!(store.sessions(&OrganizationId::operator(), &Page { limit: 5, after: None }).await.unwrap().is_empty());
    let log = store.audit_log(&here, &Page { limit: 200, after: None }).await.unwrap();
    let ends = log.iter().filter(|entry| entry.action == "session.ended").count();
    assert_eq!((ends, store.verify_audit(&here).await.unwrap()), (1, AuditVerdict::Whole(log.len() as u64)));
}
