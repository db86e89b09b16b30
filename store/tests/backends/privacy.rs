//! What is known of a person: found and erased, in every table, and of one organization only. And what is too old.

use std::time::Duration;

use serde_json::json;
use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};
use store::*;

use crate::people::act as acting;
use crate::sample;

const NUMBER: &str = "+4930555001";
const HOUR: Duration = Duration::from_secs(3_600);

fn act() -> Act<'static> {
    acting(0)
}

/// A call that is over, with a trace in every table that knows calls.
async fn call(store: &Store, organization: &OrganizationId, from: &str, external_id: &str, offset: i64) -> CallId {
    let new = sample::new_call("node-1");
    let (id, created_at) = (new.id, sample::at(offset));
    let new = NewCall {
        organization: organization.clone(),
        from: PhoneNumber::new(from),
        external_id: external_id.to_owned(),
        created_at,
        ..new
    };
    let said = format!("my number is {from}, and my mail ada@example.com");
    let message = SipMessage {
        at: created_at,
        sent: false,
        transport: "UDP".to_owned(),
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: "127.0.0.1:5062".parse().unwrap(),
        text: format!("INVITE sip:demo SIP/2.0\r\nFrom: <sip:{from}@host>\r\n"),
    };
    let ladder = SipLadder { external_id: external_id.to_owned(), began_at: created_at, messages: vec![message], left_out: 0 };
    let used = ToolUse {
        call: id,
        number: 0,
        name: "send_email".to_owned(),
        kind: "builtin".to_owned(),
        arguments: Some(Transcript::new(format!("{{\"to\":\"{from}\"}}"))),
        started_at: created_at,
        outcome: Some("ok".to_owned()),
        duration: Some(Duration::from_millis(5)),
    };
    let path = format!("recordings/{id}.wav");
    let writes = vec![
        StoreWrite::CallCreated(new),
        StoreWrite::CallAnswered { call: id, at: created_at },
        StoreWrite::TurnAdded(sample::turn(id, 0, &said)),
        StoreWrite::ToolUsed(used),
        StoreWrite::IncidentSeen(sample::incident(id)),
        sample::opened(id, &path),
        sample::closed(id, &path, RecordingState::Complete),
        StoreWrite::UsageCounted { call: id, usage: Usage { output_text_tokens: 7, ..Usage::default() } },
        StoreWrite::SipSeen(ladder.into()),
        sample::ended(id, HangupCause::CallerHangup),
    ];
    store.write_batch(&writes).await.unwrap();
    let caller = Caller::of(&PhoneNumber::new(from)).unwrap();
    let memory = NewMemory {
        organization: organization.clone(),
        caller,
        text: Transcript::new("likes tea"),
        call: id,
        assistant: "demo".to_owned(),
        source: MemorySource::Tool,
        at: created_at,
        expires_at: WallTime::from_micros(i64::MAX),
    };
    store.remember(&memory).await.unwrap();
    id
}

async fn organization(store: &Store) -> OrganizationId {
    let new = NewOrganization { name: "Acme".to_owned(), domain: String::new(), description: String::new(), plan: String::new() };
    store.create_organization(&new, &act()).await.unwrap().id
}

/// Every text of every table, in one string.
async fn dump(url: &str) -> String {
    install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let tables = match url.starts_with("sqlite") {
        true => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'knowledge_fts%'",
        false => "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables WHERE table_schema = 'public'",
    };
    if url.starts_with("postgres") {
        sqlx::query("SELECT set_config('offhook.organization', '*', false)").execute(&mut connection).await.unwrap();
    }
    let mut all = String::new();
    for table in sqlx::query(tables).fetch_all(&mut connection).await.unwrap() {
        let table: String = table.get("name");
        if table == "_sqlx_migrations" || table.starts_with("knowledge_") {
            continue;
        }
        for row in sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}"))).fetch_all(&mut connection).await.unwrap() {
            for column in 0..row.len() {
                all += row.try_get::<Option<String>, _>(column).ok().flatten().as_deref().unwrap_or_default();
                all.push('\n');
            }
        }
    }
    all
}

