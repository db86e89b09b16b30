//! Plans: what everything costs. They are the platform's; which is whose, organizations say.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Meter;
use crate::people::audit::Deed;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::write::{Bound, count, text};
use crate::{Act, Changed, OrganizationId, Store, StoreError, WallTime};

/// Most plans: one for each customer of a large platform that bargains.
pub const PLANS_MAX: i64 = 1_000;

/// What something costs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Price {
    /// What.
    pub meter: Meter,
    /// Of which provider, by its name in the configuration (of seconds: sip, twilio, ws; of turns: the engine); `*`: of all that have no
    /// price of their own.
    pub provider: String,
    /// Millionths for each [`Meter::per`].
    pub micros: u64,
}

/// A plan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Its name, which organizations refer to.
    pub name: String,
    /// For people.
    pub title: String,
    /// Owners may choose it by themselves.
    pub is_open: bool,
    /// Of each month, in millionths.
    pub monthly_fee_micros: u64,
    /// Usage of a month that is told of, in millionths; `None`: none.
    pub soft_limit_micros: Option<u64>,
    /// Usage of a month past which no new call is taken, in millionths; `None`: none.
    pub hard_limit_micros: Option<u64>,
    /// What has no price costs nothing.
    pub prices: Vec<Price>,
    /// What costs nothing each month, of all providers together.
    pub allowance: BTreeMap<Meter, u64>,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: WallTime,
    /// When it was changed last.
    pub updated_at: WallTime,
}

/// What of a plan somebody says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewPlan {
    /// As in [`Plan`].
    pub name: String,
    /// As in [`Plan`].
    pub title: String,
    /// As in [`Plan`].
    pub is_open: bool,
    /// As in [`Plan`].
    pub monthly_fee_micros: u64,
    /// As in [`Plan`].
    pub soft_limit_micros: Option<u64>,
    /// As in [`Plan`].
    pub hard_limit_micros: Option<u64>,
    /// As in [`Plan`].
    pub prices: Vec<Price>,
    /// As in [`Plan`].
    pub allowance: BTreeMap<Meter, u64>,
}

/// What of a plan is to be different.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PlanChange {
    /// As in [`Plan`].
    pub title: Option<String>,
    /// As in [`Plan`].
    pub is_open: Option<bool>,
    /// As in [`Plan`].
    pub monthly_fee_micros: Option<u64>,
    /// As in [`Plan`]; inside: from now on there is none.
    pub soft_limit_micros: Option<Option<u64>>,
    /// As in [`Plan`]; inside: from now on there is none.
    pub hard_limit_micros: Option<Option<u64>>,
    /// All of them.
    pub prices: Option<Vec<Price>>,
    /// All of it.
    pub allowance: Option<BTreeMap<Meter, u64>>,
}

impl Plan {
    /// With what is to be different.
    #[must_use]
    pub fn changed(&self, change: &PlanChange) -> NewPlan {
        let is = self.clone();
        let PlanChange { title, is_open, monthly_fee_micros, soft_limit_micros, hard_limit_micros, prices, allowance } =
            change.clone();
        NewPlan {
            name: is.name,
            title: title.unwrap_or(is.title),
            is_open: is_open.unwrap_or(is.is_open),
            monthly_fee_micros: monthly_fee_micros.unwrap_or(is.monthly_fee_micros),
            soft_limit_micros: soft_limit_micros.unwrap_or(is.soft_limit_micros),
            hard_limit_micros: hard_limit_micros.unwrap_or(is.hard_limit_micros),
            prices: prices.unwrap_or(is.prices),
            allowance: allowance.unwrap_or(is.allowance),
        }
    }
}

