//! Which provider and endpoint a request means, who may ask, and what is refused before it is looked at.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::answer::Answer;
use super::faults::{Fault, Stage};
use super::provider::Provider;
use super::query::Query;
use super::server::{Place, Shared};
use super::socket::{self, Core, Opening};
use super::{anthropic, cartesia, deepgram, elevenlabs, openai, realtime, stripe};

/// Largest body taken: a file of 25 MB for transcription and its form.
const BODY_BYTES_MAX: usize = 26 << 20;
/// A body that takes longer to arrive is refused.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Keys that begin with this are refused, so that a test can have a wrong one.
const WRONG_KEY: &str = "wrong";

/// Where keys may be in a query.
const KEYS_IN_QUERY: [&str; 5] = ["access_token", "api_key", "authorization", "single_use_token", "token"];

/// What was asked, after its head was found good.
pub(super) struct Asked<'a> {
    pub shared: &'a Arc<Shared>,
    pub provider: Provider,
    pub headers: &'a HeaderMap,
    pub query: Query,
    pub body: &'a [u8],
    pub fault: Option<Fault>,
    pub now: Instant,
}

/// Answers a request; refuses it with `Err`.
pub(super) type Ask = fn(&Asked) -> Result<Answer, Answer>;
/// Begins a session; refuses it with `Err`.
pub(super) type Open = fn(&Asked) -> Result<Box<dyn Core>, Answer>;

/// How an endpoint answers.
#[derive(Clone, Copy)]
enum Endpoint {
    Http(Ask),
    Socket(Open),
}

