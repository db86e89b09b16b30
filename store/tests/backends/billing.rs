//! What usage costs: charged once, billed once, told until it was taken.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use sqlx::{AnyConnection, Connection as _};
use store::*;

use crate::people::{act, all, organization};
use crate::sample::*;

const CURRENCY: &str = "USD";

fn charge(meter: Meter, provider: &str, quantity: u64, amount_micros: u64) -> Charge {
    Charge {
        meter,
        stage: "voice".to_owned(),
        provider: provider.to_owned(),
        quantity,
        free: 1,
        per: meter.per(),
        price_micros: 500,
        amount_micros,
    }
}

/// A call of `organization` that used something and ended.
async fn ended_call(store: &Store, organization: &OrganizationId, end: i64) -> CallId {
    let call = NewCall { organization: organization.clone(), ..new_call("a") };
    let id = call.id;
    store.write_batch(&writes_of(call, end)).await.unwrap();
    id
}

fn writes_of(call: NewCall, end: i64) -> Vec<StoreWrite> {
    let id = call.id;
    let used = |characters| StoreWrite::ProviderUsed {
        call: id,
        at: at(3),
        used: ProviderUsage {
            stage: "voice".to_owned(),
            provider: "cartesia".to_owned(),
            characters,
            transcribed: Duration::from_millis(1_500),
            ..ProviderUsage::default()
        },
    };
    let ended = StoreWrite::CallEnded {
        call: id,
        at: at(end),
        cause: HangupCause::CallerHangup,
        detail: None,
        stats: serde_json::Value::Null,
    };
    vec![
        StoreWrite::CallCreated(call),
        StoreWrite::CallAnswered { call: id, at: at(1) },
        StoreWrite::TurnAdded(turn(id, 0, "hello")),
        used(7),
        used(40),
        ended,
    ]
}

/// Charges a call as it is worked out on what is known now.
async fn charge_now(store: &Store, call: CallId, charges: &[Charge], reached: &[Threshold]) -> Written {
    let usage = store.call_usage(call).await.unwrap();
    let Some(usage) = usage else { return Written::Before };
    let state = store.month_state(&usage.organization, usage.ended_at).await.unwrap().unwrap();
    let reports = [NewReport { id: format!("{call}-seconds"), customer: "cus_1".to_owned(), meter: Meter::Seconds, quantity: 9 }];
    let charged =
        ChargedCall { call, ended_at: usage.ended_at, state: &state, charges, currency: CURRENCY, reached, reports: &reports };
    store.charge_call(&charged, at(60)).await.unwrap()
}

