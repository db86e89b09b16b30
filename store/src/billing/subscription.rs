//! Which plan an organization has, and what it has set for itself.

use serde_json::json;

use crate::people::audit::Deed;
use crate::people::within::Sees;
use crate::rows::Columns;
use crate::write::{count, text};
use crate::{Act, Changed, OrganizationId, Store, StoreError};

/// What an organization pays by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subscription {
    /// Whose it is.
    pub organization: OrganizationId,
    /// The name of its plan; where there is none of that name, everything is free.
    pub plan: String,
    /// Its own soft limit; the lower one counts.
    pub soft_limit_micros: Option<u64>,
    /// Its own hard limit; the lower one counts.
    pub hard_limit_micros: Option<u64>,
    /// Whom the payment service knows it as.
    pub customer: Option<String>,
    /// The organization's.
    pub version: u64,
}

/// What of it is to be different; inside: from now on there is none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SubscriptionChange {
    /// As in [`Subscription`].
    pub plan: Option<String>,
    /// As in [`Subscription`].
    pub soft_limit_micros: Option<Option<u64>>,
    /// As in [`Subscription`].
    pub hard_limit_micros: Option<Option<u64>>,
    /// As in [`Subscription`].
    pub customer: Option<Option<String>>,
}

impl Store {
    /// What an organization pays by; `None`: there is no such organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn subscription(&self, organization: &OrganizationId) -> Result<Option<Subscription>, StoreError> {
        let query = sqlx::query("SELECT * FROM organizations WHERE id = $1").bind(organization.to_string());
        Ok(self.read_in("subscription", Sees::One(organization), query, subscription).await?.pop())
    }

    /// Changes it, if `version` is still its own; `None`: whatever it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn change_subscription(
        &self,
        organization: &OrganizationId,
        version: Option<u64>,
        change: &SubscriptionChange,
        act: &Act<'_>,
    ) -> Result<Changed<Subscription>, StoreError> {
        const QUERY: &str = "change_subscription";
        let Some(is) = self.subscription(organization).await? else { return Ok(Changed::Missing) };
        let SubscriptionChange { plan, soft_limit_micros, hard_limit_micros, customer } = change.clone();
        let update = sqlx::query(
            "UPDATE organizations SET plan = $3, soft_limit_micros = $4, hard_limit_micros = $5, billing_customer = $6,
               version = version + 1, updated_us = $7 WHERE id = $1 AND version = $2",
        )
        .bind(organization.to_string())
        .bind(count(version.unwrap_or(is.version)))
        .bind(text(&plan.unwrap_or(is.plan)))
        .bind(soft_limit_micros.unwrap_or(is.soft_limit_micros).map(count))
        .bind(hard_limit_micros.unwrap_or(is.hard_limit_micros).map(count))
        .bind(customer.unwrap_or(is.customer).as_deref().map(text))
        .bind(act.at.micros());
        let mut details = json!({});
        if let Some(plan) = &change.plan {
            details["plan"] = json!(plan);
        }
        let numbers = [("soft_limit_micros", change.soft_limit_micros), ("hard_limit_micros", change.hard_limit_micros)];
        for (name, number) in numbers.into_iter().filter_map(|(name, number)| Some((name, number?))) {
            details[name] = json!(number);
        }
        if let Some(customer) = &change.customer {
            details["customer"] = json!(customer);
        }
        let changed = self
            .timed_write(QUERY, async {
                let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
                if writing.execute(QUERY, update).await? == 0 {
                    return Ok(false);
                }
                let resource = format!("organization:{organization}");
                let deed = Deed { action: "subscription.changed", resource, details: &details };
                writing.note(organization, act, deed).await?;
                writing.commit(QUERY).await.map(|()| true)
            })
            .await?;
        Ok(if changed { self.subscription(organization).await?.map_or(Changed::Missing, Changed::Done) } else { Changed::Stale })
    }
}

pub(super) fn subscription(row: &Columns<'_>) -> Result<Subscription, StoreError> {
    Ok(Subscription {
        organization: row.parsed("id")?,
        plan: row.value("plan")?,
        soft_limit_micros: row.count_option("soft_limit_micros")?,
        hard_limit_micros: row.count_option("hard_limit_micros")?,
        customer: row.value("billing_customer")?,
        version: row.count("version")?,
    })
}
