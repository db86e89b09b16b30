//! Campaigns: whom to call, claimed once, whatever becomes of the node.

use std::time::Duration;

use serde_json::{Value, json};
use store::*;

use crate::people::{act, all, organization};
use crate::sample::new_call;

const GAP: Duration = Duration::from_secs(6);

fn wish(name: &str) -> CampaignWish {
    CampaignWish { name: name.to_owned(), settings: json!({ "assistant_id": "demo" }), concurrency: 2, gap: GAP }
}

fn people(phones: &[&str]) -> Vec<NewContact> {
    let person = |(place, phone): (usize, &&str)| NewContact {
        line: place as u32 + 2,
        phone: PhoneNumber::new(*phone),
        zone: if phone.starts_with("+1") { "America/New_York" } else { "Europe/Berlin" }.to_owned(),
        variables: Transcript::new("{}"),
    };
    phones.iter().enumerate().map(person).collect()
}

/// A running campaign of the operator with these people.
async fn running(store: &Store, phones: &[&str]) -> Campaign {
    let operator = OrganizationId::operator();
    let row = store.create_campaign(&operator, &wish("spring"), &act(0)).await.unwrap();
    store.add_contacts(&operator, row.id, &people(phones), &act(0)).await.unwrap();
    let moved = store.move_campaign((&operator, row.id), &[CampaignStatus::Draft], CampaignStatus::Running, None, &act(0)).await;
    moved.unwrap().unwrap()
}

/// Claims the first that is due.
async fn claim(store: &Store, campaign: &Campaign, node: &str, seconds: i64) -> Option<(Contact, Attempt)> {
    let plan = |pulse: Pulse<'_>| DialPlan { dial: (!pulse.due.is_empty()).then_some(0), closed: Vec::new() };
    store.claim_contact(campaign.id, (node, act(seconds).at), plan).await.unwrap().dial
}

/// The call of an attempt, from its beginning to this end.
async fn call(store: &Store, attempt: &Attempt, cause: HangupCause, answered: Option<AnsweredBy>) {
    let created = NewCall { id: attempt.call, direction: Direction::Outbound, created_at: attempt.claimed_at, ..new_call("a") };
    let mut writes = vec![StoreWrite::CallCreated(created)];
    if let Some(by) = answered {
        writes.push(StoreWrite::CallAnswered { call: attempt.call, at: attempt.claimed_at });
        writes.push(StoreWrite::AnswererJudged { call: attempt.call, by, evidence: json!({ "reason": "beep" }) });
    }
    let end = StoreWrite::CallEnded { call: attempt.call, at: attempt.claimed_at, cause, detail: None, stats: Value::Null };
    writes.push(end);
    store.write_batch(&writes).await.unwrap();
}

fn done(outcome: ContactOutcome) -> AttemptEnd {
    AttemptEnd { outcome, detail: Some("why".to_owned()), next: ContactNext::Done }
}

pub async fn a_campaign_is_made_changed_once_a_version_started_and_told(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (here, there) = (organization(&store, "here").await, organization(&store, "there").await);
    let row = store.create_campaign(&here, &wish("spring"), &act(1)).await.unwrap();
    assert_eq!((row.status, row.version, row.concurrency, row.gap), (CampaignStatus::Draft, 1, 2, GAP));
    assert!(matches!(store.create_campaign(&here, &wish("spring"), &act(1)).await, Err(StoreError::Taken { .. })));
    store.create_campaign(&there, &wish("spring"), &act(1)).await.unwrap();
    assert_eq!(store.campaign(&there, row.id).await.unwrap(), None, "another organization's is not there");
    assert_eq!(store.campaigns(&here, None, &all()).await.unwrap(), std::slice::from_ref(&row));
    assert_eq!(store.campaigns(&here, Some(CampaignStatus::Running), &all()).await.unwrap(), []);

    let Changed::Done(changed) = store.change_campaign(&row, 1, &wish("autumn"), &act(2)).await.unwrap() else { panic!() };
    assert_eq!((changed.name.as_str(), changed.version), ("autumn", 2));
    assert_eq!(store.change_campaign(&row, 1, &wish("winter"), &act(3)).await.unwrap(), Changed::Stale);

    let place = (&here, row.id);
    let started = store.move_campaign(place, &[CampaignStatus::Draft], CampaignStatus::Running, None, &act(4)).await.unwrap();
    assert_eq!(started.map(|row| (row.status, row.started_at)), Some((CampaignStatus::Running, Some(act(4).at))));
    let again = store.move_campaign(place, &[CampaignStatus::Draft], CampaignStatus::Running, None, &act(5)).await.unwrap();
    assert_eq!(again, None, "it is no draft");
    let why = Some("from: is no number");
    store.move_campaign(place, &[CampaignStatus::Running], CampaignStatus::Paused, why, &act(6)).await.unwrap().unwrap();
    let events = store.events(&here, 0, 200).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.data["status"].as_str().unwrap())).collect();
    assert_eq!(told, [("campaign.updated", "running"), ("campaign.updated", "paused")]);
    assert_eq!(events[1].data["status_reason"], "from: is no number");
    let log = store.audit_log(&here, &all()).await.unwrap();
    let actions: Vec<&str> =
        log.iter().rev().map(|entry| entry.action.as_str()).filter(|one| one.starts_with("campaign")).collect();
    assert_eq!(actions, ["campaign.created", "campaign.changed", "campaign.started", "campaign.paused"]);

    let now = store.campaign(&here, row.id).await.unwrap().unwrap();
    assert_eq!(store.delete_campaign(&now, Some(1), &act(7)).await.unwrap(), Changed::Stale);
    assert_eq!(store.delete_campaign(&now, None, &act(7)).await.unwrap(), Changed::Done(()));
    assert_eq!(store.campaign(&here, row.id).await.unwrap(), None);
}