pub async fn a_call_is_charged_once_with_its_month(url: String) {
    let store = Store::open(&url).await.unwrap();
    let acme = organization(&store, "Acme").await;
    let call = NewCall { organization: acme.clone(), ..new_call("a") };
    let (id, writes) = (call.id, writes_of(call, 9_000_000));
    store.write_batch(&writes).await.unwrap();
    // The same batch again, as after a commit that nobody heard of.
    store.write_batch(&writes).await.unwrap();
    assert_eq!(store.uncharged_calls(10).await.unwrap(), [id]);
    assert_eq!(store.oldest_uncharged().await.unwrap(), Some(at(9_000_000)));
    let usage = store.call_usage(id).await.unwrap().unwrap();
    assert_eq!((usage.answered_at, usage.ended_at, usage.turns), (Some(at(1)), at(9_000_000), 1));
    assert_eq!((usage.used.len(), usage.used[0].characters, usage.last_seen_at), (1, 40, None));

    let other = ended_call(&store, &acme, 9_500_000).await;
    let before = store.month_state(&acme, at(9_000_000)).await.unwrap().unwrap();
    assert_eq!((before.version, before.month.to_string().as_str()), (0, "2023-11"));
    let charges = [charge(Meter::Seconds, "sip", 9, 75), charge(Meter::Characters, "cartesia", 40, 20)];
    let soft = Threshold { name: "soft", limit_micros: 90 };
    assert_eq!(charge_now(&store, id, &charges, &[soft]).await, Written::Done);
    assert_eq!(charge_now(&store, id, &charges, &[]).await, Written::Before);
    // Worked out before the first one was written.
    let usage = store.call_usage(other).await.unwrap().unwrap();
    let stale = ChargedCall {
        call: other,
        ended_at: usage.ended_at,
        state: &before,
        charges: &charges,
        currency: CURRENCY,
        reached: &[],
        reports: &[],
    };
    assert_eq!(store.charge_call(&stale, at(60)).await.unwrap(), Written::Stale);
    assert_eq!(store.uncharged_calls(10).await.unwrap(), [other]);
    assert_eq!(charge_now(&store, other, &charges, &[]).await, Written::Done);
    // The end again changes nothing: it was charged.
    store.write_batch(&writes).await.unwrap();
    assert_eq!(store.uncharged_calls(10).await.unwrap(), []);

    let state = store.month_state(&acme, at(9_000_000)).await.unwrap().unwrap();
    let free = BTreeMap::from([(Meter::Seconds, 2), (Meter::Characters, 2)]);
    assert_eq!((state.amount_micros, state.version, state.free_used), (190, 2, free));
    assert_eq!(state.told, ["soft"]);
    let month = store.month_usage(&acme, state.month).await.unwrap();
    let totals: Vec<_> = month.totals.iter().map(|total| (total.meter.as_str(), total.quantity, total.amount_micros)).collect();
    assert_eq!((month.calls, totals), (2, vec![("seconds", 18, 150), ("characters", 80, 40)]));
    assert_eq!(store.call_charges(&acme, id).await.unwrap(), charges);
    assert_eq!(store.call_charges(&OrganizationId::operator(), id).await.unwrap(), []);
    assert_eq!(store.provider_usage(&acme, id).await.unwrap()[0].characters, 40);

    let events = store.events(&acme, 0, 200).await.unwrap();
    let told: Vec<_> = events.iter().filter(|event| event.kind == EventKind::UsageRecorded).map(|event| &event.data).collect();
    assert_eq!(told.len(), 3);
    assert_eq!((&told[0]["amount_micros"], &told[0]["call_id"]), (&json!(95), &json!(id.to_string())));
    assert_eq!(told[0]["lines"][1]["quantity"], json!(40));
    assert_eq!((&told[1]["threshold"], &told[1]["amount_micros"]), (&json!("soft"), &json!(95)));
}

pub async fn a_call_that_nobody_answered_and_that_used_nothing_is_not_charged(url: String) {
    let store = Store::open(&url).await.unwrap();
    let call = new_call("a");
    let id = call.id;
    store.write_batch(&[StoreWrite::CallCreated(call), ended(id, HangupCause::Cancelled)]).await.unwrap();
    assert_eq!(store.uncharged_calls(10).await.unwrap(), []);
}

pub async fn a_call_that_a_crash_closed_is_charged_as_far_as_it_was_seen(url: String) {
    let store = Store::open(&url).await.unwrap();
    let call = new_call("b");
    let id = call.id;
    let mut writes = writes_of(call, 0);
    writes.pop();
    store.write_batch(&writes).await.unwrap();
    store.close_lost("b", HangupCause::NodeLost, at(7_200_000_000)).await.unwrap();
    store.close_lost("b", HangupCause::NodeLost, at(7_300_000_000)).await.unwrap();
    assert_eq!(store.uncharged_calls(10).await.unwrap(), [id]);
    let usage = store.call_usage(id).await.unwrap().unwrap();
    assert_eq!((usage.ended_at, usage.last_seen_at), (at(7_200_000_000), Some(at(2_000_000))));
}

