//! The connections of SIP, over TCP and TLS: listeners, those that we open, and which of them a message takes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use sip::endpoint::{Flow, Transmit, Transport};
use sip::uri::Host;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::SipMsg;
use super::connection::{Link, OUTGOING_MAX, serve, tell_closed};
use super::front::Front;
use super::places::{Place, Places};
use super::tls::Tls;
use crate::alarm::Owned;
use crate::mailbox::Mailbox;

/// A peer that does not take a connection within this is not there: the next target of RFC 3263 is tried long before its request's own
/// 32 s are over.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The writing side of a connection.
#[derive(Debug)]
pub struct Connection {
    flow: Flow,
    serial: u64,
    outgoing: mpsc::Sender<Bytes>,
    /// Names in the certificate that the peer showed.
    names: Vec<String>,
}

/// A connection in the table.
struct Entry {
    serial: u64,
    outgoing: mpsc::Sender<Bytes>,
    /// Whom we took the other side for when we opened it.
    peer: Option<Host>,
    /// Names in the certificate that it showed when it connected.
    names: Vec<String>,
}

/// All connections of an endpoint. They end with it.
pub(super) struct Streams {
    /// Of one flow there are several only over TLS, where hosts of several names may be at one address.
    connections: HashMap<Flow, Vec<Entry>>,
    shared: Arc<Shared>,
    listeners: Vec<Owned>,
    /// The connections that we opened.
    opened: JoinSet<()>,
}

/// What the tasks of connections have in common.
pub(super) struct Shared {
    places: Arc<Places>,
    tls: Option<Arc<Tls>>,
    front: Arc<Front>,
    quiet_max: Duration,
    serials: AtomicU64,
    me: Mailbox<SipMsg>,
}

impl Shared {
    pub fn new(places: Arc<Places>, tls: Option<Arc<Tls>>, front: Arc<Front>, quiet_max: Duration, me: Mailbox<SipMsg>) -> Self {
        Self { places, tls, front, quiet_max, serials: AtomicU64::new(0), me }
    }
}

impl Streams {
    pub fn new(shared: Shared) -> Self {
        Self { connections: HashMap::new(), shared: Arc::new(shared), listeners: Vec::new(), opened: JoinSet::new() }
    }

    /// Begins to take connections of this transport; the address as it is bound.
    pub fn listen(&mut self, transport: Transport, listen: SocketAddr) -> std::io::Result<SocketAddr> {
        let listener = open(listen)?;
        let local = listener.local_addr()?;
        self.listeners.push(Owned(tokio::spawn(accept(listener, transport, local, Arc::clone(&self.shared)))));
        Ok(local)
    }

    pub fn handle_opened(&mut self, connection: Connection) {
        let Connection { flow, serial, outgoing, names } = connection;
        // Its peer has this port now, so whatever was there is gone.
        self.connections.insert(flow, vec![Entry { serial, outgoing, peer: None, names }]);
    }

    /// False for one that another has taken the place of, or that stands beside it: the flow goes on.
    pub fn handle_closed(&mut self, flow: &Flow, serial: u64) -> bool {
        let Some(entries) = self.connections.get_mut(flow) else { return false };
        let before = entries.len();
        entries.retain(|entry| entry.serial != serial);
        let last = entries.is_empty();
        if last {
            self.connections.remove(flow);
        }
        last && before > 0
    }

    /// Queues a message, for a new connection if it may open one. False when it cannot go; a peer that reads too slowly is cut off.
    pub fn send(&mut self, transmit: Transmit) -> bool {
        let Transmit { flow, bytes, peer } = transmit;
        // Over TLS a connection is as good as whom it was verified to lead to.
        let fits = |entry: &Entry| flow.transport != Transport::Tls || peer.is_none() || entry.peer == peer;
        let entries = self.connections.entry(flow).or_default();
        let taken = match (entries.iter().rposition(fits), peer) {
            (Some(at), _) => {
                let taken = entries[at].outgoing.try_send(bytes).is_ok();
                if !taken {
                    entries.remove(at);
                }
                taken
            }
            (None, Some(peer)) => self.connect(flow, peer, bytes),
            (None, None) => false,
        };
        if self.connections.get(&flow).is_some_and(Vec::is_empty) {
            self.connections.remove(&flow);
        }
        taken
    }

    /// Who the peer of a connection is, as its certificate says.
    pub fn names(&self, flow: &Flow) -> &[String] {
        self.connections.get(flow).and_then(|entries| entries.last()).map_or(&[], |entry| &entry.names)
    }

