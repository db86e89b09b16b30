//! Our first INVITE once more, after a refusal that another one may get past: elsewhere, later, or with other words.
//!
//! ```text
//! 300-302         at the Contacts, the best first, if that is wanted; none twice, and never from sips: to sip:
//! 422             with the session that is asked for
//! 491             after 2.1 to 4 s
//! 500-599         after its Retry-After, if that is short
//! other, not 6xx  at the next Contact of a 3xx before
//! ```
//! It is another transaction of the same call: Call-ID and From tag stay, the CSeq goes up by one (RFC 3261 §8.1.3.4, §8.1.3.5).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::build::is_secure;
use super::clients::ClientUser;
use super::session;
use super::usages::{Cancel, Phase};
use super::{Endpoint, OutboundInvite, Redirects};
use crate::flow::Flow;
use crate::message::{CSeq, Contacts, Request, Response, name};
use crate::uri::{NameAddr, Uri};

/// Times that one call's INVITE is sent again; loops of proxies and refusals end there.
const AGAIN_MAX: u8 = 6;
/// Contacts of redirections that are kept to be tried.
const CONTACTS_MAX: usize = 5;
/// Longest Retry-After that is waited for: a caller who hears nothing hangs up.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// What is kept of our INVITE until it is answered.
#[derive(Debug)]
pub(super) struct Invitation {
    /// As it was sent last, without Via and Contact.
    pub request: Request,
    next_hop: Option<Uri>,
    flow: Option<Flow>,
    redirects: Redirects,
    /// Request-URIs that it had.
    been: Vec<Uri>,
    /// Those of redirections that are left.
    contacts: VecDeque<Uri>,
    /// How often it was sent again.
    again: u8,
    /// When it is sent again.
    pub again_at: Option<Instant>,
}

impl Invitation {
    pub fn new(request: Request, invite: &OutboundInvite) -> Self {
        Self {
            been: vec![request.uri.clone()],
            request,
            next_hop: invite.next_hop.clone(),
            flow: invite.flow,
            redirects: invite.redirects,
            contacts: VecDeque::new(),
            again: 0,
            again_at: None,
        }
    }

    /// Takes the next Contact that we have not been at.
    fn redirect(&mut self) -> Option<Uri> {
        let Self { contacts, been, .. } = self;
        let next = std::iter::from_fn(|| contacts.pop_front()).find(|uri| !been.iter().any(|old| old.equivalent(uri)))?;
        been.push(next.clone());
        self.request.uri = next.clone();
        Some(next)
    }

    fn add_contacts(&mut self, response: &Response) {
        let Ok(Contacts::These(contacts)) = response.headers.contacts() else {
            return;
        };
        let secure = is_secure(&self.request.uri);
        let mut uris: Vec<(u16, Uri)> =
            contacts.into_iter().filter_map(|contact| Some((quality(&contact), target(contact.uri)?))).collect();
        uris.retain(|(_, uri)| !secure || is_secure(uri));
        uris.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
        // Those of a second redirection are nearer than the rest of the first.
        for (_, uri) in uris.into_iter().rev() {
            self.contacts.push_front(uri);
        }
        self.contacts.truncate(CONTACTS_MAX);
    }
}

/// The `q` of a Contact in thousandths; 1 when none is said.
fn quality(contact: &NameAddr) -> u16 {
    let quality = contact.params.get("q").and_then(|q| q.parse::<f32>().ok()).unwrap_or(1.0);
    (quality.clamp(0.0, 1.0) * 1_000.0) as u16
}

/// A Contact as a Request-URI: without headers and method, which may not stand there (RFC 3261 §19.1.1).
fn target(uri: Uri) -> Option<Uri> {
    match uri {
        Uri::Sip(mut uri) => {
            uri.headers = None;
            uri.params.remove("method");
            Some(Uri::Sip(uri))
        }
        Uri::Tel(_) | Uri::Other(_) => None,
    }
}

impl Endpoint {
    /// A final refusal of our first INVITE: true when the INVITE is sent again for it, now or later. Whatever else may lead to another one
    /// belongs here.
    pub(super) fn try_again(&mut self, now: Instant, number: u64, response: &Response) -> bool {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return false;
        };
        let Some(invitation) = usage.invitation.as_mut().filter(|invitation| invitation.again < AGAIN_MAX) else {
            return false;
        };
        let follows = invitation.redirects == Redirects::Follow && invitation.flow.is_none();
        let wait = match response.status.code() {
            300..=302 if follows => {
                invitation.add_contacts(response);
                invitation.redirect().map(|_| Duration::ZERO)
            }
            422 => self.raise_session(number, response).then_some(Duration::ZERO),
            491 => Some(self.glare_wait(true)),
            500..=599 => retry_after(response).or_else(|| invitation.redirect().map(|_| Duration::ZERO)),
            303..=499 => invitation.redirect().map(|_| Duration::ZERO),
            _ => None,
        };
        let Some(wait) = wait else {
            return false;
        };
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return false;
        };
        // The transaction before only repeats its ACK from now on.
        usage.phase = Phase::Inviting { client: 0, cancel: Cancel::No };
        if let Some(invitation) = &mut usage.invitation {
            invitation.again += 1;
            invitation.again_at = Some(now + wait);
        }
        match wait.is_zero() {
            true => self.send_again(now, number),
            false => self.rearm_usage(number),
        }
        true
    }

    /// Sends our INVITE again if it is time.
    pub(super) fn send_again(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(invitation) = usage.invitation.as_mut().filter(|invitation| invitation.again_at.is_some_and(|at| at <= now))
        else {
            return;
        };
        invitation.again_at = None;
        let cseq = CSeq::new(usage.dialog.next_number(), invitation.request.method.clone());
        invitation.request.headers.set(name::CSEQ, cseq.to_string());
        usage.dialog.redirect(invitation.request.uri.clone());
        let request = invitation.request.clone();
        let (flow, uri) = (invitation.flow, invitation.next_hop.clone().unwrap_or_else(|| request.uri.clone()));
        self.send_first(now, flow, &uri, request, ClientUser::Invite(number));
    }

    /// A 422 to our first INVITE: asks for the session that the other side wants at least. False if that is not more than we asked for.
    fn raise_session(&mut self, number: u64, response: &Response) -> bool {
        let (Some(least), Some(usage)) = (session::min_se(&response.headers), self.usages.table.get_mut(&number)) else {
            return false;
        };
        let Some(invitation) = usage.invitation.as_mut().filter(|_| self.config.session_expires.is_some()) else {
            return false;
        };
        let raised = least > usage.session_least;
        usage.session_least = usage.session_least.max(least);
        session::push_wish(&mut invitation.request.headers, &self.config, None, usage.session_least);
        raised
    }
}

/// A Retry-After that is short enough to be waited for.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers.retry_after().ok()??;
    let wait = Duration::from_secs(seconds.into());
    (!wait.is_zero() && wait <= RETRY_AFTER_MAX).then_some(wait)
}
