//! Our first INVITE somewhere else: at the next Contact of a redirection, or at the next target of the call.
//!
//! ```text
//! 300-302         at the Contacts that are permitted, the best first; none twice, and never from sips: to sip:
//! 305             the same INVITE, by way of the Contact
//! silence, no way, 408, 430, 5xx, and nobody rang    at the next Contact, then at the next target
//! other, not 6xx  at the next Contact of a 3xx before
//! ```
//! All of it is one call: Call-ID and From tag stay, the CSeq goes up by one (RFC 3261 §8.1.3.4). Each target is challenged for itself, and
//! nobody but the targets and what counts as theirs is shown credentials.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::again::Invitation;
use super::build::is_secure;
use super::clients::ClientUser;
use super::usages::{Cancel, Phase};
use super::{Endpoint, Event, OutboundInvite};
use crate::message::{Contacts, Response, StatusCode};
use crate::uri::{NameAddr, SipUri, Uri};

/// Contacts of redirections that are kept to be tried.
const CONTACTS_MAX: usize = 5;
/// Redirections that one call follows: RFC 3261 names no number, 5 is what browsers began with and more than any carrier needs.
const REDIRECTS_MAX: u8 = 5;

/// Another place to ask when the first one fails.
#[derive(Clone)]
pub struct CallTarget {
    /// Whom to call there.
    pub request_uri: Uri,
    /// As [`OutboundInvite::next_hop`].
    pub next_hop: Option<Uri>,
    /// Who calls, as it is shown there.
    pub from: NameAddr,
    /// Who is called, as it is shown there.
    pub to: NameAddr,
    /// Headers beside those that every INVITE has.
    pub headers: Vec<(String, String)>,
}

/// Without values of headers.
impl fmt::Debug for CallTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request_uri, next_hop, .. } = self;
        f.debug_struct("CallTarget").field("request_uri", request_uri).field("next_hop", next_hop).finish_non_exhaustive()
    }
}

/// What is done with the Contacts of a 300, 301, 302 or 305.
#[derive(Clone, Debug, Default)]
pub enum Redirects {
    /// Those that this permits are called, the best `q` first, 5 of them at most; those of a call with a flow of its own are not.
    Follow(Arc<dyn RedirectPolicy>),
    /// [`Event::Refused`] brings them. A peer that may send our calls anywhere may cost us any money.
    #[default]
    Report,
}

/// Says where a call may be redirected to.
pub trait RedirectPolicy: fmt::Debug + Send + Sync {
    /// How a Contact is to be called, if it may be. `whole`: the Contact is who is called; else (305) only a proxy on the way.
    fn judge(&self, contact: &SipUri, whole: bool) -> Option<Permitted>;
}

/// A Contact that may be called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permitted {
    /// The Contact, or what is to be called in its place.
    pub uri: SipUri,
    /// It is of those whom we answer challenges of.
    pub is_trusted: bool,
}

/// An INVITE of ours that came to nothing somewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// Which target: 0 is the invite's own, 1 the first of its `others`.
    pub target: usize,
    /// It was redirected from there, so the target itself did its part.
    pub is_redirected: bool,
    /// Why.
    pub failure: AttemptFailure,
    /// The target's name leads to no further address.
    pub is_last_address: bool,
}

