//! A call of ours, from the wish to the answer: the INVITE, the ringing, early media, refusals.
//!
//! ```text
//! Begin --record safe--> INVITE --101-199--> heard and recorded, if it brings media --200--> the agent is started and greets
//! ```

use std::sync::Arc;
use std::time::Instant;

use ai::engine::Words;
use bytes::Bytes;
use sip::dialog::DialogId;
use sip::message::StatusCode;
use sip::sdp::{self, Negotiated, SdpError, SessionDescription};
use store::{CallId, Direction, HangupCause, OrganizationId, Refused, StoreWrite, WallTime};
use tokio::sync::oneshot;

use super::attempts::{Tries, outbound_invite, words};
use super::negotiate::settle;
use super::partner::Partner;
use super::screen::Screening;
use super::successor::Predecessor;
use super::{Call, CallMsg, Origin, Party, Phase};
use crate::calls::PlaceRefusal;
use crate::config::Assistant;
use crate::jitter_buffer::JitterMsg;
use crate::leg::{RtpWire, Way, Wire, codec_of};
use crate::mailbox::Mailbox;
use crate::route::{CallTerms, Route};
use crate::sip_endpoint::SipMsg;
use crate::spend::Talk;
use crate::store::StoreMsg;

/// What a call of ours is made from.
pub struct Placing {
    /// Who talks.
    pub assistant: Arc<Assistant>,
    /// Where it goes.
    pub route: Route,
    /// When it talks, for who counts what it costs.
    pub talk: Arc<Talk>,
    /// Who is told when its record is safe.
    pub placed: oneshot::Sender<Result<CallId, PlaceRefusal>>,
    /// What it is for.
    pub purpose: Purpose,
    /// How it is made and begun.
    pub terms: CallTerms,
}

/// What a call of ours is for.
pub enum Purpose {
    /// The agent talks with whoever answers.
    Own,
    /// A person is to answer, and talks with the party of another call: nobody of ours does.
    Partner(Partner),
    /// The agent goes on here with what it talked of in another call, whose peer wants it so.
    Successor(Predecessor),
}

impl Placing {
    /// Whose call it is: that of the call that it is for, else its assistant's.
    pub(super) fn organization(&self) -> &OrganizationId {
        match &self.purpose {
            Purpose::Own => &self.assistant.organization,
            Purpose::Partner(partner) => &partner.organization,
            Purpose::Successor(predecessor) => &predecessor.organization,
        }
    }
}

/// What a call of ours knows besides what every call knows.
pub(super) struct Placed {
    pub(super) route: Route,
    pub(super) talk: Arc<Talk>,
    /// There is no money for another minute.
    pub(super) money_spent: bool,
    reply: Option<oneshot::Sender<Result<CallId, PlaceRefusal>>>,
    /// When the INVITE went out.
    dialed: Option<Instant>,
    /// It rings.
    rang: bool,
    /// What early media was agreed on.
    early: Option<Negotiated>,
    /// What has failed on the way.
    pub(super) tries: Tries,
    /// A person is called for another call.
    person: bool,
    partner: Option<Partner>,
    pub(super) predecessor: Option<Predecessor>,
    /// What the callee's side said no with.
    pub(super) refused: Option<StatusCode>,
    /// What is known of the person who is called.
    pub(super) variables: Vec<(String, Words)>,
    /// Whoever answers is listened to first.
    pub(super) screening: Option<Screening>,
}

impl Placed {
    pub(super) fn new(placing: Placing) -> Self {
        let Placing { route, talk, placed, purpose, terms, .. } = placing;
        let (partner, predecessor) = match purpose {
            Purpose::Own => (None, None),
            Purpose::Partner(partner) => (Some(partner), None),
            Purpose::Successor(predecessor) => (None, Some(predecessor)),
        };
        Self {
            route,
            talk,
            money_spent: false,
            reply: Some(placed),
            dialed: None,
            rang: false,
            early: None,
            tries: Tries::default(),
            person: partner.is_some(),
            partner,
            predecessor,
            refused: None,
            variables: terms.variables,
            screening: terms.on_machine.map(Screening::new),
        }
    }
}

/// The longest words of a refusal that are kept, in bytes: it is the peer who chooses them.
const REASON_MAX: usize = 200;

