//! The simulator's connections: HTTP, and the WebSockets that it is upgraded to.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::faults::{Fault, FaultPlan, Plans, Stage};
use super::log::{self, Log};
use super::provider::Provider;
use super::realtime::Voices;
use super::route;
use super::script::Script;
use super::sound::Sounds;
use super::stripe::Events;

/// Most connections at once: four for each of as many calls as callers place (three stages, and one more request). One
/// more is closed at once.
pub const CONNECTIONS_MAX: usize = 4 * crate::plan::CONCURRENCY_MAX as usize;
/// The head of a request that takes longer is dropped, so that silent connections hold nothing. It is also how long a
/// connection may rest between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// A client that takes none of an answer for this long is gone.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest head of a request.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How a simulator is started.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What is heard and said.
    pub script: Script,
    /// A fault on top of the script's own.
    pub fault: Option<FaultPlan>,
    /// Realtime: time to the first audio of an answer where the script says nothing. Default 300 ms.
    pub first_audio: Duration,
    /// How many times faster than real time audio is produced, above 0. Default 4.
    pub speed: f64,
}

/// A simulator that takes connections until it is dropped. Those that are open then go on.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What all sessions of a simulator share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub script: Script,
    pub voices: Voices,
    pub sounds: Sounds,
    /// How many times faster than real time audio is produced.
    pub speed: f64,
    /// Realtime: time to the first audio where the script says nothing.
    pub first_audio: Duration,
    pub log: Log,
    pub plans: Plans,
    /// Files transcribed so far: which of the script's turns the next one is.
    pub transcribed: AtomicU64,
    /// What a payment service was told.
    pub stripe: Events,
    ids: AtomicU64,
    /// How often each turn's own fault has struck.
    struck: Vec<AtomicU64>,
}

impl SimOptions {
    /// The defaults on one address.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, script: Script::default(), fault: None, first_audio: Duration::from_millis(300), speed: 4.0 }
    }
}

impl Shared {
    pub(super) fn new(options: SimOptions) -> anyhow::Result<Self> {
        ensure!(options.speed > 0.0, "speed {} is not above 0", options.speed);
        let SimOptions { script, fault, first_audio, speed, .. } = options;
        Ok(Self {
            voices: Voices::new(&script)?,
            sounds: Sounds::default(),
            speed,
            first_audio,
            log: Log::new(),
            plans: Plans::new(fault.into_iter().chain(script.faults.iter().copied())),
            transcribed: AtomicU64::new(0),
            stripe: Events::default(),
            ids: AtomicU64::new(1),
            struck: script.turns.iter().map(|_| AtomicU64::new(0)).collect(),
            script,
        })
    }

    /// A number that no other session or request of this simulator has.
    pub(super) fn id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// The fault of a Realtime response, as [`Script::turn`] chooses its turn.
    pub(super) fn realtime_fault(&self, answered: usize, committed: bool) -> Option<Fault> {
        match &self.script.greeting {
            Some(greeting) if !committed && answered == 0 => greeting.fault,
            _ => self.turn_fault(answered % self.script.turns.len(), Stage::Realtime, Provider::OpenAi),
        }
    }

    /// The fault of a turn of the script, where one is due.
    pub(super) fn turn_fault(&self, place: usize, stage: Stage, provider: Provider) -> Option<Fault> {
        let turn = self.script.turns.get(place)?;
        let here = turn.fault_stage.map_or(matches!(stage, Stage::Llm | Stage::Realtime), |it| it == stage);
        let fault = turn.fault.filter(|_| here && turn.fault_provider.is_none_or(|it| it == provider))?;
        (self.struck[place].fetch_add(1, Ordering::Relaxed) < turn.fault_times.unwrap_or(u64::MAX)).then_some(fault)
    }
}

#[cfg(test)]
impl Shared {
    /// For tests: a script with the defaults.
    pub(super) fn of(script: Script) -> Self {
        let options = SimOptions { script, ..SimOptions::new(SocketAddr::from(([127, 0, 0, 1], 0))) };
        Self::new(options).expect("the defaults are good")
    }
}

impl Simulator {
    /// Binds and serves on the current tokio runtime.
    ///
    /// # Errors
    /// When the address is taken, a WAV file of the script cannot be read or the speed is not above 0.
    pub async fn start(options: SimOptions) -> anyhow::Result<Self> {
        let listen = options.listen;
        let shared = Arc::new(Shared::new(options)?);
        let listener = TcpListener::bind(listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// What a provider's `base_url` must be, as `http://127.0.0.1:9911/v1`; WebSockets are at the same place.
    pub fn url_for(&self, provider: Provider) -> String {
        format!("http://{}{}", self.address, provider.base_path())
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What arrived so far, the oldest first, at most 2,000 of them. `GET /sim/log` is the same as JSON.
    pub fn requests(&self) -> Vec<log::Request> {
        self.shared.log.all()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    connection(stream, shared, Arc::new(place)).await;
                });
            }
            // Out of file descriptors: wait for sessions to end rather than spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// A place among the connections, given back when the last holder drops it: the connection, or the session on it.
pub(super) type Place = Arc<tokio::sync::OwnedSemaphorePermit>;

async fn connection(stream: TcpStream, shared: Arc<Shared>, place: Place) {
    // A piece must leave when it is due, not with the next one.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD_TIMEOUT));
    let reset = Arc::new(AtomicBool::new(false));
    let stream = Resettable { stream, reset: Arc::clone(&reset) };
    let mut http = Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX).half_close(false);
    let service = service_fn(|request: Request<Incoming>| {
        let (shared, reset, place) = (Arc::clone(&shared), Arc::clone(&reset), Arc::clone(&place));
        async move { Ok::<Response<Body>, Infallible>(route::answer(request, shared, reset, place).await) }
    });
    let _broken = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// A connection whose end can be made a reset, as of a crashed peer.
struct Resettable {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Resettable {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Resettable {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Resettable {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, octets)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        // A shutdown would be an orderly end.
        if self.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
