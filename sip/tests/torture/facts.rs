//! Facts of a parsed message by a path in words, for the table of torture messages.

use sip::message::{Contacts, Headers, Message, Parsed, Via};
use sip::uri::{NameAddr, Uri};

/// A fact by its path: `uri.user`, `via.0.branch`, `contact.1.uri.param.lr`, `header.Subject` and so on.
pub fn fact(parsed: &Parsed, path: &str) -> String {
    let (headers, body) = match &parsed.message {
        Message::Request(request) => (&request.headers, &request.body),
        Message::Response(response) => (&response.headers, &response.body),
    };
    match (path.split_once('.').unwrap_or((path, "")), &parsed.message) {
        (("method", _), Message::Request(request)) => request.method.to_string(),
        (("uri", rest), Message::Request(request)) => uri_fact(&request.uri, rest),
        (("status", _), Message::Response(response)) => response.status.to_string(),
        (("reason", _), Message::Response(response)) => response.reason.clone(),
        (("body", _), _) => body.len().to_string(),
        (("warnings", _), _) => format!("{:?}", parsed.warnings),
        ((head, rest), _) => header_fact(headers, head, rest),
    }
}

fn header_fact(headers: &Headers, head: &str, rest: &str) -> String {
    let indexed = |rest: &str| {
        let (index, rest) = rest.split_once('.').unwrap_or((rest, ""));
        (index.parse::<usize>().unwrap(), rest.to_owned())
    };
    let contacts = || match headers.contacts().unwrap() {
        Contacts::All => panic!("contact is *"),
        Contacts::These(contacts) => contacts,
    };
    match head {
        "header" => headers.get(rest).unwrap().to_owned(),
        "from" => address_fact(&headers.from().unwrap(), rest),
        "to" => address_fact(&headers.to().unwrap(), rest),
        "call-id" => headers.call_id().unwrap().to_owned(),
        "cseq" => headers.cseq().unwrap().to_string(),
        "max-forwards" => headers.max_forwards().unwrap().unwrap().to_string(),
        "accept" => headers.accept().unwrap().unwrap().len().to_string(),
        "vias" => headers.vias().unwrap().len().to_string(),
        "contacts" => contacts().len().to_string(),
        "via" => {
            let (index, rest) = indexed(rest);
            via_fact(&headers.vias().unwrap()[index], &rest)
        }
        "contact" => {
            let (index, rest) = indexed(rest);
            address_fact(&contacts()[index], &rest)
        }
        _ => panic!("no such fact: {head}"),
    }
}

fn via_fact(via: &Via, path: &str) -> String {
    let or_none = |value: Option<&str>| value.unwrap_or("none").to_owned();
    match path {
        "" => via.to_string(),
        "transport" => via.transport.clone(),
        "host" => via.host.to_string(),
        "branch" => or_none(via.branch()),
        "unique" => or_none(via.unique_branch()),
        "received" => via.received().unwrap().to_string(),
        _ => panic!("no such fact: {path}"),
    }
}

fn address_fact(address: &NameAddr, path: &str) -> String {
    match path.split_once('.').unwrap_or((path, "")) {
        ("", _) => address.to_string(),
        ("name", _) => address.display_name.clone().unwrap(),
        ("tag", _) => address.tag().unwrap_or("none").to_owned(),
        ("params", _) => address.params.to_string(),
        ("param", name) => address.params.get(name).unwrap().to_owned(),
        ("uri", rest) => uri_fact(&address.uri, rest),
        (other, _) => uri_fact(&address.uri, other),
    }
}

fn uri_fact(uri: &Uri, path: &str) -> String {
    match path.split_once('.').unwrap_or((path, "")) {
        ("", _) => uri.to_string(),
        ("user", _) => uri.user().unwrap().into_owned(),
        ("password", _) => uri.as_sip().unwrap().password.clone().unwrap(),
        ("host", _) => uri.host().unwrap().to_string(),
        ("port", _) => uri.port().unwrap().to_string(),
        ("params", _) => uri.params().unwrap().to_string(),
        ("param", name) => uri.params().unwrap().get(name).unwrap().to_owned(),
        ("headers", _) => uri.as_sip().unwrap().headers.clone().unwrap(),
        (other, _) => panic!("no such fact: {other}"),
    }
}