/// The dialog of a call that has not sent its INVITE; a command for it does nothing.
pub(super) fn unnamed() -> DialogId {
    DialogId::new("", "", "")
}

/// Whether the SipEndpoint has not told the name yet.
pub(super) fn is_unnamed(dialog: &DialogId) -> bool {
    dialog.call_id.is_empty()
}

impl Party {
    /// Why a call ends in which this party hung up.
    pub(super) fn hung_up(&self) -> HangupCause {
        match self.direction() {
            Direction::Inbound => HangupCause::CallerHangup,
            Direction::Outbound => HangupCause::CalleeHangup,
        }
    }
}

impl Call {
    /// The call is safe on the record: our INVITE goes out.
    pub(super) fn dial(&mut self, me: &Mailbox<CallMsg>) {
        let Some(placed) = self.placed() else { return };
        if let Some(reply) = placed.reply.take() {
            let _asker_left = reply.send(Ok(self.id));
        }
        self.phase = Phase::Dialing;
        if let Err(reason) = self.send_invite(me) {
            return self.end(HangupCause::Failed, Some(reason), me);
        }
        self.after(self.shared.config.sip.ring_timeout, CallMsg::RingLate, me);
    }

    fn send_invite(&mut self, me: &Mailbox<CallMsg>) -> Result<(), String> {
        let Some(Placed { route, dialed, .. }) = self.placed() else { return Ok(()) };
        *dialed = Some(Instant::now());
        let route = route.clone();
        let (sockets, mut ours) = self.open_media(route.media)?;
        let offer = sdp::offer(&ours);
        ours.previous = Some(offer.clone());
        let credentials = route.trunk.as_ref().and_then(|trunk| trunk.credentials.clone());
        let mut invite = outbound_invite(route, offer);
        if let Some((name, value)) = self.shared.identity.header(self.id, &self.party.caller(), &self.party.called()) {
            invite.push_header(name, &value);
        }
        if let Party::Sip { local, offered, .. } = &mut self.party {
            *local = Some(Box::new(ours));
            *offered = Some(sockets);
        }
        let sent = self.shared.sip.send(SipMsg::Invite(Box::new(invite), credentials.map(Box::new), me.clone()));
        sent.map_err(|_| "the SIP endpoint takes no calls".to_owned())
    }

    /// The INVITE is out.
    pub(super) fn handle_dialing(&mut self, name: DialogId) {
        let external_id = name.call_id.to_string();
        self.shared.store.tell(StoreMsg::Write(StoreWrite::CallPlaced { call: self.id, external_id }));
        if let Party::Sip { dialog, .. } = &mut self.party
            && is_unnamed(dialog)
        {
            *dialog = name;
        }
    }

    /// The callee's telephone rings; with an answer to our offer there is something to hear. The agent stays silent.
    pub(super) async fn handle_callee_ringing(&mut self, answer: Option<Bytes>, me: &Mailbox<CallMsg>) {
        if !matches!(self.phase, Phase::Dialing) {
            return;
        }
        self.note_ringing(answer.is_some());
        let Some(answer) = answer else { return };
        match self.agree(&answer) {
            Ok(negotiated) => self.hear_early(negotiated, me).await,
            // The 200 may bring a better one.
            Err(error) => tracing::info!(call = %self.id, %error, "early media cannot be used"),
        }
    }

    fn note_ringing(&mut self, early: bool) {
        let Some(placed) = self.placed() else { return };
        if std::mem::replace(&mut placed.rang, true) {
            return;
        }
        let dialed = placed.dialed;
        tracing::info!(call = %self.id, early, "it rings");
        measure("ringing", dialed);
        self.draft.trace.reached(|setup| &mut setup.ringing);
        self.shared.store.tell(StoreMsg::Write(StoreWrite::CallRang { call: self.id, at: WallTime::now() }));
    }

    /// What this answer to our offer agrees on; another branch of a fork may still give another.
    fn agree(&self, answer: &Bytes) -> Result<Negotiated, SdpError> {
        let Party::Sip { local: Some(local), .. } = &self.party else { return Err(SdpError::NoAudio) };
        sdp::accept(&SessionDescription::parse(answer)?, local)
    }

