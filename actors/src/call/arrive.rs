//! The beginning of a call: who answers, what media, the record, the ringing, the answer.

use std::borrow::Cow;
use std::time::Duration;

use ai::engine::Words;
use sip::dialog::DialogId;
use sip::message::{Request, StatusCode};
use store::{Direction, HangupCause, LegKind, NewCall, PhoneNumber, StoreWrite, WallTime};

use super::{Active, Call, CallMsg, Origin, Party, Phase};
use crate::ai_session::{AiMsg, Introduction};
use crate::config::EngineConfig;
use crate::leg::twilio::StreamIo;
use crate::leg::{LegMsg, Wire};
use crate::mailbox::Mailbox;
use crate::recall::Recall;
use crate::sip_endpoint::SipMsg;
use crate::store::StoreMsg;
use crate::trunk::config::TrunkConfig;

/// A database that is slower than this does not hold up the answer: the record stays queued.
const RECORD_WAIT_MAX: Duration = Duration::from_secs(1);

/// Twilio opens the media stream within a second or two of our TwiML; it is given this.
const STREAM_WAIT_MAX: Duration = Duration::from_secs(30);

/// Reason phrase of the 403 to a call of an organization that has used what it may.
const OVER_LIMIT: &str = "Usage Limit Reached";

/// Why a call is refused.
pub(super) struct Refused {
    pub(super) cause: HangupCause,
    pub(super) status: StatusCode,
    pub(super) detail: Option<String>,
}

impl Party {
    pub(super) fn sip(dialog: DialogId, origin: Origin) -> Self {
        Self::Sip { dialog, snapshot: None, origin, local: None, offered: None, open: true }
    }

    /// Who called whom.
    pub(super) fn direction(&self) -> Direction {
        match self {
            Self::Sip { origin: Origin::Placed(_), .. } => Direction::Outbound,
            Self::Sip { origin: Origin::Invited { .. }, .. } | Self::Session { .. } | Self::Twilio { .. } => Direction::Inbound,
        }
    }

    /// What carries it.
    pub(super) fn trunk(&self) -> Option<&TrunkConfig> {
        match self {
            Self::Sip { origin: Origin::Placed(placed), .. } => placed.route.trunk.as_deref(),
            Self::Sip { origin: Origin::Invited { trunk, .. }, .. } => trunk.as_deref(),
            Self::Session { .. } | Self::Twilio { .. } => None,
        }
    }

    /// Of both numbers the one of the person on the telephone.
    pub(super) fn person(&self) -> String {
        match self.direction() {
            Direction::Inbound => self.caller(),
            Direction::Outbound => self.called().into_owned(),
        }
    }

    pub(super) fn leg_kind(&self) -> LegKind {
        match self {
            Self::Session { local: Some(_), .. } => LegKind::Webrtc,
            Self::Session { local: None, .. } => LegKind::Ws,
            Self::Sip { .. } => LegKind::Sip,
            Self::Twilio { .. } => LegKind::Twilio,
        }
    }

    /// The called number or SIP user.
    pub(super) fn called(&self) -> Cow<'_, str> {
        match self {
            Self::Sip { origin: Origin::Invited { numbers, .. }, .. } => Cow::Borrowed(&numbers.called),
            Self::Sip { origin: Origin::Placed(placed), .. } => Cow::Borrowed(&placed.route.called),
            // A session calls nobody's number, but an assistant by its name.
            Self::Session { assistant, .. } => Cow::Borrowed(assistant),
            Self::Twilio { call, .. } => Cow::Borrowed(call.to.reveal()),
        }
    }

    pub(super) fn caller(&self) -> String {
        match self {
            Self::Sip { origin: Origin::Placed(placed), .. } => placed.route.caller.clone(),
            Self::Sip { origin: Origin::Invited { numbers, .. }, .. } => numbers.caller.clone(),
            Self::Session { .. } => String::new(),
            Self::Twilio { call, .. } => call.from.reveal().to_owned(),
        }
    }

    fn external_id(&self) -> String {
        match self {
            Self::Sip { dialog, .. } => dialog.call_id.to_string(),
            Self::Session { .. } => String::new(),
            Self::Twilio { call, .. } => call.call_sid.clone(),
        }
    }
}