impl Asked<'_> {
    /// A header's text, empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        header(self.headers, name)
    }

    /// A refusal in the shape of the provider.
    pub(super) fn refuse(&self, status: u16, code: &str, message: &str) -> Answer {
        refusal(self.provider, status, code, message)
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<serde_json::Value, Answer> {
        let value = serde_json::from_slice::<serde_json::Value>(self.body).ok().filter(serde_json::Value::is_object);
        value.ok_or_else(|| self.refuse(400, "invalid_request", "We could not parse the JSON body of your request."))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn find(method: &Method, path: &str, socket: bool) -> Option<(Provider, Stage, Endpoint)> {
    use Endpoint::{Http, Socket};
    let get = *method == Method::GET && !socket;
    let post = *method == Method::POST;
    let found = match path {
        "/v1/realtime" if socket => (Provider::OpenAi, Stage::Realtime, Socket(realtime::open)),
        "/v1/listen" if socket => (Provider::Deepgram, Stage::Stt, Socket(deepgram::listen)),
        "/v2/listen" if socket => (Provider::Deepgram, Stage::Stt, Socket(deepgram::flux)),
        "/v1/speak" if socket => (Provider::Deepgram, Stage::Tts, Socket(deepgram::speak)),
        "/v2/speak" if socket => (Provider::Deepgram, Stage::Tts, Socket(deepgram::flux_speak)),
        "/v1/speak" if post => (Provider::Deepgram, Stage::Tts, Http(deepgram::speak_once)),
        "/tts/websocket" if socket => (Provider::Cartesia, Stage::Tts, Socket(cartesia::speak)),
        "/stt/websocket" if socket => (Provider::Cartesia, Stage::Stt, Socket(cartesia::listen)),
        "/stt/turns/websocket" if socket => (Provider::Cartesia, Stage::Stt, Socket(cartesia::turns)),
        "/tts/bytes" if post => (Provider::Cartesia, Stage::Tts, Http(cartesia::speak_once)),
        "/v1/speech-to-text/realtime" if socket => (Provider::ElevenLabs, Stage::Stt, Socket(elevenlabs::listen)),
        "/v1/messages" if post => (Provider::Anthropic, Stage::Llm, Http(anthropic::messages)),
        "/v1/billing/meter_events" if post => (Provider::Stripe, Stage::Billing, Http(stripe::meter_events)),
        "/v1/billing_portal/sessions" if post => (Provider::Stripe, Stage::Billing, Http(stripe::portal)),
        _ => match path.strip_prefix("/v1/text-to-speech/").and_then(|rest| rest.split_once('/')) {
            Some((_, "stream-input")) if socket => (Provider::ElevenLabs, Stage::Tts, Socket(elevenlabs::single)),
            Some((_, "multi-stream-input")) if socket => (Provider::ElevenLabs, Stage::Tts, Socket(elevenlabs::multi)),
            Some((_, "stream")) if post => (Provider::ElevenLabs, Stage::Tts, Http(elevenlabs::speak_once)),
            _ => {
                let groq = path.strip_prefix("/openai");
                let provider = if groq.is_some() { Provider::Groq } else { Provider::OpenAi };
                let (stage, answer): (Stage, Ask) = match groq.unwrap_or(path) {
                    "/v1/chat/completions" if post => (Stage::Llm, openai::chat),
                    "/v1/responses" if post => (Stage::Llm, openai::responses),
                    "/v1/audio/transcriptions" if post => (Stage::Stt, openai::transcription),
                    "/v1/audio/speech" if post => (Stage::Tts, openai::speech),
                    "/v1/embeddings" if post => (Stage::Embed, openai::embeddings),
                    "/v1/models" if get => (Stage::Llm, openai::models),
                    _ => return None,
                };
                (provider, stage, Http(answer))
            }
        },
    };
    Some(found)
}

/// Answers a request, or begins a session.
pub(super) async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
    place: Place,
) -> Response<Body> {
    let is_socket = header(request.headers(), "upgrade").eq_ignore_ascii_case("websocket");
    let path = request.uri().path().to_owned();
    if path == "/sim/log" {
        return Answer::json(200, &json!(shared.log.all())).into_response(reset);
    }
    if path == "/sim/meter_events" {
        return Answer::json(200, &shared.stripe.all()).into_response(reset);
    }
    let Some((provider, stage, endpoint)) = find(request.method(), &path, is_socket) else {
        let provider = if path.starts_with("/openai") { Provider::Groq } else { Provider::OpenAi };
        return refusal(provider, 404, "not_found", "Invalid URL.").into_response(reset);
    };
    let whole_path = request.uri().path_and_query().map_or_else(|| path.clone(), |whole| whole.as_str().to_owned());
    let query = Query::parse(request.uri().query().unwrap_or_default());
    // Some services take keys in the query.
    let whole_path = if KEYS_IN_QUERY.iter().any(|name| query.value(name).is_some()) { path.clone() } else { whole_path };
    // ElevenLabs takes a key in the first message too.
    let keyed_later = is_socket && path.ends_with("stream-input") && header(request.headers(), "xi-api-key").is_empty();
    if let Err(refused) =
        authorise(provider, request.headers(), &query).or_else(|refused| if keyed_later { Ok(()) } else { Err(refused) })
    {
        shared.log.note(provider, stage, &whole_path, "refused: 401");
        return refused.into_response(reset);
    }
    let fault = shared.plans.strike(provider, stage);
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(Body::new(body), BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        _ => return refusal(provider, 413, "request_too_large", "The body is too large.").into_response(reset),
    };
    shared.log.note(provider, stage, &whole_path, &describe(&parts.headers, &body));
    let asked = Asked { shared: &shared, provider, headers: &parts.headers, query, body: &body, fault, now: Instant::now() };
    if let Some(status) = fault.and_then(|fault| fault.refusal(provider)) {
        return failure(provider, status).into_response(reset);
    }
    let core = match endpoint {
        Endpoint::Http(ask) => {
            let answer = ask(&asked).unwrap_or_else(|refused| refused);
            return broken(answer, fault, provider, stage).into_response(reset);
        }
        Endpoint::Socket(open) => open(&asked),
    };
    match core {
        Ok(core) => {
            let answer = switching(provider, &parts.headers);
            // A Realtime session breaks its own answers.
            let fault = fault.filter(|_| stage != Stage::Realtime);
            let opening = Opening { core, fault, shared, provider, stage, path: whole_path, reset };
            tokio::spawn(async move {
                socket::converse(Request::from_parts(parts, Body::empty()), opening).await;
                drop(place);
            });
            answer
        }
        Err(refused) => refused.into_response(reset),
    }
}

/// Applies the fault of the session, or else of the turn that answers.
fn broken(mut answer: Answer, fault: Option<Fault>, provider: Provider, stage: Stage) -> Answer {
    let Some(fault) = fault.or(answer.fault).filter(|_| answer.status == 200) else { return answer };
    if let Some(status) = fault.refusal(provider) {
        return failure(provider, status);
    }
    let last_words = match (provider, stage) {
        (Provider::Anthropic, _) => anthropic::LAST_WORDS,
        _ => openai::LAST_WORDS,
    };
    answer.break_by(fault, last_words);
    answer
}

fn describe(headers: &HeaderMap, body: &[u8]) -> String {
    match header(headers, "content-type").starts_with("multipart/") {
        true => format!("{} bytes", body.len()),
        false => String::from_utf8_lossy(body).into_owned(),
    }
}

fn switching(provider: Provider, asked: &HeaderMap) -> Response<Body> {
    let accepted = derive_accept_key(asked.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accepted) = HeaderValue::from_str(&accepted) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accepted);
    }
    if provider == Provider::Deepgram {
        headers.insert(HeaderName::from_static("dg-request-id"), HeaderValue::from_static(deepgram::REQUEST_ID));
    }
    response
}

