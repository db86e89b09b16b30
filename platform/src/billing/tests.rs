//! From calls to charges, limits, invoices and reports, over a database in memory.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Mutex;

use store::{
    Act, CallId, Direction, EventKind, HangupCause, LegKind, Meter, NewCall, NewPlan, Page, PhoneNumber, Price, ProviderUsage,
    ReportEnd, StoreWrite, SubscriptionChange,
};

use super::runner::end;
use super::*;

/// The 30th of November 2026, noon.
const NOON: i64 = 1_796_040_000_000_000;

fn at(seconds: i64) -> WallTime {
    WallTime::from_micros(NOON + seconds * 1_000_000)
}

fn act() -> Act<'static> {
    Act { actor: "node", address: "", at: at(0) }
}

fn operator() -> OrganizationId {
    OrganizationId::operator()
}

fn all() -> Page {
    Page { limit: 200, after: None }
}

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<ReportJob>>);

impl BillingPort for Kept {
    fn report<'a>(&'a self, job: &'a ReportJob) -> Asked<'a, ()> {
        self.0.lock().unwrap().push(job.clone());
        Box::pin(async { Ok(()) })
    }

    fn portal<'a>(&'a self, customer: &'a str) -> Asked<'a, String> {
        Box::pin(async move { Ok(format!("https://pay.example/{customer}")) })
    }
}

async fn bench() -> Billing {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let new = NewPlan {
        name: "standard".to_owned(),
        title: "Standard".to_owned(),
        is_open: true,
        monthly_fee_micros: 1_000_000,
        soft_limit_micros: Some(20_000),
        hard_limit_micros: Some(30_000),
        prices: vec![
            Price { meter: Meter::Seconds, provider: "*".to_owned(), micros: 12_000 },
            Price { meter: Meter::Characters, provider: "cartesia".to_owned(), micros: 10_000 },
        ],
        allowance: BTreeMap::from([(Meter::Seconds, 60)]),
    };
    store.create_plan(&new, &act()).await.unwrap().unwrap();
    let change = SubscriptionChange {
        plan: Some("standard".to_owned()),
        customer: Some(Some("cus_1".to_owned())),
        ..SubscriptionChange::default()
    };
    store.change_subscription(&operator(), None, &change, &act()).await.unwrap();
    Billing::new(store, "EUR", Some(Arc::new(Kept::default())), OverLimit::default())
}

/// A call that began `began` after noon, lasted so long and had so many characters spoken.
async fn call(billing: &Billing, began: i64, seconds: i64, characters: u64) -> CallId {
    let id = CallId::generate();
    let call = NewCall {
        id,
        organization: operator(),
        node: "a".to_owned(),
        leg: LegKind::Sip,
        direction: Direction::Inbound,
        from: PhoneNumber::new("+1"),
        to: PhoneNumber::new("demo"),
        assistant: "demo".to_owned(),
        engine: "cascade".to_owned(),
        external_id: String::new(),
        created_at: at(began),
    };
    let used =
        ProviderUsage { stage: "voice".to_owned(), provider: "cartesia".to_owned(), characters, ..ProviderUsage::default() };
    let end = at(began + seconds);
    let writes = [
        StoreWrite::CallCreated(call),
        StoreWrite::CallAnswered { call: id, at: at(began) },
        StoreWrite::ProviderUsed { call: id, at: at(began), used },
        StoreWrite::CallEnded {
            call: id,
            at: end,
            cause: HangupCause::CallerHangup,
            detail: None,
            stats: serde_json::Value::Null,
        },
    ];
    billing.store().write_batch(&writes).await.unwrap();
    id
}

#[tokio::test]
async fn calls_are_charged_limits_told_and_new_calls_refused() {
    let billing = bench().await;
    let first = call(&billing, 0, 90, 1_000).await;
    assert_eq!(billing.charge(at(100)).await.unwrap(), 1);
    assert_eq!(billing.charge(at(100)).await.unwrap(), 0);
    // A minute is free: 30 s are 6,000, and a thousand characters 10,000.
    let charges = billing.store().call_charges(&operator(), first).await.unwrap();
    assert_eq!(charges.iter().map(|charge| charge.amount_micros).collect::<Vec<_>>(), [6_000, 10_000]);
    billing.look_at_limits(at(101)).await.unwrap();
    assert!(!billing.is_over_limit(&operator()));
    for number in 1..4 {
        call(&billing, number * 100, 30, 0).await;
    }
    billing.charge(at(500)).await.unwrap();
    billing.look_at_limits(at(501)).await.unwrap();
    assert!(billing.is_over_limit(&operator()));
    // In the next month it is not.
    billing.look_at_limits(at(86_400)).await.unwrap();
    assert!(!billing.is_over_limit(&operator()));

    let events = billing.store().events(&operator(), 0, 200).await.unwrap();
    let told = events.iter().filter(|event| event.kind == EventKind::UsageRecorded && event.call.is_none());
    let told: Vec<_> = told.map(|event| (event.data["threshold"].clone(), event.data["amount_micros"].clone())).collect();
    assert_eq!(told, [("soft".into(), 22_000.into()), ("hard".into(), 34_000.into())]);
}

