//! Our first INVITE once more, after a refusal that another one may get past: elsewhere, later, or with other words.
//!
//! ```text
//! 300-302         at the Contacts, the best first, if that is wanted; none twice, and never from sips: to sip:
//! 422             with the session that is asked for
//! 491             after 2.1 to 4 s
//! 500-599         after its Retry-After, if that is short and it is no 503
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
use crate::message::{CSeq, Contacts, Method, Request, Response, name};
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
    next_hop: Option<Uri>,
    flow: Option<Flow>,
    redirects: Redirects,
    /// Request-URIs that it had.
    been: Vec<Uri>,
    /// Those of redirections that are left.
    contacts: VecDeque<Uri>,
    /// How often it was sent again.
    again: u8,
    /// When it is sent again, and as what: without Via and CSeq of its own yet.
    next: Option<(Instant, Box<Request>)>,
}

impl Invitation {
    pub fn new(invite: &OutboundInvite) -> Self {
        Self {
            next_hop: invite.next_hop.clone(),
            flow: invite.flow,
            redirects: invite.redirects,
            been: vec![invite.request_uri.clone()],
            contacts: VecDeque::new(),
            again: 0,
            next: None,
        }
    }

    /// When it is sent again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next.as_ref().map(|(at, _)| *at)
    }

    /// Aims the INVITE at the next Contact that it has not been at, if there is one.
    fn redirect(&mut self, request: &mut Request) -> Option<Duration> {
        let Self { contacts, been, .. } = self;
        let next = std::iter::from_fn(|| contacts.pop_front()).find(|uri| !been.iter().any(|old| old.equivalent(uri)))?;
        been.push(next.clone());
        request.uri = next;
        Some(Duration::ZERO)
    }

    fn add_contacts(&mut self, request: &Request, response: &Response) {
        let Ok(Contacts::These(contacts)) = response.headers.contacts() else {
            return;
        };
        let secure = is_secure(&request.uri);
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
    /// is a row here: it changes the request and says how long it waits.
    pub(super) fn try_again(&mut self, now: Instant, client: u64, number: u64, response: &Response) -> bool {
        let Some(mut request) = self.clients.table.get(&client).map(|transaction| Box::new(transaction.request.clone())) else {
            return false;
        };
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return false;
        };
        let Some(invitation) = usage.invitation.as_mut().filter(|invitation| invitation.again < AGAIN_MAX) else {
            return false;
        };
        let follows = invitation.redirects == Redirects::Follow && invitation.flow.is_none();
        let wait = match response.status.code() {
            300..=302 if follows => {
                invitation.add_contacts(&request, response);
                invitation.redirect(&mut request)
            }
            422 => self.raise_session(number, response, &mut request),
            491 => Some(self.glare_wait(true)),
            // Who has no room is not asked again: that is what fills it.
            503 | 303..=499 => invitation.redirect(&mut request),
            500..=599 => retry_after(response).or_else(|| invitation.redirect(&mut request)),
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
        usage.dialog.redirect(request.uri.clone());
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
