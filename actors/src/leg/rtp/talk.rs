//! What a peer is told and tells over a data channel: the messages of a session's socket, but for the audio.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::channel::{ChannelEvent, Channels, MESSAGE_MAX};
use sip::sdp::Negotiated;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::secure::Secure;
use crate::call::{CallPorts, LegClosed};
use crate::leg::session::{Client, ClientFrame, News, SessionOut, Typing, read_message};

/// What comes from the call, for a leg that has data channels.
#[derive(Debug)]
pub struct TalkIo {
    /// Who writes to it.
    pub client: Client,
    /// What is to be told; what does not fit is lost, since a call is not ended for it.
    pub outgoing: mpsc::Receiver<SessionOut>,
}

impl TalkIo {
    /// With a client that nobody has told anything.
    pub(crate) fn new() -> Self {
        let (to_peer, outgoing) = mpsc::channel(WAITING_MAX);
        Self { client: Client::new(to_peer), outgoing }
    }
}

/// News that wait for a data channel: those of the beginning, until the browser has opened it, and as many again.
const WAITING_MAX: usize = 128;

/// Both directions of it.
pub(super) struct Talk {
    io: TalkIo,
    channels: Channels,
    typing: Typing,
    ports: CallPorts,
}

/// News that are sent in one tick: as many as a call has in a busy second.
const NEWS_MAX: usize = 64;

impl Talk {
    pub(super) fn new(io: TalkIo, negotiated: &Negotiated, ports: CallPorts) -> Self {
        let data = negotiated.dtls.as_ref().and_then(|dtls| dtls.data.as_ref());
        let channels = Channels::new(data.map_or(MESSAGE_MAX, |data| data.message_max));
        Self { io, channels, typing: Typing::default(), ports }
    }

    /// One tick: takes what has come, and sends what there is to tell. Tells when the peer wants no more.
    pub(super) fn handle_tick(&mut self, now: Instant, secure: &mut Secure) -> Option<LegClosed> {
        let session = secure.session()?;
        while let Some(data) = session.poll_data() {
            self.channels.handle_data(now, data.freeze());
        }
        if self.channels.poll_timeout().is_some_and(|due| due <= now) {
            self.channels.handle_timeout(now);
        }
        let mut closed = None;
        while let Some(event) = self.channels.poll_event() {
            match event {
                ChannelEvent::Opened => tracing::debug!(call = %self.ports.id, "the peer has opened a data channel"),
                ChannelEvent::Text(text) => closed = self.handle_text(&text).or(closed),
                ChannelEvent::Refused => self.refuse("bad_message", "a message is a text of 64 KiB at most"),
            }
        }
        for _ in 0..NEWS_MAX {
            if !self.channels.is_ready() {
                break;
            }
            let Ok(SessionOut::Text(text)) = self.io.outgoing.try_recv() else { break };
            self.channels.send(now, &text);
        }
        self.transmit(now, secure);
        closed
    }

    /// Writes out how much news was lost since the last time.
    pub(super) fn flush(&self) {
        metrics::counter!("offhook_mailbox_dropped_total", "actor" => "leg").increment(self.io.client.take_dropped());
    }

    fn transmit(&mut self, now: Instant, secure: &mut Secure) {
        let Some(session) = secure.session() else { return };
        while let Some(data) = self.channels.poll_transmit() {
            session.send(now, &data);
        }
    }

    fn handle_text(&mut self, text: &str) -> Option<LegClosed> {
        let done = match read_message(text) {
            Ok(ClientFrame::EndSession) => return Some(LegClosed::ByPeer),
            Ok(ClientFrame::Typed(words)) => self.typing.take(words, &self.ports),
            Ok(ClientFrame::Audio { .. }) => {
                return self.refused("bad_audio", "audio comes over the connection itself, not in messages");
            }
            Err(bad) => Err(bad),
        };
        if let Err(bad) = done {
            self.refuse(bad.code, &bad.message);
        }
        None
    }

    fn refused(&self, code: &'static str, message: &str) -> Option<LegClosed> {
        self.refuse(code, message);
        None
    }

    fn refuse(&self, code: &'static str, message: &str) {
        self.io.client.tell(&News::Error { code, message });
    }
}

/// What the rest of a call may take to tell its last, and the peer to take it: the children have 5 s to finish.
const LAST_WORDS_MAX: Duration = Duration::from_secs(6);
/// How long the peer is given to take the very last message.
const TAKEN_MAX: Duration = Duration::from_secs(1);
/// As often as a leg looks.
const STEP: Duration = Duration::from_millis(20);

/// Tells the peer what the call still has to tell, why it ended, and that nobody is here any more, when the leg has gone.
pub(super) fn say_goodbye(socket: UdpSocket, secure: Box<Secure>, talk: Option<Box<Talk>>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        let mut parting = Parting { socket, secure };
        if let Some(mut talk) = talk {
            let _took_too_long = timeout(LAST_WORDS_MAX, parting.tell(&mut talk)).await;
        }
        if let Some(session) = parting.secure.session() {
            session.close(Instant::now());
        }
        parting.secure.transmit(&parting.socket);
    });
}

/// A leg that is gone but for its goodbye.
struct Parting {
    socket: UdpSocket,
    secure: Box<Secure>,
}

impl Parting {
    async fn tell(&mut self, talk: &mut Talk) {
        // A call that crashed tells nothing more: then the time is up.
        while let Some(out) = talk.io.outgoing.recv().await {
            let (text, last) = match out {
                SessionOut::Text(text) => (text, false),
                SessionOut::End(text) => (text, true),
                SessionOut::Binary(_) => continue,
            };
            talk.channels.send(Instant::now(), &text);
            self.step(talk);
            if last {
                break;
            }
        }
        let deadline = Instant::now() + TAKEN_MAX;
        while !talk.channels.is_drained() && Instant::now() < deadline {
            sleep(STEP).await;
            self.step(talk);
        }
    }

    /// What a tick of the leg was.
    fn step(&mut self, talk: &mut Talk) {
        let (now, mut room) = (Instant::now(), [0; 1_500]);
        if let Some(session) = self.secure.session() {
            while let Ok((length, _)) = self.socket.recv_from(&mut room) {
                if media::demux::Protocol::of(&room[..length]) == media::demux::Protocol::Dtls {
                    session.handle_datagram(now, &room[..length]);
                }
            }
            while let Some(data) = session.poll_data() {
                talk.channels.handle_data(now, Bytes::from(data));
            }
        }
        talk.channels.handle_timeout(now);
        talk.transmit(now, &mut self.secure);
        self.secure.transmit(&self.socket);
    }
}
