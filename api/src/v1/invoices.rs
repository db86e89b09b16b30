//! `/api/v1/invoices`: what an organization was billed, month by month; as JSON, and for spreadsheets.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use platform::billing::csv;
use serde::Serialize;
use store::{Invoice, InvoiceLine};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::lists::{Listed, Paged, Part};
use super::versions::{id, missing};
use crate::problem::Problem;

/// An invoice. It is never changed.
#[derive(Serialize, ToSchema)]
#[schema(as = Invoice)]
pub(super) struct InvoiceShown {
    /// Its id.
    id: String,
    /// For which month, UTC.
    #[schema(example = "2026-11")]
    month: String,
    /// The plan when it was issued.
    #[schema(example = "standard")]
    plan: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// The sum of its lines, in millionths.
    #[schema(example = 20012400)]
    total_micros: u64,
    /// When it was issued.
    issued_at: String,
}

/// An invoice with its lines.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceWhole)]
pub(super) struct InvoiceWholeShown {
    /// As in a list.
    #[serde(flatten)]
    head: InvoiceShown,
    /// Their amounts add up to the total.
    lines: Vec<InvoiceLineShown>,
}

/// A line of an invoice.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceLine)]
pub(super) struct InvoiceLineShown {
    /// monthly_fee, or what was counted: seconds, turns, input_tokens, output_tokens, characters, transcribed_seconds.
    #[schema(example = "seconds")]
    item: &'static str,
    /// Of which provider; of a fee, the plan.
    #[schema(example = "sip")]
    provider: String,
    /// How much.
    quantity: u64,
    /// How much of it was free.
    free: u64,
    /// How many have the price together.
    per: u64,
    /// The price, in millionths.
    price_micros: u64,
    /// What it comes to, in millionths: each call's part was rounded by itself, a half up.
    amount_micros: u64,
}

impl From<Invoice> for InvoiceShown {
    fn from(invoice: Invoice) -> Self {
        Self {
            id: invoice.id.to_string(),
            month: invoice.month.to_string(),
            plan: invoice.plan,
            currency: invoice.currency,
            total_micros: invoice.total_micros,
            issued_at: invoice.issued_at.to_string(),
        }
    }
}

impl From<InvoiceLine> for InvoiceLineShown {
    fn from(line: InvoiceLine) -> Self {
        let InvoiceLine { item, provider, quantity, free, per, price_micros, amount_micros } = line;
        Self { item: item.as_str(), provider, quantity, free, per, price_micros, amount_micros }
    }
}

/// Lists the invoices of the organization.
#[utoipa::path(get, path = "/api/v1/invoices", tag = "billing", params(Part),
    responses((status = 200, body = Listed<InvoiceShown>), (status = 422)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<InvoiceShown>>, Problem> {
    let rows = api.billing()?.store().invoices(&asked.principal.organization, &page).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.id.to_string(), InvoiceShown::from)))
}

/// Tells of an invoice; as text/csv where Accept asks for that.
#[utoipa::path(get, path = "/api/v1/invoices/{id}", tag = "billing", params(("id" = String, Path)),
    responses((status = 200, content((InvoiceWholeShown = "application/json"), (String = "text/csv"))), (status = 404)))]
pub(super) async fn show(
    State(api): State<Arc<V1>>,
    asked: Asked,
    headers: HeaderMap,
    Path(invoice): Path<String>,
) -> Result<Response, Problem> {
    let mut invoice = find(&api, &asked, &invoice).await?;
    if wants_csv(&headers) {
        return Ok(file(&invoice));
    }
    let lines = std::mem::take(&mut invoice.lines).into_iter().map(InvoiceLineShown::from).collect();
    Ok(Json(InvoiceWholeShown { head: invoice.into(), lines }).into_response())
}

/// An invoice as text/csv.
#[utoipa::path(get, path = "/api/v1/invoices/{id}/csv", tag = "billing", params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 404)))]
pub(super) async fn as_csv(State(api): State<Arc<V1>>, asked: Asked, Path(invoice): Path<String>) -> Result<Response, Problem> {
    Ok(file(&find(&api, &asked, &invoice).await?))
}

async fn find(api: &V1, asked: &Asked, invoice: &str) -> Result<Invoice, Problem> {
    api.billing()?.store().invoice(&asked.principal.organization, id(invoice)?).await?.ok_or_else(missing)
}

/// The first of both that Accept names.
fn wants_csv(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    kinds.into_iter().find(|kind| matches!(kind.as_str(), "text/csv" | "application/json")).is_some_and(|kind| kind == "text/csv")
}

fn file(invoice: &Invoice) -> Response {
    let name = format!("attachment; filename=\"invoice-{}.csv\"", invoice.month);
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    (headers, csv(invoice)).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn accept_chooses_the_form() {
        for (accept, expected) in [
            ("text/csv", true),
            ("text/csv;q=0.9, application/json", true),
            ("application/json, text/csv", false),
            ("*/*", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(wants_csv(&headers), expected, "{accept}");
        }
        assert!(!wants_csv(&HeaderMap::new()));
    }
}
