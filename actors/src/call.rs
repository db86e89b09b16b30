//! Call: one conversation. Owns its state, the draft of its record, and its legs; everything that makes sound is a child of it.
//!
//! ```text
//! Arriving --Begin--> Ringing --record safe, rung long enough--> Up --hang-up by anyone--> Ending --children done--> stopped
//!     |                  |                                        |
//!     +--refused---------+--cancelled-----------------------------+----------------------> Ending
//! ours:
//! Arriving --record safe: INVITE--> Dialing --200--> Up
//!     |                               |
//!     +-------------------------------+--refused, nobody picked up: CANCEL---------------> Ending
//! ```

mod arrive;
mod attempts;
mod bridge;
mod children;
mod draft;
pub(crate) mod finish;
mod identity;
mod message;
mod meter;
mod negotiate;
mod partner;
mod place;
mod ports;
mod screen;
mod successor;
mod trace;
mod transfer;
mod warm;
mod web;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ai::engine::Words;
use media::codec::Codec;
use media::dtmf::Digit;
use media::relay::RelayTerms;
use media::rtp::PayloadTypes;
use ractor::ActorId;
use sip::dialog::DialogId;
use sip::endpoint::{DialogSnapshot, Event, Flow};
use sip::identity::Verdict;
use sip::message::Request;
use sip::sdp::LocalMedia;
use store::{CallId, HangupCause, OrganizationId};

use crate::ai_session::AiMsg;
use crate::alarm::Owned;
pub use crate::call::bridge::Invitation;
use crate::call::draft::Draft;
pub use crate::call::message::{CallMsg, LegClosed};
pub(crate) use crate::call::negotiate::settle as settle_media;
pub use crate::call::partner::{CallOut, CallOutMode, Consultation, Partner, PartnerDialog, PartnerNews};
pub use crate::call::place::{Placing, Purpose};
pub use crate::call::ports::CallPorts;
pub use crate::call::screen::OnMachine;
pub use crate::call::successor::{Predecessor, SuccessorNews};
use crate::call::trace::CallTracer;
use crate::call::transfer::{Transfer, cause_of_cancel};
use crate::clock::Ticking;
use crate::config::{Answering, Assistant};
use crate::kind::ActorKind;
use crate::leg::ports::RtpSockets;
use crate::leg::session::SessionWire;
use crate::leg::twilio::TwilioCall;
use crate::mailbox::Mailbox;
use crate::media_threads::Seat;
use crate::recall::Recall;
use crate::shared::Shared;
use crate::sip_endpoint::SipMsg;
use crate::supervision::Budget;
use crate::trace::TracedCall;
use crate::trunk::caller::Numbers;
use crate::trunk::config::TrunkConfig;
use crate::worker::{Ended, Failure, Worker};

/// How a call comes in.
pub enum Arrival {
    /// An INVITE.
    Sip {
        /// The dialog it would make.
        dialog: DialogId,
        /// The request.
        invite: Box<Request>,
        /// Where it came from.
        flow: Flow,
        /// Whose it is, if a trunk's.
        trunk: Option<Arc<TrunkConfig>>,
    },
    /// Somebody asked us to call.
    Placed(Box<Placing>),
    /// Somebody connected to a session.
    Session(Box<SessionCall>),
    /// Twilio's voice webhook; the media stream comes later.
    Twilio(TwilioCall),
}

/// A session that somebody is connected to.
#[derive(Debug)]
pub struct SessionCall {
    /// Whose it is.
    pub organization: OrganizationId,
    /// Who talks.
    pub assistant: Arc<Assistant>,
    /// What carries it.
    pub wire: SessionWire,
}

/// What a Call is made from.
pub struct CallArgs {
    /// Its id, new.
    pub id: CallId,
    /// The node's.
    pub shared: Arc<Shared>,
    /// Its media thread, on which it is started.
    pub seat: Arc<Seat>,
    /// How it came.
    pub arrival: Arrival,
    /// When.
    pub arrived: Instant,
}