    /// Early media is to be heard as this says.
    async fn hear_early(&mut self, negotiated: Negotiated, me: &Mailbox<CallMsg>) {
        if let Err(reason) = self.hear(negotiated, me).await {
            self.end(HangupCause::Failed, Some(reason), me);
        }
    }

    /// Early media is heard and recorded from now on, or goes on as another branch wants it.
    async fn hear(&mut self, negotiated: Negotiated, me: &Mailbox<CallMsg>) -> Result<(), String> {
        match self.take_offered() {
            Some(sockets) => {
                let codec = codec_of(negotiated.codec);
                let wire = Wire::Rtp(Box::new(RtpWire {
                    way: Way::Own(sockets),
                    negotiated: negotiated.clone(),
                    identity: self.shared.dtls.clone(),
                    talk: None,
                }));
                self.start_listening(codec, wire, me).await?;
            }
            None => self.follow(&negotiated),
        }
        self.keep_early(negotiated);
        Ok(())
    }

    /// The peer changed its early media by an offer of its own.
    pub(super) fn follow_early(&mut self, negotiated: Negotiated) {
        self.follow(&negotiated);
        self.keep_early(negotiated);
    }

    fn keep_early(&mut self, negotiated: Negotiated) {
        if let Some(placed) = self.placed() {
            placed.early = Some(negotiated);
        }
    }

    /// The callee picked up; the ACK is out. Without an answer of its own the 200 means the one that came before it (RFC 3262 §5).
    pub(super) async fn handle_callee_answered(&mut self, name: DialogId, answer: Option<Bytes>, me: &Mailbox<CallMsg>) {
        if !matches!(self.phase, Phase::Dialing) {
            return;
        }
        if let Party::Sip { dialog, .. } = &mut self.party {
            *dialog = name;
        }
        if let Some(placed) = self.placed() {
            placed.talk.answer(Instant::now());
        }
        let early = self.placed().and_then(|placed| placed.early.clone());
        let agreed = match answer {
            Some(answer) => self.agree(&answer),
            None => early.ok_or(SdpError::NoAudio),
        };
        let negotiated = match agreed {
            Ok(negotiated) => negotiated,
            Err(error) => return self.end(HangupCause::NoCodec, Some(error.to_string()), me),
        };
        if let Party::Sip { local: Some(local), .. } = &mut self.party {
            settle(local, &negotiated);
        }
        if let Err(reason) = self.begin_to_talk(negotiated, me).await {
            return self.end(HangupCause::Failed, Some(reason), me);
        }
        measure("answered", self.placed().and_then(|placed| placed.dialed));
        self.draft.trace.reached(|setup| &mut setup.ringing);
        self.draft.trace.reached(|setup| &mut setup.answered);
        tracing::info!(call = %self.id, "it is answered");
        self.go_up();
        self.come_in(me).await;
        self.follow_predecessor(me).await;
    }

    async fn begin_to_talk(&mut self, negotiated: Negotiated, me: &Mailbox<CallMsg>) -> Result<(), String> {
        match self.take_offered() {
            Some(sockets) => {
                let wire = RtpWire { way: Way::Own(sockets), negotiated, identity: self.shared.dtls.clone(), talk: None };
                let (codec, wire) = (codec_of(wire.negotiated.codec), Wire::Rtp(Box::new(wire)));
                match self.has_no_agent_yet() {
                    true => self.start_listening(codec, wire, me).await,
                    false => self.start_children(codec, wire, me).await,
                }
            }
            None => {
                self.follow(&negotiated);
                self.ports.jitter.tell(JitterMsg::Answered);
                if self.has_no_agent_yet() {
                    return Ok(());
                }
                self.start_agent(me).await
            }
        }
    }

    /// The wire of early media goes on as this says. The law in which the call works stays: leg and jitter buffer began with it.
    fn follow(&mut self, negotiated: &Negotiated) {
        if self.placed().is_none_or(|placed| placed.early.as_ref() == Some(negotiated)) {
            return;
        }
        self.draft.trace.media(codec_of(negotiated.codec));
        self.renegotiate(negotiated.clone());
    }

