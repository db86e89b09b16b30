//! Requests of ours outside of dialogs: REGISTER and OPTIONS.

use std::time::Instant;

use super::clients::ClientUser;
use super::{Endpoint, Event};
use crate::digest::{Credentials, DigestClient};
use crate::flow::Flow;
use crate::message::{ALLOWED_METHODS, CSeq, Method, Request, Response, name};
use crate::uri::{NameAddr, SipUri, Uri};

/// Such requests under way at once; further ones are unanswered at once. 256 trunks with four targets each.
pub const OUTSIDE_MAX: usize = 1_024;

/// Hops that they may take (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: &str = "70";

/// Names a request outside of dialogs.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(u64);

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct OutboundRequest {
    /// What is asked: [`Method::REGISTER`] or [`Method::OPTIONS`].
    pub method: Method,
    /// Of whom.
    pub request_uri: Uri,
    /// Where it is sent, as RFC 3263 finds it; `None`: where the Request-URI leads.
    pub next_hop: Option<Uri>,
    /// Who asks; the tag is ours to set.
    pub from: NameAddr,
    /// About whom: of a REGISTER the address that is registered.
    pub to: NameAddr,
    /// The user of our Contact, which a registrar puts into the Request-URI of calls to us; `None`: no Contact, and a REGISTER asks only
    /// who is registered (RFC 3261 §10.2.3).
    pub contact: Option<String>,
    /// Expires and others.
    pub headers: Vec<(&'static str, String)>,
}

/// What requests that belong together have in common: a registration's all have one Call-ID and rising numbers (RFC 3261 §10.2.4), and
/// the challenge of one authorizes the next. It is given with a request, and comes back with its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Series {
    call_id: String,
    cseq: u32,
    pub(super) digest: Option<DigestClient>,
}

impl Series {
    /// A new one. Without credentials a challenge is an answer as any other.
    pub fn new(credentials: Option<Credentials>) -> Self {
        Self { call_id: String::new(), cseq: 0, digest: credentials.map(DigestClient::new) }
    }

    pub(super) fn next_cseq(&mut self) -> u32 {
        self.cseq += 1;
        self.cseq
    }
}

/// A request whose end is waited for.
#[derive(Debug)]
pub(super) struct Outside {
    pub series: Series,
    contact: Option<String>,
}

impl Endpoint {
    /// Sends a request outside of dialogs; [`Event::Responded`] or [`Event::Unanswered`] follows, once. Challenges are answered with the
    /// credentials of the series.
    pub fn request(&mut self, now: Instant, request: OutboundRequest, mut series: Series) -> RequestId {
        let number = self.next_number();
        let id = RequestId(number);
        if self.outsides.len() >= OUTSIDE_MAX {
            self.events.push_back(Event::Unanswered { request: id, series: Box::new(series) });
            return id;
        }
        if series.call_id.is_empty() {
            series.call_id = format!("{}{}", self.new_token(), self.new_token());
        }
        let OutboundRequest { method, request_uri, next_hop, from, to, contact, headers } = request;
        let mut request = Request::new(method.clone(), request_uri);
        let own = &mut request.headers;
        own.push(name::MAX_FORWARDS, MAX_FORWARDS);
        own.push(name::FROM, from.with_tag(&self.new_token()).to_string());
        own.push(name::TO, to.to_string());
        own.push(name::CALL_ID, series.call_id.as_str());
        own.push(name::CSEQ, CSeq::new(series.next_cseq(), method).to_string());
        own.push(name::USER_AGENT, self.config.user_agent.as_str());
        own.push(name::ALLOW, ALLOWED_METHODS);
        for (name, value) in headers {
            own.push(name, value);
        }
        self.outsides.insert(number, Outside { series, contact });
        let user = ClientUser::Outside(number);
        self.authorize_request(user, &mut request);
        let uri = next_hop.unwrap_or_else(|| request.uri.clone());
        self.send_out(now, uri, request, user);
        id
    }

    /// Nobody waits for the request any more: it is not sent to further targets, and no event comes. What of it is on its way stays there.
    pub fn abandon(&mut self, request: RequestId) {
        self.outsides.remove(&request.0);
    }

    /// The Contact by which we are reached over the flow that a request takes.
    pub(super) fn set_contact(&self, user: ClientUser, request: &mut Request, flow: &Flow) {
        let ClientUser::Outside(number) = user else {
            return;
        };
        let Some(user) = self.outsides.get(&number).and_then(|outside| outside.contact.as_deref()) else {
            return;
        };
        let contact = self.contact(flow, super::build::is_secure(&request.uri)).parse::<NameAddr>();
        if let Ok(NameAddr { uri: Uri::Sip(mut uri), .. }) = contact {
            uri.user = SipUri::new(Some(user), uri.host.clone(), None).user;
            request.headers.set(name::CONTACT, NameAddr::new(Uri::Sip(uri)).to_string());
        }
    }

    /// The final answer is here.
    pub(super) fn finish_outside(&mut self, number: u64, response: &Response) {
        if let Some(outside) = self.outsides.remove(&number) {
            let (response, series) = (Box::new(response.clone()), Box::new(outside.series));
            self.events.push_back(Event::Responded { request: RequestId(number), response, series });
        }
    }

    /// There is none, and there will be none.
    pub(super) fn lose_outside(&mut self, number: u64) {
        if let Some(outside) = self.outsides.remove(&number) {
            self.events.push_back(Event::Unanswered { request: RequestId(number), series: Box::new(outside.series) });
        }
    }
}