impl Call {
    /// What an external bot is told of the call; nothing of it is looked up for others.
    pub(super) fn introduction(&self) -> Introduction {
        let allowed = match self.assistant.as_ref().map(|assistant| &assistant.engine) {
            Some(EngineConfig::Stream { bot, .. }) => bot.sip_headers.as_slice(),
            _ => &[],
        };
        let (twilio, parameters) = match &self.party {
            Party::Sip { origin: Origin::Invited { invite, trunk, .. }, .. } => {
                let passes = |name: &&String| trunk.as_ref().is_none_or(|trunk| trunk.passes(name));
                let allowed: Vec<String> = allowed.iter().filter(passes).cloned().collect();
                (None, headers_of(invite, &allowed))
            }
            Party::Sip { origin: Origin::Placed(placed), .. } => (None, placed.variables.clone()),
            Party::Session { .. } => (None, Vec::new()),
            Party::Twilio { call, account_sid, parameters } => {
                (Some((account_sid.clone(), call.call_sid.clone())), parameters.clone())
            }
        };
        let (from, to) = (PhoneNumber::new(self.party.caller()), PhoneNumber::new(self.party.called()));
        let (direction, identity) = (self.party.direction(), self.identity.clone());
        Introduction { call_id: self.id, twilio, direction, from, to, parameters, identity }
    }

    pub(super) async fn begin(&mut self, me: &Mailbox<CallMsg>) {
        self.write_new_record(me);
        self.ask_for_memories();
        let (longest, warning) = (self.shared.config.max_call, self.shared.config.call_warning);
        if !warning.is_zero() && warning < longest {
            self.after(longest - warning, CallMsg::TimeShort, me);
        }
        self.after(longest, CallMsg::Overdue, me);
        match &self.party {
            // The INVITE waits for the record, so that no call goes out that nobody can find.
            Party::Sip { origin: Origin::Placed(_), .. } => self.after(RECORD_WAIT_MAX, CallMsg::Recorded, me),
            Party::Session { .. } => self.open_session(me).await,
            Party::Sip { .. } if self.shared.is_over_limit(&self.organization) => self.refuse_over_limit(me),
            Party::Sip { .. } => self.check_identity(me).await,
            Party::Twilio { .. } => {
                self.phase = Phase::Ringing { recorded: true, rung: true };
                self.draft.trace.reached(|setup| &mut setup.ringing);
                self.after(STREAM_WAIT_MAX, CallMsg::StreamLate, me);
            }
        }
    }

    /// Goes on with a SIP call that may be taken: its media, its ringing.
    pub(super) async fn take_up(&mut self, me: &Mailbox<CallMsg>) {
        let Party::Sip { dialog, .. } = &self.party else { return };
        let dialog = dialog.clone();
        if let Err(refused) = self.prepare_sip(me).await {
            self.refuse(refused, me);
            return;
        }
        self.phase = Phase::Ringing { recorded: false, rung: false };
        self.draft.trace.reached(|setup| &mut setup.ringing);
        self.shared.sip.tell(SipMsg::Ring(dialog));
        self.after(RECORD_WAIT_MAX, CallMsg::Recorded, me);
        match self.shared.config.sip.ring {
            Duration::ZERO => self.ring_until(|_, rung| *rung = true),
            ring => self.after(ring, CallMsg::RungOut, me),
        }
    }

    fn write_new_record(&self, me: &Mailbox<CallMsg>) {
        let record = NewCall {
            id: self.id,
            organization: self.organization.clone(),
            node: self.draft.node(),
            leg: self.party.leg_kind(),
            direction: self.party.direction(),
            from: PhoneNumber::new(self.party.caller()),
            to: PhoneNumber::new(self.party.called()),
            assistant: self.assistant.as_ref().map(|assistant| assistant.name.clone()).unwrap_or_default(),
            engine: self.assistant.as_ref().map(|assistant| assistant.engine.label().to_owned()).unwrap_or_default(),
            external_id: self.party.external_id(),
            created_at: WallTime::now(),
        };
        let (leg, direction) = (record.leg.as_str(), record.direction.as_str());
        tracing::info!(call = %self.id, leg, direction, assistant = record.assistant, "a call begins");
        self.shared.store.tell(StoreMsg::WriteAndTell(StoreWrite::CallCreated(record), me.clone()));
        if let Some(trunk) = self.party.trunk() {
            let known = StoreWrite::TrunkKnown { call: self.id, trunk: trunk.name.to_string() };
            self.shared.store.tell(StoreMsg::Write(known));
        }
    }

    /// Asks what is known of the person on the telephone, if the assistant remembers any.
    fn ask_for_memories(&mut self) {
        let remembers = self.assistant.as_ref().is_some_and(|assistant| assistant.remembers);
        if let Some(memories) = self.shared.config.memories.as_ref().filter(|_| remembers) {
            self.recall = Recall::Asked(memories.recall(PhoneNumber::new(self.party.person())));
        }
    }

