//! Twilio's two webhooks.

use std::sync::Arc;

use api::TwilioRefusal;
use axum::body::Body;
use axum::http::Request;

use crate::fake::*;

const CALL: &str = "CallSid=CA1&AccountSid=AC1&From=%2B14155550100&To=%2B18005551212&New=1+2";
/// [`CALL`] as it is signed.
const CALL_SORTED: &str = "AccountSidAC1CallSidCA1From+14155550100New1 2To+18005551212";

#[tokio::test]
async fn a_call_is_connected_to_the_stream_of_its_host() {
    let gate = Arc::new(FakeGate::default());
    let answer = ask(&open_router(&gate), form("/twilio/voice", CALL)).await;
    let url = "<Connect><Stream url=\"ws://127.0.0.1:8080/twilio/stream\">";
    assert!(answer.starts_with("200 <?xml"), "{answer}");
    assert!(answer.contains(url), "{answer}");
    assert!(answer.contains("<Parameter name=\"token\" value=\""), "{answer}");
    assert_eq!(gate.asked(), ["call CA1 AC1 +14155550100 +18005551212"]);
}

#[tokio::test]
async fn a_repeated_webhook_gets_the_same_answer() {
    let gate = Arc::new(FakeGate::default());
    let router = open_router(&gate);
    let (first, second) = tokio::join!(ask(&router, form("/twilio/voice", CALL)), ask(&router, form("/twilio/voice", CALL)),);
    assert_eq!(first, second);
    assert_eq!(gate.asked().len(), 1);
    let other = ask(&router, form("/twilio/voice", "CallSid=CA2")).await;
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_call_that_is_not_taken_is_told_why() {
    for (refusal, words) in [
        (TwilioRefusal::AtCapacity, "all our lines are busy"),
        (TwilioRefusal::Draining, "cannot take your call"),
        (TwilioRefusal::Failed, "cannot take your call"),
        (TwilioRefusal::UnknownNumber, "not in service"),
    ] {
        let gate = Arc::new(FakeGate { refuse_call: Some(refusal), ..FakeGate::default() });
        let answer = ask(&open_router(&gate), form("/twilio/voice", CALL)).await;
        assert!(answer.starts_with("200 <?xml"), "{answer}");
        assert!(answer.contains(words) && answer.contains("<Hangup/>"), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_late_is_asked_again() {
    let gate = Arc::new(FakeGate { stuck: true, ..FakeGate::default() });
    let router = open_router(&gate);
    for times in 1..3 {
        let answer = ask(&router, form("/twilio/voice", CALL)).await;
        assert!(answer.contains("cannot take your call"), "{answer}");
        assert_eq!(gate.asked().len(), times);
    }
    let answer = ask(&router, form("/twilio/status", "CallSid=CA1&CallStatus=ringing")).await;
    assert!(answer.starts_with("503 "), "{answer}");
}

#[tokio::test]
async fn too_many_calls_in_a_minute_hear_that_we_are_busy() {
    let gate = Arc::new(FakeGate::default());
    let router = open_router(&gate);
    for number in 0..4096 {
        let answer = ask(&router, form("/twilio/voice", &format!("CallSid=CA{number}"))).await;
        assert!(answer.contains("<Connect>"), "{answer}");
    }
    let answer = ask(&router, form("/twilio/voice", "CallSid=CAlast")).await;
    assert!(answer.contains("all our lines are busy"), "{answer}");
    assert_eq!(gate.asked().len(), 4096);
}

#[tokio::test]
async fn a_form_without_a_call_sid_is_refused() {
    let gate = Arc::new(FakeGate::default());
    let router = open_router(&gate);
    let long = format!("CallSid={}", "C".repeat(65));
    for body in ["", "From=1", "CallSid=", "CallSid=%00", "CallSid=a%20b", "%", &long] {
        for path in ["/twilio/voice", "/twilio/status"] {
            let answer = ask(&router, form(path, body)).await;
            assert!(answer.starts_with("400 "), "{body} {answer}");
            assert!(answer.contains("CallSid must be 1 to 64 letters and digits"), "{answer}");
        }
    }
    assert_eq!(gate.asked(), [""; 0]);
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused() {
    let router = open_router(&Arc::default());
    for (kind, body) in [("application/json", "{\"CallSid\":"), ("text/plain", "CallSid=CA1")] {
        let mut request = form("/twilio/voice", body);
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        let answer = ask(&router, request).await;
        assert!(answer.starts_with("415 "), "{answer}");
    }
}

#[tokio::test]
async fn a_request_without_a_host_needs_a_public_url() {
    let gate = Arc::new(FakeGate::default());
    let mut request = form("/twilio/voice", CALL);
    request.headers_mut().remove("host");
    let answer = ask(&open_router(&gate), request).await;
    assert!(answer.starts_with("400 "), "{answer}");
}

fn signed(path: &str, body: &str, signature: &str) -> Request<Body> {
    let mut request = form(path, body);
    request.headers_mut().insert("X-Twilio-Signature", signature.parse().unwrap());
    request
}

#[tokio::test]
async fn a_signed_request_passes_with_parameters_we_do_not_know() {
    let gate = Arc::new(FakeGate::default());
    let router = signed_router(&gate);
    for url in ["https://voice.example", "https://voice.example:443"] {
        let signature = sign(&format!("{url}/twilio/voice?a=1"), CALL_SORTED);
        let answer = ask(&router, signed("/twilio/voice?a=1", CALL, &signature)).await;
        assert!(answer.contains("url=\"wss://voice.example/twilio/stream\""), "{answer}");
    }
    let signature = sign("https://voice.example/twilio/status", "CallSidCA1CallStatusbusy");
    let request = signed("/twilio/status", "CallSid=CA1&CallStatus=busy", &signature);
    assert_eq!(ask(&router, request).await, "204 ");

    // The digest of `{}`.
    let path = "/twilio/status?bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let signature = sign(&format!("{PUBLIC}{path}"), "");
    for (body, expected) in [("{}", "415 "), ("[]", "403 ")] {
        let mut request = signed(path, body, &signature);
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        let answer = ask(&router, request).await;
        assert!(answer.starts_with(expected), "{answer}");
    }
}

#[tokio::test]
async fn a_wrong_signature_is_refused_and_counted() {
    let touched = Touched::default();
    let _recording = metrics::set_default_local_recorder(&touched);
    let gate = Arc::new(FakeGate::default());
    let router = signed_router(&gate);
    let elsewhere = sign("https://voice.example/twilio/status", CALL_SORTED);
    for request in [
        signed("/twilio/voice", CALL, &elsewhere),
        signed("/twilio/voice", CALL, "no base64"),
        form("/twilio/voice", CALL),
        form("/twilio/status", CALL),
        Request::get("/twilio/stream").body(Body::empty()).unwrap(),
    ] {
        let answer = ask(&router, request).await;
        assert!(answer.starts_with("403 "), "{answer}");
        assert!(answer.contains("\"detail\":\"X-Twilio-Signature "), "{answer}");
    }
    assert!(touched.has("offhook_calls_rejected_total{reason=bad_signature}"));
    assert_eq!(gate.asked(), [""; 0]);
}

#[tokio::test]
async fn a_status_is_told_to_the_node() {
    let gate = Arc::new(FakeGate::default());
    let router = open_router(&gate);
    for body in [
        "CallSid=CA1&CallStatus=in-progress&SequenceNumber=2",
        "CallSid=CA1&CallStatus=completed&SequenceNumber=3&CallDuration=61",
        "CallSid=CA1&CallStatus=completed&SequenceNumber=-1&CallDuration=long",
        "CallSid=CA1&CallStatus=teleported",
        "CallSid=CA1",
    ] {
        assert_eq!(ask(&router, form("/twilio/status", body)).await, "204 ");
    }
    let expected = ["CA1 InProgress Some(2) None", "CA1 Completed Some(3) Some(61s)", "CA1 Completed None None"];
    assert_eq!(gate.asked(), expected);
}
