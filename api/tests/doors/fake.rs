//! A node that does as it is told, and a Twilio that signs.

use std::sync::{Arc, Mutex};

use api::*;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::{Map, Value};
use sha1::Sha1;
use store::{CallId, CallRecord, OrganizationId, PhoneNumber, ResourceKind, SipLadder};
use tower::ServiceExt as _;

pub const TOKEN: &str = "12345";
pub const PUBLIC: &str = "https://voice.example";

/// What the node does with what it is asked.
#[derive(Default)]
pub struct FakeGate {
    pub refuse_call: Option<TwilioRefusal>,
    pub refuse_stream: Option<StreamRefusal>,
    pub not_ready: Vec<String>,
    /// Never answers.
    pub stuck: bool,
    /// Never answers a stream.
    pub stuck_streams: bool,
    /// What it was asked, one line each.
    pub asked: Mutex<Vec<String>>,
    pub streams: Mutex<Vec<(StreamStart, StreamIo)>>,
    pub refuse_place: Mutex<Option<PlaceRefusal>>,
    /// What the records say.
    pub records: Mutex<Vec<CallRecord>>,
    pub ladders: Mutex<Vec<SipLadder>>,
    /// Calls that are up.
    pub up: Mutex<Vec<CallId>>,
    /// Where recordings lie.
    pub recordings: std::path::PathBuf,
    pub refuse_session: Mutex<Option<SessionRefusal>>,
    pub sessions: Mutex<Vec<(SessionStart, SessionIo)>>,
    pub media: Mutex<Option<MediaFigures>>,
}

impl FakeGate {
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn note<T: Send + 'static>(&self, line: String, answer: T) -> BoxFuture<'static, T> {
        self.asked.lock().unwrap().push(line);
        if self.stuck {
            return Box::pin(std::future::pending());
        }
        Box::pin(async { answer })
    }
}

