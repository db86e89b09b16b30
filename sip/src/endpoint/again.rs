//! Our first INVITE once more where it was, after a refusal that another one may get past: later, or with other words.
//!
//! ```text
//! 422      with the session that is asked for
//! 491      after 2.1 to 4 s
//! 500-599  after its Retry-After, if that is short, it is no 503, and there is nobody else to ask
//! ```
//! It is another transaction of the same call: Call-ID and From tag stay, the CSeq goes up by one (RFC 3261 §8.1.3.5). Whom else to ask
//! says [`elsewhere`](super::elsewhere).

use std::time::{Duration, Instant};

use super::clients::ClientUser;
use super::elsewhere::{AttemptFailure, Elsewhere, blames_server};
use super::session;
use super::usages::{Cancel, Phase};
use super::{Endpoint, OutboundInvite};
use crate::flow::Flow;
use crate::message::{CSeq, Method, Request, Response, name};
use crate::uri::Uri;

/// Times that one call's INVITE is sent again to who refused it: refusals end there.
const AGAIN_MAX: u8 = 6;
/// Longest Retry-After that is waited for: a caller who hears nothing hangs up.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// What is kept of our INVITE until it is answered.
#[derive(Debug)]
pub(super) struct Invitation {
    /// Where it goes in place of the host that it names.
    pub next_hop: Option<Uri>,
    pub flow: Option<Flow>,
    /// What it says beside.
    pub headers: Vec<(String, String)>,
    /// How long silence is borne, if not for 64*T1.
    pub patience: Option<Duration>,
    /// A 1xx other than 100 came to it where it is now.
    pub rang: bool,
    /// Where else it may go.
    pub elsewhere: Elsewhere,
    /// How often it was sent again.
    again: u8,
    /// When it is sent again, and as what: without Via and CSeq of its own yet.
    pub next: Option<(Instant, Box<Request>)>,
}

impl Invitation {
    pub fn new(invite: &OutboundInvite) -> Self {
        Self {
            next_hop: invite.next_hop.clone(),
            flow: invite.flow,
            headers: invite.headers.clone(),
            patience: invite.patience,
            rang: false,
            elsewhere: Elsewhere::new(invite),
            again: 0,
            next: None,
        }
    }

    /// When it is sent again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next.as_ref().map(|(at, _)| *at)
    }
}

impl Endpoint {
    /// A final refusal of our first INVITE: true when the INVITE is sent again for it, now or later, here or elsewhere.
    pub(super) fn try_again(&mut self, now: Instant, client: u64, number: u64, response: &Response) -> bool {
        let (status, can_move) = (response.status, self.may_move(number));
        let moved = match status.code() {
            300..=302 | 305 => self.follow_redirection(now, number, response),
            // Nobody else is asked because of what is wrong with the question.
            422 | 491 => false,
            _ if blames_server(status) && can_move => self.try_elsewhere(now, number, AttemptFailure::refused(response)),
            303..=599 => self.try_next_contact(now, number),
            _ => false,
        };
        moved || self.try_here(now, client, number, response)
    }

    fn try_here(&mut self, now: Instant, client: u64, number: u64, response: &Response) -> bool {
        let Some(mut request) = self.clients.table.get(&client).map(|transaction| Box::new(transaction.request.clone())) else {
            return false;
        };
        let invitation = self.usages.table.get_mut(&number).and_then(|usage| usage.invitation.as_mut());
        if invitation.is_none_or(|invitation| invitation.again >= AGAIN_MAX) {
            return false;
        }
        let wait = match response.status.code() {
            422 => self.raise_session(number, response, &mut request),
            491 => Some(self.glare_wait(true)),
            // Who has no room is not asked again: that is what fills it.
            503 => None,
            500..=599 => retry_after(response),
            _ => None,
        };
        let Some(wait) = wait else {
            return false;
        };
        // The transaction before only repeats its ACK from now on.
        self.release(client);
        if let Some(usage) = self.usages.table.get_mut(&number) {
            usage.phase = Phase::Inviting { client: 0, cancel: Cancel::No };
            if let Some(invitation) = &mut usage.invitation {
                invitation.again += 1;
                invitation.next = Some((now + wait, request));
            }
        }
        self.send_again(now, number);
        self.rearm_usage(number);
        true
    }

    /// Sends our INVITE again if it is time.
    pub(super) fn send_again(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(invitation) = &mut usage.invitation else {
            return;
        };
        let Some((_, mut request)) = invitation.next.take_if(|(at, _)| *at <= now) else {
            return;
        };
        request.headers.remove(name::VIA);
        request.headers.set(name::CSEQ, CSeq::new(usage.dialog.next_number(), Method::INVITE).to_string());
        invitation.rang = false;
        let (flow, uri) = (invitation.flow, invitation.next_hop.clone().unwrap_or_else(|| request.uri.clone()));
        self.send_first(now, flow, &uri, *request, ClientUser::Invite(number));
    }

    /// A 422 to our first INVITE: asks for the session that the other side wants at least, unless that is no more than we asked for.
    fn raise_session(&mut self, number: u64, response: &Response, request: &mut Request) -> Option<Duration> {
        let (least, usage) = (session::min_se(&response.headers)?, self.usages.table.get_mut(&number)?);
        if self.config.session_expires.is_none() || least <= usage.session_least {
            return None;
        }
        usage.session_least = least;
        session::push_wish(&mut request.headers, &self.config, None, least);
        Some(Duration::ZERO)
    }
}

/// A Retry-After that is short enough to be waited for.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers.retry_after().ok()??;
    let wait = Duration::from_secs(seconds.into());
    (!wait.is_zero() && wait <= RETRY_AFTER_MAX).then_some(wait)
}
