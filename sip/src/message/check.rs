//! What a user agent server refuses before it looks at any state (RFC 3261 §8.2.1 to §8.2.3).

use super::{HeaderError, Method, Request, Response, StatusCode, name};
use crate::uri::Uri;

/// The methods we serve, for an Allow header. REGISTER is not among them: Offhook is no registrar.
pub const ALLOWED_METHODS: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, PRACK, REFER, SUBSCRIBE, UPDATE";

/// The option tags we understand, for a Supported header and against a Require.
pub const SUPPORTED_EXTENSIONS: &[&str] = &["100rel", "norefersub", "replaces", "timer"];

/// The body of an INVITE that we understand, for an Accept header.
const ACCEPTED_TYPE: &str = "application/sdp";

/// A request that is to be refused, and with what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The status to answer.
    pub status: StatusCode,
    /// What the answer must say beside it: Allow, Unsupported, Accept or Accept-Encoding.
    pub headers: Vec<(&'static str, String)>,
}

impl Refusal {
    fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new() }
    }

    fn with(status: StatusCode, name: &'static str, value: impl Into<String>) -> Self {
        Self { status, headers: vec![(name, value.into())] }
    }

    /// The response that says so; it has no To tag yet.
    pub fn response(&self, request: &Request) -> Response {
        let mut response = Response::to_request(request, self.status);
        for (name, value) in &self.headers {
            response.headers.push(name, value.as_str());
        }
        response
    }
}

impl From<HeaderError> for Refusal {
    fn from(_: HeaderError) -> Self {
        Self::new(StatusCode::BAD_REQUEST)
    }
}

/// Looks at a parsed request in the order of RFC 3261 §8.2: method, Request-URI, extensions, body. An ACK always passes,
/// as nothing may be answered to it. Max-Forwards 0 passes too: it stops proxies, not the one addressed (RFC 4475
/// §3.3.11). So does an unknown Authorization scheme, which is no credential and no fault.
///
/// # Errors
/// 405 or 501 for the method, 416 and 400 for the Request-URI, 420 for a Require, 415 for a body that is no SDP where an offer may be, 406
/// for an INVITE whose sender takes no SDP.
pub fn check(request: &Request) -> Result<(), Refusal> {
    if request.method == Method::ACK {
        return Ok(());
    }
    method(request)?;
    target(request)?;
    // RFC 3261 §8.2.2.3: Require is ignored in a CANCEL.
    if request.method != Method::CANCEL {
        extensions(request)?;
    }
    // Other methods are taken without regard to a body: to refuse a BYE for one would keep the call.
    if matches!(request.method, Method::INVITE | Method::PRACK | Method::UPDATE) {
        body(request)?;
    }
    if request.method == Method::INVITE {
        answerable(request)?;
    }
    Ok(())
}

fn method(request: &Request) -> Result<(), Refusal> {
    let name = request.method.to_string();
    if ALLOWED_METHODS.split(", ").any(|allowed| allowed == name) {
        return Ok(());
    }
    let status = if request.method.is_known() { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_IMPLEMENTED };
    Err(Refusal::with(status, name::ALLOW, ALLOWED_METHODS))
}

fn target(request: &Request) -> Result<(), Refusal> {
    match &request.uri {
        // RFC 3261 §19.1.1 table 1: headers may not stand in a Request-URI.
        Uri::Sip(uri) if uri.headers.is_some() => Err(Refusal::new(StatusCode::BAD_REQUEST)),
        Uri::Sip(_) | Uri::Tel(_) => Ok(()),
        Uri::Other(_) => Err(Refusal::new(StatusCode::UNSUPPORTED_URI_SCHEME)),
    }
}

fn extensions(request: &Request) -> Result<(), Refusal> {
    let known = |tag: &&str| SUPPORTED_EXTENSIONS.iter().any(|own| own.eq_ignore_ascii_case(tag));
    let unknown: Vec<&str> = request.headers.list(name::REQUIRE).filter(|tag| !known(tag)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Refusal::with(StatusCode::BAD_EXTENSION, name::UNSUPPORTED, unknown.join(", ")))
}

/// Takes the body off a request that came with one that is no SDP and may be ignored (RFC 3261 §20.11), where only an offer is looked for:
/// it is as if it had none.
pub fn ignore_optional_body(request: &mut Request) {
    let offers = matches!(request.method, Method::INVITE | Method::PRACK | Method::UPDATE);
    if offers && is_optional(request) && understood(request).is_err() {
        request.body.clear();
    }
}

/// `Content-Disposition: render; handling=optional`.
fn is_optional(request: &Request) -> bool {
    let optional = |value: &str| value.to_ascii_lowercase().replace([' ', '\t'], "").contains(";handling=optional");
    request.headers.get(name::CONTENT_DISPOSITION).is_some_and(optional)
}

fn body(request: &Request) -> Result<(), Refusal> {
    if request.body.is_empty() || is_optional(request) { Ok(()) } else { understood(request) }
}

fn understood(request: &Request) -> Result<(), Refusal> {
    let headers = &request.headers;
    if headers.list(name::CONTENT_ENCODING).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Refusal::with(StatusCode::UNSUPPORTED_MEDIA_TYPE, name::ACCEPT_ENCODING, "identity"));
    }
    match headers.content_type()? {
        Some(kind) if kind.is(ACCEPTED_TYPE) => Ok(()),
        _ => Err(Refusal::with(StatusCode::UNSUPPORTED_MEDIA_TYPE, name::ACCEPT, ACCEPTED_TYPE)),
    }
}

/// Our answer to an INVITE is SDP: a caller who does not take it cannot be answered (RFC 3261 §21.4.7).
fn answerable(request: &Request) -> Result<(), Refusal> {
    match request.headers.accept()? {
        Some(ranges) if !ranges.iter().any(|range| range.accepts(ACCEPTED_TYPE)) => Err(Refusal::new(StatusCode::NOT_ACCEPTABLE)),
        _ => Ok(()),
    }
}