pub async fn people_are_added_once_and_listed_with_what_came_of_them(url: String) {
    let store = Store::open(&url).await.unwrap();
    let here = OrganizationId::operator();
    let row = running(&store, &["+4930123", "+4930124"]).await;
    let more = store.add_contacts(&here, row.id, &people(&["+4930124", "+4930125"]), &act(1)).await.unwrap();
    assert_eq!(more, Imported { added: 1, duplicates: vec![2] });
    let (contact, attempt) = claim(&store, &row, "a", 2).await.unwrap();
    assert!(store.end_attempt(&attempt, &done(ContactOutcome::Busy), act(3).at).await.unwrap());
    assert!(!store.end_attempt(&attempt, &done(ContactOutcome::Human), act(4).at).await.unwrap(), "the first end stays");
    let list = store.contacts(&here, row.id, ContactFilter::default(), &all()).await.unwrap();
    let shown: Vec<_> =
        list.iter().map(|one| (one.phone.reveal(), one.state.as_str(), one.outcome.map(ContactOutcome::as_str))).collect();
    assert_eq!(shown, [("+4930123", "done", Some("busy")), ("+4930124", "pending", None), ("+4930125", "pending", None)]);
    let busy = ContactFilter { outcome: Some(ContactOutcome::Busy), ..ContactFilter::default() };
    assert_eq!(store.contacts(&here, row.id, busy, &all()).await.unwrap().len(), 1);
    let calls = store.attempts(&here, row.id, (list[0].id, list[2].id)).await.unwrap();
    assert_eq!((calls.len(), calls[0].call, calls[0].detail.as_deref()), (1, attempt.call, Some("why")));
    let counts = store.campaign_counts(&here, row.id).await.unwrap();
    let expected = CampaignCounts { pending: 2, dialing: 0, done: 1, outcomes: vec![(ContactOutcome::Busy, 1)], attempts: 1 };
    assert_eq!(counts, expected);
    assert_eq!(store.phone_called(attempt.call).await.unwrap(), Some(contact.phone));
}

