//! `/api/v1/usage`: what an organization used in a month and what that costs; of one call too.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use platform::billing::price;
use serde::Serialize;
use store::{BillingMonth, Charge, MonthTotal, ProviderUsage, WallTime};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::call::time;
use super::calls::{known, own};
use super::plans::MeterShown;
use super::versions::missing;
use crate::problem::Problem;

/// What an organization used in a month.
#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
pub(super) struct UsageShown {
    /// Which, UTC.
    #[schema(example = "2026-11")]
    month: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// The name of the plan that calls are charged by now.
    plan: String,
    /// Calls that were charged; those that are up are not.
    calls: u64,
    /// The sum of the lines, in millionths: what limits are held against.
    amount_micros: u64,
    /// What a webhook tells of.
    soft_limit_micros: Option<u64>,
    /// Past which new calls are refused.
    hard_limit_micros: Option<u64>,
    /// Whether they are, now.
    is_over_limit: bool,
    /// What was used at which price.
    lines: Vec<UsageLine>,
}

/// What was used at one price.
#[derive(Serialize, ToSchema)]
pub(super) struct UsageLine {
    /// What was counted.
    meter: MeterShown,
    /// Of which provider.
    #[schema(example = "openai")]
    provider: String,
    /// How much.
    quantity: u64,
    /// How much of it was free.
    free: u64,
    /// How many have the price together.
    per: u64,
    /// The price, in millionths.
    price_micros: u64,
    /// What it costs, in millionths.
    amount_micros: u64,
}

/// What a call used.
#[derive(Serialize, ToSchema)]
#[schema(as = CallUsage)]
pub(super) struct CallUsageShown {
    /// The call.
    call_id: String,
    /// ISO 4217.
    currency: String,
    /// When it was charged, within seconds of its end; null: it was not yet.
    charged_at: Option<String>,
    /// The sum of the charges, in millionths.
    amount_micros: u64,
    /// What it was charged.
    charges: Vec<ChargeShown>,
    /// What providers did for it so far.
    providers: Vec<ProviderUsageShown>,
}

/// What a part of a call costs.
#[derive(Serialize, ToSchema)]
pub(super) struct ChargeShown {
    /// inbound or outbound of seconds, conversation of turns, else realtime, transcriber, model or voice.
    #[schema(example = "voice")]
    stage: String,
    /// The rest.
    #[serde(flatten)]
    line: UsageLine,
}

/// What a provider did for a call.
#[derive(Serialize, ToSchema)]
pub(super) struct ProviderUsageShown {
    /// realtime, transcriber, model or voice.
    stage: String,
    /// Its name in the configuration.
    provider: String,
    /// Tokens that it read.
    input_tokens: u64,
    /// Tokens that it wrote.
    output_tokens: u64,
    /// Characters that it was given to speak.
    characters: u64,
    /// Speech that it made words of.
    transcribed_ms: u64,
}

impl From<MonthTotal> for UsageLine {
    fn from(total: MonthTotal) -> Self {
        let MonthTotal { meter, provider, per, price_micros, quantity, free, amount_micros } = total;
        Self { meter: meter.into(), provider, quantity, free, per, price_micros, amount_micros }
    }
}

impl From<Charge> for ChargeShown {
    fn from(charge: Charge) -> Self {
        let Charge { meter, stage, provider, quantity, free, per, price_micros, amount_micros } = charge;
        Self { stage, line: UsageLine { meter: meter.into(), provider, quantity, free, per, price_micros, amount_micros } }
    }
}

impl From<ProviderUsage> for ProviderUsageShown {
    fn from(used: ProviderUsage) -> Self {
        Self {
            stage: used.stage,
            provider: used.provider,
            input_tokens: used.input_tokens,
            output_tokens: used.output_tokens,
            characters: used.characters,
            transcribed_ms: u64::try_from(used.transcribed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Tells what the organization used in a month, and what that costs.
#[utoipa::path(get, path = "/api/v1/usage", tag = "billing",
    params(("month" = Option<String>, Query, description = "Such as 2026-11, UTC; none: this one")),
    responses((status = 200, body = UsageShown), (status = 422)))]
pub(super) async fn show(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Query(mut given): Query<HashMap<String, String>>,
) -> Result<Json<UsageShown>, Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the usage cannot be asked for like this");
    let month = given.remove("month").map_or(Ok(BillingMonth::of(WallTime::now())), |month| month.parse());
    if let Err(error) = &month {
        wrong.add("month", error.to_string());
    }
    for name in given.keys() {
        wrong.add(name, "is not known; there is month");
    }
    let Ok(month) = month else { return Err(wrong) };
    if wrong.has_fields() {
        return Err(wrong);
    }
    let (billing, organization) = (api.billing()?, &asked.principal.organization);
    let of = billing.store().subscription(organization).await?.ok_or_else(missing)?;
    let plan = billing.store().plan(&of.plan).await?;
    let usage = billing.store().month_usage(organization, month).await?;
    Ok(Json(UsageShown {
        month: month.to_string(),
        currency: billing.currency().to_owned(),
        plan: of.plan,
        calls: usage.calls,
        amount_micros: usage.amount_micros,
        soft_limit_micros: price::lower(of.soft_limit_micros, plan.as_ref().and_then(|plan| plan.soft_limit_micros)),
        hard_limit_micros: price::lower(of.hard_limit_micros, plan.as_ref().and_then(|plan| plan.hard_limit_micros)),
        is_over_limit: billing.is_over_limit(organization),
        lines: usage.totals.into_iter().map(UsageLine::from).collect(),
    }))
}

/// Tells what a call used, and once it is over what that costs.
#[utoipa::path(get, path = "/api/v1/calls/{id}/usage", tag = "billing", params(("id" = String, Path)),
    responses((status = 200, body = CallUsageShown), (status = 404)))]
pub(super) async fn of_call(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(id): Path<String>,
) -> Result<Json<CallUsageShown>, Problem> {
    let call = own(&api, &asked, known(&id)?).await?.call.id;
    let (billing, organization) = (api.billing()?, &asked.principal.organization);
    let charges = billing.store().call_charges(organization, call).await?;
    let providers = billing.store().provider_usage(organization, call).await?;
    Ok(Json(CallUsageShown {
        call_id: call.to_string(),
        currency: billing.currency().to_owned(),
        charged_at: time(billing.store().charged_at(organization, call).await?),
        amount_micros: charges.iter().map(|charge| charge.amount_micros).sum(),
        charges: charges.into_iter().map(ChargeShown::from).collect(),
        providers: providers.into_iter().map(ProviderUsageShown::from).collect(),
    }))
}
