//! The HTTP front doors' view of the node: their questions become messages, with a deadline.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actors::bridge::{AgentPart, Attendance, Part, RoomOrder};
use actors::call::{CallOut, CallOutMode, OnMachine, SessionCall};
use actors::calls::{CallsMsg, Guest, PlaceRefusal as NotPlaced, Refusal, StreamRefusal as CallsStreamRefusal};
use actors::config::Assistant;
use actors::jitter_buffer::LiveMedia;
use actors::leg::session::SessionWire;
use actors::leg::twilio::{StreamIo as LegStream, TwilioCall};
use actors::node::NodeHandle;
use actors::route::{CallTerms, NoRoute, PlaceCall};
use actors::webrtc;
use api::{
    CallAction, CallGate, CallWish, IncomingTwilio, JoinPart, MediaFigures, NoAssistant, PlaceRefusal, Readiness,
    ReceivedFigures, RecordsAway, SessionIo, SessionRefusal, SessionStart, StreamIo, StreamRefusal, StreamStart, TwilioAnswer,
    TwilioRefusal, TwilioStatus, WebRtcRefusal,
};
use futures_util::future::BoxFuture;
use store::{CallId, CallRecord, OrganizationId, SipLadder, Store};
use tokio::sync::oneshot;

/// A node that cannot answer within this is not well; Twilio waits 15 s at most for the whole webhook.
const ANSWER_MAX: Duration = Duration::from_secs(4);

/// The node behind the HTTP front doors.
pub struct Gate {
    /// The actors.
    pub node: NodeHandle,
    /// For readiness.
    pub database: Store,
}

impl Gate {
    /// Asks Calls; `None` when it cannot be asked or does not answer in time.
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> CallsMsg) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.node.shared.calls.send(question(reply)).ok()?;
        tokio::time::timeout(ANSWER_MAX, answer).await.ok()?.ok()
    }

    /// The assistant that an organization knows by this name.
    fn assistant_of(&self, organization: &OrganizationId, name: &str) -> Option<Arc<Assistant>> {
        let directory = self.node.shared.directory.load();
        directory.assistants.iter().find(|one| one.organization == *organization && one.name == name).cloned()
    }

    /// Has Calls take a session that somebody has connected to.
    async fn start_session(&self, start: SessionStart, wire: SessionWire) -> Result<(), SessionRefusal> {
        let SessionStart { id, organization, assistant } = start;
        let assistant = self.assistant_of(&organization, &assistant).ok_or(SessionRefusal::UnknownAssistant)?;
        let session = Box::new(SessionCall { organization, assistant, wire });
        match self.ask(|reply| CallsMsg::Session(id, session, reply)).await {
            Some(Ok(())) => Ok(()),
            Some(Err(Refusal::Draining)) => Err(SessionRefusal::Draining),
            Some(Err(Refusal::UsageLimit)) => Err(SessionRefusal::UsageLimit),
            Some(Err(Refusal::AtCapacity | Refusal::CpuBusy)) => Err(SessionRefusal::AtCapacity),
            Some(Err(_)) | None => Err(SessionRefusal::Failed),
        }
    }

    async fn order(&self, id: CallId, order: RoomOrder) -> Option<bool> {
        self.ask(|reply| CallsMsg::Room(id, order, reply)).await
    }

    /// Brings a call into the conference of another one; where that is in none, into a new one with it.
    async fn join(&self, id: CallId, with: CallId, part: JoinPart) -> bool {
        let rooms = self.ask(CallsMsg::Rooms).await.unwrap_or_default();
        let room = rooms.iter().find(|(_, roster)| roster.guests.iter().any(|(call, _)| *call == with)).map(|(room, _)| *room);
        let (party, agent) = match part {
            JoinPart::Talks => (Part::Talks, AgentPart::Away),
            JoinPart::ListensIn => (Part::ListensIn, AgentPart::Talks),
            JoinPart::Whispers => (Part::Whispers(with), AgentPart::Talks),
        };
        let guest = |call, party, agent| Guest { call, attendance: Attendance { party, agent, ..Attendance::default() } };
        // A supervisor comes to what there is, its own agent stays away.
        let other = room.is_none().then(|| guest(with, Part::Talks, agent));
        let guests = other.into_iter().chain([guest(id, party, AgentPart::Away)]).collect();
        self.ask(|reply| CallsMsg::Bridge(guests, room, reply)).await.is_some_and(|joined| joined.is_ok())
    }
}