pub async fn no_table_and_no_column_of_text_is_forgotten(url: String) {
    let store = Store::open(&url).await.unwrap();
    let gaps = store.privacy_gaps().await.unwrap();
    assert!(
        gaps.is_empty(),
        "store/src/privacy/tables.rs has no row for {gaps:?}: is it about callers, does it name people, or why not?"
    );
    install_default_drivers();
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    for sql in ["CREATE TABLE dossiers (id TEXT)", "ALTER TABLE calls ADD COLUMN nickname TEXT"] {
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
    assert_eq!(store.privacy_gaps().await.unwrap(), ["calls.nickname", "dossiers"]);
}

async fn claimed(store: &Store, organization: &OrganizationId, subject: &Subject) -> PrivacyJob {
    let new = NewPrivacyJob { kind: PrivacyKind::Erase, subject: subject.clone(), subject_hash: "abc".to_owned() };
    let made = store.create_privacy_job(organization, &new, &act()).await.unwrap().unwrap();
    let job = store.claim_privacy_job("node-1", act().at, HOUR).await.unwrap().unwrap();
    assert_eq!((job.id, job.subject.as_ref()), (made.id, Some(subject)));
    assert_eq!(store.claim_privacy_job("node-2", act().at, HOUR).await.unwrap(), None, "it is claimed");
    job
}

async fn calls_of(store: &Store, organization: &OrganizationId, subject: &Subject) -> Vec<CallId> {
    let (calls, next) = store.person_calls(organization, subject, "").await.unwrap();
    assert_eq!(next, None);
    calls.into_iter().map(|call| call.id).collect()
}

pub async fn a_person_is_found_and_erased_in_every_table_of_one_organization(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (ours, theirs) = (organization(&store).await, organization(&store).await);
    let subject = Subject::phone(NUMBER).unwrap();
    // The same number is written in other ways, and is another's customer too.
    let mut own = vec![call(&store, &ours, NUMBER, "a@x", 0).await, call(&store, &ours, "004930555001", "b@x", 1).await];
    own.sort_by_key(ToString::to_string);
    let other = call(&store, &ours, "+49305550012", "c@x", 2).await;
    let elsewhere = call(&store, &theirs, NUMBER, "d@x", 3).await;
    store.write_batch(&[StoreWrite::TurnAdded(sample::turn(other, 1, "ask my wife, 0049 30 555001"))]).await.unwrap();
    assert_eq!(calls_of(&store, &ours, &subject).await, own);
    for table in ["turns", "tool_calls", "recordings", "events", "sip_ladders", "memories", "calls", "incidents"] {
        let found = store.traces_of_call(&ours, table, own[0]).await.unwrap();
        assert!(!found.is_empty(), "{table}");
        assert!(store.traces_of_call(&ours, table, elsewhere).await.unwrap().is_empty(), "{table} of others");
    }
    let (named, _) = store.mentions(&ours, "turns", &subject, "").await.unwrap();
    assert_eq!(named.len(), 3, "two calls, and the wife's: {named:?}");

    let (named, _) = store.mentions(&ours, "sip_ladders", &subject, "").await.unwrap();
    assert!(!named.is_empty() && named.iter().all(|row| row["external_id"] != "d@x"), "messages of others: {named:?}");

    let theirs_before = store.traces_of_call(&theirs, "turns", elsewhere).await.unwrap();
    let their_messages = store.traces_of_call(&theirs, "sip_ladders", elsewhere).await.unwrap();
    assert!(!their_messages.is_empty());
    let job = claimed(&store, &ours, &subject).await;
    let mut counts = PrivacyCounts::default();
    for id in &own {
        assert!(store.erase_call(&job, *id, &mut counts).await.unwrap());
    }
    for table in Store::privacy_tables() {
        let step = store.erase_mentions(&job, (table, ""), &subject, &mut counts).await.unwrap();
        assert_eq!(step, Ok(None), "{table}");
    }
    assert_eq!((counts.files, counts.bytes), (2, 2 * 1_952_684));
    assert_eq!((counts.tables["turns"], counts.tables["calls"]), ((2, 1), (0, 2)), "{counts:?}");
    // Again there is nothing to do, and a claim that is over does nothing.
    let before = counts.clone();
    assert!(calls_of(&store, &ours, &subject).await.is_empty());
    assert_eq!(store.erase_mentions(&job, ("turns", ""), &subject, &mut counts).await.unwrap(), Ok(None));
    assert_eq!(counts, before);
    let stale = PrivacyJob { claim: job.claim + 1, ..job.clone() };
    assert!(!store.erase_call(&stale, other, &mut counts).await.unwrap());

    let done = PrivacyJob { state: PrivacyState::Done, counts, finished_at: Some(act().at), ..job };
    assert!(store.end_privacy_job(&done, "node-1").await.unwrap());
    let record = store.call(own[0]).await.unwrap().unwrap();
    assert_eq!((record.call.from.reveal(), record.call.to.reveal()), ("", "demo"));
    assert_eq!(record.usage.output_text_tokens, 7, "what is paid for stays");
    let turns = store.turns(other).await.unwrap();
    assert_eq!(turns[1].text.reveal(), "ask my wife, [erased]");
    assert!(turns[0].text.reveal().contains("+49305550012"));
    assert_eq!(store.traces_of_call(&theirs, "turns", elsewhere).await.unwrap(), theirs_before);
    assert_eq!(store.traces_of_call(&theirs, "sip_ladders", elsewhere).await.unwrap(), their_messages);
    assert_eq!(calls_of(&store, &theirs, &subject).await, [elsewhere]);
    // The other organization's own is erased too, so that nothing of the number may be left at all.
    let job = claimed(&store, &theirs, &subject).await;
    let mut counts = PrivacyCounts::default();
    assert!(store.erase_call(&job, elsewhere, &mut counts).await.unwrap());
    let done = PrivacyJob { state: PrivacyState::Done, counts, finished_at: Some(act().at), ..job };
    assert!(store.end_privacy_job(&done, "node-1").await.unwrap());
    // The longer number of somebody else stays.
    let left = dump(&url).await.replace("49305550012", "");
    assert!(!left.contains("4930555001"), "{}", left.lines().find(|line| line.contains("4930555001")).unwrap());
    assert!(matches!(store.verify_audit(&ours).await.unwrap(), AuditVerdict::Whole(_)));
    assert!(store.compact().await.unwrap());
}

pub async fn a_person_is_found_by_address_where_it_is_named(url: String) {
    let store = Store::open(&url).await.unwrap();
    let ours = organization(&store).await;
    let subject = Subject::email("Ada@example.com").unwrap();
    let spoken = call(&store, &ours, NUMBER, "a@x", 0).await;
    let wish = NewSession {
        assistant: "demo".to_owned(),
        metadata: json!({ "customer": { "email": "ada@EXAMPLE.com" } }),
        token_hash: Hidden::new("hash"),
        token_expires_at: WallTime::from_micros(i64::MAX),
        open_max: 3,
    };
    let session = store.create_session(&ours, &wish, &act()).await.unwrap().unwrap();
    let of_session = NewCall { id: session.id, organization: ours.clone(), leg: LegKind::Ws, ..sample::new_call("node-1") };
    store.write_batch(&[StoreWrite::CallCreated(of_session), sample::ended(session.id, HangupCause::Completed)]).await.unwrap();
    assert_eq!(calls_of(&store, &ours, &subject).await, [session.id], "whose session it is");
    let job = claimed(&store, &ours, &subject).await;
    let mut counts = PrivacyCounts::default();
    assert!(store.erase_call(&job, session.id, &mut counts).await.unwrap());
    for table in Store::privacy_tables() {
        assert_eq!(store.erase_mentions(&job, (table, ""), &subject, &mut counts).await.unwrap(), Ok(None), "{table}");
    }
    let turns = store.turns(spoken).await.unwrap();
    assert_eq!(turns[0].text.reveal(), "my number is +4930555001, and my mail [erased]");
    let done = PrivacyJob { state: PrivacyState::Done, counts, finished_at: Some(act().at), ..job };
    assert!(store.end_privacy_job(&done, "node-1").await.unwrap());
    assert!(!dump(&url).await.to_lowercase().contains("ada@example.com"));
}

pub async fn a_job_waits_for_a_node_and_is_released_after_a_crash(url: String) {
    let store = Store::open(&url).await.unwrap();
    let ours = organization(&store).await;
    let job = claimed(&store, &ours, &Subject::phone(NUMBER).unwrap()).await;
    let now = act().at;
    store.postpone_privacy_job(&job, now, "files lie on node-2", Some("node-2")).await.unwrap();
    assert_eq!(store.claim_privacy_job("node-1", now, HOUR).await.unwrap(), None);
    let job = store.claim_privacy_job("node-2", now, HOUR).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts, job.claim), (PrivacyState::Waiting, 1, 2));
    store.release_privacy_jobs("node-2", now).await.unwrap();
    let again = store.claim_privacy_job("node-2", now, HOUR).await.unwrap().unwrap();
    assert_eq!(again.claim, 3);
    assert!(!store.end_privacy_job(&job, "node-2").await.unwrap(), "its claim is over");
    let file = PrivacyFile { node: "node-2".to_owned(), path: "exports/a.tar".to_owned(), bytes: 5, sha256: "ff".to_owned() };
    let ended =
        PrivacyJob { state: PrivacyState::Done, file: Some(file), finished_at: Some(now), expires_at: Some(now), ..again };
    assert!(store.end_privacy_job(&ended, "node-2").await.unwrap());
    assert!(store.exports_to_forget("node-1", now, None).await.unwrap().is_empty());
    let old = store.exports_to_forget("node-2", now, None).await.unwrap();
    assert_eq!(old.len(), 1);
    store.forget_export(&old[0]).await.unwrap();
    let gone = store.privacy_job(&ours, ended.id).await.unwrap().unwrap();
    assert_eq!((gone.state, gone.file, gone.subject), (PrivacyState::Expired, None, None));
    assert_eq!(store.privacy_jobs(&ours, &Page { limit: 5, after: None }).await.unwrap().len(), 1);
    let key = store.privacy_key(("one", &Hidden::new("secret")), now).await.unwrap();
    assert_eq!(store.privacy_key(("two", &Hidden::new("other")), now).await.unwrap(), key, "the first stays");
}