    /// Connections by transport, for metrics.
    pub fn count(&self, transport: Transport) -> usize {
        self.connections.iter().filter(|(flow, _)| flow.transport == transport).map(|(_, entries)| entries.len()).sum()
    }

    fn connect(&mut self, flow: Flow, peer: Host, first: Bytes) -> bool {
        while self.opened.try_join_next().is_some() {}
        let Ok(place) = self.shared.places.take(flow.remote.ip()) else {
            return false;
        };
        let (outgoing, to_write) = mpsc::channel(OUTGOING_MAX);
        let serial = self.shared.serials.fetch_add(1, Relaxed);
        let queued = outgoing.try_send(first).is_ok();
        self.connections.entry(flow).or_default().push(Entry { serial, outgoing, peer: Some(peer.clone()), names: Vec::new() });
        let link = Link { flow, serial, to_write, opened_by_us: true, quiet_max: self.shared.quiet_max };
        self.opened.spawn(run_opened(link, peer, Arc::clone(&self.shared), place));
        queued
    }
}

fn open(listen: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(listen), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the last connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    super::separate_families(&socket, listen)?;
    socket.bind(&listen.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: TcpListener, transport: Transport, local: SocketAddr, shared: Arc<Shared>) {
    // Connections end with the listener: both end with the actor.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, remote)) => match shared.places.take(remote.ip()) {
                    Ok(place) => drop(connections.spawn({
                        let flow = Flow { transport, local, remote };
                        run_accepted(stream, flow, Arc::clone(&shared), place)
                    })),
                    Err(reason) => metrics::counter!("offhook_calls_rejected_total", "reason" => reason).increment(1),
                },
                // Out of files, or the peer has gone already: others may still be served.
                Err(error) => {
                    tracing::warn!(%error, "a SIP connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn run_accepted(stream: TcpStream, flow: Flow, shared: Arc<Shared>, _place: Place) {
    let Ok(()) = stream.set_nodelay(true) else { return };
    let (outgoing, to_write) = mpsc::channel(OUTGOING_MAX);
    let serial = shared.serials.fetch_add(1, Relaxed);
    let mut opened = Connection { flow, serial, outgoing, names: Vec::new() };
    let link = Link { flow, serial, to_write, opened_by_us: false, quiet_max: shared.quiet_max };
    match (&shared.tls, flow.transport) {
        (Some(tls), Transport::Tls) => {
            // Nobody is told of it before it has shown that it speaks TLS.
            if let Some(stream) = tls.accept(stream).await {
                opened.names = super::tls::names_of(&stream);
                carry(stream, opened, link, &shared).await;
            }
        }
        (None, Transport::Tls) => tracing::error!("a connection to a listener of TLS is closed: there is no certificate"),
        _ => carry(stream, opened, link, &shared).await,
    }
}

async fn carry(stream: impl AsyncRead + AsyncWrite + Unpin, opened: Connection, link: Link, shared: &Shared) {
    let (flow, serial, me) = (link.flow, link.serial, &shared.me);
    if me.send(SipMsg::ConnectionOpened(opened)).is_ok() {
        serve(stream, link, &shared.front, me).await;
        tell_closed(flow, serial, me).await;
    }
}

async fn run_opened(link: Link, peer: Host, shared: Arc<Shared>, _place: Place) {
    let (flow, serial, me, front) = (link.flow, link.serial, &shared.me, &shared.front);
    match tokio::time::timeout(CONNECT_MAX, connect_from(flow)).await {
        Ok(Ok(stream)) => match (&shared.tls, flow.transport) {
            (Some(tls), Transport::Tls) => {
                if let Some(stream) = tls.connect(stream, &peer).await {
                    serve(stream, link, front, me).await;
                }
            }
            (None, Transport::Tls) => tracing::debug!("no TLS is configured to connect by"),
            _ => serve(stream, link, front, me).await,
        },
        Ok(Err(error)) => tracing::debug!(%error, "a SIP connection could not be opened"),
        Err(_) => tracing::debug!("a SIP connection was not taken in time"),
    }
    tell_closed(flow, serial, me).await;
}

/// From the listener's own address, which carriers may know us by.
async fn connect_from(flow: Flow) -> std::io::Result<TcpStream> {
    let socket = if flow.remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if !flow.local.ip().is_unspecified() {
        socket.bind(SocketAddr::new(flow.local.ip(), 0))?;
    }
    let stream = socket.connect(flow.remote).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
