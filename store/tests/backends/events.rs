//! The log of events, and the queue of webhooks that is filled with it.

use std::time::Duration;

use serde_json::{Value, json};
use store::*;

use crate::analyses::{LEASE, after, claim_one, ended_call};
use crate::sample::*;

fn operator() -> OrganizationId {
    OrganizationId::operator()
}

fn act(seconds: i64) -> Act<'static> {
    Act { actor: "node", address: "", at: after(seconds) }
}

fn all() -> Page {
    Page { limit: 200, after: None }
}

async fn told(store: &Store, organization: &OrganizationId) -> Vec<Event> {
    store.events(organization, 0, 200).await.unwrap()
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

async fn webhook(store: &Store, organization: &OrganizationId, kind: WebhookKind, events: &str) -> Webhook {
    let new = NewWebhook {
        kind,
        url: Hidden::new("https://example.com/hook"),
        description: "n8n".to_owned(),
        events: events.parse().unwrap(),
        lead_threshold: 70,
        secret: Hidden::new("whsec_one"),
        is_active: true,
    };
    store.create_webhook(organization, &new, &act(0)).await.unwrap().unwrap()
}

fn findings(score: u8) -> Findings {
    let reasons = vec![Transcript::new("wants two")];
    Findings { summary: Some(Transcript::new("A call.")), lead: Some(LeadScore { score, reasons }), ..Findings::default() }
}

async fn analyse(store: &Store, score: u8) {
    let end = AnalysisEnd::Done { findings: Box::new(findings(score)), learned: Learned::default() };
    assert_eq!(store.end_analyses(&[(claim_one(store).await, end)], after(1)).await.unwrap(), 1);
}

/// Far enough ahead for all that is queued, which has the system's time.
fn later(seconds: u64) -> WallTime {
    WallTime::from_micros(WallTime::now().micros() + seconds as i64 * 1_000_000)
}

async fn claim(store: &Store, node: &str, seconds: u64) -> Vec<DeliveryJob> {
    store.claim_deliveries(node, later(seconds), LEASE, (16, 4)).await.unwrap()
}

fn types(jobs: &[DeliveryJob]) -> Vec<&str> {
    jobs.iter().map(|job| job.kind.as_str()).collect()
}

pub async fn what_happens_to_a_call_is_told_once_and_in_order(url: String) {
    let store = Store::open(&url).await.unwrap();
    let mut news = store.news();
    news.mark_unchanged();
    let call = ended_call(&store, "a", "+14155550100").await;
    assert!(news.has_changed().unwrap());
    let used = ToolUse {
        call,
        number: 1,
        name: "book".to_owned(),
        kind: "http".to_owned(),
        arguments: Some(Transcript::new("secret")),
        started_at: at(3),
        outcome: None,
        duration: None,
    };
    let ended = ToolUse { outcome: Some("ok".to_owned()), duration: Some(Duration::from_millis(7)), ..used.clone() };
    let more = [
        StoreWrite::ToolUsed(used),
        StoreWrite::ToolUsed(ended),
        opened(call, "a.wav"),
        closed(call, "a.wav", RecordingState::Complete),
        StoreWrite::RecordingClosed {
            call,
            path: "b.wav".to_owned(),
            state: RecordingState::Failed,
            duration: Duration::ZERO,
            bytes: 0,
            note: None,
        },
    ];
    let (last, rest) = more.split_last().unwrap();
    store.write_batch(&[rest, &[opened(call, "b.wav"), last.clone()]].concat()).await.unwrap();
    let expected =
        ["call.started", "call.answered", "turn.completed", "turn.completed", "call.ended", "tool.called", "recording.ready"];
    let events = told(&store, &operator()).await;
    assert_eq!(kinds(&events), expected, "{events:#?}");
    assert!(events.is_sorted_by_key(|event| event.number) && events.iter().all(|event| event.call == Some(call)));
    assert_eq!(store.latest_event().await.unwrap(), events[6].number);
    // The same batch again, as after an end in doubt, tells nothing more.
    store.write_batch(&[rest, &[StoreWrite::CallAnswered { call, at: at(9) }]].concat()).await.unwrap();
    assert_eq!(told(&store, &operator()).await.len(), 7);

    let data = |kind: &str| events.iter().find(|event| event.kind.as_str() == kind).unwrap().data.clone();
    let started = data("call.started");
    assert_eq!((&started["from"], &started["direction"]), (&json!("+14155550100"), &json!("inbound")));
    assert_eq!(data("call.ended")["outcome"], json!("completed"));
    assert_eq!(data("turn.completed")["text"], json!("hello?"));
    assert_eq!(data("tool.called")["duration_ms"], json!(7));
    assert!(!data("tool.called").to_string().contains("secret"));
    let body = events[0].body();
    assert_eq!(body["type"], "call.started");
    assert_eq!(body["timestamp"], json!(at(0).to_string()));
    assert!(events[0].message.starts_with("msg_") && !events[0].message.contains('.'));

    // A batch that is refused tells nothing.
    let (open, writes) = batch("a", 0);
    let bad = [writes, vec![StoreWrite::CallAnswered { call: CallId::generate(), at: at(1) }]].concat();
    store.write_batch(&bad).await.unwrap_err();
    assert!(told(&store, &operator()).await.iter().all(|event| event.call != Some(open)));
}

pub async fn findings_usage_lost_calls_and_nodes_are_told(url: String) {
    let store = Store::open(&url).await.unwrap();
    let call = ended_call(&store, "a", "+14155550100").await;
    analyse(&store, 85).await;
    let events = told(&store, &operator()).await;
    assert_eq!(kinds(&events)[5..], ["call.analyzed", "lead.scored"]);
    assert_eq!((&events[5].data["summary"], &events[6].data["score"]), (&json!("A call."), &json!(85)));
    assert_eq!(events[6].data["from"], json!("+14155550100"));

    let (open, mut writes) = batch("b", 0);
    let usage = Usage { input_text_tokens: 7, ..Usage::default() };
    writes.push(StoreWrite::UsageCounted { call: open, usage });
    store.write_batch(&writes).await.unwrap();
    let before = store.latest_event().await.unwrap();
    store.close_lost("b", HangupCause::NodeLost, at(50)).await.unwrap();
    store.close_lost("b", HangupCause::NodeLost, at(60)).await.unwrap();
    store.tell_of_node(EventKind::NodeStarted, "b", at(61)).await.unwrap();
    let events = store.events(&operator(), before, 200).await.unwrap();
    // What it used is told once it was charged.
    assert_eq!(kinds(&events), ["call.ended", "node.started"]);
    assert_eq!(events[0].data["cause"], json!("node_lost"));
    assert_eq!(events[1].data, json!({ "node": "b" }));
    assert_ne!(call, open);
}

pub async fn events_are_pruned_by_age_and_by_number(url: String) {
    let store = Store::open(&url).await.unwrap();
    for second in 0..6 {
        store.tell_of_node(EventKind::NodeStarted, "a", after(second)).await.unwrap();
    }
    let numbers = async || told(&store, &operator()).await.iter().map(|event| event.number).collect::<Vec<_>>();
    let before = numbers().await;
    let kept = EventsKept { age: Duration::from_secs(8), count: 100 };
    assert_eq!(store.prune_events(kept, after(10)).await.unwrap(), 2);
    assert_eq!(numbers().await, before[2..]);
    assert_eq!(store.prune_events(EventsKept { count: 3, ..kept }, after(10)).await.unwrap(), 1);
    assert_eq!(store.prune_events(EventsKept { count: 3, ..kept }, after(10)).await.unwrap(), 0);
    assert_eq!(numbers().await, before[3..]);
    // A number is never used again, also when the latest went.
    assert_eq!(store.prune_events(EventsKept { age: Duration::ZERO, count: 100 }, after(10)).await.unwrap(), 3);
    store.tell_of_node(EventKind::NodeStarted, "a", after(11)).await.unwrap();
    assert!(numbers().await[0] > before[5]);
}

pub async fn numbers_are_seen_in_order_by_whoever_looks(url: String) {
    let store = Store::open(&url).await.unwrap();
    let writers = (0..4).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for second in 0..15 {
                store.tell_of_node(EventKind::NodeStarted, &format!("{writer}"), after(second)).await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let (mut seen, mut last) = (0, 0);
    // Whoever reads on from the last one misses none.
    while seen < 60 {
        let page = store.all_events(last, 200).await.unwrap();
        seen += page.len();
        last = page.last().map_or(last, |event| event.number);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(told(&store, &operator()).await.len(), 60);
}

pub async fn a_webhook_is_made_changed_once_a_version_rotated_and_deleted(url: String) {
    let store = Store::open(&url).await.unwrap();
    let there = store
        .create_organization(
            &NewOrganization { name: "there".into(), domain: String::new(), description: String::new(), plan: String::new() },
            &act(0),
        )
        .await
        .unwrap()
        .id;
    let made = webhook(&store, &operator(), WebhookKind::Standard, "call.* lead.scored").await;
    assert_eq!((made.version, made.is_active, made.lead_threshold), (1, true, 70));
    assert!(!format!("{made:?}").contains("whsec"));
    assert_eq!(store.webhook(&there, made.id).await.unwrap(), None);
    let change = WebhookChange { events: Some("*".parse().unwrap()), ..WebhookChange::default() };
    assert_eq!(store.change_webhook(&there, made.id, None, &change, &act(1)).await.unwrap(), Changed::Missing);
    let Changed::Done(changed) = store.change_webhook(&operator(), made.id, Some(1), &change, &act(1)).await.unwrap() else {
        panic!()
    };
    assert_eq!((changed.events.words(), changed.version, changed.description.as_str()), (&["*".to_owned()][..], 2, "n8n"));
    assert_eq!(store.change_webhook(&operator(), made.id, Some(1), &change, &act(1)).await.unwrap(), Changed::Stale);
    let next = Hidden::new("whsec_two");
    assert_eq!(store.rotate_webhook(&there, made.id, &next, after(9), &act(2)).await.unwrap(), Changed::Missing);
    let Changed::Done(rotated) = store.rotate_webhook(&operator(), made.id, &next, after(9), &act(2)).await.unwrap() else {
        panic!()
    };
    assert_eq!((rotated.secret.expose(), rotated.previous), ("whsec_two", Some((Hidden::new("whsec_one"), after(9)))));
    for _ in 1..WEBHOOKS_MAX {
        webhook(&store, &operator(), WebhookKind::Standard, "*").await;
    }
    let one_more = NewWebhook {
        kind: WebhookKind::Standard,
        url: Hidden::new(""),
        description: String::new(),
        events: EventFilter::default(),
        lead_threshold: 0,
        secret: Hidden::new(""),
        is_active: true,
    };
    assert_eq!(store.create_webhook(&operator(), &one_more, &act(3)).await.unwrap(), None);
    assert!(store.create_webhook(&there, &one_more, &act(3)).await.unwrap().is_some());
    assert_eq!(store.delete_webhook(&there, made.id, None, &act(4)).await.unwrap(), Changed::Missing);
    assert_eq!(store.delete_webhook(&operator(), made.id, Some(3), &act(4)).await.unwrap(), Changed::Done(()));
    assert_eq!(store.webhooks(&operator(), &all()).await.unwrap().len() as u32, WEBHOOKS_MAX - 1);
    assert_eq!(store.verify_audit(&operator()).await.unwrap(), AuditVerdict::Whole(3 + u64::from(WEBHOOKS_MAX)));
}

pub async fn deliveries_of_a_call_are_claimed_one_after_the_other(url: String) {
    let store = Store::open(&url).await.unwrap();
    let hook = webhook(&store, &operator(), WebhookKind::Standard, "call.* lead.scored").await;
    let slack = webhook(&store, &operator(), WebhookKind::Slack, "*").await;
    let (first, second) = (ended_call(&store, "a", "+1").await, ended_call(&store, "a", "+2").await);
    let jobs = claim(&store, "a", 0).await;
    assert_eq!(types(&jobs), ["call.started", "call.started"], "of each call the first");
    assert!(jobs.iter().all(|job| job.webhook.id == hook.id && job.claim.attempt == 1));
    assert!(claim(&store, "b", 1).await.is_empty(), "another node gets nothing of them");
    let body: Value = serde_json::from_str(&jobs[0].body).unwrap();
    assert_eq!((&body["type"], &body["data"]["call_id"]), (&json!("call.started"), &json!(first.to_string())));

    // One is taken, and the next of that call is due; the other failed, and holds its call up until it is due again.
    let fine = DeliveryTry { status: Some(200), ..DeliveryTry::default() };
    let failed = DeliveryTry { status: Some(500), error: Some("500".into()), answer: Some("oops".into()) };
    assert!(store.end_delivery(&jobs[0], DeliveryEnd::Delivered, &fine, later(1)).await.unwrap());
    assert!(store.end_delivery(&jobs[1], DeliveryEnd::Retry { due: later(30) }, &failed, later(1)).await.unwrap());
    assert!(!store.end_delivery(&jobs[0], DeliveryEnd::Dead, &failed, later(1)).await.unwrap(), "that claim is over");
    let next = claim(&store, "b", 2).await;
    assert_eq!(types(&next), ["call.answered"]);
    assert_eq!(claim(&store, "a", 29).await, []);
    let again = claim(&store, "a", 31).await;
    assert_eq!((types(&again), again[0].claim.attempt, &again[0].message), (vec!["call.started"], 2, &jobs[1].message));

    // A lease that is over, and a start of the node that had it, open claims.
    let lease = LEASE.as_secs();
    assert_eq!(types(&claim(&store, "c", 3 + lease).await), ["call.answered"]);
    assert!(!store.end_delivery(&next[0], DeliveryEnd::Delivered, &fine, later(4 + lease)).await.unwrap());
    store.release_deliveries("c", later(4 + lease)).await.unwrap();
    assert_eq!(types(&claim(&store, "b", 5 + lease).await), ["call.answered"]);

    // Slack hears of the lead that is promising enough, and of nothing else.
    analyse(&store, 69).await;
    analyse(&store, 70).await;
    let lines = store.deliveries(&operator(), slack.id, &all()).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.kind.as_str()).collect::<Vec<_>>(), ["lead.scored"]);
    let told = store.deliveries(&operator(), hook.id, &all()).await.unwrap();
    assert_eq!(told.iter().filter(|one| one.kind == "lead.scored").count(), 2);
    assert_ne!(first, second);
}

pub async fn a_webhook_that_is_gone_is_switched_off_and_what_is_dead_can_be_sent_again(url: String) {
    let store = Store::open(&url).await.unwrap();
    let hook = webhook(&store, &operator(), WebhookKind::Standard, "call.started call.ended").await;
    ended_call(&store, "a", "+1").await;
    let jobs = claim(&store, "a", 0).await;
    let gone = DeliveryTry { status: Some(410), error: Some("410".into()), answer: None };
    assert!(store.end_delivery(&jobs[0], DeliveryEnd::Gone, &gone, later(1)).await.unwrap());
    let off = store.webhook(&operator(), hook.id).await.unwrap().unwrap();
    assert_eq!((off.is_active, off.disabled_why.as_deref()), (false, Some("the endpoint answered 410 Gone")));
    let dead = store.deliveries(&operator(), hook.id, &all()).await.unwrap();
    assert_eq!(
        dead.iter().map(|one| (one.state, one.attempts)).collect::<Vec<_>>(),
        [(DeliveryState::Dead, 0), (DeliveryState::Dead, 1)]
    );
    assert_eq!(store.oldest_delivery().await.unwrap(), None);
    ended_call(&store, "a", "+2").await;
    assert_eq!(store.deliveries(&operator(), hook.id, &all()).await.unwrap().len(), 2, "nothing more is queued");

    let on = WebhookChange { is_active: Some(true), ..WebhookChange::default() };
    let Changed::Done(on) = store.change_webhook(&operator(), hook.id, None, &on, &act(1)).await.unwrap() else { panic!() };
    assert_eq!((on.is_active, on.disabled_why), (true, None));
    let again = Act { at: later(2), ..act(2) };
    let Changed::Done(row) = store.redeliver(&operator(), dead[1].id, &again).await.unwrap() else { panic!() };
    assert_eq!((row.state, row.attempts, &row.message), (DeliveryState::Pending, 0, &dead[1].message));
    assert_eq!(store.redeliver(&operator(), DeliveryId::generate(), &again).await.unwrap(), Changed::Missing);
    assert_eq!(store.oldest_delivery().await.unwrap(), Some(again.at));
    assert_eq!(types(&claim(&store, "a", 3).await), ["call.started"]);

    let new = NewDelivery { webhook: hook.id, kind: "webhook.test".to_owned(), body: json!({ "type": "webhook.test" }) };
    let test = store.queue_delivery(&operator(), &new, &Act { at: later(4), ..act(4) }).await.unwrap().unwrap();
    assert_eq!((test.state, test.body), (DeliveryState::Pending, json!({ "type": "webhook.test" })));
    let off = WebhookChange { is_active: Some(false), ..WebhookChange::default() };
    store.change_webhook(&operator(), hook.id, None, &off, &act(5)).await.unwrap();
    let test = store.delivery(&operator(), test.id).await.unwrap().unwrap();
    assert_eq!((test.state, test.error.as_deref()), (DeliveryState::Dead, Some("the webhook was switched off")));
}

pub async fn two_nodes_claim_each_delivery_once(url: String) {
    let (one, other) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
    webhook(&one, &operator(), WebhookKind::Standard, "call.started").await;
    for _ in 0..20 {
        let (_, writes) = batch("a", 0);
        one.write_batch(&writes).await.unwrap();
    }
    let mut claimed = Vec::new();
    for round in 0..20 {
        let (here, there) = tokio::join!(claim(&one, "a", round), claim(&other, "b", round));
        assert!(here.len() + there.len() <= 8, "each node sees room for four");
        for job in here.into_iter().chain(there) {
            assert!(one.end_delivery(&job, DeliveryEnd::Delivered, &DeliveryTry::default(), later(round)).await.unwrap());
            claimed.push(job.claim.id.to_string());
        }
    }
    claimed.sort();
    let all = claimed.len();
    claimed.dedup();
    assert_eq!((claimed.len(), all), (20, 20));
}

pub async fn leads_and_memories_are_an_organizations_and_followed_up(url: String) {
    let store = Store::open(&url).await.unwrap();
    let there = store
        .create_organization(
            &NewOrganization { name: "there".into(), domain: String::new(), description: String::new(), plan: String::new() },
            &act(0),
        )
        .await
        .unwrap()
        .id;
    let call = ended_call(&store, "a", "+4930555001").await;
    let memory = NewMemory {
        caller: Caller::of(&PhoneNumber::new("+4930555001")).unwrap(),
        text: Transcript::new("likes tea"),
        call,
        assistant: "demo".to_owned(),
        source: MemorySource::Analysis,
        at: after(0),
        expires_at: after(1_000),
    };
    let learned = Learned { new: vec![memory.clone()], outdated: Vec::new() };
    let end = AnalysisEnd::Done { findings: Box::new(findings(42)), learned };
    store.end_analyses(&[(claim_one(&store).await, end)], after(1)).await.unwrap();

    let leads = store.leads(&operator(), None, 0, &all()).await.unwrap();
    let [lead] = &leads[..] else { panic!("{leads:?}") };
    assert_eq!((lead.call, lead.score, lead.status, lead.owner), (call, 42, LeadStatus::New, None));
    assert_eq!(lead.caller.as_ref().map(Caller::reveal), Some("4930555001"));
    assert!(store.leads(&operator(), None, 43, &all()).await.unwrap().is_empty());
    assert!(store.leads(&operator(), Some(LeadStatus::Won), 0, &all()).await.unwrap().is_empty());
    assert!(store.leads(&there, None, 0, &all()).await.unwrap().is_empty());
    let change = LeadChange { status: Some(LeadStatus::Won), notes: Some(Transcript::new("signed")), owner: None };
    assert_eq!(store.change_lead(&there, call, None, &change, &act(2)).await.unwrap(), Changed::Missing);
    let Changed::Done(won) = store.change_lead(&operator(), call, Some(1), &change, &act(2)).await.unwrap() else { panic!() };
    assert_eq!((won.status, won.notes.reveal(), won.version), (LeadStatus::Won, "signed", 2));
    assert_eq!(store.change_lead(&operator(), call, Some(1), &change, &act(2)).await.unwrap(), Changed::Stale);

    let caller = memory.caller.clone();
    let listed = store.list_memories(&operator(), Some(&caller), after(2), &all()).await.unwrap();
    let [one] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((one.text.reveal(), one.version), ("likes tea", 1));
    assert!(store.list_memories(&there, None, after(2), &all()).await.unwrap().is_empty());
    assert!(store.memories(&there, &caller, after(2)).await.unwrap().is_empty(), "another organization knows nothing");
    let coffee = Transcript::new("likes coffee");
    assert_eq!(store.change_memory(&there, one.id, None, &coffee, &act(3)).await.unwrap(), Changed::Missing);
    let Changed::Done(changed) = store.change_memory(&operator(), one.id, Some(1), &coffee, &act(3)).await.unwrap() else {
        panic!()
    };
    assert_eq!((changed.text.reveal(), changed.version), ("likes coffee", 2));
    assert_eq!(store.delete_memory(&there, one.id, None, &act(4)).await.unwrap(), Changed::Missing);
    assert_eq!(store.delete_memory(&operator(), one.id, Some(1), &act(4)).await.unwrap(), Changed::Stale);
    assert_eq!(store.delete_memory(&operator(), one.id, None, &act(4)).await.unwrap(), Changed::Done(()));
    assert_eq!(store.verify_audit(&operator()).await.unwrap(), AuditVerdict::Whole(3));
}

/// Of PostgreSQL: what one node writes wakes another one that follows, and nobody hears of what was not committed.
pub async fn another_node_is_woken(url: String) {
    let (here, there) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
    let mut news = there.news();
    let following = tokio::spawn({
        let there = there.clone();
        async move { there.follow_others().await }
    });
    // The look that it takes when it begins to listen.
    tokio::time::timeout(Duration::from_secs(10), news.changed()).await.unwrap().unwrap();
    let unknown = StoreWrite::CallAnswered { call: CallId::generate(), at: at(1) };
    let (_, writes) = batch("a", 0);
    here.write_batch(&[writes, vec![unknown]].concat()).await.unwrap_err();
    let woken = tokio::time::timeout(Duration::from_millis(300), news.changed()).await;
    assert!(woken.is_err(), "nothing was committed");
    here.tell_of_node(EventKind::NodeStarted, "a", after(1)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), news.changed()).await.unwrap().unwrap();
    assert_eq!(kinds(&told(&there, &operator()).await), ["node.started"]);
    following.abort();
}
