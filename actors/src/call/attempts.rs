//! What a call of ours meets on its way to an answer: targets that fail, and redirections.

use std::fmt::Write as _;
use std::time::Duration;

use sip::endpoint::{Attempt, AttemptFailure, OutboundInvite};
use sip::message::StatusCode;
use sip::uri::Uri;
use store::HangupCause;

use super::{Call, CallMsg};
use crate::mailbox::Mailbox;
use crate::route::Route;
use crate::trunk::TrunkMsg;

/// Failures that the end of a call tells of: those of 16 targets and a few addresses.
const TRIES_MAX: usize = 24;

/// What has failed so far, in words.
#[derive(Debug, Default)]
pub(super) struct Tries(Vec<String>);

impl Tries {
    fn add(&mut self, place: &str, failure: AttemptFailure, patience: Option<Duration>) {
        if self.0.len() < TRIES_MAX {
            let why = match (failure, patience) {
                (AttemptFailure::Silent, Some(patience)) => format!("said nothing for {} s", patience.as_secs()),
                (AttemptFailure::Silent, None) => "said nothing".to_owned(),
                (AttemptFailure::Unreachable, _) => "could not be reached".to_owned(),
                (AttemptFailure::Refused { status, .. }, _) => format!("refused with {status}"),
            };
            self.0.push(format!("{place} {why}"));
        }
    }

    /// The end of a call in words, with what was tried if that was more than one target.
    pub(super) fn explain(&self, mut end: String) -> String {
        if self.0.len() > 1 {
            let _infallible = write!(end, "; tried: {}", self.0.join(", "));
        }
        end
    }
}

/// The INVITE of a call of ours; the one place where one is made.
pub(super) fn outbound_invite(route: Route, offer: String) -> OutboundInvite {
    let Route { request_uri, next_hop, from, to, headers, others, redirects, trunk, .. } = route;
    let patience = trunk.map(|trunk| trunk.try_timeout);
    OutboundInvite {
        to,
        next_hop,
        headers,
        others,
        patience,
        redirects,
        sdp: Some(offer),
        ..OutboundInvite::new(request_uri, from)
    }
}

impl Call {
    /// The INVITE came to nothing somewhere: it is counted, and the trunk hears of its target.
    pub(super) fn handle_attempt_failed(&mut self, attempt: &Attempt) {
        let Attempt { target, is_redirected, failure, is_last_address } = *attempt;
        let Some(placed) = self.placed() else { return };
        let route = &placed.route;
        let other = target.checked_sub(1).and_then(|other| route.others.get(other));
        let next_hop = other.map_or(route.next_hop.as_ref(), |other| other.next_hop.as_ref());
        let place = next_hop.or(Some(&route.request_uri)).and_then(Uri::host).map_or_else(String::new, |host| host.to_string());
        let place = next_hop.map_or(place, |uri| uri.to_string());
        let (trunk, index) = (route.trunk.clone(), route.targets.get(target).copied());
        let patience = trunk.as_ref().map(|trunk| trunk.try_timeout);
        let place = if is_redirected { "where it was redirected to" } else { &place };
        placed.tries.add(place, failure, patience);
        let reason = reason(failure);
        tracing::info!(call = %self.id, target = place, reason, "an INVITE came to nothing");
        let Some(trunk) = trunk else { return };
        let labels = [("trunk", trunk.name.to_string()), ("reason", reason)];
        metrics::counter!("offhook_trunk_attempts_failed_total", &labels).increment(1);
        if let (Some(target), true) = (index, is_last_address && !is_redirected)
            && let Some(entry) = self.shared.trunks.find(&trunk.name)
        {
            entry.port.tell(TrunkMsg::CallFailed { target, failure });
        }
    }

    /// The INVITE follows a redirection.
    pub(super) fn handle_redirected(&mut self, to: &Uri) {
        let Some(placed) = self.placed() else { return };
        let trunk = placed.route.trunk.as_ref().map(|trunk| trunk.name.to_string());
        let host = to.host().map(ToString::to_string).unwrap_or_default();
        tracing::info!(call = %self.id, host, "it is redirected");
        if let Some(trunk) = trunk {
            metrics::counter!("offhook_trunk_redirects_total", "trunk" => trunk).increment(1);
        }
    }

    /// Nobody on the way said anything at all.
    pub(super) fn handle_nobody_answered(&mut self, me: &Mailbox<CallMsg>) {
        let end = "the callee's side did not answer at all".to_owned();
        let detail = self.placed().map(|placed| placed.tries.explain(end));
        self.end(HangupCause::Unavailable, detail, me);
    }
}

/// The `reason` label of a failure.
fn reason(failure: AttemptFailure) -> String {
    match failure {
        AttemptFailure::Silent => "silent".to_owned(),
        AttemptFailure::Unreachable => "unreachable".to_owned(),
        AttemptFailure::Refused { status, .. } => status.code().to_string(),
    }
}

/// What is said of a redirection that was not followed.
pub(super) fn words(status: StatusCode, reason: &str) -> String {
    match status.code() {
        300..=302 | 305 => format!("{status} {reason}; redirected to where calls of ours may not go, or too often"),
        _ => format!("{} {reason}", status.code()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_what_was_tried() {
        let mut tries = Tries::default();
        tries.add("sip:a.example", AttemptFailure::Silent, Some(Duration::from_secs(4)));
        assert_eq!(tries.explain("nobody".into()), "nobody", "one alone is what the end says");
        tries.add("sip:b.example", AttemptFailure::Unreachable, Some(Duration::from_secs(4)));
        let status = StatusCode::new(503).unwrap();
        tries.add("sip:c.example", AttemptFailure::Refused { status, retry_after: None }, None);
        let expected = "503 Full; tried: sip:a.example said nothing for 4 s, sip:b.example could not be reached, \
                        sip:c.example refused with 503";
        assert_eq!(tries.explain(words(status, "Full")), expected);
        let moved = words(StatusCode::new(302).unwrap(), "Moved");
        assert_eq!(moved, "302 Moved; redirected to where calls of ours may not go, or too often");
    }
}