/// Why an INVITE came to nothing somewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttemptFailure {
    /// Not even a 100 came.
    Silent,
    /// Nothing could be sent there: no address, no connection.
    Unreachable,
    /// It refused for reasons of its own: 408, 430, 5xx.
    Refused {
        /// With what.
        status: StatusCode,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl AttemptFailure {
    pub(super) fn refused(response: &Response) -> Self {
        let seconds = response.headers.retry_after().ok().flatten();
        Self::Refused { status: response.status, retry_after: seconds.map(|seconds| Duration::from_secs(seconds.into())) }
    }
}

/// Where an INVITE may go besides where it is now.
#[derive(Debug)]
pub(super) struct Elsewhere {
    redirects: Redirects,
    /// How often one was followed.
    followed: u8,
    /// What it was aimed at.
    been: Vec<Aim>,
    /// What redirections named and is left.
    contacts: VecDeque<(Aim, bool)>,
    others: VecDeque<CallTarget>,
    /// Which target it is at, or was at before it was redirected.
    target: usize,
    is_redirected: bool,
    /// It was redirected to somebody who is to see no credentials.
    pub among_strangers: bool,
}

/// Whom an INVITE is for, and which way it goes.
#[derive(Clone, Debug)]
struct Aim {
    uri: Uri,
    next_hop: Option<Uri>,
}

impl Aim {
    fn is_same(&self, other: &Self) -> bool {
        let same_way = match (&self.next_hop, &other.next_hop) {
            (Some(own), Some(other)) => own.equivalent(other),
            (None, None) => true,
            _ => false,
        };
        same_way && self.uri.equivalent(&other.uri)
    }
}

impl Elsewhere {
    pub fn new(invite: &OutboundInvite) -> Self {
        let redirects = if invite.flow.is_some() { Redirects::Report } else { invite.redirects.clone() };
        Self {
            redirects,
            followed: 0,
            been: vec![Aim { uri: invite.request_uri.clone(), next_hop: invite.next_hop.clone() }],
            contacts: VecDeque::new(),
            others: invite.others.iter().cloned().collect(),
            target: 0,
            is_redirected: false,
            among_strangers: false,
        }
    }

    /// Keeps the Contacts of a redirection that are permitted.
    fn add_contacts(&mut self, asked: &Uri, by_proxy: Option<&Uri>, response: &Response) {
        let (Redirects::Follow(policy), Ok(Contacts::These(contacts))) = (&self.redirects, response.headers.contacts()) else {
            return;
        };
        let whole = response.status.code() != 305;
        let secure = is_secure(asked);
        // A proxy of ours that sees all our requests stays in the way.
        let kept = by_proxy.filter(|proxy| proxy.as_sip().is_some_and(SipUri::is_loose_router));
        let mut aims: Vec<(u16, Aim, bool)> = Vec::new();
        for contact in contacts {
            let quality = quality(&contact);
            let Uri::Sip(uri) = bare(contact.uri) else { continue };
            let Some(Permitted { uri, is_trusted }) = policy.judge(&uri, whole) else { continue };
            let uri = Uri::Sip(uri);
            if secure && !is_secure(&uri) {
                continue;
            }
            let aim = match whole {
                true => Aim { uri, next_hop: kept.cloned() },
                false => Aim { uri: asked.clone(), next_hop: Some(uri) },
            };
            aims.push((quality, aim, is_trusted));
        }
        aims.sort_by_key(|(quality, _, _)| std::cmp::Reverse(*quality));
        // Those of a second redirection are nearer than the rest of the first.
        for (_, aim, is_trusted) in aims.into_iter().rev() {
            self.contacts.push_front((aim, is_trusted));
        }
        self.contacts.truncate(CONTACTS_MAX);
    }

    /// The next Contact that it has not been at, if there is one and it may be followed.
    fn next_contact(&mut self) -> Option<Aim> {
        if self.followed >= REDIRECTS_MAX {
            return None;
        }
        let Self { contacts, been, .. } = self;
        let new = |(aim, _): &(Aim, bool)| {
            !been.iter().any(|old| old.is_same(aim) || (aim.next_hop.is_none() && old.uri.equivalent(&aim.uri)))
        };
        let (aim, is_trusted) = std::iter::from_fn(|| contacts.pop_front()).find(new)?;
        self.been.push(aim.clone());
        self.followed += 1;
        (self.is_redirected, self.among_strangers) = (true, !is_trusted);
        Some(aim)
    }
}

/// The `q` of a Contact in thousandths; 1 when none is said.
fn quality(contact: &NameAddr) -> u16 {
    let quality = contact.params.get("q").and_then(|q| q.parse::<f32>().ok()).unwrap_or(1.0);
    (quality.clamp(0.0, 1.0) * 1_000.0) as u16
}

/// A Contact as a Request-URI: without headers and method, which may not stand there (RFC 3261 §19.1.1).
fn bare(uri: Uri) -> Uri {
    match uri {
        Uri::Sip(mut uri) => {
            uri.headers = None;
            uri.params.remove("method");
            Uri::Sip(uri)
        }
        other => other,
    }
}

/// Whether a refusal is of who gave it, and another server may do better (RFC 3261 §21.5, RFC 3263 §4.3, RFC 5626 §4.3). 580 is of what was
/// asked (RFC 3312).
pub(super) fn blames_server(status: StatusCode) -> bool {
    matches!(status.code(), 408 | 430 | 500..=579 | 581..=599)
}

impl Endpoint {
    /// A redirection of our INVITE: true when it is followed.
    pub(super) fn follow_redirection(&mut self, now: Instant, number: u64, response: &Response) -> bool {
        let Some(usage) = self.usages.table.get_mut(&number) else { return false };
        let asked = usage.dialog.target().clone();
        let Some(invitation) = &mut usage.invitation else { return false };
        invitation.elsewhere.add_contacts(&asked, invitation.next_hop.as_ref(), response);
        self.try_next_contact(now, number)
    }

    /// Our INVITE came to nothing where it is: true when it is under way to somewhere else, with the transaction before left to itself.
    pub(super) fn try_elsewhere(&mut self, now: Instant, number: u64, failure: AttemptFailure) -> bool {
        self.note_attempt(number, failure, true);
        self.try_next_contact(now, number) || self.try_next_target(now, number)
    }

    /// Tells that an INVITE failed at one address.
    pub(super) fn note_attempt(&mut self, number: u64, failure: AttemptFailure, is_last_address: bool) {
        let Some(usage) = self.usages.table.get(&number) else { return };
        let Some(Invitation { elsewhere: Elsewhere { target, is_redirected, .. }, .. }) = usage.invitation.as_deref() else {
            return;
        };
        let attempt = Attempt { target: *target, is_redirected: *is_redirected, failure, is_last_address };
        self.events.push_back(Event::AttemptFailed { dialog: usage.name.clone(), attempt });
    }

    /// Whether our INVITE may still go elsewhere: nobody rang for it, and it is wanted.
    pub(super) fn may_move(&self, number: u64) -> bool {
        let usage = self.usages.table.get(&number);
        usage.is_some_and(|usage| {
            let rang = usage.invitation.as_ref().is_none_or(|invitation| invitation.rang);
            matches!(usage.phase, Phase::Inviting { cancel: Cancel::No, .. }) && !rang
        })
    }

    /// Goes on to what is left of the Contacts of a redirection.
    pub(super) fn try_next_contact(&mut self, now: Instant, number: u64) -> bool {
        let Some(usage) = self.usages.table.get_mut(&number) else { return false };
        let Some(invitation) = &mut usage.invitation else { return false };
        let Some(aim) = invitation.elsewhere.next_contact() else { return false };
        invitation.next_hop = aim.next_hop;
        usage.dialog.redirect(aim.uri);
        self.events.push_back(Event::Redirected { dialog: usage.name.clone(), to: usage.dialog.target().clone() });
        self.send_anew(now, number);
        true
    }

    fn try_next_target(&mut self, now: Instant, number: u64) -> bool {
        let Some(usage) = self.usages.table.get_mut(&number) else { return false };
        let Some(invitation) = &mut usage.invitation else { return false };
        let elsewhere = &mut invitation.elsewhere;
        let Some(CallTarget { request_uri, next_hop, from, to, headers }) = elsewhere.others.pop_front() else { return false };
        elsewhere.contacts.clear();
        elsewhere.been.push(Aim { uri: request_uri.clone(), next_hop: next_hop.clone() });
        elsewhere.target += 1;
        (elsewhere.is_redirected, elsewhere.among_strangers) = (false, false);
        (invitation.next_hop, invitation.headers) = (next_hop, headers);
        usage.dialog.readdress(from, to, request_uri);
        if let Some(digest) = &mut usage.digest {
            digest.forget();
        }
        self.send_anew(now, number);
        true
    }

    /// Sends the INVITE to where the dialog is aimed at now.
    fn send_anew(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else { return };
        if let Phase::Inviting { client, .. } = usage.phase {
            usage.phase = Phase::Inviting { client: 0, cancel: Cancel::No };
            self.leave_behind(client);
        }
        let Some(usage) = self.usages.table.get_mut(&number) else { return };
        let Some(invitation) = usage.invitation.as_deref_mut() else { return };
        (invitation.next, invitation.rang) = (None, false);
        let uri = invitation.next_hop.clone().unwrap_or_else(|| usage.dialog.target().clone());
        let flow = invitation.flow;
        let request = self.first_invite(number);
        if let Some(request) = request {
            self.send_first(now, flow, &uri, request, ClientUser::Invite(number));
        }
        self.rearm_usage(number);
    }
}
