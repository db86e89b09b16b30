//! Deliveries to a receiver of the test's own.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use store::{DeliveryEnd, DeliveryJob, DeliverySlots, DeliveryState, EventKind, Page};

use super::send::{TRIED_FOR, Tried};
use super::*;

/// What the receiver answers next, and what it got.
#[derive(Default)]
struct Receiver {
    answers: Mutex<Vec<(u16, &'static str, &'static str)>>,
    got: Mutex<Vec<(HeaderMap, String)>>,
}

async fn take(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    receiver.got.lock().unwrap().push((headers, String::from_utf8(body.to_vec()).unwrap()));
    let (status, header, body) = receiver.answers.lock().unwrap().pop().unwrap_or((204, "", ""));
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = header.split_once(": ") {
        headers.insert(axum::http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), headers, body)
}

struct Bench {
    webhooks: Webhooks,
    receiver: Arc<Receiver>,
    url: String,
}

fn act() -> Act<'static> {
    Act { actor: "node", address: "", at: WallTime::now() }
}

fn operator() -> OrganizationId {
    OrganizationId::operator()
}

impl Bench {
    async fn new(answers: &[(u16, &'static str, &'static str)], reach: Reach) -> Self {
        let _chosen_before = rustls::crypto::ring::default_provider().install_default();
        let receiver = Arc::new(Receiver::default());
        receiver.answers.lock().unwrap().extend(answers.iter().rev());
        let router = Router::new().route("/hook", post(take)).with_state(Arc::clone(&receiver));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let store = Store::open("sqlite::memory:").await.unwrap();
        Self { webhooks: Webhooks::new(store, Guard::default(), reach), receiver, url }
    }

    fn wish(&self, kind: WebhookKind) -> WebhookWish {
        WebhookWish {
            kind,
            url: self.url.clone(),
            description: String::new(),
            events: EventFilter::default(),
            lead_threshold: 70,
            secret: None,
            is_active: true,
        }
    }

    async fn make(&self, kind: WebhookKind) -> (Webhook, Hidden) {
        self.webhooks.make(&operator(), self.wish(kind), &act()).await.unwrap()
    }

    async fn job(&self) -> DeliveryJob {
        let (lease, slots) = (Duration::from_secs(60), DeliverySlots { free: 1, of_webhook: 1, of_organization: 1 });
        self.webhooks.store.claim_deliveries("a", WallTime::now(), lease, slots).await.unwrap().remove(0)
    }

    /// Tries the one delivery that waits; how it goes on, and what came of it.
    async fn try_one(&self) -> (DeliveryEnd, Tried) {
        let job = self.job().await;
        let tried = self.webhooks.send(&job, WallTime::now()).await;
        let end = send::end(&job, &tried, WallTime::now(), 0.5);
        self.webhooks.store.end_delivery(&job, end, &tried.what, WallTime::now()).await.unwrap();
        (end, tried)
    }

