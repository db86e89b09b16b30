//! A warm transfer: the agent tells somebody who was called what the call is about, while the caller hears music; then the two talk, or
//! the caller has the agent back.
//!
//! ```text
//! picked up ──► the agent speaks with that one ──┬── Join ──► both talk, here or by a REFER with Replaces; the agent leaves
//!                                                ├── Back, or BRIEFING_MAX is over ──► hung up; the caller has the agent back
//!                                                └── that one hangs up ──────────────► the caller has the agent back
//! ```

use std::sync::Arc;
use std::time::Duration;

use ai::engine::Words;
use ai::remark::Occasion;
use ai::tools::transfer::Destination;
use store::{CallId, HangupCause};

use super::partner::PartnerDialog;
use super::{Call, CallMsg};
use crate::ai_session::{AiMsg, TransferStands};
use crate::bridge::{AgentPart, Part};
use crate::mailbox::Mailbox;

/// How long the agent may speak with somebody while the caller is on hold: whoever waits for longer hangs up.
pub const BRIEFING_MAX: Duration = Duration::from_secs(120);

/// Somebody hears what the call is about.
pub(super) struct Briefing {
    pub(super) partner: CallId,
    pub(super) to: Arc<Destination>,
    /// How another call can take the partner's place.
    pub(super) dialog: Option<PartnerDialog>,
}

impl Call {
    /// Whoever was called has picked up, and hears the agent alone.
    pub(super) fn begin_briefing(&mut self, briefing: Briefing, summary: Option<Words>, me: &Mailbox<CallMsg>) {
        self.after(BRIEFING_MAX, CallMsg::BriefingLate(briefing.partner), me);
        let about = summary.as_ref().map_or("", Words::as_str);
        let told = format!(
            "{} has picked up, and you speak with them now, not with the caller, who is on hold and hears neither of you. Tell them: {about} \
             Ask whether they take the call. If they do, call finish_transfer with join; if they do not, or if it is a machine, with back.",
            briefing.to.name
        );
        self.briefing = Some(briefing);
        self.ports.ai.tell(AiMsg::TransferStands(TransferStands::GoesOn(told.into())));
    }

    /// Whether this is the call of whoever hears what it is about.
    pub(super) fn is_briefing(&self, partner: CallId) -> bool {
        self.briefing.as_ref().is_some_and(|briefing| briefing.partner == partner)
    }

    /// Whether anybody hears what it is about.
    pub(super) fn is_briefing_anybody(&self) -> bool {
        self.briefing.is_some()
    }

    /// That one takes the call: both talk, and the agent leaves. Where both are of one network that knows how, it brings them together
    /// itself (an attended transfer), and the media leaves us; where that fails, they talk here.
    pub(super) async fn join_briefed(&mut self, me: &Mailbox<CallMsg>) {
        let Some(Briefing { to, dialog, .. }) = &self.briefing else { return self.tell_nobody_there() };
        let (to, ours) = (Arc::clone(to), self.replaceable());
        let same = dialog.clone().filter(|dialog| ours.is_some_and(|ours| ours.is_of_one_network_with(dialog)));
        if let Some(PartnerDialog { target, replaces, .. }) = same
            && self.transfer.is_none()
            && self.refer(to, target, Some(replaces)).is_ok()
        {
            return;
        }
        self.bridge_briefed(me).await;
    }

    /// Both talk here, if that one is still there.
    pub(super) async fn bridge_briefed(&mut self, me: &Mailbox<CallMsg>) {
        if !self.is_in_company() {
            self.briefing = None;
            self.go_back_to_agent(me).await;
            return self.tell_nobody_there();
        }
        self.briefing = None;
        self.ports.ai.tell(AiMsg::TransferStands(TransferStands::Done));
        self.change_part(Part::Talks, AgentPart::Away, me).await;
    }

    /// That one does not take the call, and is hung up, being alone in the conference then.
    pub(super) async fn go_back_briefed(&mut self, me: &Mailbox<CallMsg>) {
        if self.briefing.take().is_none() {
            return self.tell_nobody_there();
        }
        self.go_back_to_agent(me).await;
        let told = "You speak with the caller again, who was on hold and heard nothing. Say why it did not work.";
        self.ports.ai.tell(AiMsg::TransferStands(TransferStands::GoesOn(told.into())));
    }

    fn tell_nobody_there(&self) {
        let reason = "nobody is there who could take the call".to_owned();
        self.ports.ai.tell(AiMsg::TransferStands(TransferStands::Failed(reason)));
    }

    /// It took too long: nobody is left on hold for ever.
    pub(super) async fn handle_briefing_late(&mut self, partner: CallId, me: &Mailbox<CallMsg>) {
        if self.is_briefing(partner) && !self.is_attended() {
            self.go_on_alone("it took too long to tell them of the call", me).await;
        }
    }

    /// That one left, and others are still there: the caller talks with them.
    pub(super) async fn stop_briefing(&mut self, me: &Mailbox<CallMsg>) {
        self.briefing = None;
        self.change_part(Part::Talks, AgentPart::Talks, me).await;
        self.ports.ai.tell(AiMsg::Back(Occasion::NotTaken));
    }

    /// The agent hangs up while others are there: they talk on without it. Somebody who does not say a word is no reason to leave the
    /// caller with him.
    pub(super) async fn leave_company(&mut self, cause: HangupCause, me: &Mailbox<CallMsg>) {
        match cause {
            HangupCause::CallerSilent if self.briefing.is_some() => self.go_on_alone("they said nothing", me).await,
            _ => self.send_agent_away(me).await,
        }
    }
}
