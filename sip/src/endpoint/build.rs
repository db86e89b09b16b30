//! What our messages say of us: Via, Contact, tags, and the headers of each response.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use rand::Rng;

use super::incoming::Incoming;
use super::{Endpoint, Listener};
use crate::flow::{Flow, Transmit, Transport};
use crate::message::{
    ALLOWED_METHODS, BRANCH_COOKIE, Headers, Method, ParseError, Request, Response, SUPPORTED_EXTENSIONS, StatusCode, name,
};
use crate::uri::{Host, Scheme, Uri};

/// The option tag of RFC 3262.
pub(super) const RELIABLE: &str = "100rel";

/// The body type that we read and write.
pub(super) const SDP: &str = "application/sdp";

impl Endpoint {
    /// 64 random bits in hexadecimal: tags and branches must not be guessed (RFC 3261 §19.3).
    pub(super) fn new_token(&mut self) -> String {
        format!("{:016x}", self.random.next_u64())
    }

    /// A Via with a branch of its own.
    pub(super) fn new_via(&mut self, flow: &Flow) -> String {
        let token = self.new_token();
        format!("SIP/2.0/{} {};branch={BRANCH_COOKIE}{token};rport", flow.transport.via_name(), self.sent_by(flow))
    }

    /// Where in-dialog requests reach us. A secure dialog's is `sips:`, whose transport is TLS without a word (RFC 5630 §3.3);
    /// else TLS is told as `transport=tls`, which RFC 3261 deprecates and every carrier uses.
    pub(super) fn contact(&self, flow: &Flow, secure: bool) -> String {
        match secure {
            true => format!("<sips:offhook@{}>", self.sent_by(flow)),
            false => format!("<sip:offhook@{};transport={}>", self.sent_by(flow), flow.transport.uri_name()),
        }
    }

    /// The Contact of a request that makes or refreshes a dialog, on the flow that it takes.
    pub(super) fn tell_contact(&self, request: &mut Request, flow: &Flow) {
        if matches!(request.method, Method::INVITE | Method::UPDATE) {
            let route = request.headers.routes().ok().and_then(|routes| routes.into_iter().next());
            let secure = is_secure(&request.uri) || route.is_some_and(|route| is_secure(&route.uri));
            request.headers.set(name::CONTACT, self.contact(flow, secure));
        }
    }

    pub(super) fn sent_by(&self, flow: &Flow) -> String {
        let (local, port) = (flow.local, flow.local.port());
        let of_flow = |listener: &&Listener| listener.transport == flow.transport && listener.local == local;
        match self.config.listeners.iter().find(of_flow) {
            Some(listener) => format!("{}:{port}", listener.host),
            None => format!("{}:{port}", Host::Address(local.ip())),
        }
    }

    /// A response of ours with its usual headers.
    pub(super) fn response(&self, request: &Request, status: StatusCode, to_tag: &str) -> Response {
        let mut response = Response::to_request(request, status);
        self.finish_response(&mut response, to_tag);
        response
    }

    pub(super) fn finish_response(&self, response: &mut Response, to_tag: &str) {
        if response.status != StatusCode::TRYING && !to_tag.is_empty() {
            response.headers.set_to_tag(to_tag);
        }
        response.headers.push(name::SERVER, self.config.user_agent.as_str());
    }

    /// A 180 or 2xx to an INVITE: with a Contact, so that it makes or refreshes a dialog.
    pub(super) fn dialog_response(&self, request: &Request, status: StatusCode, to_tag: &str, flow: &Flow) -> Response {
        let mut response = self.response(request, status, to_tag);
        response
            .headers
            .push(name::CONTACT, self.contact(flow, flow.transport == Transport::Tls && wants_secure_contact(request)));
        push_capabilities(&mut response.headers);
        response
    }

    /// The answer to OPTIONS (RFC 3261 §11.2).
    pub(super) fn options_response(&self, request: &Request, to_tag: &str) -> Response {
        let mut response = self.response(request, StatusCode::OK, to_tag);
        response.headers.push(name::ACCEPT, SDP);
        push_capabilities(&mut response.headers);
        response
    }

    /// Answers without a transaction: the same request again gets the same answer again, tag included (RFC 3261 §8.2.7).
    pub(super) fn respond_statelessly(&mut self, incoming: &Incoming, mut response: Response) {
        let tag = stateless_tag(&incoming.transaction_key(&incoming.request.method));
        response.headers.set_to_tag(&tag);
        if response.headers.get(name::SERVER).is_none() {
            self.finish_response(&mut response, &tag);
        }
        let transmit = Transmit::back(incoming.reply_flow(), response.to_bytes());
        self.transmit_response(response.status.code(), transmit);
    }

    /// Refuses without a transaction.
    pub(super) fn refuse_statelessly(&mut self, incoming: &Incoming, status: StatusCode, retry_after: Option<Duration>) {
        let mut response = Response::to_request(&incoming.request, status);
        push_retry_after(&mut response, retry_after);
        self.respond_statelessly(incoming, response);
    }

    /// Answers what could not be read, as far as it can be answered.
    pub(super) fn refuse_malformed(&mut self, flow: Flow, error: ParseError) {
        let (Some(status), Some(mut request)) = (error.status, error.request) else {
            return;
        };
        request.add_received_rport(flow.remote);
        let mut response = Response::to_request(&request, status);
        let call_id = request.headers.get(name::CALL_ID).unwrap_or_default();
        self.finish_response(&mut response, &stateless_tag(call_id));
        // Its Via may be the unreadable part: the source is the one address that is sure.
        self.transmit_response(status.code(), Transmit::back(flow, response.to_bytes()));
    }
}

/// Whether our Contact must be `sips:`: the Request-URI is, or the nearest Record-Route, or the Contact where there is none
/// (RFC 3261 §12.1.1).
fn wants_secure_contact(request: &Request) -> bool {
    let headers = &request.headers;
    let route = headers.record_routes().ok().and_then(|routes| routes.into_iter().next());
    let nearest = route.or_else(|| headers.contact().ok().flatten());
    is_secure(&request.uri) || nearest.is_some_and(|nearest| is_secure(&nearest.uri))
}

/// A `sips:` URI.
pub(super) fn is_secure(uri: &Uri) -> bool {
    uri.as_sip().is_some_and(|uri| uri.scheme == Scheme::Sips)
}

/// Seconds, rounded up.
pub(super) fn push_retry_after(response: &mut Response, retry_after: Option<Duration>) {
    if let Some(wait) = retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers.push(name::RETRY_AFTER, seconds.to_string());
    }
}

/// What we can do, for those who may ask it of us.
pub(super) fn push_capabilities(headers: &mut Headers) {
    headers.push(name::ALLOW, ALLOWED_METHODS);
    headers.push(name::SUPPORTED, SUPPORTED_EXTENSIONS.join(", "));
}

/// For an INVITE without an offer: reliable provisional responses would bring it, and want it answered in the PRACK (RFC 3262 §5).
pub(super) fn refuse_reliable(headers: &mut Headers) {
    let others: Vec<&str> = SUPPORTED_EXTENSIONS.iter().copied().filter(|tag| *tag != RELIABLE).collect();
    headers.set(name::SUPPORTED, others.join(", "));
}

/// The tag of whoever answered; empty from a peer of RFC 2543.
pub(super) fn to_tag(response: &Response) -> String {
    let to = response.headers.to().ok();
    to.as_ref().and_then(|to| to.tag()).unwrap_or_default().to_owned()
}

fn stateless_tag(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