pub async fn a_month_is_billed_once_and_its_invoice_stays(url: String) {
    let store = Store::open(&url).await.unwrap();
    let acme = organization(&store, "Acme").await;
    let month = BillingMonth::of(at(0));
    let id = ended_call(&store, &acme, 9_000_000).await;
    assert!(store.awaits_charges(&acme, month).await.unwrap());
    assert_eq!(charge_now(&store, id, &[charge(Meter::Seconds, "sip", 9, 75)], &[]).await, Written::Done);
    assert!(!store.awaits_charges(&acme, month).await.unwrap());
    let of_acme = async || {
        let found = store.to_bill(month, 10).await.unwrap();
        found.into_iter().find(|to_bill| to_bill.subscription.organization == acme)
    };
    assert_eq!(of_acme().await.unwrap().first_used, Some(month));
    store.begin_billing(&acme, month).await.unwrap();
    store.begin_billing(&acme, month.next()).await.unwrap();
    let to_bill = of_acme().await.unwrap();
    assert_eq!(to_bill.billed, Some(month.previous()));
    let line = |item, amount_micros| InvoiceLine {
        item,
        provider: "sip".to_owned(),
        quantity: 9,
        free: 1,
        per: 60,
        price_micros: 500,
        amount_micros,
    };
    let lines = [line(InvoiceItem::MonthlyFee, 5_000), line(InvoiceItem::Usage(Meter::Seconds), 75)];
    let version = store.month_usage(&acme, month).await.unwrap().version;
    let new = NewInvoice { to_bill: &to_bill, month, version, currency: CURRENCY, lines: &lines };
    let stale = NewInvoice { version: version + 1, ..new.clone() };
    assert_eq!(store.issue_invoice(&stale, at(70)).await.unwrap(), Written::Stale);
    assert_eq!(store.issue_invoice(&new, at(70)).await.unwrap(), Written::Done);
    assert_eq!(store.issue_invoice(&new, at(71)).await.unwrap(), Written::Before);
    assert_eq!(of_acme().await, None);

    let listed = store.invoices(&acme, &all()).await.unwrap();
    assert_eq!((listed.len(), listed[0].total_micros, listed[0].lines.len()), (1, 5_075, 0));
    let whole = store.invoice(&acme, listed[0].id).await.unwrap().unwrap();
    assert_eq!((whole.lines.as_slice(), whole.issued_at, whole.plan.as_str()), (&lines[..], at(70), "free"));
    assert_eq!(store.invoice(&OrganizationId::operator(), whole.id).await.unwrap(), None);
    assert_eq!(store.invoices(&OrganizationId::operator(), &all()).await.unwrap(), []);

    // What is charged late goes on the next one.
    let late = ended_call(&store, &acme, 9_700_000).await;
    assert_eq!(charge_now(&store, late, &[charge(Meter::Seconds, "sip", 1, 8)], &[]).await, Written::Done);
    assert_eq!(store.month_usage(&acme, month).await.unwrap().amount_micros, 75);
    assert_eq!(store.month_usage(&acme, month.next()).await.unwrap().amount_micros, 8);

    // A month that nothing was used in is closed too.
    let empty = OrganizationId::operator();
    store.begin_billing(&empty, month).await.unwrap();
    let found = store.to_bill(month, 10).await.unwrap();
    let to_bill = found.into_iter().find(|to_bill| to_bill.subscription.organization == empty).unwrap();
    let nothing = NewInvoice { to_bill: &to_bill, month, version: 0, currency: CURRENCY, lines: &[] };
    assert_eq!(store.issue_invoice(&nothing, at(72)).await.unwrap(), Written::Done);
    assert_eq!(store.invoices(&empty, &all()).await.unwrap(), []);

    store.close().await;
    let mut raw = AnyConnection::connect(&url).await.unwrap();
    // Row level security would hide the rows from the statement.
    let _on_sqlite = sqlx::query("SELECT set_config('offhook.organization', '*', false)").execute(&mut raw).await;
    for change in ["UPDATE invoices SET total_micros = 0", "DELETE FROM invoice_lines", "DELETE FROM invoices"] {
        let done = sqlx::query(change).execute(&mut raw).await;
        assert!(done.is_err() || done.unwrap().rows_affected() == 0, "{change}");
    }
}

