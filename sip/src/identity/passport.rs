//! Identity headers and the PASSporTs in them (RFC 8224 §4, RFC 8225, RFC 8588).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::uri::Params;

use super::number::canonical;
use super::party::{Names, Parties};
use super::{Attestation, HEADER_BYTES_MAX, Reason};

/// Called parties in one PASSporT: a call has one, or a few that ring together.
const CALLED_MAX: usize = 16;

/// The longest `origid` that is kept: a UUID has 36 characters.
const ORIGID_MAX: usize = 64;

/// Characters of a kind that is only noted.
const KIND_MAX: usize = 16;

/// Octets of an ES256 signature (RFC 7518 §3.4).
const SIGNATURE_BYTES: usize = 64;

/// What one Identity header is.
pub(super) enum Read {
    /// Of SHAKEN.
    Shaken(Result<Passport, Reason>),
    /// Without a `ppt`.
    Base(Result<Passport, Reason>),
    /// Of a kind that is not judged, by its name.
    Other(String),
}

/// A signature and what it claims.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Passport {
    /// Where the signer's certificate is.
    pub(super) url: String,
    /// What was signed.
    pub(super) signed: String,
    /// The signature, r and s.
    pub(super) signature: Vec<u8>,
    pub(super) claims: Claims,
}

/// What is claimed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Claims {
    pub(super) caller: Names,
    pub(super) called: Names,
    /// When it was signed, in seconds since 1970.
    pub(super) at: u64,
    pub(super) attestation: Option<Attestation>,
    pub(super) origid: Option<String>,
}

/// Reads one value of the header. Its kind is what its `ppt` says; what is signed must say the same.
pub(super) fn read(value: &str, parties: &Parties) -> Read {
    if value.len() > HEADER_BYTES_MAX {
        return Read::Shaken(Err(Reason::Malformed));
    }
    let (token, params) = value.split_once(';').unwrap_or((value, ""));
    let Ok(params) = Params::parse(params) else { return Read::Shaken(Err(Reason::Malformed)) };
    let parts = Parts { token: token.trim_ascii(), params: &params, parties };
    match params.get("ppt") {
        Some("shaken") => Read::Shaken(parts.passport(Some("shaken"))),
        None => Read::Base(parts.passport(None)),
        Some(other) => Read::Other(other.chars().filter(char::is_ascii_alphanumeric).take(KIND_MAX).collect()),
    }
}

struct Parts<'a> {
    token: &'a str,
    params: &'a Params,
    parties: &'a Parties,
}

impl Parts<'_> {
    fn passport(&self, kind: Option<&str>) -> Result<Passport, Reason> {
        if self.params.get("alg").is_some_and(|alg| alg != "ES256") {
            return Err(Reason::Unsupported);
        }
        let info = self.params.get("info").ok_or(Reason::BadUrl)?;
        let url = info.strip_prefix('<').and_then(|info| info.strip_suffix('>')).unwrap_or(info);
        if !url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
            return Err(Reason::BadUrl);
        }
        let mut parts = self.token.split('.');
        let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Reason::Malformed);
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Reason::Malformed)?;
        if signature.len() != SIGNATURE_BYTES {
            return Err(Reason::Malformed);
        }
        let (header, payload) = match (header, payload) {
            // What SHAKEN adds is nowhere else in the INVITE, so it has no compact form.
            ("", "") if kind.is_some() => return Err(Reason::Malformed),
            ("", "") => {
                let payload = self.parties.payload().ok_or(Reason::Malformed)?;
                (encoded(&head(None, url)), encoded(&payload))
            }
            (header, payload) => (header.to_owned(), payload.to_owned()),
        };
        check_header(&decoded(&header)?, kind, url)?;
        let claims = claims(&decoded(&payload)?, kind)?;
        Ok(Passport { url: url.to_owned(), signed: format!("{header}.{payload}"), signature, claims })
    }
}

/// The header of a PASSporT, as it is signed (RFC 8225 §4, §9: sorted, without spaces).
pub(super) fn head(kind: Option<&str>, url: &str) -> String {
    let kind = kind.map(|kind| format!("\"ppt\":{},", quoted(kind))).unwrap_or_default();
    format!("{{\"alg\":\"ES256\",{kind}\"typ\":\"passport\",\"x5u\":{}}}", quoted(url))
}

/// A text in JSON.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

pub(super) fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn decoded(part: &str) -> Result<Value, Reason> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Reason::Malformed)
}

fn check_header(header: &Value, kind: Option<&str>, url: &str) -> Result<(), Reason> {
    if header["alg"].as_str().ok_or(Reason::Malformed)? != "ES256" {
        return Err(Reason::Unsupported);
    }
    // RFC 7515 §4.1.11: what we do not understand and must is nothing that we can check.
    let sound = header["typ"] == "passport" && header["ppt"].as_str() == kind && header.get("crit").is_none();
    if !sound {
        return Err(Reason::Malformed);
    }
    if header["x5u"].as_str() == Some(url) { Ok(()) } else { Err(Reason::BadUrl) }
}

fn claims(payload: &Value, kind: Option<&str>) -> Result<Claims, Reason> {
    let shaken = kind.is_some();
    let attestation = payload["attest"].as_str().and_then(Attestation::of_letter);
    let origid = payload["origid"].as_str().filter(|id| is_id(id)).map(str::to_owned);
    let claims = Claims {
        caller: names(&payload["orig"], 1)?,
        called: names(&payload["dest"], CALLED_MAX)?,
        at: payload["iat"].as_u64().ok_or(Reason::Malformed)?,
        attestation: attestation.filter(|_| shaken),
        origid: origid.filter(|_| shaken),
    };
    let whole = claims.attestation.is_some() && claims.origid.is_some() && claims.caller.uris.is_empty();
    if shaken && !whole { Err(Reason::Malformed) } else { Ok(claims) }
}

/// What is written down as it came must not be able to do harm.
fn is_id(id: &str) -> bool {
    (1..=ORIGID_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// One to `most` names of a claim: `{"tn": "1555"}`, `{"tn": ["1555"], "uri": ["sip:..."]}`.
fn names(claim: &Value, most: usize) -> Result<Names, Reason> {
    let list = |key: &str| -> Result<Vec<String>, Reason> {
        let texts: Option<Vec<&str>> = match claim.get(key) {
            None => Some(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(Value::as_str).collect(),
            Some(value) => value.as_str().map(|text| vec![text]),
        };
        Ok(texts.ok_or(Reason::Malformed)?.into_iter().map(str::to_owned).collect())
    };
    let numbers: Option<Vec<String>> = list("tn")?.iter().map(|number| canonical(number)).collect();
    let names = Names { numbers: numbers.ok_or(Reason::Malformed)?, uris: list("uri")? };
    let count = names.numbers.len() + names.uris.len();
    if (1..=most).contains(&count) { Ok(names) } else { Err(Reason::Malformed) }
}
