//! The end of a call: the peer is told, the children finish, the record is closed.

use std::time::{Duration, Instant};

use store::{Direction, HangupCause, LegKind, StoreWrite, WallTime};

use super::place::is_unnamed;
use super::{Call, CallMsg, Party, Phase};
use crate::ai_session::AiMsg;
use crate::ai_session::leave::GOODBYE_MAX;
use crate::jitter_buffer::JitterMsg;
use crate::leg::LegMsg;
use crate::mailbox::Mailbox;
use crate::recorder::RecorderMsg;
use crate::recovery::close_recording;
use crate::sip_endpoint::SipMsg;
use crate::store::StoreMsg;
use crate::vad::VadMsg;

/// What the children may take to finish; the Recorder's last write is the longest part.
const FINISH_MAX: Duration = Duration::from_secs(5);

impl Call {
    /// Ends the call, once; what comes later changes nothing.
    pub(super) fn end(&mut self, cause: HangupCause, detail: Option<String>, me: &Mailbox<CallMsg>) {
        if matches!(self.phase, Phase::Ending) {
            return;
        }
        let cause = match self.placed() {
            Some(placed) => {
                placed.talk.end(Instant::now());
                if placed.money_spent && cause == HangupCause::MaxDuration { HangupCause::SpendCap } else { cause }
            }
            None => cause,
        };
        tracing::info!(call = %self.id, cause = cause.as_str(), detail, "call ends");
        count_end(self.party.leg_kind(), self.party.direction(), cause);
        if let Phase::Up { answered, .. } = self.phase {
            metrics::histogram!("offhook_call_duration_seconds").record(answered.elapsed());
        }
        self.draft.ended = Some((cause, detail, WallTime::now()));
        self.draft.trace.ended(cause);
        self.phase = Phase::Ending;
        self.tell_peer(cause, me);
        self.stop_consulting();
        self.stop_successor();
        self.tell_partner(cause);
        self.tell_predecessor_end(cause);
        self.leave_conference();
        self.ports.vad.tell(VadMsg::Finish);
        // The leg knows what was cut and what was passed on, and tells the session and the jitter buffer; without a leg, nothing was.
        if self.ports.leg.send(LegMsg::Finish).is_err() {
            self.ports.ai.tell(AiMsg::Finish(None));
            self.ports.jitter.tell(JitterMsg::Finish);
        }
        self.ports.recorder.tell(RecorderMsg::Finish);
        self.after(FINISH_MAX, CallMsg::FinishLate, me);
        self.check_finished(me);
    }

    /// The longest call is reached: the agent takes leave, and is cut off when that takes too long.
    pub(super) fn handle_overdue(&mut self, me: &Mailbox<CallMsg>) {
        self.leaving.get_or_insert(HangupCause::MaxDuration);
        let told = matches!(self.phase, Phase::Up { .. }) && self.ports.ai.send(AiMsg::TimeUp).is_ok();
        if told {
            self.after(GOODBYE_MAX, CallMsg::HangUp(HangupCause::MaxDuration), me);
        } else {
            self.end(HangupCause::MaxDuration, None, me);
        }
    }

    /// There is no money for another minute: as at the end of the longest call, under another name.
    pub(super) fn handle_money_spent(&mut self, me: &Mailbox<CallMsg>) {
        if let Some(placed) = self.placed() {
            placed.money_spent = true;
        }
        self.handle_overdue(me);
    }

    pub(super) fn tell_peer(&mut self, cause: HangupCause, me: &Mailbox<CallMsg>) {
        match &self.party {
            // Behind our INVITE, whose dialog we have not been told yet.
            Party::Sip { dialog, open: true, .. } if is_unnamed(dialog) => {
                self.peer_untold = self.shared.sip.send(SipMsg::HangUpOf(me.id(), reason_of(cause))).is_err();
            }
            Party::Sip { dialog, open: true, .. } => {
                let told = self.shared.sip.send(SipMsg::HangUp(dialog.clone(), reason_of(cause)));
                self.peer_untold = told.is_err();
            }
            // Twilio ends the call when its stream is closed, which the leg does; a client is told last.
            Party::Session { .. } | Party::Sip { open: false, .. } | Party::Twilio { .. } => {}
        }
    }

    /// Stops once nobody is left to finish or to be told.
    pub(super) fn check_finished(&mut self, me: &Mailbox<CallMsg>) {
        if self.children.is_empty() && !self.peer_untold {
            self.stop(me);
        }
    }

