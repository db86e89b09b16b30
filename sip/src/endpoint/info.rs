//! Which INFOs are taken (RFC 6086).

use crate::message::{Request, Response, StatusCode, name};

/// The bodies that are understood: keys, as telephones send them that know no telephone events.
const TAKEN: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];

/// The refusal of an INFO, if it is to be refused: 469 for a package, as we have announced none (RFC 6086 §4.2.1), 415 for a body that is
/// not understood, unless that may be ignored.
pub(super) fn refuse(info: &Request) -> Option<Response> {
    let headers = &info.headers;
    if headers.get(name::INFO_PACKAGE).is_some() {
        let mut response = Response::to_request(info, StatusCode::BAD_INFO_PACKAGE);
        response.headers.push(name::RECV_INFO, "");
        return Some(response);
    }
    let optional = |value: &str| value.to_ascii_lowercase().replace([' ', '\t'], "").contains(";handling=optional");
    if info.body.is_empty() || headers.get(name::CONTENT_DISPOSITION).is_some_and(optional) {
        return None;
    }
    let kind = headers.content_type().ok().flatten();
    if kind.is_some_and(|kind| TAKEN.iter().any(|taken| kind.is(taken))) {
        return None;
    }
    let mut response = Response::to_request(info, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    response.headers.push(name::ACCEPT, TAKEN.join(", "));
    Some(response)
}