pub async fn plans_are_chosen_and_limits_are_the_lower_ones(url: String) {
    let store = Store::open(&url).await.unwrap();
    let acme = organization(&store, "Acme").await;
    let new = NewPlan {
        name: "standard".to_owned(),
        title: "Standard".to_owned(),
        is_open: true,
        monthly_fee_micros: 20_000_000,
        soft_limit_micros: Some(50),
        hard_limit_micros: Some(100),
        prices: vec![Price { meter: Meter::Seconds, provider: "*".to_owned(), micros: 12_000 }],
        allowance: BTreeMap::from([(Meter::Characters, 1_000)]),
    };
    let plan = store.create_plan(&new, &act(1)).await.unwrap().unwrap();
    assert_eq!((plan.prices.clone(), plan.allowance.clone(), plan.version), (new.prices.clone(), new.allowance.clone(), 1));
    assert_eq!(store.create_plan(&new, &act(1)).await.unwrap(), None);
    let names = |plans: Vec<Plan>| plans.into_iter().map(|plan| plan.name).collect::<Vec<_>>();
    assert_eq!(names(store.plans(true, None, 10).await.unwrap()), ["default", "standard"]);
    assert_eq!(names(store.plans(false, None, 10).await.unwrap()), ["standard"]);
    assert_eq!(names(store.plans(true, Some("default"), 10).await.unwrap()), ["standard"]);
    let dearer = plan.changed(&PlanChange { hard_limit_micros: Some(Some(120)), ..PlanChange::default() });
    let Changed::Done(dearer) = store.change_plan(1, &dearer, &act(2)).await.unwrap() else { panic!() };
    assert_eq!((dearer.hard_limit_micros, dearer.soft_limit_micros, dearer.version), (Some(120), Some(50), 2));
    assert_eq!(store.change_plan(1, &new, &act(2)).await.unwrap(), Changed::Stale);
    let none = NewPlan { name: "none".to_owned(), ..new };
    assert_eq!(store.change_plan(1, &none, &act(2)).await.unwrap(), Changed::Missing);

    let choose = SubscriptionChange {
        plan: Some("standard".to_owned()),
        customer: Some(Some("cus_1".to_owned())),
        ..SubscriptionChange::default()
    };
    let Changed::Done(now) = store.change_subscription(&acme, Some(1), &choose, &act(3)).await.unwrap() else { panic!() };
    assert_eq!((now.plan.as_str(), now.customer.as_deref(), now.version), ("standard", Some("cus_1"), 2));
    assert_eq!(store.change_subscription(&acme, Some(1), &choose, &act(3)).await.unwrap(), Changed::Stale);

    let month = BillingMonth::of(at(0));
    let id = ended_call(&store, &acme, 9_000_000).await;
    assert_eq!(charge_now(&store, id, &[charge(Meter::Seconds, "sip", 9, 110)], &[]).await, Written::Done);
    assert_eq!(store.at_hard_limit(month).await.unwrap(), []);
    let limit = |hard| SubscriptionChange { hard_limit_micros: Some(hard), ..SubscriptionChange::default() };
    store.change_subscription(&acme, None, &limit(Some(110)), &act(4)).await.unwrap();
    assert_eq!(store.at_hard_limit(month).await.unwrap(), std::slice::from_ref(&acme));
    assert_eq!(store.at_hard_limit(month.next()).await.unwrap(), []);
    store.change_subscription(&acme, None, &limit(None), &act(5)).await.unwrap();
    assert_eq!(store.at_hard_limit(month).await.unwrap(), []);
    let log = store.audit_log(&acme, &all()).await.unwrap();
    assert_eq!(log[0].action, "subscription.changed");
}

pub async fn a_report_is_claimed_by_one_node_until_it_was_taken(url: String) {
    let store = Store::open(&url).await.unwrap();
    let lease = Duration::from_secs(60);
    let id = ended_call(&store, &OrganizationId::operator(), 9_000_000).await;
    assert_eq!(charge_now(&store, id, &[charge(Meter::Seconds, "sip", 9, 1)], &[]).await, Written::Done);
    assert_eq!(store.claim_reports("a", at(50), lease, 8).await.unwrap(), []);
    let jobs = store.claim_reports("a", at(61), lease, 8).await.unwrap();
    let job = jobs[0].clone();
    assert_eq!((job.id.clone(), job.attempt, job.quantity, job.at), (format!("{id}-seconds"), 1, 9, at(9_000_000)));
    assert_eq!(store.claim_reports("b", at(62), lease, 8).await.unwrap(), []);
    assert_eq!(store.waiting_reports().await.unwrap(), (1, Some(at(9_000_000))));
    let retry = ReportEnd::Retry { reason: "429".to_owned(), due: at(100) };
    store.end_report(&job, &retry, at(63)).await.unwrap();
    let again = store.claim_reports("b", at(101), lease, 8).await.unwrap().remove(0);
    assert_eq!((again.id.as_str(), again.attempt), (job.id.as_str(), 2));
    // Who held it before changes nothing any more.
    store.end_report(&job, &ReportEnd::Dead { reason: "late".to_owned() }, at(102)).await.unwrap();
    store.release_reports("b", at(103)).await.unwrap();
    let third = store.claim_reports("b", at(104), lease, 8).await.unwrap().remove(0);
    store.end_report(&third, &ReportEnd::Taken, at(105)).await.unwrap();
    assert_eq!(store.waiting_reports().await.unwrap(), (0, None));
    assert_eq!(store.claim_reports("b", at(1_000_000_000_000), lease, 8).await.unwrap(), []);
}
