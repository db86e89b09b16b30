//! Stripe's billing, as far as usage goes: meter events, which it counts once by their identifier, and links to the customer portal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::answer::Answer;
use super::query::Query;
use super::route::Asked;

/// Most events remembered, so that a long run does not fill the memory; then the simulator takes no more.
const EVENTS_MAX: usize = 100_000;
/// Longest name of an event, and identifier.
const NAME_MAX: usize = 100;

/// Meter events by their identifier.
#[derive(Debug, Default)]
pub(super) struct Events(Mutex<HashMap<String, Value>>);

impl Events {
    /// All of them, for tests to look at.
    pub(super) fn all(&self) -> Value {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.values().cloned().collect()
    }
}

/// An error in Stripe's shape.
pub(super) fn error(status: u16, code: &str, message: &str) -> Value {
    let kind = if status >= 500 { "api_error" } else { "invalid_request_error" };
    json!({"error": {"code": code, "message": message, "type": kind}})
}

fn missing(asked: &Asked, name: &str) -> Answer {
    asked.refuse(400, "parameter_missing", &format!("Missing required param: {name}."))
}

/// The form of a request; it must be one.
fn form(asked: &Asked) -> Result<Query, Answer> {
    if !asked.header("content-type").starts_with("application/x-www-form-urlencoded") {
        return Err(asked.refuse(400, "invalid_request", "Invalid request: the body must be form-encoded."));
    }
    Ok(Query::parse(&String::from_utf8_lossy(asked.body)))
}

fn wanted<'q>(asked: &Asked, form: &'q Query, name: &str) -> Result<&'q str, Answer> {
    form.value(name).ok_or_else(|| missing(asked, name))
}

/// `POST /v1/billing/meter_events`.
pub(super) fn meter_events(asked: &Asked) -> Result<Answer, Answer> {
    let form = form(asked)?;
    let known = ["event_name", "identifier", "timestamp", "payload[stripe_customer_id]", "payload[value]"];
    if let Some(name) = form.unknown(&known) {
        return Err(asked.refuse(400, "parameter_unknown", &format!("Received unknown parameter: {name}")));
    }
    let event = wanted(asked, &form, "event_name")?;
    let customer = wanted(asked, &form, "payload[stripe_customer_id]")?;
    let value = wanted(asked, &form, "payload[value]")?;
    let identifier = wanted(asked, &form, "identifier")?;
    if event.len() > NAME_MAX || identifier.len() > NAME_MAX {
        return Err(asked.refuse(400, "parameter_invalid_string", "A string is longer than 100 characters."));
    }
    if !customer.starts_with("cus_") {
        return Err(asked.refuse(400, "resource_missing", &format!("No such customer: '{customer}'")));
    }
    if value.parse::<u64>().is_err() {
        return Err(asked.refuse(400, "meter_event_invalid_value", "The value must be a whole number."));
    }
    let timestamp: u64 = wanted(asked, &form, "timestamp")?
        .parse()
        .map_err(|_| asked.refuse(400, "parameter_invalid_integer", "Invalid integer: timestamp"))?;
    let whole = json!({
        "object": "billing.meter_event",
        "created": timestamp,
        "event_name": event,
        "identifier": identifier,
        "livemode": false,
        "payload": {"stripe_customer_id": customer, "value": value},
        "timestamp": timestamp,
    });
    let mut events = asked.shared.stripe.0.lock().unwrap_or_else(PoisonError::into_inner);
    match events.get(identifier) {
        // The same request again, by its own name.
        Some(before) if asked.header("idempotency-key") == identifier && *before == whole => {}
        Some(_) => {
            let message = format!("An event already exists with identifier {identifier}.");
            return Err(asked.refuse(400, "duplicate_meter_event", &message));
        }
        None if events.len() >= EVENTS_MAX => return Err(asked.refuse(503, "lock_timeout", "Too many events.")),
        None => {
            events.insert(identifier.to_owned(), whole.clone());
        }
    }
    Ok(Answer::json(200, &whole))
}

/// `POST /v1/billing_portal/sessions`.
pub(super) fn portal(asked: &Asked) -> Result<Answer, Answer> {
    let form = form(asked)?;
    let customer = wanted(asked, &form, "customer")?;
    if !customer.starts_with("cus_") {
        return Err(asked.refuse(400, "resource_missing", &format!("No such customer: '{customer}'")));
    }
    let session = json!({
        "id": "bps_1",
        "object": "billing_portal.session",
        "configuration": "bpc_1",
        "created": 1_700_000_000,
        "customer": customer,
        "livemode": false,
        "return_url": form.value("return_url"),
        "url": format!("https://billing.stripe.com/p/session/test_{customer}"),
    });
    Ok(Answer::json(200, &session))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::provider::Provider;
    use crate::simulator::story::Client;

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
    const EVENT: &str = "event_name=offhook_seconds&identifier=a&timestamp=1700000000&payload%5Bstripe_customer_id%5D=cus_1";

    #[test]
    fn an_event_is_counted_once_by_its_identifier() {
        let named = Client { headers: &[FORM, ("idempotency-key", "a")], ..Client::new(Provider::Stripe, "") };
        let (first, other) = (format!("{EVENT}&payload%5Bvalue%5D=25"), format!("{EVENT}&payload%5Bvalue%5D=26"));
        for _ in 0..2 {
            assert!(named.ask(meter_events, "", &first).contains("\"value\":\"25\""));
        }
        assert!(named.ask(meter_events, "", &other).contains("already exists"), "another event of the same identifier");
        let unnamed = Client { headers: &[FORM], ..named };
        assert!(unnamed.ask(meter_events, "", &first).contains("An event already exists with identifier a."));
        assert_eq!(unnamed.shared.stripe.all().as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn what_the_service_refuses_is_refused() {
        let client = Client { headers: &[FORM], ..Client::new(Provider::Stripe, "") };
        for (body, want) in [
            (EVENT.to_owned(), "payload[value]"),
            (format!("{EVENT}&payload[value]=2.5"), "whole number"),
            (format!("{EVENT}&payload[value]=2&colour=red"), "unknown parameter: colour"),
        ] {
            let got = client.ask(meter_events, "", &body);
            assert!(got.starts_with("400") && got.contains(want), "{body}: {got}");
        }
        assert!(client.ask(portal, "", "customer=jenny").contains("No such customer"));
        assert!(client.ask(portal, "", "customer=cus_1&return_url=https%3A%2F%2Fa.example").contains("test_cus_1"));
        let json = Client { headers: &[("content-type", "application/json")], ..client };
        assert!(json.ask(portal, "", "{}").contains("form-encoded"));
    }
}