/// What the provider says of a fault that refuses.
fn failure(provider: Provider, status: u16) -> Answer {
    match status {
        429 => refusal(provider, 429, "rate_limit_exceeded", "Rate limit reached."),
        529 => refusal(provider, 529, "overloaded_error", "Overloaded"),
        _ => refusal(provider, status, "server_error", "The server had an error while processing your request."),
    }
}

/// A refusal in the shape of a provider.
fn refusal(provider: Provider, status: u16, code: &str, message: &str) -> Answer {
    let answer = Answer::json(
        status,
        &match provider {
            Provider::Anthropic => anthropic::error(status, message),
            Provider::Cartesia => cartesia::error(status, code, message),
            Provider::Deepgram => deepgram::error(code, message),
            Provider::ElevenLabs => json!({"detail": {"status": code, "message": message}}),
            Provider::Groq => json!({"error": {"message": message, "type": "invalid_request_error", "code": code}}),
            Provider::Stripe => stripe::error(status, code, message),
            Provider::OpenAi => {
                json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}})
            }
        },
    );
    match provider {
        Provider::Deepgram => answer.with("dg-error", message.replace('\n', " ")).with("dg-request-id", deepgram::REQUEST_ID),
        _ => answer,
    }
}

/// Checks the key as each service wants it.
fn authorise(provider: Provider, headers: &HeaderMap, query: &Query) -> Result<(), Answer> {
    let authorization = header(headers, "authorization");
    let bearer = authorization.strip_prefix("Bearer ");
    let named = |name: &'static str| Some(header(headers, name)).filter(|key| !key.is_empty());
    let key = match provider {
        Provider::OpenAi | Provider::Groq | Provider::Stripe => bearer,
        Provider::Anthropic => named("x-api-key").or(bearer),
        Provider::Deepgram => authorization.strip_prefix("Token ").or(bearer),
        Provider::Cartesia => named("x-api-key").or(bearer).or(query.value("api_key")).or(query.value("access_token")),
        Provider::ElevenLabs => named("xi-api-key").or(query.value("authorization")).or(query.value("single_use_token")),
    };
    if key.is_some_and(|key| !key.trim().is_empty() && !key.starts_with(WRONG_KEY)) {
        return Ok(());
    }
    let (code, message) = match provider {
        Provider::Deepgram => ("INVALID_AUTH", "Invalid credentials."),
        _ => ("invalid_api_key", "Incorrect API key provided."),
    };
    Err(refusal(provider, 401, code, message))
}