    /// Closes the record and stops; children that are late are ended with it.
    pub(super) fn stop(&mut self, me: &Mailbox<CallMsg>) {
        let (cause, detail, at) = self.draft.ended.take().unwrap_or((HangupCause::Failed, None, WallTime::now()));
        if self.draft.records() {
            close_recording(&self.shared, self.id);
        }
        let stats = self.draft.stats();
        self.draft.write_used(&self.shared);
        self.draft.trace.finish(self.draft.received.as_ref().and_then(|received| received.mos));
        self.shared.store.tell(StoreMsg::Write(StoreWrite::CallEnded { call: self.id, at, cause, detail, stats }));
        if let Some(client) = &self.ports.client {
            client.end(cause);
        }
        me.stop();
    }
}

/// Counts a call that is over.
pub(crate) fn count_end(leg: LegKind, direction: Direction, cause: HangupCause) {
    let labels = [("leg", leg.as_str()), ("direction", direction.as_str()), ("outcome", cause.outcome().as_str())];
    metrics::counter!("offhook_calls_total", &labels).increment(1);
}

/// Of calls that were refused, by us or by the peer.
const REFUSED: &str = r#"Q.850;cause=31;text="refused""#;

/// The Reason header of our BYE or CANCEL (RFC 3326), with the ISDN cause that carriers read (ITU-T Q.850).
pub(crate) fn reason_of(cause: HangupCause) -> &'static str {
    match cause {
        HangupCause::AgentHangup | HangupCause::Completed | HangupCause::OperatorHangup => {
            r#"Q.850;cause=16;text="normal call clearing""#
        }
        HangupCause::AnsweredElsewhere | HangupCause::Replaced => r#"SIP;cause=200;text="call completed elsewhere""#,
        HangupCause::CallerHangup | HangupCause::CalleeHangup | HangupCause::Cancelled | HangupCause::PeerFailed => {
            r#"Q.850;cause=16;text="cleared by the peer""#
        }
        HangupCause::BridgeEnded => r#"Q.850;cause=16;text="the other party hung up""#,
        HangupCause::CallerSilent => r#"Q.850;cause=16;text="nobody spoke""#,
        HangupCause::Crashed | HangupCause::Failed | HangupCause::NodeLost => r#"Q.850;cause=41;text="temporary failure""#,
        HangupCause::Drained => r#"Q.850;cause=41;text="going out of service""#,
        HangupCause::MaxDuration => r#"Q.850;cause=16;text="longest call reached""#,
        HangupCause::SpendCap => r#"Q.850;cause=16;text="no credit for more""#,
        HangupCause::MediaTimeout => r#"Q.850;cause=41;text="media timeout""#,
        HangupCause::NoAnswer => r#"Q.850;cause=19;text="no answer""#,
        HangupCause::NoCodec => r#"Q.850;cause=88;text="no common codec""#,
        HangupCause::NotConfirmed => r#"Q.850;cause=102;text="not confirmed""#,
        HangupCause::RejectedBusy | HangupCause::RejectedDraining => r#"Q.850;cause=34;text="no room for calls""#,
        // The INVITE had its final answer: there is no dialog to end.
        HangupCause::Busy | HangupCause::Declined | HangupCause::IdentityRefused | HangupCause::InvalidNumber => REFUSED,
        HangupCause::Unavailable | HangupCause::Unwanted => REFUSED,
        HangupCause::Transferred => r#"Q.850;cause=16;text="transferred""#,
        HangupCause::UsageLimit => r#"Q.850;cause=21;text="usage limit reached""#,
        HangupCause::UnknownNumber => r#"Q.850;cause=1;text="nobody answers this number""#,
    }
}

#[cfg(test)]
mod tests {
    use sip::reason::{Meaning, Reason};

    use super::*;

    #[test]
    fn every_cause_has_a_reason_that_peers_can_read() {
        for cause in HangupCause::ALL {
            let [reason] = &Reason::read_all(reason_of(*cause))[..] else { panic!("{cause} has one reason") };
            assert!(reason.cause > 0 && reason.to_string() == reason_of(*cause), "{cause}");
        }
    }

    #[test]
    fn a_reason_tells_the_peer_whether_something_went_wrong() {
        let of = |wanted: Meaning| {
            let meant = |cause: &&HangupCause| Reason::read_all(reason_of(**cause))[0].meaning() == wanted;
            HangupCause::ALL.iter().filter(meant).map(|cause| cause.as_str()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(Meaning::Elsewhere), "replaced answered_elsewhere");
        assert_eq!(of(Meaning::Media), "no_codec");
        let ours = "rejected_busy rejected_draining not_confirmed media_timeout drained node_lost crashed failed";
        assert_eq!(of(Meaning::Network), ours);
        assert_eq!(of(Meaning::NotReached), "no_answer unknown_number");
    }
}
