//! The two webhooks: a call comes in, and a call's state changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Form;
use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use store::PhoneNumber;

use super::address::{Door, PublicUrl};
use super::signature::{Content, Signed};
use super::{STREAM_PATH, Twilio, count_rejected, twiml};
use crate::problem::Problem;
use crate::{IncomingTwilio, TwilioCallStatus, TwilioRefusal, TwilioStatus};

/// Time the node has for an answer: with it Twilio still hears an apology within its 15 s.
pub(super) const GATE_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest CallSid. Twilio's have 34 characters.
const CALL_SID_BYTES_MAX: usize = 64;

const FORM: &str = "application/x-www-form-urlencoded";

/// `POST /twilio/voice`: a call comes in. The answer is TwiML, also for a call that is not taken; a CallSid that comes
/// again within a minute is answered the same.
pub(super) async fn voice(
    State(twilio): State<Arc<Twilio>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let address = twilio.address(&headers)?;
    let form = twilio.signed_form(&address, &uri, &headers, body).await?;
    let call_sid = form.call_sid()?;
    let Some(answer) = twilio.answers.of_call(call_sid, Instant::now()) else {
        count_rejected("busy");
        return Ok(xml(twiml::apology(TwilioRefusal::AtCapacity)));
    };
    let call = IncomingTwilio {
        call_sid: call_sid.to_owned(),
        account_sid: form.value("AccountSid").to_owned(),
        from: PhoneNumber::new(form.value("From")),
        to: PhoneNumber::new(form.value("To")),
    };
    // An answer that came late is not remembered: the next request asks again.
    let asked = answer.cell.get_or_try_init(|| {
        let decision = twilio.gate.twilio_incoming(call);
        tokio::time::timeout(GATE_TIME_MAX, decision)
    });
    let decision = asked.await.copied();
    Ok(xml(match decision.unwrap_or(Err(TwilioRefusal::Failed)) {
        Ok(taken) => {
            let url = address.url(Door::Stream, STREAM_PATH);
            twiml::connect(&url, &answer.token, taken.call)
        }
        Err(refusal) => twiml::apology(refusal),
    }))
}

/// `POST /twilio/status`: a call's state changed. Always 204: a state that we do not know is no reason to repeat it.
pub(super) async fn status(
    State(twilio): State<Arc<Twilio>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let address = twilio.address(&headers)?;
    let form = twilio.signed_form(&address, &uri, &headers, body).await?;
    let call_sid = form.call_sid()?.to_owned();
    if let Some(status) = TwilioCallStatus::from_word(form.value("CallStatus")) {
        let status = TwilioStatus {
            call_sid,
            status,
            sequence: form.value("SequenceNumber").parse().ok(),
            duration: form.value("CallDuration").parse().ok().map(Duration::from_secs),
        };
        let told = tokio::time::timeout(GATE_TIME_MAX, twilio.gate.twilio_status(status));
        if told.await.is_err() {
            let detail = "the node did not take it in time";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

impl Twilio {
    /// Where this request was sent, as Twilio sees it.
    pub(super) fn address(&self, headers: &HeaderMap) -> Result<PublicUrl, Problem> {
        let configured = self.config.public_url.clone();
        configured.or_else(|| PublicUrl::of_request(headers)).ok_or_else(|| {
            let detail = "Host or X-Forwarded-Host is missing or no host name";
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })
    }

    /// Refuses a request that Twilio did not sign.
    pub(super) fn verify(&self, headers: &HeaderMap, signed: &Signed) -> Result<(), Problem> {
        let given = headers.get("x-twilio-signature");
        let given = given.and_then(|value| value.to_str().ok());
        self.config.signature.check(given, signed).map_err(|error| {
            count_rejected("bad_signature");
            Problem::new(StatusCode::FORBIDDEN, error.to_string())
        })
    }

    async fn signed_form(
        &self,
        address: &PublicUrl,
        uri: &Uri,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Parameters, Problem> {
        let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        let form = match is_form(headers) {
            true => Some(decode(body.clone()).await?),
            false => None,
        };
        let content = match &form {
            Some(form) => Content::Form(&form.0),
            None => Content::Raw(&body),
        };
        let url = address.url(Door::Webhook, path_and_query(uri));
        let door = Door::Webhook;
        self.verify(headers, &Signed { door, url: &url, content })?;
        let detail = "the body must be a form";
        form.ok_or_else(|| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
    }
}

/// The form's parameters, all of them: also those we do not know are signed.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The first value of `name`, or nothing.
    fn value(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(given, _)| given == name);
        found.map_or("", |(_, value)| value)
    }

    fn call_sid(&self) -> Result<&str, Problem> {
        let call_sid = self.value("CallSid");
        let named = !call_sid.is_empty() && call_sid.len() <= CALL_SID_BYTES_MAX;
        if named && call_sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(call_sid);
        }
        let detail = format!("CallSid must be 1 to {CALL_SID_BYTES_MAX} letters and digits");
        Err(Problem::new(StatusCode::BAD_REQUEST, detail))
    }
}

pub(super) fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(FORM)
}

async fn decode(body: Bytes) -> Result<Parameters, Problem> {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::POST;
    let kind = header::HeaderValue::from_static(FORM);
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    let form = Form::from_request(request, &()).await;
    let Form(parameters) = form.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    Ok(Parameters(parameters))
}

fn xml(twiml: String) -> Response {
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], twiml).into_response()
}