impl CallGate for Gate {
    fn twilio_incoming(&self, call: IncomingTwilio) -> BoxFuture<'_, Result<TwilioAnswer, TwilioRefusal>> {
        Box::pin(async move {
            let call = TwilioCall { call_sid: call.call_sid, from: call.from, to: call.to };
            match self.ask(|reply| CallsMsg::TwilioIncoming(call, reply)).await {
                Some(Ok(call)) => Ok(TwilioAnswer { call }),
                Some(Err(
                    Refusal::AtCapacity | Refusal::CpuBusy | Refusal::Spend(_) | Refusal::Trunk(_) | Refusal::TrunkDown,
                )) => Err(TwilioRefusal::AtCapacity),
                Some(Err(Refusal::Draining)) => Err(TwilioRefusal::Draining),
                Some(Err(Refusal::UnknownNumber)) => Err(TwilioRefusal::UnknownNumber),
                Some(Err(Refusal::UsageLimit)) => Err(TwilioRefusal::UsageLimit),
                Some(Err(Refusal::Failed)) | None => Err(TwilioRefusal::Failed),
            }
        })
    }

    fn twilio_status(&self, status: TwilioStatus) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if status.status.is_final() {
                self.node.shared.calls.tell(CallsMsg::TwilioEnded(status.call_sid));
            }
        })
    }

    fn attach_stream(&self, start: StreamStart, io: StreamIo) -> BoxFuture<'_, Result<(), StreamRefusal>> {
        Box::pin(async move {
            let stream = LegStream {
                stream_sid: start.stream_sid,
                account_sid: start.account_sid,
                parameters: start.parameters.0.into_iter().map(|(name, value)| (name, value.into())).collect(),
                incoming: io.incoming,
                outgoing: io.outgoing,
            };
            match self.ask(|reply| CallsMsg::TwilioStream(start.call, stream, reply)).await {
                Some(Ok(())) => Ok(()),
                Some(Err(CallsStreamRefusal::AlreadyAttached)) => Err(StreamRefusal::AlreadyAttached),
                Some(Err(CallsStreamRefusal::UnknownCall)) => Err(StreamRefusal::UnknownCall),
                Some(Err(CallsStreamRefusal::Failed)) | None => Err(StreamRefusal::Failed),
            }
        })
    }

    fn place_call(&self, wish: CallWish) -> BoxFuture<'_, Result<CallId, PlaceRefusal>> {
        Box::pin(async move {
            let CallWish { to, from, assistant, trunk, on_machine } = wish;
            let on_machine = on_machine.map(|action| match action {
                api::OnMachine::HangUp => OnMachine::HangUp,
                api::OnMachine::Say(words) => OnMachine::Say(words.into()),
                api::OnMachine::Tell => OnMachine::Tell,
            });
            let terms = CallTerms { on_machine, ..CallTerms::default() };
            let asked = Box::new(PlaceCall { to, from, assistant, trunk, terms });
            match self.ask(|reply| CallsMsg::Place(asked, reply)).await {
                Some(Ok(id)) => Ok(id),
                Some(Err(NotPlaced::Asked(NoRoute { field, reason }))) => Err(PlaceRefusal::Field { field, reason }),
                Some(Err(NotPlaced::Node(Refusal::AtCapacity | Refusal::CpuBusy))) => Err(PlaceRefusal::AtCapacity),
                Some(Err(NotPlaced::Node(Refusal::Draining))) => Err(PlaceRefusal::Draining),
                Some(Err(NotPlaced::Node(refusal @ (Refusal::Spend(_) | Refusal::Trunk(_) | Refusal::TrunkDown)))) => {
                    Err(PlaceRefusal::Trunk { reason: refusal.to_string(), retry_after: refusal.status().1.unwrap_or_default() })
                }
                Some(Err(NotPlaced::Node(Refusal::UsageLimit))) => Err(PlaceRefusal::UsageLimit),
                Some(Err(NotPlaced::Node(Refusal::Failed | Refusal::UnknownNumber))) | None => Err(PlaceRefusal::Failed),
            }
        })
    }

    fn find_call(&self, id: CallId) -> BoxFuture<'_, Result<Option<CallRecord>, RecordsAway>> {
        Box::pin(async move {
            self.database.call(id).await.map_err(|error| {
                tracing::warn!(call = %id, %error, "a record cannot be read");
                RecordsAway
            })
        })
    }

    fn find_ladder(&self, call: &CallRecord) -> BoxFuture<'_, Result<Option<SipLadder>, RecordsAway>> {
        let (id, external_id, near) = (call.call.id, call.call.external_id.clone(), call.call.created_at);
        Box::pin(async move {
            self.database.sip_ladder(&external_id, near).await.map_err(|error| {
                tracing::warn!(call = %id, %error, "the messages of a call cannot be read");
                RecordsAway
            })
        })
    }

    fn capture_of(&self, ladder: &SipLadder) -> Vec<u8> {
        actors::capture::pcap_of(ladder)
    }

    fn act(&self, id: CallId, action: CallAction) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let done = match action {
                CallAction::HangUp => self.ask(|reply| CallsMsg::HangUp(id, reply)).await,
                CallAction::Join(with, part) => Some(self.join(id, with, part).await),
                CallAction::Transfer(CallWish { to, from, assistant, trunk, .. }) => {
                    // What becomes of it is heard on the line and told by the records.
                    let (reply, _) = oneshot::channel();
                    let asked = PlaceCall { to, from, assistant, trunk, terms: CallTerms::default() };
                    let wanted = Box::new(CallOut { asked, mode: CallOutMode::Blind, reply });
                    self.ask(|reply| CallsMsg::Consult(id, wanted, reply)).await
                }
                CallAction::Hold => self.order(id, RoomOrder::Party(Part::OnHold)).await,
                CallAction::Mute => self.order(id, RoomOrder::Party(Part::Muted)).await,
                CallAction::Resume => self.order(id, RoomOrder::Party(Part::Talks)).await,
                CallAction::Leave => self.order(id, RoomOrder::Leave).await,
            };
            done.unwrap_or(false)
        })
    }

    fn recording_file(&self, path: &str) -> Option<PathBuf> {
        let path = Path::new(path);
        let ours = path.components().all(|part| matches!(part, Component::Normal(_)));
        ours.then(|| self.node.shared.config.data_dir.join(path))
    }

    fn media(&self, id: CallId) -> BoxFuture<'_, Option<MediaFigures>> {
        Box::pin(async move {
            let LiveMedia { codec, received, round_trip } = self.ask(|reply| CallsMsg::Media(id, reply)).await?;
            let received = received.map(|actors::jitter_buffer::Received { totals, mos }| ReceivedFigures {
                packets: totals.received,
                lost: totals.lost,
                late: totals.late,
                concealed: totals.concealed,
                jitter: totals.jitter,
                buffer: totals.delay,
                round_trip,
                mos,
            });
            Some(MediaFigures { codec, received })
        })
    }

    fn assistant(&self, organization: &OrganizationId, wanted: Option<&str>) -> Result<String, NoAssistant> {
        let found = match wanted {
            Some(name) => self.assistant_of(organization, name).ok_or("there is no assistant of this name"),
            None => {
                let default = self.node.shared.directory.load().default.clone();
                default.filter(|one| one.organization == *organization).ok_or("is missing: there is no default assistant")
            }
        };
        found.map(|assistant| assistant.name.clone()).map_err(|reason| NoAssistant(reason.to_owned()))
    }

    fn open_session(&self, start: SessionStart, io: SessionIo) -> BoxFuture<'_, Result<(), SessionRefusal>> {
        Box::pin(self.start_session(start, SessionWire::Socket(Box::new(io))))
    }

    fn has_webrtc(&self) -> bool {
        self.node.shared.config.webrtc.is_some()
    }

    fn open_webrtc(&self, start: SessionStart, offer: Vec<u8>) -> BoxFuture<'_, Result<String, WebRtcRefusal>> {
        Box::pin(async move {
            let shared = &self.node.shared;
            let port = shared.config.webrtc.as_ref().ok_or(WebRtcRefusal::Off)?;
            let agreed = webrtc::agree(port, shared.dtls.fingerprint().to_string(), &offer);
            let agreed = agreed.map_err(|error| WebRtcRefusal::Offer(error.to_string()))?;
            let answer = agreed.answer.clone();
            self.start_session(start, SessionWire::WebRtc(Box::new(agreed))).await?;
            Ok(answer)
        })
    }

    fn offer_again(&self, id: CallId, offer: Vec<u8>) -> BoxFuture<'_, Option<Result<String, String>>> {
        Box::pin(async move {
            let answered = self.ask(|reply| CallsMsg::Offered(id, offer, reply)).await?;
            Some(answered.map_err(|error| error.to_string()))
        })
    }

    fn leave(&self, id: CallId) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.ask(|reply| CallsMsg::Left(id, reply)).await.unwrap_or(false) })
    }

    fn type_into(&self, id: CallId, words: String) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.ask(|reply| CallsMsg::Typed(id, words.into(), reply)).await.unwrap_or(false) })
    }

    fn readiness(&self) -> BoxFuture<'_, Readiness> {
        Box::pin(async move {
            let mut reasons = Vec::new();
            if self.node.shared.draining() {
                reasons.push("draining".to_owned());
            }
            if self.node.shared.sip.mailbox().is_none() {
                reasons.push("sip: not listening".to_owned());
            }
            if let Err(error) = self.database.ping().await {
                reasons.push(format!("database: {error}"));
            }
            Readiness { reasons }
        })
    }
}
