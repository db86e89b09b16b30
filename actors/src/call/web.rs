//! The call of a session: what carries it, and what a browser wants changed of it.

use store::{HangupCause, LegKind};
use tokio::sync::oneshot;

use super::{Call, CallMsg, CallPorts, Party, Phase, SessionCall};
use crate::config::Assistant;
use crate::leg::session::{Client, News, SessionIo, SessionWire};
use crate::leg::{RtpWire, SharedWay, TalkIo, Way, Wire, codec_of};
use crate::mailbox::Mailbox;
use crate::webrtc::{Agreed, BadOffer, answer_to};

/// What a leg is made of, until there is one.
pub(super) enum Waiting {
    Socket(Box<SessionIo>),
    WebRtc(Box<(Agreed, Option<TalkIo>)>),
}

impl Party {
    /// Whoever connected to a session with this assistant. Its client, if it can be told news, is told of the call.
    pub(super) fn session(assistant: &Assistant, wire: SessionWire, ports: &mut CallPorts) -> Self {
        let assistant = assistant.name.clone();
        let (waiting, client, local) = match wire {
            SessionWire::Socket(io) => {
                let client = Client::new(io.outgoing.clone());
                (Waiting::Socket(io), Some(client), None)
            }
            SessionWire::WebRtc(agreed) => {
                let local = Some(Box::new(agreed.local.clone()));
                let talk = agreed.has_channels().then(TalkIo::new);
                let client = talk.as_ref().map(|talk| talk.client.clone());
                (Waiting::WebRtc(Box::new((*agreed, talk))), client, local)
            }
        };
        if let Some(client) = &client {
            client.tell(&News::Connected(ports.id));
        }
        ports.client = client;
        Self::Session { assistant, wire: Some(waiting), local }
    }
}

impl Call {
    /// Somebody is connected to a session: that is its answer.
    pub(super) async fn open_session(&mut self, me: &Mailbox<CallMsg>) {
        let Party::Session { wire, .. } = &mut self.party else { return };
        let started = match (wire.take(), self.ports.client.clone()) {
            (Some(Waiting::Socket(io)), Some(client)) => {
                self.start_children(media::codec::Codec::Pcmu.into(), Wire::Session(io, client), me).await
            }
            (Some(Waiting::WebRtc(parts)), _) => {
                let (Agreed { negotiated, membership, .. }, talk) = *parts;
                let line = codec_of(negotiated.codec);
                let way = Way::Shared(SharedWay::new(membership));
                let wire = RtpWire { way, negotiated, identity: self.shared.dtls.clone(), talk };
                self.start_children(line, Wire::Rtp(Box::new(wire)), me).await
            }
            _ => return,
        };
        match started {
            Ok(()) => {
                let leg = self.party.leg_kind().as_str();
                metrics::histogram!("offhook_call_setup_seconds", "leg" => leg).record(self.arrived.elapsed());
                self.go_up();
            }
            Err(reason) => self.end(HangupCause::Failed, Some(reason), me),
        }
    }

    /// Another offer of a browser: hold, resume, a new address after a restart of ICE. The place at the port stays.
    pub(super) fn handle_offered(&mut self, offer: &[u8], reply: oneshot::Sender<Result<String, BadOffer>>) {
        let (Phase::Up { .. }, Party::Session { local: Some(local), .. }) = (&self.phase, &mut self.party) else { return };
        let _asker_left = reply.send(answer_to(offer, local).map(|(answer, negotiated)| {
            self.renegotiate(negotiated);
            answer
        }));
    }
}

impl SessionCall {
    /// What carries it, for records and metrics.
    pub(crate) fn leg_kind(&self) -> LegKind {
        match self.wire {
            SessionWire::Socket(_) => LegKind::Ws,
            SessionWire::WebRtc(_) => LegKind::Webrtc,
        }
    }
}
