//! Whose a dialog is: who is told of its events, and what happens until somebody takes it.

use std::time::{Duration, Instant};

use sip::dialog::DialogId;
use sip::endpoint::Event;
use sip::message::StatusCode;
use store::HangupCause;

use super::owners::Owner;
use super::{EVENTS_BEFORE_OWNER_MAX, OWNER_WAIT_MAX, SipEndpoint};
use crate::call::CallMsg;
use crate::call::finish::reason_of;
use crate::mailbox::Mailbox;

impl SipEndpoint {
    /// Tells whoever a dialog belongs to.
    pub(super) fn dispatch(&mut self, event: Event) {
        let event = match event {
            Event::Invited { dialog, invite, flow } => return self.handle_invited(dialog, invite, flow),
            Event::Responded { request, response, series } => return self.tell_asker(request, Some(response), series),
            Event::Unanswered { request, series } => return self.tell_asker(request, None, series),
            event => event,
        };
        let dialog = match &event {
            // The answer gives a call of ours its name.
            Event::Answered { early, dialog, .. } => {
                if let Some(owner) = self.owners.remove(early) {
                    self.owners.insert(dialog.clone(), owner);
                }
                dialog.clone()
            }
            other => match other.dialog() {
                Some(dialog) => dialog.clone(),
                None => return,
            },
        };
        let ended = matches!(event, Event::Terminated { .. });
        let stands = matches!(event, Event::Confirmed { .. } | Event::Answered { .. } | Event::ReinviteAnswered { .. });
        let snapshot = stands.then(|| self.endpoint.snapshot(&dialog)).flatten().map(Box::new);
        match self.owners.get_mut(&dialog) {
            Some(Owner::Awaited { events, .. }) if events.len() < EVENTS_BEFORE_OWNER_MAX => events.push(event),
            Some(Owner::Call(call)) => {
                let undelivered = call.send(CallMsg::Sip { event, snapshot }).is_err();
                if undelivered && !ended {
                    self.endpoint.hang_up(Instant::now(), &dialog, Some(reason_of(HangupCause::Crashed)));
                }
            }
            Some(Owner::Awaited { .. }) | None => tracing::debug!("event of a dialog that no call owns"),
        }
        if ended {
            self.owners.remove(&dialog);
            self.watch.end(Instant::now(), &dialog.call_id);
        }
    }

    /// Every INVITE gets an answer, also when those who should have given it are gone or were not heard.
    pub(super) fn refuse_unowned(&mut self, now: Instant) {
        for (dialog, owner) in self.owners.iter() {
            if matches!(owner, Owner::Awaited { since, .. } if now.saturating_duration_since(*since) > OWNER_WAIT_MAX) {
                tracing::error!("no call took an INVITE; it is refused");
                metrics::counter!("offhook_calls_rejected_total", "reason" => "failed").increment(1);
                self.endpoint.refuse(now, dialog, StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(1)));
            }
        }
    }

    /// A call takes its dialog.
    pub(super) fn handle_own(&mut self, dialog: DialogId, call: Mailbox<CallMsg>) {
        match self.owners.insert(dialog.clone(), Owner::Call(call.clone())) {
            Some(Owner::Awaited { events, .. }) => {
                for event in events {
                    let snapshot = self.endpoint.snapshot(&dialog).map(Box::new);
                    let _call_ended_already = call.send(CallMsg::Sip { event, snapshot });
                }
            }
            Some(Owner::Call(_)) => tracing::warn!("a dialog was owned twice"),
            None => {
                // It ended before its call came for it.
                self.owners.remove(&dialog);
                let _call_ended_already = call.send(CallMsg::Sip { event: Event::Terminated { dialog }, snapshot: None });
            }
        }
    }
}
