//! `/api/v1/subscription`: which plan an organization has, and what it has set for itself; the operator's for each organization too.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use platform::billing::{NoPortal, PortError, price};
use platform::people::Permission;
use serde::{Deserialize, Serialize};
use store::{OrganizationId, Plan, Subscription, SubscriptionChange};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::organizations::visible;
use super::plans::{self, PlanShown, said};
use super::versions::{IfMatch, changed, missing, versioned};
use crate::problem::Problem;

/// What an organization pays by.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
pub(super) struct SubscriptionShown {
    /// Whose it is.
    organization: String,
    /// Its plan; null: there is none of the name that the organization has, and everything is free.
    plan: Option<PlanShown>,
    /// The name of its plan.
    plan_name: String,
    /// What it has set for itself: told of below the plan's.
    soft_limit_micros: Option<u64>,
    /// What it has set for itself: new calls are refused below the plan's.
    hard_limit_micros: Option<u64>,
    /// The lower one of its own and the plan's.
    effective_soft_limit_micros: Option<u64>,
    /// The lower one of its own and the plan's.
    effective_hard_limit_micros: Option<u64>,
    /// Whom the payment service knows it as.
    customer: Option<String>,
    /// Whether new calls are refused now, since the usage of this month is at the hard limit.
    is_over_limit: bool,
}

/// What of it is to be different.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionPatch {
    /// The name of a plan: an open one; for the operator any.
    #[schema(min_length = 1, max_length = 64, example = "standard")]
    plan: Option<String>,
    /// Usage of a month that a webhook tells of; null: the plan's.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 1000000000000000_u64)]
    soft_limit_micros: Option<Option<u64>>,
    /// Usage of a month past which new calls are refused; null: the plan's.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 1000000000000000_u64)]
    hard_limit_micros: Option<Option<u64>>,
    /// Whom the payment service knows it as (`cus_...`); null: nobody. The operator's to say.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, example = "cus_NciAYcXfLnqBoz")]
    customer: Option<Option<String>>,
}

/// A page of the payment service.
#[derive(Serialize, ToSchema)]
#[schema(as = PortalLink)]
pub(super) struct PortalShown {
    /// Where: good for minutes, and secret.
    #[schema(example = "https://billing.stripe.com/p/session/test_YWNjdF8x")]
    url: String,
}

fn shown(api: &V1, of: Subscription, plan: Option<Plan>) -> Result<SubscriptionShown, Problem> {
    let billing = api.billing()?;
    let limit = |own, plans: fn(&Plan) -> Option<u64>| price::lower(own, plan.as_ref().and_then(plans));
    Ok(SubscriptionShown {
        organization: of.organization.to_string(),
        plan_name: of.plan,
        soft_limit_micros: of.soft_limit_micros,
        hard_limit_micros: of.hard_limit_micros,
        effective_soft_limit_micros: limit(of.soft_limit_micros, |plan| plan.soft_limit_micros),
        effective_hard_limit_micros: limit(of.hard_limit_micros, |plan| plan.hard_limit_micros),
        customer: of.customer,
        is_over_limit: billing.is_over_limit(&of.organization),
        plan: plan.map(|plan| plans::shown(plan, billing.currency())),
    })
}

async fn tell(api: &V1, organization: &OrganizationId) -> Result<Response, Problem> {
    let store = api.billing()?.store();
    let of = store.subscription(organization).await?.ok_or_else(missing)?;
    let plan = store.plan(&of.plan).await?;
    Ok(versioned(StatusCode::OK, of.version, shown(api, of, plan)?))
}

async fn put(
    api: &V1,
    asked: &Asked,
    organization: &OrganizationId,
    version: Option<u64>,
    patch: SubscriptionPatch,
) -> Result<Response, Problem> {
    let (billing, operator) = (api.billing()?, asked.principal.may(Permission::ManagePlans));
    if patch.customer.is_some() && !operator {
        return Err(Problem::new(StatusCode::FORBIDDEN, "customer is the operator's to change"));
    }
    if let Some(name) = &patch.plan {
        let plan = billing.store().plan(name).await?.filter(|plan| operator || plan.is_open);
        plan.ok_or_else(|| Problem::field("plan", "is no plan that can be chosen: GET /api/v1/plans lists them"))?;
    }
    let SubscriptionPatch { plan, soft_limit_micros, hard_limit_micros, customer } = patch;
    let change = SubscriptionChange { plan, soft_limit_micros, hard_limit_micros, customer };
    changed(billing.store().change_subscription(organization, version, &change, &asked.act()).await?)?;
    // Its next call finds the new limits; those of other nodes a second later.
    billing.look_at_limits(asked.at).await?;
    tell(api, organization).await
}

/// Tells what one's organization pays by.
#[utoipa::path(get, path = "/api/v1/subscription", tag = "billing", responses((status = 200, body = SubscriptionShown)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked) -> Result<Response, Problem> {
    tell(&api, &asked.principal.organization).await
}

/// Changes what one's organization pays by. A plan holds for calls that are charged from now on, and for the fee of the whole month.
#[utoipa::path(patch, path = "/api/v1/subscription", tag = "billing", params(("If-Match" = Option<String>, Header)),
    request_body = SubscriptionPatch,
    responses((status = 200, body = SubscriptionShown), (status = 403), (status = 412), (status = 422)))]
pub(super) async fn change(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Body(patch): Body<SubscriptionPatch>,
) -> Result<Response, Problem> {
    put(&api, &asked, &asked.principal.organization, version, patch).await
}

/// Tells what an organization pays by.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/subscription", tag = "billing", params(("id" = String, Path)),
    responses((status = 200, body = SubscriptionShown), (status = 404)))]
pub(super) async fn show_of(State(api): State<Arc<V1>>, asked: Asked, Path(row): Path<String>) -> Result<Response, Problem> {
    tell(&api, &visible(&asked, &row)?).await
}

/// Changes what an organization pays by.
#[utoipa::path(patch, path = "/api/v1/organizations/{id}/subscription", tag = "billing",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = SubscriptionPatch,
    responses((status = 200, body = SubscriptionShown), (status = 403), (status = 404), (status = 412), (status = 422)))]
pub(super) async fn change_of(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(row): Path<String>,
    Body(patch): Body<SubscriptionPatch>,
) -> Result<Response, Problem> {
    put(&api, &asked, &visible(&asked, &row)?, version, patch).await
}

/// Makes a link under which one's organization manages how it pays.
#[utoipa::path(post, path = "/api/v1/subscription/portal", tag = "billing",
    responses((status = 200, body = PortalShown), (status = 409), (status = 502), (status = 503)))]
pub(super) async fn portal(State(api): State<Arc<V1>>, asked: Asked) -> Result<Json<PortalShown>, Problem> {
    let url = api.billing()?.portal(&asked.principal.organization).await.map_err(|refused| {
        let detail = refused.to_string();
        match refused {
            NoPortal::Store(error) => error.into(),
            NoPortal::NoCustomer | NoPortal::NoService => Problem::new(StatusCode::CONFLICT, detail),
            NoPortal::Port(PortError::Refused(_)) => Problem::new(StatusCode::BAD_GATEWAY, detail),
            NoPortal::Port(PortError::Away { .. }) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).again_after(5),
        }
    })?;
    Ok(Json(PortalShown { url }))
}