impl Store {
    /// Makes a plan; `None`: there is one with its name, or there are [`PLANS_MAX`] already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn create_plan(&self, new: &NewPlan, act: &Act<'_>) -> Result<Option<Plan>, StoreError> {
        const QUERY: &str = "create_plan";
        let insert = sqlx::query(
            "INSERT INTO plans (title, is_open, monthly_fee_micros, soft_limit_micros, hard_limit_micros, prices, allowance,
               version, created_us, updated_us, name)
             SELECT $1, $2, $3, $4, $5, $6, $7, 1, $9, $9, $8 FROM organizations
             WHERE organizations.id = 'default' AND (SELECT COUNT(*) FROM plans) < $10 ON CONFLICT DO NOTHING",
        );
        let insert = bind(insert, new).bind(act.at.micros()).bind(PLANS_MAX);
        let made = self.write_plan(QUERY, insert, ("plan.created", new), act).await?;
        if made { self.plan(&new.name).await } else { Ok(None) }
    }

    /// Changes a plan, if `version` is still its own. What was charged stays.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn change_plan(&self, version: u64, now: &NewPlan, act: &Act<'_>) -> Result<Changed<Plan>, StoreError> {
        const QUERY: &str = "change_plan";
        let update = sqlx::query(
            "UPDATE plans SET title = $1, is_open = $2, monthly_fee_micros = $3, soft_limit_micros = $4, hard_limit_micros = $5,
               prices = $6, allowance = $7, version = version + 1, updated_us = $9 WHERE name = $8 AND version = $10",
        );
        let update = bind(update, now).bind(act.at.micros()).bind(count(version));
        if !self.write_plan(QUERY, update, ("plan.changed", now), act).await? {
            return Ok(if self.plan(&now.name).await?.is_some() { Changed::Stale } else { Changed::Missing });
        }
        Ok(self.plan(&now.name).await?.map_or(Changed::Missing, Changed::Done))
    }

    /// The plan of this name.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn plan(&self, name: &str) -> Result<Option<Plan>, StoreError> {
        let query = sqlx::query("SELECT * FROM plans WHERE name = $1").bind(text(name));
        Ok(self.read("plan", query, plan).await?.pop())
    }

    /// Plans by their names, from the one after `after` on; only those that are open, or all.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn plans(&self, all: bool, after: Option<&str>, limit: u32) -> Result<Vec<Plan>, StoreError> {
        let query = sqlx::query("SELECT * FROM plans WHERE name > $1 AND is_open >= $2 ORDER BY name LIMIT $3")
            .bind(text(after.unwrap_or_default()))
            .bind(i64::from(!all))
            .bind(i64::from(limit.clamp(1, LIST_MAX)));
        self.read("plans", query, plan).await
    }

    /// False: nothing was written.
    async fn write_plan(
        &self,
        query: &'static str,
        write: Bound<'_>,
        (action, plan): (&'static str, &NewPlan),
        act: &Act<'_>,
    ) -> Result<bool, StoreError> {
        let operator = OrganizationId::operator();
        self.timed_write(query, async {
            let mut writing = self.begin_in(query, Sees::One(&operator)).await?;
            if writing.execute(query, write).await? == 0 {
                return Ok(false);
            }
            let details = json!({
                "title": plan.title, "is_open": plan.is_open, "monthly_fee_micros": plan.monthly_fee_micros,
                "soft_limit_micros": plan.soft_limit_micros, "hard_limit_micros": plan.hard_limit_micros,
                "prices": prices_json(&plan.prices), "allowance": allowance_json(&plan.allowance),
            });
            let deed = Deed { action, resource: format!("plan:{}", plan.name), details: &details };
            writing.note(&operator, act, deed).await?;
            writing.commit(query).await.map(|()| true)
        })
        .await
    }
}

fn bind<'q>(query: Bound<'q>, plan: &NewPlan) -> Bound<'q> {
    query
        .bind(text(&plan.title))
        .bind(i64::from(plan.is_open))
        .bind(count(plan.monthly_fee_micros))
        .bind(plan.soft_limit_micros.map(count))
        .bind(plan.hard_limit_micros.map(count))
        .bind(prices_json(&plan.prices).to_string())
        .bind(allowance_json(&plan.allowance).to_string())
        .bind(text(&plan.name))
}

fn prices_json(prices: &[Price]) -> Value {
    let price = |price: &Price| json!({ "meter": price.meter.as_str(), "provider": price.provider, "micros": price.micros });
    prices.iter().map(price).collect()
}

fn allowance_json(allowance: &BTreeMap<Meter, u64>) -> Value {
    allowance.iter().map(|(meter, free)| (meter.as_str().to_owned(), json!(free))).collect::<Map<_, _>>().into()
}

pub(super) fn plan(row: &Columns<'_>) -> Result<Plan, StoreError> {
    let unreadable = |column, what: &str| row.unreadable(column, what);
    let prices = row.json("prices")?;
    let prices = prices.as_array().into_iter().flatten().map(|price| {
        let meter = price["meter"].as_str().and_then(|meter| meter.parse().ok());
        let provider = price["provider"].as_str().map(str::to_owned);
        let (meter, provider) = meter.zip(provider).ok_or_else(|| unreadable("prices", "a price names nothing"))?;
        let micros = price["micros"].as_u64().ok_or_else(|| unreadable("prices", "a price is no number"))?;
        Ok(Price { meter, provider, micros })
    });
    let allowance = row.json("allowance")?;
    let allowance = allowance.as_object().into_iter().flatten().map(|(meter, free)| {
        let read = meter.parse::<Meter>().ok().zip(free.as_u64());
        read.ok_or_else(|| unreadable("allowance", "it names nothing"))
    });
    Ok(Plan {
        name: row.value("name")?,
        title: row.value("title")?,
        is_open: row.count("is_open")? != 0,
        monthly_fee_micros: row.count("monthly_fee_micros")?,
        soft_limit_micros: row.count_option("soft_limit_micros")?,
        hard_limit_micros: row.count_option("hard_limit_micros")?,
        prices: prices.collect::<Result<_, StoreError>>()?,
        allowance: allowance.collect::<Result<_, StoreError>>()?,
        version: row.count("version")?,
        created_at: row.time("created_us")?,
        updated_at: row.time("updated_us")?,
    })
}