impl CallGate for FakeGate {
    fn twilio_incoming(&self, call: IncomingTwilio) -> BoxFuture<'_, Result<TwilioAnswer, TwilioRefusal>> {
        let (from, to) = (call.from.reveal(), call.to.reveal());
        let line = format!("call {} {} {from} {to}", call.call_sid, call.account_sid);
        let call = store::CallId::generate();
        self.note(line, self.refuse_call.map_or(Ok(TwilioAnswer { call }), Err))
    }

    fn twilio_status(&self, status: TwilioStatus) -> BoxFuture<'_, ()> {
        let TwilioStatus { call_sid, status, sequence, duration } = status;
        self.note(format!("{call_sid} {status:?} {sequence:?} {duration:?}"), ())
    }

    fn attach_stream(&self, start: StreamStart, io: StreamIo) -> BoxFuture<'_, Result<(), StreamRefusal>> {
        let line = format!("stream {} {}", start.call_sid, start.stream_sid);
        self.streams.lock().unwrap().push((start, io));
        if self.stuck_streams {
            return Box::pin(std::future::pending());
        }
        self.note(line, self.refuse_stream.map_or(Ok(()), Err))
    }

    fn place_call(&self, wish: CallWish) -> BoxFuture<'_, Result<CallId, PlaceRefusal>> {
        let from = wish.from.as_ref().map(PhoneNumber::reveal);
        let line = format!("place {} {from:?} {:?} {:?}", wish.to.reveal(), wish.assistant, wish.trunk);
        let id = CallId::generate();
        let refusal = self.refuse_place.lock().unwrap().clone();
        self.note(line, refusal.map_or(Ok(id), Err))
    }

    fn find_call(&self, id: CallId) -> BoxFuture<'_, Result<Option<CallRecord>, RecordsAway>> {
        let found = self.records.lock().unwrap().iter().find(|record| record.call.id == id).cloned();
        let away = self.not_ready.iter().any(|reason| reason.starts_with("database"));
        Box::pin(async move { if away { Err(RecordsAway) } else { Ok(found) } })
    }

    fn find_ladder(&self, call: &CallRecord) -> BoxFuture<'_, Result<Option<SipLadder>, RecordsAway>> {
        let ladder = self.ladders.lock().unwrap().iter().find(|ladder| ladder.external_id == call.call.external_id).cloned();
        Box::pin(async move { Ok(ladder) })
    }

    fn capture_of(&self, ladder: &SipLadder) -> Vec<u8> {
        format!("{} messages", ladder.messages.len()).into_bytes()
    }

    fn act(&self, id: CallId, action: CallAction) -> BoxFuture<'_, bool> {
        let up = self.up.lock().unwrap().contains(&id);
        let action = match action {
            CallAction::HangUp => "hang up".to_owned(),
            CallAction::Join(_, part) => format!("join {part:?}"),
            CallAction::Transfer(wish) => format!("transfer to {}", wish.to.reveal()),
            other => format!("{other:?}").to_lowercase(),
        };
        self.note(format!("{action} {up}"), up)
    }

    fn recording_file(&self, path: &str) -> Option<std::path::PathBuf> {
        Some(self.recordings.join(path))
    }

    fn media(&self, _: CallId) -> BoxFuture<'_, Option<MediaFigures>> {
        let media = *self.media.lock().unwrap();
        Box::pin(async move { media })
    }

    fn assistant(&self, _: &OrganizationId, wanted: Option<&str>) -> Result<String, NoAssistant> {
        match wanted {
            None | Some("demo") => Ok("demo".to_owned()),
            Some(_) => Err(NoAssistant("there is no assistant of this name".to_owned())),
        }
    }

    fn open_session(&self, start: SessionStart, io: SessionIo) -> BoxFuture<'_, Result<(), SessionRefusal>> {
        let refusal = *self.refuse_session.lock().unwrap();
        if refusal.is_none() {
            self.sessions.lock().unwrap().push((start, io));
        }
        Box::pin(async move { refusal.map_or(Ok(()), Err) })
    }

    fn has_webrtc(&self) -> bool {
        true
    }

    fn open_webrtc(&self, _: SessionStart, offer: Vec<u8>) -> BoxFuture<'_, Result<String, WebRtcRefusal>> {
        let refusal = *self.refuse_session.lock().unwrap();
        let answer = match offer.starts_with(b"v=0") {
            true => refusal.map_or(Ok("v=0\r\ns=answer\r\n".to_owned()), |refusal| Err(refusal.into())),
            false => Err(WebRtcRefusal::Offer("body is not a session description".to_owned())),
        };
        Box::pin(async move { answer })
    }

    fn offer_again(&self, id: CallId, offer: Vec<u8>) -> BoxFuture<'_, Option<Result<String, String>>> {
        let up = self.up.lock().unwrap().contains(&id);
        let answer = String::from_utf8(offer).map_err(|_| "no text".to_owned());
        Box::pin(async move { up.then_some(answer) })
    }

    fn leave(&self, id: CallId) -> BoxFuture<'_, bool> {
        let up = self.up.lock().unwrap().contains(&id);
        self.note(format!("leave {up}"), up)
    }

    fn type_into(&self, id: CallId, words: String) -> BoxFuture<'_, bool> {
        let up = self.up.lock().unwrap().contains(&id);
        self.note(format!("type {words} {up}"), up)
    }

    fn readiness(&self) -> BoxFuture<'_, Readiness> {
        let reasons = self.not_ready.clone();
        self.note("readiness".to_owned(), Readiness { reasons })
    }
}

/// A node whose rows need a name, and nothing else; its file has the assistants `file-1` to `file-3`.
#[derive(Debug, Default)]
pub struct FakeNode {
    /// How often it was told of a change.
    pub told: Mutex<usize>,
}

impl NodeGate for FakeNode {
    fn check<'a>(&'a self, wish: RowWish<'a>) -> BoxFuture<'a, Result<RowHead, RowRefusal>> {
        let name = ["name", "number"].iter().find_map(|field| wish.fields.get(*field)?.as_str());
        let used = wish.fields.get("assistant_id").and_then(|id| id.as_str()?.parse().ok());
        let checked = match name {
            Some("file-1") => Err(RowRefusal::OfFile("the file has it".to_owned())),
            Some(name) => Ok(RowHead { name: name.to_owned(), uses: used.into_iter().collect() }),
            None => Err(RowRefusal::Fields(vec![("name".to_owned(), "must be set".to_owned())])),
        };
        Box::pin(async move { checked })
    }

