//! Responses made from requests, and the Via marks that lead them back.

use std::net::SocketAddr;

use bytes::Bytes;

use super::header::{Headers, name};
use super::{Method, Request, Response, StatusCode};

impl Response {
    /// A response to a request with our usual reason phrase and no body: Vias, From, To, Call-ID and CSeq are copied
    /// (RFC 3261 §8.2.6.2), Record-Route too where the response may begin a dialog (§12.1.1), Timestamp for a 100
    /// (§8.2.6.1). The To gets no tag: see [`Headers::set_to_tag`].
    pub fn to_request(request: &Request, status: StatusCode) -> Self {
        let mut headers = Headers::default();
        let mut copy = |name: &'static str, most: usize| {
            for value in request.headers.get_all(name).take(most) {
                headers.push(name, value);
            }
        };
        copy(name::VIA, usize::MAX);
        if request.method == Method::INVITE && (101..300).contains(&status.code()) {
            copy(name::RECORD_ROUTE, usize::MAX);
        }
        for name in [name::FROM, name::TO, name::CALL_ID, name::CSEQ] {
            copy(name, 1);
        }
        if status == StatusCode::TRYING {
            copy(name::TIMESTAMP, 1);
        }
        Self { status, reason: status.reason(), headers, body: Bytes::new() }
    }

    /// Whether it has exactly one Via, ours. A client discards others: they went astray (RFC 3261 §8.1.3.3).
    pub fn has_one_via(&self) -> bool {
        self.headers.get_all(name::VIA).count() == 1
    }
}

impl Request {
    /// Marks the top Via with where the request came from: `received` when that is not the sent-by host (RFC 3261
    /// §18.2.1), and both `received` and `rport` when the sender asked for `rport` (RFC 3581 §4).
    pub fn add_received_rport(&mut self, source: SocketAddr) {
        let Ok(mut via) = self.headers.top_via() else {
            return;
        };
        // On a dual-stack socket an IPv4 peer shows as ::ffff:a.b.c.d, which it would not know as its own.
        let address = source.ip().to_canonical();
        let wants_rport = via.wants_rport();
        if wants_rport || via.host.address() != Some(address) {
            via.params.set("received", Some(&address.to_string()));
        }
        if wants_rport {
            via.params.set("rport", Some(&source.port().to_string()));
        }
        self.headers.set_first(name::VIA, via.to_string());
    }
}