    /// The callee, or somebody on the way, said no.
    pub(super) fn handle_callee_refused(&mut self, status: StatusCode, reason: String, me: &Mailbox<CallMsg>) {
        let mut reason = reason;
        reason.truncate(reason.floor_char_boundary(REASON_MAX));
        let mut detail = words(status, &reason);
        if let Some(placed) = self.placed() {
            detail = placed.tries.explain(detail);
        }
        if let Some(placed) = self.placed() {
            placed.refused = Some(status);
        }
        let refused = Refused { code: status.code(), reason };
        self.shared.store.tell(StoreMsg::Write(StoreWrite::CallRefused { call: self.id, refused }));
        if let Party::Sip { open, .. } = &mut self.party {
            *open = false;
        }
        self.end(cause_of(status), Some(detail), me);
    }

    /// Nobody picked up: the call is called back.
    pub(super) fn handle_ring_late(&mut self, me: &Mailbox<CallMsg>) {
        if matches!(self.phase, Phase::Dialing) {
            let patience = self.shared.config.sip.ring_timeout;
            self.end(HangupCause::NoAnswer, Some(format!("nobody picked up within {patience:?}")), me);
        }
    }

    /// Why a call ends that somebody wants to end: a call of ours that nobody picked up is taken back.
    pub(super) fn cause_before_answer(&self, cause: HangupCause) -> HangupCause {
        let taken_back = cause == HangupCause::OperatorHangup && matches!(self.phase, Phase::Arriving | Phase::Dialing);
        if taken_back { HangupCause::Cancelled } else { cause }
    }

    /// Whether a person talks here, for another call, and no agent ever does.
    pub(super) fn is_person(&self) -> bool {
        matches!(&self.party, Party::Sip { origin: Origin::Placed(placed), .. } if placed.person)
    }

    /// Whether nobody of ours talks from the answer on: a person does, or what was said before is waited for.
    fn has_no_agent_yet(&mut self) -> bool {
        self.is_person() || self.placed().is_some_and(|placed| placed.predecessor.is_some())
    }

    pub(super) fn partner(&mut self) -> Option<&mut Partner> {
        self.placed()?.partner.as_mut()
    }

    pub(super) fn placed(&mut self) -> Option<&mut Placed> {
        match &mut self.party {
            Party::Sip { origin: Origin::Placed(placed), .. } => Some(placed.as_mut()),
            _ => None,
        }
    }

    /// The same, to look at.
    pub(super) fn placed_now(&self) -> Option<&Placed> {
        match &self.party {
            Party::Sip { origin: Origin::Placed(placed), .. } => Some(placed),
            _ => None,
        }
    }

    fn take_offered(&mut self) -> Option<crate::leg::ports::RtpSockets> {
        match &mut self.party {
            Party::Sip { offered, .. } => offered.take(),
            Party::Session { .. } | Party::Twilio { .. } => None,
        }
    }
}

/// How long the callee's side took, from our INVITE on.
fn measure(until: &'static str, dialed: Option<Instant>) {
    if let Some(dialed) = dialed {
        metrics::histogram!("offhook_dial_seconds", "until" => until).record(dialed.elapsed());
    }
}

/// What a refusal of the callee's side means (RFC 3261 §21, RFC 8197, RFC 8688).
pub(super) fn cause_of(status: StatusCode) -> HangupCause {
    match status.code() {
        486 | 600 => HangupCause::Busy,
        408 | 480 => HangupCause::NoAnswer,
        404 | 410 | 416 | 484 | 485 | 604 => HangupCause::InvalidNumber,
        401 | 402 | 403 | 405 | 407 | 428..=438 | 603 => HangupCause::Declined,
        406 | 415 | 488 | 606 => HangupCause::NoCodec,
        607 | 608 => HangupCause::Unwanted,
        500..=599 => HangupCause::Unavailable,
        _ => HangupCause::Failed,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_causes() {
        let of = |code| cause_of(StatusCode::new(code).unwrap()).as_str();
        let codes = [486, 600, 480, 408, 404, 484, 604, 403, 401, 407, 603, 488, 606, 607, 608, 503, 500, 504, 302, 487, 699];
        let causes: Vec<&str> = codes.into_iter().map(of).collect();
        let expected = "busy busy no_answer no_answer invalid_number invalid_number invalid_number declined declined declined \
                        declined no_codec no_codec unwanted unwanted unavailable unavailable unavailable failed failed failed";
        assert_eq!(causes.join(" "), expected);
    }
}
