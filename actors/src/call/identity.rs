//! Whether the caller's number is the caller's: asked before a call rings, and waited for no longer than a caller would notice.

use sip::identity::{Outcome, Subject, Verdict, decide};
use store::{CallIdentity, HangupCause, IdentityVerdict, StoreWrite};

use super::{Call, CallMsg, Origin, Party, Phase};
use crate::identity::Checked;
use crate::mailbox::Mailbox;
use crate::sip_endpoint::SipMsg;
use crate::store::StoreMsg;

impl Call {
    /// Asks, and takes the call up once it is known.
    pub(super) async fn check_identity(&mut self, me: &Mailbox<CallMsg>) {
        let Party::Sip { origin: Origin::Invited { invite, .. }, .. } = &self.party else { return };
        // Nothing is fetched for a call that nobody answers.
        if self.assistant.is_none() {
            return self.take_up(me).await;
        }
        match self.shared.identity.check(invite, &self.shared.runtime, me) {
            Checked::Nothing => self.take_up(me).await,
            Checked::Judged(verdict) => self.handle_identity(verdict, me).await,
            Checked::Pending { wait, late } => self.after(wait, CallMsg::IdentityJudged(Box::new(late)), me),
        }
    }

    /// It is known, or will not be in time: of several verdicts the first counts.
    pub(super) async fn handle_identity(&mut self, verdict: Verdict, me: &Mailbox<CallMsg>) {
        if !matches!(self.phase, Phase::Arriving) || self.identity.is_some() {
            return;
        }
        let reason = verdict.reason.map(sip::identity::Reason::as_str);
        let attestation = verdict.attestation.map(sip::identity::Attestation::letter);
        let outcome = verdict.outcome.as_str();
        tracing::info!(call = %self.id, verdict = outcome, attestation, reason, "the caller's number was checked");
        metrics::counter!("offhook_identity_total", "verdict" => outcome).increment(1);
        let identity = kept(&verdict);
        self.shared.store.tell(StoreMsg::Write(StoreWrite::IdentityJudged { call: self.id, identity }));
        let decided = decide(self.shared.identity.policy(), &verdict);
        self.identity = Some(Box::new(verdict));
        let Err(refusal) = decided else { return self.take_up(me).await };
        let cause = HangupCause::IdentityRefused;
        metrics::counter!("offhook_calls_rejected_total", "reason" => cause.as_str()).increment(1);
        if let Party::Sip { dialog, open, .. } = &mut self.party {
            *open = false;
            self.shared.sip.tell(SipMsg::RefuseSaying(dialog.clone(), refusal.status, refusal.phrase));
        }
        let found = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        self.end(cause, Some(format!("{} {}: identity {outcome}{found}", refusal.status, refusal.phrase)), me);
    }
}

/// A verdict as records have it.
fn kept(verdict: &Verdict) -> CallIdentity {
    let asserted = (verdict.subject == Subject::Asserted).then(|| "asserted".to_owned());
    let noted: Vec<String> = asserted.into_iter().chain(verdict.noted.iter().cloned()).collect();
    CallIdentity {
        verdict: match verdict.outcome {
            Outcome::Passed => IdentityVerdict::Passed,
            Outcome::Failed => IdentityVerdict::Failed,
            Outcome::None => IdentityVerdict::None,
            Outcome::Unverifiable => IdentityVerdict::Unverifiable,
        },
        attestation: verdict.attestation.map(|attestation| attestation.letter().to_owned()),
        reason: verdict.reason.map(|reason| reason.as_str().to_owned()),
        origid: verdict.origid.clone(),
        provider: verdict.provider.clone(),
        noted: (!noted.is_empty()).then(|| noted.join(",")),
        carrier: verdict.carrier.map(|word| word.text()),
    }
}