/// The peer.
enum Party {
    Sip {
        /// Without a name until the SipEndpoint has sent our INVITE.
        dialog: DialogId,
        snapshot: Option<Box<DialogSnapshot>>,
        origin: Origin,
        /// Our side of the media, once it is open.
        local: Option<Box<LocalMedia>>,
        /// The sockets of an offer of ours that waits for its answer.
        offered: Option<RtpSockets>,
        /// False once the dialog is over, and there is nobody to say BYE to.
        open: bool,
    },
    Session {
        assistant: String,
        /// Until its leg has it.
        wire: Option<web::Waiting>,
        /// Our side of the media of a browser.
        local: Option<Box<LocalMedia>>,
    },
    Twilio {
        call: TwilioCall,
        /// As the media stream tells.
        account_sid: String,
        parameters: Vec<(String, Words)>,
    },
}

/// Whose INVITE made the dialog.
enum Origin {
    Invited {
        invite: Box<Request>,
        /// Which way it came.
        flow: Flow,
        /// Whose call it is, if a trunk's.
        trunk: Option<Arc<TrunkConfig>>,
        /// Who calls whom, as the trunk's policy has it.
        numbers: Numbers,
    },
    Placed(Box<place::Placed>),
}

enum Phase {
    Arriving,
    Dialing,
    Ringing { recorded: bool, rung: bool },
    Up { answered: Instant, _counted: Active },
    Ending,
}

