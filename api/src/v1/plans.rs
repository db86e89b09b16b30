//! `/api/v1/plans`: what everything costs. The operator's to make; others see those that they may choose.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use platform::people::Permission;
use serde::{Deserialize, Deserializer, Serialize};
use store::{Meter, NewPlan, Plan, PlanChange, Price};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::lists::{Listed, Paged, Part};
use super::versions::{IfMatch, changed, made, missing, versioned};
use crate::problem::Problem;

/// Of anything, in millionths: a billion of any currency.
const MICROS_MAX: u64 = 1_000_000_000_000_000;

/// What is counted of calls.
#[derive(Clone, Copy, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Meter)]
pub(super) enum MeterShown {
    /// Of each leg from its answer to its end; priced by 60.
    Seconds,
    /// Of the agent; priced by 1.
    Turns,
    /// That models read; priced by 1,000.
    InputTokens,
    /// That models wrote; priced by 1,000.
    OutputTokens,
    /// That were made speech; priced by 1,000.
    Characters,
    /// Of speech that was made words; priced by 60.
    TranscribedSeconds,
}

/// What something costs.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Price)]
pub(super) struct PriceShown {
    /// What.
    meter: MeterShown,
    /// Of which provider, by its name in the configuration (of seconds: sip, twilio, ws; of turns: the engine); *: of all others.
    #[schema(min_length = 1, max_length = 64, example = "*")]
    provider: String,
    /// Millionths of the currency: for a minute, a turn, 1,000 tokens, 1,000 characters.
    #[schema(minimum = 0, maximum = 1000000000000_u64, example = 12000)]
    micros: u64,
}

/// What costs nothing each month, of all providers together.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Allowance)]
pub(super) struct AllowanceShown {
    /// Seconds of calls.
    #[schema(minimum = 0, maximum = 1000000000000_u64, example = 6000)]
    seconds: Option<u64>,
    /// Turns of the agent.
    #[schema(minimum = 0, maximum = 1000000000000_u64)]
    turns: Option<u64>,
    /// Tokens that models read.
    #[schema(minimum = 0, maximum = 1000000000000_u64)]
    input_tokens: Option<u64>,
    /// Tokens that models wrote.
    #[schema(minimum = 0, maximum = 1000000000000_u64)]
    output_tokens: Option<u64>,
    /// Characters that were made speech.
    #[schema(minimum = 0, maximum = 1000000000000_u64)]
    characters: Option<u64>,
    /// Seconds of speech that was made words.
    #[schema(minimum = 0, maximum = 1000000000000_u64)]
    transcribed_seconds: Option<u64>,
}

/// A plan. Amounts are whole millionths of the currency.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
pub(super) struct PlanShown {
    /// Its name, which organizations refer to.
    #[schema(example = "standard")]
    name: String,
    /// For people.
    #[schema(example = "Standard")]
    title: String,
    /// Whether owners may choose it by themselves.
    is_open: bool,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// Of each month.
    #[schema(example = 20000000)]
    monthly_fee_micros: u64,
    /// Usage of a month that a webhook tells of.
    soft_limit_micros: Option<u64>,
    /// Usage of a month past which new calls are refused.
    hard_limit_micros: Option<u64>,
    /// What has no price costs nothing.
    prices: Vec<PriceShown>,
    /// What costs nothing each month.
    allowance: AllowanceShown,
    /// When it was made.
    created_at: String,
    /// When it was changed last.
    updated_at: String,
}

/// A plan to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanWish {
    /// Its name: a-z, 0-9, - and _.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9_-]+$", example = "standard")]
    name: String,
    /// For people.
    #[schema(max_length = 200)]
    title: Option<String>,
    /// Whether owners may choose it by themselves; none: no.
    is_open: Option<bool>,
    /// Of each month; none: 0.
    #[schema(minimum = 0, maximum = 1000000000000000_u64)]
    monthly_fee_micros: Option<u64>,
    /// Usage of a month that a webhook tells of; none: none.
    #[schema(minimum = 0, maximum = 1000000000000000_u64)]
    soft_limit_micros: Option<u64>,
    /// Usage of a month past which new calls are refused; none: none.
    #[schema(minimum = 0, maximum = 1000000000000000_u64)]
    hard_limit_micros: Option<u64>,
    /// What costs anything.
    #[schema(max_items = 200)]
    prices: Option<Vec<PriceShown>>,
    /// What costs nothing each month.
    allowance: Option<AllowanceShown>,
}