pub async fn a_contact_is_claimed_by_one_of_two_nodes(url: String) {
    let store = Store::open(&url).await.unwrap();
    let phones: Vec<String> = (0..20).map(|n| format!("+49301{n:03}")).collect();
    let row = running(&store, &phones.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut tasks = Vec::new();
    for node in ["a", "b", "c", "d"] {
        let (store, row) = (store.clone(), row.clone());
        tasks.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some((contact, _)) = claim(&store, &row, node, 1).await {
                mine.push(contact.phone.reveal().to_owned());
            }
            mine
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort();
    assert_eq!(all, phones, "each once");
    let looks = store.look_at_campaigns(act(2).at).await.unwrap();
    assert_eq!((looks[0].under_way, looks[0].is_due, looks[0].is_over), (20, false, false));
}

pub async fn an_attempt_ends_by_its_call_or_is_unknown(url: String) {
    let store = Store::open(&url).await.unwrap();
    let row = running(&store, &["+4930123", "+4930124", "+4930125", "+4930126"]).await;
    let mut attempts = Vec::new();
    for second in 0..4 {
        attempts.push(claim(&store, &row, "a", second).await.unwrap().1);
    }
    assert_eq!(store.attempts_over(act(5).at).await.unwrap(), []);
    call(&store, &attempts[0], HangupCause::AgentHangup, Some(AnsweredBy::Machine)).await;
    call(&store, &attempts[1], HangupCause::NodeLost, None).await;
    let outcomes = |over: &[AttemptOver]| over.iter().map(|one| one.outcome().as_str()).collect::<Vec<_>>();
    let over = store.attempts_over(act(5).at).await.unwrap();
    assert_eq!(outcomes(&over), ["voicemail", "unknown"], "by the record of the call");
    for one in &over {
        assert!(store.end_attempt(&one.attempt, &done(one.outcome()), act(6).at).await.unwrap());
    }
    // The other two were never on the record. As long as the node lives they may come to be; then nobody knows.
    store.renew_attempts("a", act(30).at).await.unwrap();
    assert_eq!(store.attempts_over(act(50).at).await.unwrap(), []);
    assert_eq!(outcomes(&store.attempts_over(act(70).at).await.unwrap()), ["unknown", "unknown"]);
    store.release_attempts("b").await.unwrap();
    assert_eq!(store.attempts_over(act(50).at).await.unwrap(), [], "another node's");
    store.release_attempts("a").await.unwrap();
    let lost = store.attempts_over(act(50).at).await.unwrap();
    assert_eq!(outcomes(&lost), ["unknown", "unknown"], "a start judges what the process before had begun");
    for one in &lost {
        assert!(store.end_attempt(&one.attempt, &done(ContactOutcome::Unknown), act(51).at).await.unwrap());
    }
    assert!(store.look_at_campaigns(act(60).at).await.unwrap()[0].is_over);
    assert_eq!(claim(&store, &row, "a", 60).await, None, "nobody is called again");
}

pub async fn a_retry_waits_its_time_and_comes_before_who_was_never_called(url: String) {
    let store = Store::open(&url).await.unwrap();
    let row = running(&store, &["+4930123", "+4930124", "+4930125"]).await;
    let (first, attempt) = claim(&store, &row, "a", 1).await.unwrap();
    let again = AttemptEnd { outcome: ContactOutcome::Busy, detail: None, next: ContactNext::Again(act(100).at) };
    store.end_attempt(&attempt, &again, act(2).at).await.unwrap();
    let (second, other) = claim(&store, &row, "a", 3).await.unwrap();
    assert_ne!(second.id, first.id, "its time has not come");
    let (retried, third) = claim(&store, &row, "a", 100).await.unwrap();
    assert_eq!((retried.id, third.number, retried.outcome), (first.id, 2, Some(ContactOutcome::Busy)));
    call(&store, &third, HangupCause::Busy, None).await;
    let over = store.attempts_over(act(101).at).await.unwrap();
    let judged = over.iter().find(|one| one.attempt.call == third.call).unwrap();
    assert_eq!((judged.outcome(), &judged.before[..]), (ContactOutcome::Busy, &[ContactOutcome::Busy][..]));
    // What never left is taken back, and counts for nothing.
    store.unclaim_contact(&other, act(200).at).await.unwrap();
    let (taken, once_more) = claim(&store, &row, "a", 300).await.unwrap();
    assert_eq!((taken.attempts, once_more.number), (0, 1));
}

pub async fn a_zone_is_put_off_and_looked_at_again_when_its_windows_change(url: String) {
    let store = Store::open(&url).await.unwrap();
    let row = running(&store, &["+4930123", "+14155550100", "+4930124"]).await;
    let berlin = ("Europe/Berlin".to_owned(), act(3_600).at);
    let closed = store.claim_contact(row.id, ("a", act(1).at), |pulse| {
        assert_eq!((pulse.due.len(), pulse.under_way), (3, 0));
        DialPlan { dial: None, closed: vec![berlin] }
    });
    assert_eq!(closed.await.unwrap(), Claimed { dial: None, look_again: true });
    let (open, _) = claim(&store, &row, "a", 2).await.unwrap();
    assert_eq!(open.phone.reveal(), "+14155550100");
    assert_eq!(claim(&store, &row, "a", 3).await, None);
    let Changed::Done(_) = store.change_campaign(&row, row.version, &wish("spring"), &act(4)).await.unwrap() else { panic!() };
    assert!(claim(&store, &row, "a", 5).await.is_some(), "its windows may be others now");
    let operator = OrganizationId::operator();
    store.move_campaign((&operator, row.id), &[CampaignStatus::Running], CampaignStatus::Paused, None, &act(6)).await.unwrap();
    assert_eq!(claim(&store, &row, "a", 4_000).await, None, "it is paused");
}

pub async fn who_is_on_the_list_is_never_claimed(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (operator, there) = (OrganizationId::operator(), organization(&store, "there").await);
    let row = running(&store, &["+4930123", "+4930124"]).await;
    let phone = PhoneNumber::new("+4930123");
    let twice = [phone.clone(), phone.clone()];
    assert_eq!(store.forbid_calls(&operator, &twice, ("asked", "user:1"), &act(1)).await.unwrap(), 1);
    assert_eq!(store.is_not_called(&there, &phone).await.unwrap(), None);
    let listed = store.do_not_call(&operator, &all()).await.unwrap();
    assert_eq!((listed[0].phone.reveal(), listed[0].reason.as_str(), listed[0].source.as_str()), ("+4930123", "asked", "user:1"));
    let after = Page { after: Some("4930123".to_owned()), ..all() };
    assert_eq!(store.do_not_call(&operator, &after).await.unwrap(), []);
    let (other, _) = claim(&store, &row, "a", 2).await.unwrap();
    assert_eq!(other.phone.reveal(), "+4930124");
    let counts = store.campaign_counts(&operator, row.id).await.unwrap();
    assert_eq!((counts.outcomes, counts.attempts), (vec![(ContactOutcome::DoNotCall, 1)], 1));
    let log = store.audit_log(&operator, &all()).await.unwrap();
    let entry = log.iter().find(|entry| entry.action == "do_not_call.added").unwrap();
    assert_eq!(entry.details, json!({ "numbers": 1 }), "and no number");
    assert!(store.allow_calls(&operator, &phone, &act(3)).await.unwrap());
    assert!(!store.allow_calls(&operator, &phone, &act(3)).await.unwrap());
}