    async fn tell(&self) {
        self.webhooks.store.tell_of_node(EventKind::NodeStarted, "a", WallTime::now()).await.unwrap();
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers[name].to_str().unwrap()
}

#[tokio::test]
async fn a_delivery_is_signed_and_by_two_secrets_after_a_rotation() {
    let bench = Bench::new(&[], Reach::Private).await;
    let (webhook, first) = bench.make(WebhookKind::Standard).await;
    bench.tell().await;
    assert_eq!(bench.try_one().await.0, DeliveryEnd::Delivered);
    let overlap = Duration::from_secs(60);
    let rotated = bench.webhooks.rotate(&operator(), webhook.id, None, overlap, &act()).await.unwrap();
    let Changed::Done((_, second)) = rotated else { panic!() };
    bench.tell().await;
    bench.try_one().await;
    bench.webhooks.rotate(&operator(), webhook.id, None, Duration::ZERO, &act()).await.unwrap();
    bench.tell().await;
    bench.try_one().await;
    let got = bench.receiver.got.lock().unwrap();
    let counts: Vec<_> = got.iter().map(|(headers, _)| header(headers, "webhook-signature").split(' ').count()).collect();
    assert_eq!(counts, [1, 2, 1]);
    for ((headers, body), secrets) in got.iter().zip([vec![&first], vec![&second, &first]]) {
        let (id, seconds) = (header(headers, "webhook-id"), header(headers, "webhook-timestamp").parse().unwrap());
        let expected = secrets.iter().map(|secret| sign::signature(secret.expose(), id, seconds, body).unwrap());
        assert_eq!(header(headers, "webhook-signature"), expected.collect::<Vec<_>>().join(" "));
        assert_eq!(header(headers, "content-type"), "application/json");
        assert!(body.starts_with(r#"{"data":{"node":"a"},"#) || body.contains(r#""type":"node.started""#), "{body}");
    }
}

#[tokio::test]
async fn what_is_answered_decides_how_it_goes_on() {
    let answers = [
        (500, "", "oops"),
        (302, "location: http://127.0.0.1:1/elsewhere", ""),
        (429, "retry-after: 600", ""),
        (200, "", "thanks"),
        (410, "", ""),
    ];
    let bench = Bench::new(&answers, Reach::Private).await;
    let (webhook, _) = bench.make(WebhookKind::Standard).await;
    let waits = [5, 5, 600];
    for (index, seconds) in waits.into_iter().enumerate() {
        bench.tell().await;
        let before = WallTime::now();
        let (end, tried) = bench.try_one().await;
        let DeliveryEnd::Retry { due } = end else { panic!("{end:?}") };
        assert_eq!(due.since(before).as_secs(), seconds, "{index}");
        assert_eq!(tried.what.status, Some(answers[index].0));
    }
    bench.tell().await;
    assert_eq!(bench.try_one().await.0, DeliveryEnd::Delivered);
    bench.tell().await;
    assert_eq!(bench.try_one().await.0, DeliveryEnd::Gone);
    let page = Page { limit: 9, after: None };
    let rows = bench.webhooks.store.deliveries(&operator(), webhook.id, &page).await.unwrap();
    assert!(rows.iter().all(|row| row.state != DeliveryState::Pending), "{rows:?}");
    assert_eq!(rows[4].answer.as_deref(), Some("oops"));
    assert_eq!(rows[1].answer.as_deref(), Some("thanks"));
    assert!(!bench.webhooks.store.webhook(&operator(), webhook.id).await.unwrap().unwrap().is_active);
}

#[tokio::test]
async fn a_day_of_tries_is_the_end_and_nobody_there_is_a_reason() {
    let mut bench = Bench::new(&[], Reach::Private).await;
    bench.url = "http://127.0.0.1:1/hook?secret=1".to_owned();
    bench.make(WebhookKind::Standard).await;
    bench.tell().await;
    let job = bench.job().await;
    let tried = bench.webhooks.send(&job, WallTime::now()).await;
    assert_eq!((tried.what.error.as_deref(), tried.what.status), (Some("no connection"), None));
    let at = |passed: Duration| WallTime::from_micros(job.queued_at.micros() + passed.as_micros() as i64);
    assert!(matches!(send::end(&job, &tried, at(TRIED_FOR - Duration::from_secs(6)), 0.5), DeliveryEnd::Retry { .. }));
    assert_eq!(send::end(&job, &tried, at(TRIED_FOR), 0.5), DeliveryEnd::Dead);
}

#[tokio::test]
async fn private_places_are_the_operators_where_they_are_allowed() {
    let bench = Bench::new(&[], Reach::Private).await;
    assert!(bench.webhooks.check_url(&operator(), "http://10.0.0.5/hook").is_ok());
    let said = bench.webhooks.check_url(&OrganizationId::generate(), "http://10.0.0.5/hook").unwrap_err().to_string();
    assert_eq!(said, "url: cannot be used: its address is private, which is not allowed");
}

#[tokio::test]
async fn private_places_are_refused_when_it_is_made_and_when_it_is_told() {
    let bench = Bench::new(&[], Reach::Public).await;
    let refused = bench.webhooks.make(&operator(), bench.wish(WebhookKind::Standard), &act()).await.unwrap_err();
    assert_eq!(refused.to_string(), "url: cannot be used: its address is private, which is not allowed");
    for (url, expected) in
        [("hook", "url: is no URL"), ("ftp://example.com", "url: cannot be used: it is neither http nor https")]
    {
        let said = bench.webhooks.check_url(&operator(), url).unwrap_err().to_string();
        assert_eq!(said, expected);
    }
    let short =
        WebhookWish { url: "https://example.com".into(), secret: Some("whsec_eA==".into()), ..bench.wish(WebhookKind::Slack) };
    let refused = bench.webhooks.make(&operator(), short, &act()).await.unwrap_err();
    assert_eq!(refused.to_string(), "secret: is not whsec_ and 24 to 64 bytes in base64");
    // One that was allowed before, or whose name leads there now.
    let allowing = Webhooks::new(bench.webhooks.store.clone(), Guard::default(), Reach::Private);
    allowing.make(&operator(), bench.wish(WebhookKind::Standard), &act()).await.unwrap();
    bench.tell().await;
    let tried = bench.webhooks.send(&bench.job().await, WallTime::now()).await;
    assert_eq!(tried.what.error.as_deref(), Some("its address is private, which is not allowed"));
    assert!(bench.receiver.got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn slack_gets_a_line_of_text_and_a_test_is_queued() {
    let bench = Bench::new(&[], Reach::Private).await;
    let (webhook, _) = bench.make(WebhookKind::Slack).await;
    bench.tell().await;
    let test = bench.webhooks.test(&operator(), webhook.id, &act()).await.unwrap().unwrap();
    assert_eq!(test.kind, TEST);
    assert_eq!(bench.webhooks.test(&operator(), WebhookId::generate(), &act()).await.unwrap(), None);
    assert_eq!(bench.try_one().await.0, DeliveryEnd::Delivered);
    let got = bench.receiver.got.lock().unwrap();
    let [(headers, body)] = &got[..] else { panic!("{got:?}") };
    assert_eq!(body, r#"{"text":"Offhook: webhook.test"}"#);
    assert!(!headers.contains_key("webhook-signature"));
}