/// What of a plan is to be different. What was charged stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanPatch {
    /// For people.
    #[schema(max_length = 200)]
    title: Option<String>,
    /// Whether owners may choose it by themselves.
    is_open: Option<bool>,
    /// Of each month.
    #[schema(minimum = 0, maximum = 1000000000000000_u64)]
    monthly_fee_micros: Option<u64>,
    /// Usage of a month that a webhook tells of; null: none.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 1000000000000000_u64)]
    soft_limit_micros: Option<Option<u64>>,
    /// Usage of a month past which new calls are refused; null: none.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 1000000000000000_u64)]
    hard_limit_micros: Option<Option<u64>>,
    /// All prices.
    #[schema(max_items = 200)]
    prices: Option<Vec<PriceShown>>,
    /// All of what costs nothing each month.
    allowance: Option<AllowanceShown>,
}

/// A null that was said is another thing than nothing.
pub(super) fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(given: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(given).map(Some)
}

impl From<Meter> for MeterShown {
    fn from(meter: Meter) -> Self {
        match meter {
            Meter::Seconds => Self::Seconds,
            Meter::Turns => Self::Turns,
            Meter::InputTokens => Self::InputTokens,
            Meter::OutputTokens => Self::OutputTokens,
            Meter::Characters => Self::Characters,
            Meter::TranscribedSeconds => Self::TranscribedSeconds,
        }
    }
}

impl From<MeterShown> for Meter {
    fn from(meter: MeterShown) -> Self {
        match meter {
            MeterShown::Seconds => Self::Seconds,
            MeterShown::Turns => Self::Turns,
            MeterShown::InputTokens => Self::InputTokens,
            MeterShown::OutputTokens => Self::OutputTokens,
            MeterShown::Characters => Self::Characters,
            MeterShown::TranscribedSeconds => Self::TranscribedSeconds,
        }
    }
}

impl AllowanceShown {
    fn shown(allowance: &BTreeMap<Meter, u64>) -> Self {
        let of = |meter| allowance.get(&meter).copied();
        Self {
            seconds: of(Meter::Seconds),
            turns: of(Meter::Turns),
            input_tokens: of(Meter::InputTokens),
            output_tokens: of(Meter::OutputTokens),
            characters: of(Meter::Characters),
            transcribed_seconds: of(Meter::TranscribedSeconds),
        }
    }

    fn meant(&self) -> BTreeMap<Meter, u64> {
        let all = [
            (Meter::Seconds, self.seconds),
            (Meter::Turns, self.turns),
            (Meter::InputTokens, self.input_tokens),
            (Meter::OutputTokens, self.output_tokens),
            (Meter::Characters, self.characters),
            (Meter::TranscribedSeconds, self.transcribed_seconds),
        ];
        all.into_iter().filter_map(|(meter, free)| Some((meter, free?))).collect()
    }
}

/// A plan as it is shown.
pub(super) fn shown(plan: Plan, currency: &str) -> PlanShown {
    let price = |price: Price| PriceShown { meter: price.meter.into(), provider: price.provider, micros: price.micros };
    PlanShown {
        name: plan.name,
        title: plan.title,
        is_open: plan.is_open,
        currency: currency.to_owned(),
        monthly_fee_micros: plan.monthly_fee_micros,
        soft_limit_micros: plan.soft_limit_micros,
        hard_limit_micros: plan.hard_limit_micros,
        prices: plan.prices.into_iter().map(price).collect(),
        allowance: AllowanceShown::shown(&plan.allowance),
        created_at: plan.created_at.to_string(),
        updated_at: plan.updated_at.to_string(),
    }
}

fn prices(given: Vec<PriceShown>) -> Vec<Price> {
    let price = |price: PriceShown| Price { meter: price.meter.into(), provider: price.provider, micros: price.micros };
    given.into_iter().map(price).collect()
}

