//! Sockets for the simulated sessions: one task a connection, one timer while a response is due.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::script::{Fault, Script};
use super::session::{Output, Session, Shared};
use super::voice::Voices;

/// Most sessions at once: as many as callers place calls. One more gets a 503.
pub const SESSIONS_MAX: usize = crate::plan::CONCURRENCY_MAX as usize;
/// Largest message taken: the API's 15 MiB of base64 in an append and its envelope.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Buffer that is read into, which is filled with zeros before every read: the default of 128 KiB was a fifth of all CPU.
/// Ten messages of 20 ms.
const READ_BUFFER: usize = 4 << 10;
/// A handshake that takes longer is dropped, so that silent connections hold nothing.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a simulator is started.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What is said.
    pub script: Script,
    /// A fault on top of the script's own.
    pub fault: Option<FaultPlan>,
    /// Time to the first audio of an answer where the script says nothing. Default 300 ms.
    pub first_audio: Duration,
    /// How many times faster than real time audio is produced, above 0. Default 4.
    pub speed: f64,
}

/// A fault for the first response of a session (`429`: for its handshake).
#[derive(Clone, Copy, Debug)]
pub struct FaultPlan {
    /// What goes wrong.
    pub fault: Fault,
    /// In how many sessions, counted from the first; later ones are well.
    pub sessions: u64,
}

/// A simulator that runs until it is dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Service {
    shared: Arc<Shared>,
    fault: Option<FaultPlan>,
    started: AtomicU64,
    places: Semaphore,
}

/// What a handshake asked for.
#[derive(Debug, Default)]
struct Hello {
    model: String,
    beta: bool,
}

impl SimOptions {
    /// The defaults on one address.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, script: Script::default(), fault: None, first_audio: Duration::from_millis(300), speed: 4.0 }
    }
}

impl Simulator {
    /// Binds and serves on the current tokio runtime.
    ///
    /// # Errors
    /// When the address is taken, a WAV file of the script cannot be read or the speed is not above 0.
    pub async fn start(options: SimOptions) -> anyhow::Result<Self> {
        ensure!(options.speed > 0.0, "speed {} is not above 0", options.speed);
        let voices = Voices::new(&options.script)?;
        let listener = TcpListener::bind(options.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", options.listen))?;
        let address = listener.local_addr()?;
        let shared = Shared { script: options.script, voices, speed: options.speed, first_audio: options.first_audio };
        let service = Arc::new(Service {
            shared: Arc::new(shared),
            fault: options.fault,
            started: AtomicU64::new(0),
            places: Semaphore::new(SESSIONS_MAX),
        });
        Ok(Self { address, task: tokio::spawn(accept(listener, service)) })
    }

    /// The base URL, as `ws://127.0.0.1:9911/v1`.
    pub fn url(&self) -> String {
        format!("ws://{}/v1", self.address)
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, service: Arc<Service>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, Arc::clone(&service)));
            }
            // Out of file descriptors: wait for sessions to end rather than spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: TcpStream, service: Arc<Service>) {
    let place = service.places.try_acquire().ok();
    let number = service.started.fetch_add(1, Ordering::Relaxed);
    let fault = service.fault.filter(|plan| number < plan.sessions).map(|plan| plan.fault);
    let mut hello = Hello::default();
    let refused = if place.is_none() {
        Some(refusal(StatusCode::SERVICE_UNAVAILABLE, "server_overloaded", "Too many sessions."))
    } else if fault == Some(Fault::RateLimited) {
        Some(refusal(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", "Rate limit reached."))
    } else {
        None
    };
    #[expect(clippy::result_large_err, reason = "the handshake callback's type is tungstenite's")]
    let callback = |request: &Request, response: Response| match refused {
        Some(refused) => Err(refused),
        None => check_handshake(request).map(|asked| {
            hello = asked;
            response
        }),
    };
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(MESSAGE_BYTES_MAX);
    config.max_frame_size = Some(MESSAGE_BYTES_MAX);
    config.read_buffer_size = READ_BUFFER;
    // A piece must leave when it is due, not with the next one.
    let _ = stream.set_nodelay(true);
    let handshake = tokio_tungstenite::accept_hdr_async_with_config(stream, callback, Some(config));
    let Ok(Ok(mut socket)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await else {
        return;
    };
    if hello.beta {
        let error = json!({"type": "invalid_request_error", "code": "beta_api_shape_disabled", "param": null,
            "message": "The Realtime Beta API is no longer supported. Please use the GA API.", "event_id": null});
        let event = json!({"type": "error", "event_id": "event_1", "error": error});
        let _ = socket.send(Message::text(event.to_string())).await;
        let _ = socket.close(None).await;
        return;
    }
    let session = Session::new(Arc::clone(&service.shared), number, &hello.model, fault);
    serve(socket, session).await;
}

async fn serve(mut socket: WebSocketStream<TcpStream>, mut session: Session) {
    loop {
        while let Some(output) = session.poll_output() {
            let message = match output {
                Output::Text(text) => Message::Text(Utf8Bytes::from(text)),
                Output::Binary(bytes) => Message::Binary(Bytes::from(bytes)),
                Output::Reset => {
                    let _ = socket2::SockRef::from(socket.get_ref()).set_linger(Some(Duration::ZERO));
                    return;
                }
            };
            if socket.feed(message).await.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
        let due = session.poll_timeout();
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => session.handle_text(Instant::now(), &text),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                session.handle_timeout(Instant::now());
            }
        }
    }
}

#[expect(clippy::result_large_err, reason = "the handshake callback's type is tungstenite's")]
fn check_handshake(request: &Request) -> Result<Hello, ErrorResponse> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if request.uri().path() != "/v1/realtime" {
        return Err(refusal(StatusCode::NOT_FOUND, "not_found", "Invalid URL."));
    }
    if header("authorization").strip_prefix("Bearer ").is_none_or(|key| key.trim().is_empty()) {
        return Err(refusal(StatusCode::UNAUTHORIZED, "invalid_api_key", "Missing bearer authentication in header."));
    }
    let query = request.uri().query().unwrap_or_default();
    match query.split('&').find_map(|pair| pair.strip_prefix("model=")).filter(|model| !model.is_empty()) {
        Some(model) => Ok(Hello { model: model.to_owned(), beta: !header("openai-beta").is_empty() }),
        None => Err(refusal(StatusCode::BAD_REQUEST, "missing_model", "You must provide a model parameter.")),
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> ErrorResponse {
    let error = json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}});
    let mut response = ErrorResponse::new(Some(error.to_string()));
    *response.status_mut() = status;
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert("retry-after", 1.into());
    }
    response
}