    fn of_file(&self, kind: ResourceKind) -> Vec<FileRow> {
        let row = |number: u32| {
            let id = format!("file-{number}");
            FileRow { fields: Map::from_iter([("name".to_owned(), Value::from(id.clone()))]), id }
        };
        if kind == ResourceKind::Assistant { (1..=3).map(row).collect() } else { Vec::new() }
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        *self.told.lock().unwrap() += 1;
        Box::pin(async {})
    }

    fn run_tool<'a>(
        &'a self,
        organization: &'a OrganizationId,
        name: &'a str,
        arguments: Value,
    ) -> BoxFuture<'a, Option<ToolRan>> {
        let output = format!("{} {name} {arguments}", organization.is_operator());
        let ran = ToolRan { status: "ok", output, took: std::time::Duration::from_millis(5) };
        Box::pin(async move { (name != "broken").then_some(ran) })
    }

    fn mcp_tools<'a>(&'a self, _: &'a OrganizationId, name: &'a str) -> BoxFuture<'a, Option<Vec<(String, String, Value)>>> {
        let tool = ("find".to_owned(), "Finds.".to_owned(), serde_json::json!({ "type": "object" }));
        Box::pin(async move { (name != "broken").then(|| vec![tool]) })
    }

    fn trunk(&self, name: &str) -> Option<TrunkState> {
        let targets = vec![("sip:c.example".to_owned(), "up")];
        (name == "carrier").then_some(TrunkState { registered: Some(true), targets })
    }

    fn state(&self) -> NodeState {
        let actors = vec![ActorState { actor: "call", restarts: 1, mailbox_depth: 2, mailbox_dropped: 3 }];
        NodeState { name: "a".to_owned(), calls: *self.told.lock().unwrap(), actors, ..NodeState::default() }
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), Vec<(String, String)>>> {
        let told = *self.told.lock().unwrap();
        let mistake = ("node.max_cals".to_owned(), "unknown key".to_owned());
        Box::pin(async move { if told == 0 { Ok(()) } else { Err(vec![mistake]) } })
    }

    fn drain(&self) {}
}

/// The public side over this node, without signatures and without a public URL.
pub fn open_router(gate: &Arc<FakeGate>) -> Router {
    router(ApiConfig::default(), Arc::clone(gate) as Arc<dyn CallGate>)
}

/// The public side over this node, at [`PUBLIC`], for requests signed with [`TOKEN`].
pub fn signed_router(gate: &Arc<FakeGate>) -> Router {
    let twilio = TwilioConfig {
        public_url: Some(PublicUrl::parse(PUBLIC).unwrap()),
        signature: SignatureCheck::Required(AuthToken::new(TOKEN)),
    };
    router(ApiConfig { twilio, ..ApiConfig::default() }, Arc::clone(gate) as Arc<dyn CallGate>)
}

/// Signs a URL and what follows it: sorted names and values.
pub fn sign(url: &str, parameters: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    mac.update(parameters.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

pub fn form(path: &str, body: &str) -> Request<Body> {
    Request::post(path)
        .header("host", "127.0.0.1:8080")
        .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// Sends one request; the answer as `status body`.
pub async fn ask(router: &Router, request: Request<Body>) -> String {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    format!("{status} {}", text(response).await)
}

pub async fn text(response: Response<Body>) -> String {
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The names and labels of the metrics that were touched on this thread.
#[derive(Clone, Default)]
pub struct Touched(Arc<Mutex<Vec<String>>>);

impl Touched {
    pub fn has(&self, metric: &str) -> bool {
        self.0.lock().unwrap().iter().any(|touched| touched == metric)
    }

    fn note(&self, key: &Key) {
        let labels = key.labels().map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(",");
        self.0.lock().unwrap().push(format!("{}{{{labels}}}", key.name()));
    }
}

impl Recorder for Touched {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.note(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.note(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.note(key);
        Histogram::noop()
    }
}