/// Refuses what is right field by field and wrong together.
fn check(plan: &NewPlan) -> Result<(), Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the plan cannot be as it is wanted");
    for (index, price) in plan.prices.iter().enumerate() {
        let same = |other: &Price| other.meter == price.meter && other.provider == price.provider;
        if plan.prices[..index].iter().any(same) {
            wrong.add(&format!("prices.{index}"), format!("is the second price of {} of {}", price.meter, price.provider));
        }
    }
    if let (Some(soft), Some(hard)) = (plan.soft_limit_micros, plan.hard_limit_micros)
        && soft > hard
    {
        wrong.add("soft_limit_micros", format!("{soft} is above hard_limit_micros, {hard}"));
    }
    if plan.monthly_fee_micros > MICROS_MAX {
        wrong.add("monthly_fee_micros", format!("{} is above {MICROS_MAX}", plan.monthly_fee_micros));
    }
    if wrong.has_fields() { Err(wrong) } else { Ok(()) }
}

/// Lists plans, by name: all for the operator, for others those that they may choose.
#[utoipa::path(get, path = "/api/v1/plans", tag = "billing", params(Part),
    responses((status = 200, body = Listed<PlanShown>), (status = 422)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<PlanShown>>, Problem> {
    let (billing, all) = (api.billing()?, asked.principal.may(Permission::ManagePlans));
    let rows = billing.store().plans(all, page.after.as_deref(), page.limit).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.name.clone(), |row| shown(row, billing.currency()))))
}

/// Tells of a plan: one that may be chosen, or one's own.
#[utoipa::path(get, path = "/api/v1/plans/{name}", tag = "billing", params(("name" = String, Path)),
    responses((status = 200, body = PlanShown), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(name): Path<String>) -> Result<Response, Problem> {
    let billing = api.billing()?;
    let plan = billing.store().plan(&name).await?.ok_or_else(missing)?;
    if !plan.is_open && !asked.principal.may(Permission::ManagePlans) {
        let own = billing.store().subscription(&asked.principal.organization).await?;
        own.filter(|own| own.plan == plan.name).ok_or_else(missing)?;
    }
    Ok(versioned(StatusCode::OK, plan.version, shown(plan, billing.currency())))
}

/// Makes a plan.
#[utoipa::path(post, path = "/api/v1/plans", tag = "billing", request_body = PlanWish,
    responses((status = 201, body = PlanShown), (status = 409), (status = 422)))]
pub(super) async fn create(State(api): State<Arc<V1>>, asked: Asked, Body(wish): Body<PlanWish>) -> Result<Response, Problem> {
    let billing = api.billing()?;
    let new = NewPlan {
        title: wish.title.unwrap_or_else(|| wish.name.clone()),
        name: wish.name,
        is_open: wish.is_open.unwrap_or(false),
        monthly_fee_micros: wish.monthly_fee_micros.unwrap_or(0),
        soft_limit_micros: wish.soft_limit_micros,
        hard_limit_micros: wish.hard_limit_micros,
        prices: prices(wish.prices.unwrap_or_default()),
        allowance: wish.allowance.unwrap_or_default().meant(),
    };
    check(&new)?;
    let plan = billing.store().create_plan(&new, &asked.act()).await?;
    let detail = "there is a plan of this name, or there are as many as there may be";
    let plan = plan.ok_or_else(|| Problem::new(StatusCode::CONFLICT, detail))?;
    Ok(made(plan.version, format!("/api/v1/plans/{}", plan.name), shown(plan, billing.currency())))
}

/// Changes a plan, for calls that are charged from now on.
#[utoipa::path(patch, path = "/api/v1/plans/{name}", tag = "billing",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header)), request_body = PlanPatch,
    responses((status = 200, body = PlanShown), (status = 404), (status = 412), (status = 422)))]
pub(super) async fn change(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(name): Path<String>,
    Body(patch): Body<PlanPatch>,
) -> Result<Response, Problem> {
    let billing = api.billing()?;
    let is = billing.store().plan(&name).await?.ok_or_else(missing)?;
    let change = PlanChange {
        title: patch.title,
        is_open: patch.is_open,
        monthly_fee_micros: patch.monthly_fee_micros,
        soft_limit_micros: patch.soft_limit_micros,
        hard_limit_micros: patch.hard_limit_micros,
        prices: patch.prices.map(prices),
        allowance: patch.allowance.map(|allowance| allowance.meant()),
    };
    let now = is.changed(&change);
    check(&now)?;
    let plan = changed(billing.store().change_plan(version.unwrap_or(is.version), &now, &asked.act()).await?)?;
    Ok(versioned(StatusCode::OK, plan.version, shown(plan, billing.currency())))
}