    pub(super) fn refuse(&mut self, refused: Refused, me: &Mailbox<CallMsg>) {
        metrics::counter!("offhook_calls_rejected_total", "reason" => refused.cause.as_str()).increment(1);
        if let Party::Sip { dialog, open, .. } = &mut self.party {
            *open = false;
            let retry_after = (refused.status == StatusCode::SERVICE_UNAVAILABLE).then_some(Duration::from_secs(5));
            self.shared.sip.tell(SipMsg::Refuse { dialog: dialog.clone(), status: refused.status, retry_after });
        }
        self.end(refused.cause, refused.detail, me);
    }

    /// The organization has used what it may: in words of its own, so that who reads a trace knows.
    fn refuse_over_limit(&mut self, me: &Mailbox<CallMsg>) {
        let cause = HangupCause::UsageLimit;
        metrics::counter!("offhook_calls_rejected_total", "reason" => cause.as_str()).increment(1);
        if let Party::Sip { dialog, open, .. } = &mut self.party {
            *open = false;
            self.shared.sip.tell(SipMsg::RefuseSaying(dialog.clone(), StatusCode::FORBIDDEN, OVER_LIMIT));
        }
        self.end(cause, None, me);
    }

    /// The record is safe, or was waited for long enough.
    pub(super) fn handle_recorded(&mut self, me: &Mailbox<CallMsg>) {
        match (&self.phase, self.party.direction()) {
            (Phase::Arriving, Direction::Outbound) => self.dial(me),
            _ => self.ring_until(|recorded, _| *recorded = true),
        }
    }

    /// Notes one of the two things an answer waits for, and answers when both are there.
    pub(super) fn ring_until(&mut self, note: fn(&mut bool, &mut bool)) {
        let Phase::Ringing { recorded, rung } = &mut self.phase else { return };
        note(recorded, rung);
        let (true, true, Party::Sip { dialog, local: Some(local), .. }) = (*recorded, *rung, &self.party) else { return };
        let answer = local.previous.clone().unwrap_or_default();
        self.shared.sip.tell(SipMsg::Answer(dialog.clone(), answer));
        self.draft.trace.reached(|setup| &mut setup.answered);
        let leg = self.party.leg_kind().as_str();
        metrics::histogram!("offhook_call_setup_seconds", "leg" => leg).record(self.arrived.elapsed());
    }

    /// No media stream came in time: Twilio could not reach us, or the caller has gone.
    pub(super) fn handle_stream_late(&mut self, me: &Mailbox<CallMsg>) {
        if matches!(self.phase, Phase::Ringing { .. }) {
            self.end(HangupCause::NotConfirmed, Some("no media stream came".into()), me);
        }
    }

    /// The media stream of a Twilio call is here: that is its answer.
    pub(super) async fn attach(&mut self, mut stream: StreamIo, me: &Mailbox<CallMsg>) {
        // One bidirectional stream a call (Twilio allows no second): a later one is closed by dropping it.
        if !matches!((&self.phase, &self.party), (Phase::Ringing { .. }, Party::Twilio { .. })) {
            return;
        }
        if let Party::Twilio { account_sid, parameters, .. } = &mut self.party {
            *account_sid = std::mem::take(&mut stream.account_sid);
            *parameters = std::mem::take(&mut stream.parameters);
        }
        match self.start_children(media::codec::Codec::Pcmu.into(), Wire::Twilio(Box::new(stream)), me).await {
            Ok(()) => {
                metrics::histogram!("offhook_call_setup_seconds", "leg" => "twilio").record(self.arrived.elapsed());
                self.go_up();
            }
            Err(reason) => self.end(HangupCause::Failed, Some(reason), me),
        }
    }

    pub(super) fn go_up(&mut self) {
        let leg = self.party.leg_kind().as_str();
        self.phase = Phase::Up { answered: std::time::Instant::now(), _counted: Active::new(leg) };
        self.draft.trace.reached(|setup| &mut setup.up);
        self.shared.store.tell(StoreMsg::Write(StoreWrite::CallAnswered { call: self.id, at: WallTime::now() }));
        self.ports.leg.tell(LegMsg::Start);
        if !self.is_screening() {
            self.ports.ai.tell(AiMsg::Answered);
        }
    }
}

/// The headers of an INVITE that a bot may see, under the names of the list; of one that is there more than once, all values (RFC 3261
/// §7.3.1).
fn headers_of(invite: &Request, allowed: &[String]) -> Vec<(String, Words)> {
    let value = |name: &String| invite.headers.get_all(name).collect::<Vec<_>>().join(", ");
    let named = allowed.iter().map(|name| (name.clone(), value(name)));
    named.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.into())).collect()
}
