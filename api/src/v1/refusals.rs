//! What every route answers when it refuses, and the header that every POST takes: told in the document once for all of them.

use axum::http::StatusCode;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Type};

use super::repeats::KEY_MAX;

const PROBLEM: &str = "application/problem+json";

/// Completes the document: each answer has a word for what it is, each refusal is a problem, and none is left out.
pub(super) fn tell(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            complete(path, operation);
        }
        if let Some(operation) = &mut item.post {
            if !is_open(operation) {
                operation.parameters.get_or_insert_default().push(repeat_key());
            }
            complete(path, operation);
        }
    }
}

/// Whether everybody may ask: it is how one signs in.
fn is_open(operation: &Operation) -> bool {
    operation.security.as_ref().is_some_and(Vec::is_empty)
}

fn complete(path: &str, operation: &mut Operation) {
    let sends = operation.request_body.is_some();
    let asks = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let always = [401, 403, 408, 429, 503].into_iter();
    let by_path = path.contains('{').then_some([400, 404]);
    let of_body = sends.then_some([400, 413, 415, 422]);
    let of_parameters = asks.then_some([400, 422]);
    let more = by_path.into_iter().flatten().chain(of_body.into_iter().flatten()).chain(of_parameters.into_iter().flatten());
    for status in always.chain(more) {
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| RefOr::T(Response::default()));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            describe(status, response);
        }
    }
}

/// OpenAPI wants a word for each answer.
fn describe(status: &str, response: &mut Response) {
    if response.description.is_empty() {
        let known = status.parse::<StatusCode>().ok().and_then(|status| status.canonical_reason());
        response.description = known.unwrap_or("A refusal").to_owned();
    }
    let is_refusal = status.starts_with(['4', '5']);
    if is_refusal && response.content.is_empty() {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        *response = ResponseBuilder::new().description(response.description.clone()).content(PROBLEM, content).build();
    }
}

fn repeat_key() -> RefOr<utoipa::openapi::path::Parameter> {
    let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(KEY_MAX)).build();
    let said = "The same request sent again with the same key is carried out once, and answered as it was then";
    let parameter = ParameterBuilder::new().name("Idempotency-Key").parameter_in(ParameterIn::Header);
    RefOr::T(parameter.required(Required::False).description(Some(said)).schema(Some(schema)).build())
}