/// Counts a call as active for as long as it exists, so that a crash is counted out too.
struct Active(&'static str);

impl Active {
    fn new(leg: &'static str) -> Self {
        metrics::gauge!("offhook_calls_active", "leg" => leg).increment(1.0);
        Self(leg)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        metrics::gauge!("offhook_calls_active", "leg" => self.0).decrement(1.0);
    }
}

/// The actor.
pub struct Call {
    id: CallId,
    shared: Arc<Shared>,
    seat: Arc<Seat>,
    party: Party,
    phase: Phase,
    arrived: Instant,
    /// Whose the called number is, or whoever had it placed.
    organization: OrganizationId,
    assistant: Option<Arc<Assistant>>,
    recall: Recall,
    /// What is known of the caller's number, where it is looked at.
    identity: Option<Box<Verdict>>,
    codec: Codec,
    types: PayloadTypes,
    /// What another leg must have alike to get our packets; `None`: they are no RTP.
    relay: Option<RelayTerms>,
    ports: CallPorts,
    bridged: Option<bridge::Bridged>,
    /// Whoever is being called for it.
    consulting: Option<partner::Consulting>,
    /// How often somebody was called for it so far.
    consultations: u32,
    /// Who hears from the agent what it is about.
    briefing: Option<warm::Briefing>,
    /// The call that its peer asked for in its place.
    successor: Option<successor::Successor>,
    /// Its agent has gone on there.
    gone_on: bool,
    ticking: Option<Ticking>,
    fell_back: bool,
    /// AiSessions started so far.
    sessions: u64,
    children: HashMap<ActorId, ActorKind>,
    budgets: HashMap<ActorKind, Budget>,
    draft: Draft,
    /// The recording is silent for now.
    recording_paused: bool,
    /// The peer holds the call.
    held: bool,
    /// Why the agent takes leave, once it does.
    leaving: Option<HangupCause>,
    transfer: Option<Transfer>,
    /// The SipEndpoint was away when the peer was to be told of the end.
    peer_untold: bool,
    timers: Vec<Owned>,
}

impl Worker for Call {
    type Msg = CallMsg;
    type Args = CallArgs;

    async fn start(args: CallArgs, me: &Mailbox<CallMsg>) -> Result<Self, Failure> {
        let CallArgs { id, shared, seat, arrival, arrived } = args;
        let mut ports = CallPorts::new(id);
        let (party, chosen) = match arrival {
            Arrival::Sip { dialog, invite, flow, trunk } => {
                let own = SipMsg::Own(dialog.clone(), me.clone());
                shared.sip.send(own).map_err(|_| "the SIP endpoint takes no calls")?;
                let numbers = Numbers::of(&invite, trunk.as_deref());
                (Party::sip(dialog, Origin::Invited { invite, flow, trunk, numbers }), None)
            }
            Arrival::Placed(placing) => {
                let organization = placing.organization().clone();
                let chosen = Answering { assistant: Some(Arc::clone(&placing.assistant)), organization };
                (Party::sip(place::unnamed(), Origin::Placed(Box::new(place::Placed::new(*placing)))), Some(chosen))
            }
            Arrival::Session(session) => {
                let SessionCall { organization, assistant, wire } = *session;
                let party = Party::session(&assistant, wire, &mut ports);
                (party, Some(Answering { assistant: Some(assistant), organization }))
            }
            Arrival::Twilio(call) => (Party::Twilio { call, account_sid: String::new(), parameters: Vec::new() }, None),
        };
        me.send(CallMsg::Begin).map_err(|_| "a new mailbox is empty")?;
        let over = party.trunk().map(|trunk| &*trunk.name);
        let Answering { assistant, organization } = chosen.unwrap_or_else(|| shared.answering(&party.called(), over));
        let (leg, direction, arrived_at) = (party.leg_kind(), party.direction(), SystemTime::now() - arrived.elapsed());
        let traced = TracedCall { id, leg, direction, assistant: assistant.clone(), arrived, arrived_at };
        let trace = CallTracer::new(shared.config.traces.as_ref(), traced);
        let draft = Draft::new(id, &shared.config.name, assistant.as_deref(), trace);
        Ok(Self {
            id,
            shared,
            seat,
            party,
            phase: Phase::Arriving,
            arrived,
            organization,
            assistant,
            recall: Recall::default(),
            identity: None,
            codec: Codec::Pcmu,
            types: PayloadTypes::of(Codec::Pcmu),
            relay: None,
            ports,
            bridged: None,
            consulting: None,
            consultations: 0,
            briefing: None,
            successor: None,
            gone_on: false,
            ticking: None,
            fell_back: false,
            sessions: 0,
            children: HashMap::new(),
            budgets: HashMap::new(),
            draft,
            recording_paused: false,
            held: false,
            leaving: None,
            transfer: None,
            peer_untold: false,
            timers: Vec::new(),
        })
    }

    async fn handle(&mut self, message: CallMsg, me: &Mailbox<CallMsg>) -> Result<(), Failure> {
        match message {
            CallMsg::Begin => self.begin(me).await,
            CallMsg::Sip { event, snapshot } => self.handle_sip(event, snapshot, me).await,
            CallMsg::AnswerSent(snapshot) => self.keep(Some(snapshot)),
            CallMsg::SipRestarted => self.restore_dialog(me).await,
            CallMsg::Dialing(dialog) => self.handle_dialing(dialog),
            CallMsg::RingLate => self.handle_ring_late(me),
            CallMsg::Recorded => self.handle_recorded(me),
            CallMsg::IdentityJudged(verdict) => self.handle_identity(*verdict, me).await,
            CallMsg::RungOut => self.ring_until(|_, rung| *rung = true),
            CallMsg::TwilioStream(stream) => self.attach(stream, me).await,
            CallMsg::StreamLate => self.handle_stream_late(me),
            CallMsg::MediaAsked(asker) => self.tell_media(asker),
            CallMsg::Offered(offer, reply) => self.handle_offered(&offer, reply),
            CallMsg::Typed(words) => self.ports.ai.tell(AiMsg::Typed(words)),
            CallMsg::TwilioEnded => self.end(HangupCause::CallerHangup, None, me),
            CallMsg::LegClosed(LegClosed::ByPeer) => self.end(HangupCause::CallerHangup, None, me),
            CallMsg::LegClosed(LegClosed::Lost(reason)) => self.end(HangupCause::MediaTimeout, Some(reason), me),
            CallMsg::LegClosed(LegClosed::Unprotected(failure)) => self.end(HangupCause::Failed, Some(failure.to_string()), me),
            // Nothing need be heard of a telephone that rings.
            CallMsg::MediaTimedOut if matches!(self.phase, Phase::Dialing) => {}
            CallMsg::MediaTimedOut => self.end(HangupCause::MediaTimeout, None, me),
            CallMsg::TurnTaken(turn) => {
                self.doubt(&turn, me).await;
                self.draft.turn_taken(*turn, &self.shared);
            }
            CallMsg::Answerer(event) => self.handle_answerer(event, me).await,
            CallMsg::ToolBegan(call) => self.draft.remember(call),
            CallMsg::ToolEnded(report) => self.handle_tool_ended(*report),
            CallMsg::RecordingPaused(paused) => self.pause_recording(paused),
            CallMsg::UsageCounted(counted) => self.draft.usage_counted(&counted, &self.shared),
            CallMsg::AgentHungUp(cause) if self.is_in_company() => self.leave_company(cause, me).await,
            // The agent hears nobody while somebody is called for the caller.
            CallMsg::AgentHungUp(HangupCause::CallerSilent) if self.consulting.is_some() => {}
            CallMsg::TransferWanted(wish) => self.handle_wish(wish, me).await,
            CallMsg::BriefingLate(partner) => self.handle_briefing_late(partner, me).await,
            CallMsg::TakingLeave(cause) => self.leaving = Some(cause),
            CallMsg::AgentHungUp(cause) => self.end(cause, None, me),
            CallMsg::LanguageHeard(language) => self.draft.language_heard(language, &self.shared),
            CallMsg::ProviderFailed(provider, error) => self.draft.provider_failed(provider.as_deref(), &error, &self.shared),
            CallMsg::EngineLost(session, error) => self.handle_engine_lost(session, error, me).await,
            CallMsg::Recording(event) => self.draft.recording(event, &self.shared),
            CallMsg::ReceivedTotals(totals) => self.draft.received = Some(totals),
            CallMsg::HangUp(cause) => self.end(self.cause_before_answer(cause), None, me),
            CallMsg::TimeShort => self.ports.ai.tell(AiMsg::TimeShort),
            CallMsg::Overdue => self.handle_overdue(me),
            CallMsg::MoneySpent => self.handle_money_spent(me),
            CallMsg::Invited(invitation) => self.handle_invitation(*invitation, me).await,
            CallMsg::CallOut(wanted) => self.call_out(*wanted, me),
            CallMsg::Partner(number, news) => self.handle_partner_news(number, news, me).await,
            CallMsg::CallLost(call) => self.handle_call_lost(call, me).await,
            CallMsg::SuccessorCalled(call, mailbox) => self.handle_successor_called(call, mailbox),
            CallMsg::SuccessorNews(news) => self.handle_successor_news(news, me),
            CallMsg::Inherit(history) => self.inherit(history, me).await,
            CallMsg::Room(order) => self.handle_room_order(order, me).await,
            CallMsg::Joined(room, place) => self.handle_joined(room, *place),
            CallMsg::RoomFull(room) => self.handle_room_lost(room, "there is no room in the conference", me).await,
            CallMsg::RoomNews(news) => self.handle_room_news(news, me).await,
            CallMsg::RoomMoved(room, conference) => self.handle_room_moved(room, conference, me).await,
            CallMsg::RoomLost(room) => self.handle_room_lost(room, "the conference was lost", me).await,
            CallMsg::Finished => self.check_finished(me),
            CallMsg::FinishLate => self.stop(me),
            #[cfg(feature = "fault-injection")]
            CallMsg::Inject(actor, fault) => self.inject(actor, fault),
        }
        Ok(())
    }

    async fn handle_ended(&mut self, child: ActorId, ended: Ended, me: &Mailbox<CallMsg>) -> Result<(), Failure> {
        let Some(kind) = self.children.remove(&child) else { return Ok(()) };
        match (&self.phase, ended) {
            (Phase::Ending, _) => {
                // Behind what the child sent before it ended: ractor reports ends before it delivers messages.
                if self.children.is_empty() && me.send(CallMsg::Finished).is_err() {
                    self.stop(me);
                }
            }
            (_, Ended::Failed(reason)) => self.handle_death(kind, reason, me).await,
            (_, Ended::Stopped) if kind == ActorKind::AiSession => self.handle_agent_gone(child, me).await,
            (_, Ended::Stopped) => {}
        }
        Ok(())
    }
}

impl Call {
    fn keep(&mut self, news: Option<Box<DialogSnapshot>>) {
        if let (Party::Sip { snapshot, .. }, Some(news)) = (&mut self.party, news) {
            *snapshot = Some(news);
        }
    }

    async fn handle_sip(&mut self, event: Event, snapshot: Option<Box<DialogSnapshot>>, me: &Mailbox<CallMsg>) {
        self.keep(snapshot);
        match event {
            Event::Cancelled { reason, .. } => self.end(cause_of_cancel(reason.as_deref()), reason, me),
            Event::HungUp { reason, .. } => self.hung_up(reason, me),
            Event::Referred { dialog, referral } => self.handle_referred(dialog, *referral, me),
            Event::ReferProgress { status, .. } => self.transfer_goes_on(status),
            Event::ReferEnded { outcome, .. } => self.transfer_ended(outcome, me).await,
            Event::Replaced { .. } => self.end(HangupCause::Replaced, None, me),
            Event::AckTimedOut { .. } => self.end(HangupCause::NotConfirmed, Some("no ACK or PRACK came".into()), me),
            Event::SessionExpired { .. } => self.end(HangupCause::Failed, Some("nobody refreshed the session".into()), me),
            Event::Reinvited { invite, .. } => self.handle_reinvite(&invite),
            Event::ReinviteAnswered { sdp, .. } => self.handle_confirmed(sdp, me).await,
            Event::ReinviteRefused { status, .. } => {
                tracing::info!(call = %self.id, status = status.code(), "the peer did not take our re-INVITE");
            }
            Event::Updated { update, .. } => self.handle_update(&update),
            Event::Info { request, .. } => {
                if let Some(digit) = dtmf_of_info(&request) {
                    self.ports.digit(digit);
                }
            }
            Event::Terminated { .. } => {
                if let Party::Sip { open, .. } = &mut self.party {
                    *open = false;
                }
                self.end(HangupCause::Failed, Some("the dialog is gone".into()), me);
            }
            Event::Confirmed { sdp, .. } => self.handle_confirmed(sdp, me).await,
            Event::Ringing { status, sdp, .. } => {
                self.tell_predecessor(SuccessorNews::Rings(status));
                self.handle_callee_ringing(sdp, me).await;
            }
            Event::Answered { dialog, sdp, .. } => self.handle_callee_answered(dialog, sdp, me).await,
            Event::Refused { status, reason, .. } => self.handle_callee_refused(status, reason, me),
            Event::AttemptFailed { attempt, .. } => self.handle_attempt_failed(&attempt),
            Event::Redirected { to, .. } => self.handle_redirected(&to),
            Event::TimedOut { .. } => self.handle_nobody_answered(me),
            Event::Invited { .. } | Event::Responded { .. } | Event::Unanswered { .. } => {}
        }
    }

    async fn restore_dialog(&mut self, me: &Mailbox<CallMsg>) {
        self.transfer_lost(me).await;
        let Party::Sip { snapshot, open, .. } = &self.party else { return };
        match snapshot {
            Some(snapshot) if *open => {
                self.draft.restarted(ActorKind::SipEndpoint, "the dialog was registered again", &self.shared);
                self.shared.sip.tell(SipMsg::Restore(snapshot.clone(), me.clone()));
                // An answer was sent; the ACK to it may have died with the endpoint.
                if matches!(self.phase, Phase::Ringing { .. }) {
                    self.go_up();
                }
            }
            Some(_) => {}
            // The INVITE died with the endpoint; the caller's retransmission will make a new call.
            None => self.end(HangupCause::Failed, Some("lost before it was answered".into()), me),
        }
        if let Some(cause) = self.draft.cause() {
            // What the endpoint before was told of the end may have died with it.
            self.tell_peer(cause, me);
            self.check_finished(me);
        }
    }

    /// Sends a message to itself later; the timer ends with the call.
    fn after(&mut self, wait: Duration, message: CallMsg, me: &Mailbox<CallMsg>) {
        let me = me.clone();
        self.timers.push(Owned(tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let _ended_meanwhile = me.send(message);
        })));
    }
}

/// The digit of an `application/dtmf-relay` body: `Signal=5`.
fn dtmf_of_info(request: &Request) -> Option<Digit> {
    let body = std::str::from_utf8(&request.body).ok()?;
    let signal = body.lines().find_map(|line| line.trim().strip_prefix("Signal="))?;
    Digit::from_char(signal.trim().chars().next()?)
}