pub async fn what_is_too_old_goes_in_batches_and_is_noted_once(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (ours, theirs) = (organization(&store).await, organization(&store).await);
    let days = RetentionDays { recordings: Some(30), transcripts: None, logs: Some(0) };
    let Changed::Done(said) = store.set_retention(&ours, Some(0), days, &act()).await.unwrap() else { panic!("it is said") };
    assert_eq!((said.version, store.retention(&ours).await.unwrap()), (1, said));
    assert_eq!(store.set_retention(&ours, Some(0), days, &act()).await.unwrap(), Changed::Stale);
    let node = RetentionDays { recordings: 1, transcripts: 2, logs: 3 };
    assert_eq!(said.days.or(&node), RetentionDays { recordings: 30, transcripts: 2, logs: 0 });
    let all = store.all_retention(&Page { limit: 10, after: None }).await.unwrap();
    assert_eq!(all.iter().filter(|(_, row)| *row == said).count(), 1);

    let mut old = Vec::new();
    for offset in 0..5 {
        old.push(call(&store, &ours, NUMBER, &format!("{offset}@x"), offset).await);
    }
    let young = call(&store, &ours, NUMBER, "young@x", 3_600_000_000).await;
    let elsewhere = call(&store, &theirs, NUMBER, "theirs@x", 0).await;
    let before = sample::at(1_000);
    for class in RetentionClass::ALL {
        let (what, mut batches) = ((&ours, *class), 0);
        while let Some(batch) = store.sweep_batch(what, "node-1", before, 2).await.unwrap() {
            assert!(batch.calls <= 2);
            assert_eq!(batch.files.len(), if *class == RetentionClass::Recordings { batch.calls } else { 0 });
            assert!(store.sweep(what, "node-1", &batch).await.unwrap().is_some());
            assert_eq!(store.sweep(what, "node-1", &batch).await.unwrap(), None, "it is done");
            batches += 1;
        }
        assert_eq!(batches, 3, "{class}");
        let swept = store.end_sweep(what, "node-1", act().at).await.unwrap();
        assert!(swept.removed >= 5, "{class}: {swept:?}");
        assert_eq!(store.end_sweep(what, "node-1", act().at).await.unwrap(), Swept::default(), "noted once");
    }
    for call in old {
        assert!(store.recordings(call).await.unwrap().is_empty());
        assert!(store.turns(call).await.unwrap().iter().all(|turn| turn.text.reveal().is_empty()));
        assert_eq!(store.tool_uses(call).await.unwrap()[0].arguments, None);
        assert!(store.traces_of_call(&ours, "sip_ladders", call).await.unwrap().is_empty());
        assert_eq!(store.call(call).await.unwrap().unwrap().usage.output_text_tokens, 7);
    }
    for call in [young, elsewhere] {
        assert_eq!(store.recordings(call).await.unwrap().len(), 1);
        assert!(!store.turns(call).await.unwrap()[0].text.reveal().is_empty());
    }
    assert_eq!(
        store.sweep_batch((&ours, RetentionClass::Recordings), "node-2", before, 2).await.unwrap(),
        None,
        "files of others"
    );
    let swept = store.audit_log(&ours, &Page { limit: 50, after: None }).await.unwrap();
    assert_eq!(swept.iter().filter(|entry| entry.action == "retention.swept").count(), 3);
}
