//! Dialogs: the peer relation that outlives a transaction (RFC 3261 §12).

mod id;
#[cfg(test)]
mod tests;

pub use id::DialogId;

use crate::message::{CSeq, HeaderError, Headers, Method, Request, Response, name};
use crate::uri::{NameAddr, Scheme, Uri};

/// Hops that our requests may take (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: &str = "70";

/// What one side remembers of a dialog: enough to build the next request and to judge the peer's.
///
/// A clone is a snapshot: plain values, nothing that runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dialog {
    id: DialogId,
    local: NameAddr,
    remote: NameAddr,
    /// CSeq number of our last request.
    local_cseq: u32,
    /// CSeq number of the peer's last request, once there was one.
    remote_cseq: Option<u32>,
    /// Proxies that our requests pass, the nearest first.
    route_set: Vec<NameAddr>,
    /// The peer's Contact: the Request-URI of our requests.
    remote_target: Uri,
    /// The first INVITE was for a `sips:` URI (RFC 3261 §12.1).
    secure: bool,
    /// It was ours, and so is the Call-ID.
    is_caller: bool,
}

impl Dialog {
    /// The callee's side, on an INVITE (RFC 3261 §12.1.1). A peer of RFC 2543 gives no From tag: it stays empty.
    ///
    /// # Errors
    /// When a header that the dialog is made of is missing or unreadable.
    pub fn from_invite(invite: &Request, local_tag: &str) -> Result<Self, HeaderError> {
        let headers = &invite.headers;
        let remote = headers.from()?;
        let mut local = headers.to()?;
        local.params.set("tag", Some(local_tag));
        Ok(Self {
            id: DialogId::new(headers.call_id()?, local_tag, remote.tag().unwrap_or_default()),
            local_cseq: 0,
            remote_cseq: Some(headers.cseq()?.number),
            route_set: headers.record_routes()?,
            remote_target: contact(headers).unwrap_or_else(|| remote.uri.clone()),
            secure: is_secure(&invite.uri),
            is_caller: false,
            local,
            remote,
        })
    }

    /// The caller's side before any answer: the first INVITE, its `from` tagged already. The remote tag is empty,
    /// and the INVITE is its first [`request`](Self::request).
    pub fn to_be_invited(call_id: &str, from: NameAddr, to: NameAddr, request_uri: Uri) -> Self {
        Self {
            id: DialogId::new(call_id, from.tag().unwrap_or_default(), ""),
            local: from,
            remote: to,
            local_cseq: 0,
            remote_cseq: None,
            route_set: Vec::new(),
            secure: is_secure(&request_uri),
            is_caller: true,
            remote_target: request_uri,
        }
    }

    /// The caller's side as a 2xx makes it (RFC 3261 §12.1.2): routes in reverse order. A header that cannot be read is
    /// taken as not there: an answered call must be acknowledged and ended whatever its answer looks like.
    pub fn answered(&self, response: &Response) -> Self {
        let headers = &response.headers;
        let remote = headers.to().unwrap_or_else(|_| self.remote.clone());
        let mut route_set = headers.record_routes().unwrap_or_default();
        route_set.reverse();
        Self {
            id: DialogId::new(&self.id.call_id, &self.id.local_tag, remote.tag().unwrap_or_default()),
            remote_target: contact(headers).unwrap_or_else(|| self.remote_target.clone()),
            route_set,
            remote,
            ..self.clone()
        }
    }

    /// Its name.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Its requests go by TLS and by nothing else.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// We called: of two INVITEs that meet, ours waits longer (RFC 3261 §14.1).
    pub fn is_caller(&self) -> bool {
        self.is_caller
    }

    /// Where the next request goes first: the nearest route, else the peer's Contact.
    pub fn next_hop(&self) -> &Uri {
        self.route_set.first().map_or(&self.remote_target, |route| &route.uri)
    }

    /// A new request with the next CSeq number; Via and Contact are the sender's to add.
    pub fn request(&mut self, method: Method) -> Request {
        let number = self.next_number();
        self.request_with(method, number)
    }

    /// The CSeq number of a request that is made from an older one.
    pub fn next_number(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// Another Request-URI for an INVITE that nobody answered.
    pub fn redirect(&mut self, request_uri: Uri) {
        self.remote_target = request_uri;
    }

    /// The ACK to a 2xx: the number is that of the INVITE (RFC 3261 §13.2.2.4).
    pub fn ack(&self, cseq: u32) -> Request {
        self.request_with(Method::ACK, cseq)
    }

    /// Judges a request of the peer by its CSeq (RFC 3261 §12.2.2): false when it is older than the last one.
    pub fn handle_request_cseq(&mut self, number: u32) -> bool {
        let in_order = self.remote_cseq.is_none_or(|last| number >= last);
        if in_order {
            self.remote_cseq = Some(number);
        }
        in_order
    }

    /// A re-INVITE or UPDATE, or its 2xx, moves the remote target (RFC 3261 §12.2); in a secure dialog to another secure one only.
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(target) = contact(headers).filter(|target| !self.secure || is_secure(target)) {
            self.remote_target = target;
        }
    }

    fn request_with(&self, method: Method, cseq: u32) -> Request {
        let (uri, routes) = self.route();
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        for route in routes {
            headers.push(name::ROUTE, route.to_string());
        }
        headers.push(name::MAX_FORWARDS, MAX_FORWARDS);
        headers.push(name::FROM, self.local.to_string());
        headers.push(name::TO, self.remote.to_string());
        headers.push(name::CALL_ID, self.id.call_id.to_string());
        headers.push(name::CSEQ, CSeq::new(cseq, method).to_string());
        request
    }

    /// Request-URI and Route headers. A first hop without `lr` is a strict router of RFC 2543: it wants its own URI as the
    /// Request-URI, and the target as the last route (RFC 3261 §12.2.1.1).
    fn route(&self) -> (Uri, Vec<NameAddr>) {
        match self.route_set.split_first() {
            Some((first, rest)) if first.uri.as_sip().is_some_and(|uri| !uri.is_loose_router()) => {
                let target = NameAddr::new(self.remote_target.clone());
                (first.uri.clone(), rest.iter().cloned().chain([target]).collect())
            }
            _ => (self.remote_target.clone(), self.route_set.clone()),
        }
    }
}

fn is_secure(uri: &Uri) -> bool {
    uri.as_sip().is_some_and(|uri| uri.scheme == Scheme::Sips)
}

fn contact(headers: &Headers) -> Option<Uri> {
    Some(headers.contact().ok()??.uri)
}