#[tokio::test]
async fn months_are_billed_once_after_their_end_also_after_a_long_downtime() {
    let billing = bench().await;
    let late = at(3 * 31 * 86_400);
    assert_eq!(billing.bill(at(0)).await.unwrap(), 0);
    call(&billing, 0, 120, 1_000).await;
    // Not before everything is charged.
    assert_eq!(billing.bill(at(86_400)).await.unwrap(), 0);
    billing.charge(at(200)).await.unwrap();
    assert_eq!(billing.bill(at(300)).await.unwrap(), 0);
    let midnight = at(12 * 3_600);
    assert_eq!(billing.bill(midnight).await.unwrap(), 0, "the last calls of the month are waited for");
    assert_eq!(billing.bill(WallTime::from_micros(midnight.micros() + 601_000_000)).await.unwrap(), 1);
    // Three months later, all of them; and never again.
    assert_eq!(billing.bill(late).await.unwrap(), 3);
    assert_eq!(billing.bill(late).await.unwrap(), 0);
    let invoices = billing.store().invoices(&operator(), &all()).await.unwrap();
    let shown: Vec<_> = invoices.iter().map(|one| format!("{} {}", one.month, one.total_micros)).collect();
    assert_eq!(shown, ["2027-02 1000000", "2027-01 1000000", "2026-12 1000000", "2026-11 1022000"]);
    let whole = billing.store().invoice(&operator(), invoices[3].id).await.unwrap().unwrap();
    assert_eq!(whole.lines.iter().map(|line| line.amount_micros).sum::<u64>(), whole.total_micros);
    let (head, rows) = (format!("{},2026-11,standard,EUR", whole.id), csv(&whole));
    let expected = format!(
        "invoice,month,plan,currency,item,provider,quantity,free,per,price_micros,amount_micros,amount\r\n\
         {head},monthly_fee,standard,1,0,1,1000000,1000000,1.000000\r\n\
         {head},seconds,sip,120,60,60,12000,12000,0.012000\r\n\
         {head},characters,cartesia,1000,0,1000,10000,10000,0.010000\r\n\
         {head},total,,,,,,1022000,1.022000\r\n"
    );
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn the_payment_service_is_told_of_each_meter_of_a_call() {
    let billing = bench().await;
    let id = call(&billing, 0, 90, 1_000).await;
    billing.charge(at(100)).await.unwrap();
    let jobs = billing.store().claim_reports("a", at(101), Duration::from_secs(60), 10).await.unwrap();
    let mut told: Vec<_> = jobs.iter().map(|job| format!("{} {} {}", job.id, job.customer, job.quantity)).collect();
    told.sort();
    assert_eq!(told, [format!("{id}-characters cus_1 1000"), format!("{id}-seconds cus_1 90")]);
    assert_eq!(billing.portal(&operator()).await.unwrap(), "https://pay.example/cus_1");
    let stranger = billing.portal(&OrganizationId::generate()).await.unwrap_err();
    assert!(matches!(stranger, NoPortal::NoCustomer), "{stranger}");
    let alone = Billing { port: None, ..billing };
    assert!(matches!(alone.portal(&operator()).await.unwrap_err(), NoPortal::NoService));
}

#[test]
fn a_report_is_tried_for_weeks_with_longer_waits() {
    let job = |attempt| ReportJob {
        id: "a".to_owned(),
        claim: 1,
        attempt,
        customer: "cus_1".to_owned(),
        meter: Meter::Seconds,
        quantity: 1,
        at: at(0),
    };
    let away = |again| PortError::Away { reason: "429".to_owned(), again };
    let wait = |attempt, again| match end(&job(attempt), Err(away(again)), at(0), 0.5) {
        ReportEnd::Retry { due, .. } => due.since(at(0)).as_secs(),
        other => panic!("{other:?}"),
    };
    assert_eq!([wait(1, None), wait(2, None), wait(5, None), wait(40, None)], [5, 10, 80, 3_600]);
    assert_eq!(wait(1, Some(Duration::from_secs(60))), 60);
    assert_eq!(end(&job(1), Ok(()), at(0), 0.0), ReportEnd::Taken);
    let refused = end(&job(1), Err(PortError::Refused("400".to_owned())), at(0), 0.0);
    assert_eq!(refused, ReportEnd::Dead { reason: "400".to_owned() });
    let old = end(&job(9), Err(away(None)), at(34 * 86_400), 0.0);
    assert_eq!(old, ReportEnd::Dead { reason: "429".to_owned() });
}
