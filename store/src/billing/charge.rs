//! Charging a call: once, in one transaction with the totals of its month and with who is told.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::subscription::{Subscription, subscription};
use super::{BillingMonth, Meter};
use crate::events::News;
use crate::open::Writing;
use crate::people::within::Sees;
use crate::rows::Columns;
use crate::write::{count, text};
use crate::{CallId, OrganizationId, Store, StoreError, WallTime};

/// What a part of a call costs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Charge {
    /// What was counted.
    pub meter: Meter,
    /// Of which stage.
    pub stage: String,
    /// Of which provider.
    pub provider: String,
    /// How much.
    pub quantity: u64,
    /// How much of it was free.
    pub free: u64,
    /// How many have the price together.
    pub per: u64,
    /// The price, in millionths.
    pub price_micros: u64,
    /// What it costs, in millionths.
    pub amount_micros: u64,
}

/// Where a month of an organization is: what a charge is worked out on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MonthState {
    /// What the organization pays by.
    pub subscription: Subscription,
    /// The month.
    pub month: BillingMonth,
    /// What was charged in it so far, in millionths.
    pub amount_micros: u64,
    /// What of its allowance is used.
    pub free_used: BTreeMap<Meter, u64>,
    /// Limits that were told of.
    pub told: Vec<String>,
    /// Counts its changes; 0: there is none yet.
    pub version: u64,
}

/// A limit that the month has reached; told once a month.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Threshold {
    /// `soft` or `hard`.
    pub name: &'static str,
    /// The limit, in millionths.
    pub limit_micros: u64,
}

/// Something that the payment service is to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewReport {
    /// What it knows a second one by.
    pub id: String,
    /// Of whom.
    pub customer: String,
    /// What was counted.
    pub meter: Meter,
    /// How much.
    pub quantity: u64,
}

/// A call with what it costs.
#[derive(Clone, Debug)]
pub struct ChargedCall<'a> {
    /// The call.
    pub call: CallId,
    /// When it ended.
    pub ended_at: WallTime,
    /// What it was worked out on.
    pub state: &'a MonthState,
    /// What it costs.
    pub charges: &'a [Charge],
    /// The currency, for who is told.
    pub currency: &'a str,
    /// Limits that the month has reached with it, or before.
    pub reached: &'a [Threshold],
    /// What the payment service is to be told.
    pub reports: &'a [NewReport],
}

/// What became of a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Written {
    /// It is written.
    Done,
    /// It was before.
    Before,
    /// It was worked out on what is not so any more: work it out again.
    Stale,
}

/// What of a month was used at one price.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MonthTotal {
    /// What was counted.
    pub meter: Meter,
    /// Of which provider.
    pub provider: String,
    /// How many have the price together.
    pub per: u64,
    /// The price, in millionths.
    pub price_micros: u64,
    /// How much.
    pub quantity: u64,
    /// How much of it was free.
    pub free: u64,
    /// What it costs, in millionths.
    pub amount_micros: u64,
}

/// What an organization used in a month.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MonthUsage {
    /// Calls that were charged.
    pub calls: u64,
    /// What all of it costs, in millionths: the sum of the lines.
    pub amount_micros: u64,
    /// Limits that were told of: soft, hard.
    pub told: Vec<String>,
    /// Its version, for who closes it.
    pub version: u64,
    /// By what was used at which price.
    pub totals: Vec<MonthTotal>,
}

impl Store {
    /// Where the month is that a call which ended at `at` belongs to: its own, or the first that is not billed yet. `None`: there is
    /// no such organization any more.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn month_state(&self, organization: &OrganizationId, at: WallTime) -> Result<Option<MonthState>, StoreError> {
        let of = Sees::One(organization);
        let query = sqlx::query("SELECT * FROM organizations WHERE id = $1").bind(organization.to_string());
        let found =
            self.read_in("month_state", of, query, |row| Ok((subscription(row)?, row.value::<Option<i64>>("billed_month")?)));
        let Some((subscription, billed)) = found.await?.pop() else { return Ok(None) };
        let open = billed.map(|billed| BillingMonth::from_number(billed).next());
        let month = open.map_or(BillingMonth::of(at), |open| open.max(BillingMonth::of(at)));
        // First: what is newer than it makes it stale.
        let usage = self.month_usage(organization, month).await?;
        let mut free_used = BTreeMap::new();
        for total in &usage.totals {
            *free_used.entry(total.meter).or_default() += total.free;
        }
        let MonthUsage { amount_micros, told, version, .. } = usage;
        Ok(Some(MonthState { subscription, month, amount_micros, free_used, told, version }))
    }

    /// What an organization used in a month so far.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn month_usage(&self, organization: &OrganizationId, month: BillingMonth) -> Result<MonthUsage, StoreError> {
        let of = Sees::One(organization);
        let query = sqlx::query("SELECT * FROM usage_months WHERE organization = $1 AND month = $2");
        let query = query.bind(organization.to_string()).bind(month.number());
        let found = self.read_in("month_usage", of, query, |row| {
            let (calls, amount_micros) = (row.count("calls")?, row.count("amount_micros")?);
            let told = row.value::<String>("told")?.split_whitespace().map(str::to_owned).collect();
            Ok(MonthUsage { calls, amount_micros, told, version: row.count("version")?, totals: Vec::new() })
        });
        let mut usage = found.await?.pop().unwrap_or_default();
        let query = sqlx::query("SELECT * FROM usage_totals WHERE organization = $1 AND month = $2");
        let query = query.bind(organization.to_string()).bind(month.number());
        usage.totals = self.read_in("month_totals", of, query, total).await?;
        usage.totals.sort_by(|one, other| {
            let place = |total: &MonthTotal| (total.meter, total.provider.clone(), total.per, total.price_micros);
            place(one).cmp(&place(other))
        });
        Ok(usage)
    }

    /// What a call was charged; nothing of one that was not yet.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn call_charges(&self, organization: &OrganizationId, call: CallId) -> Result<Vec<Charge>, StoreError> {
        let query = sqlx::query("SELECT * FROM call_charges WHERE organization = $1 AND call_id = $2 ORDER BY place");
        let query = query.bind(organization.to_string()).bind(call.to_string());
        self.read_in("call_charges", Sees::One(organization), query, |row| {
            let total = total(row)?;
            Ok(Charge {
                meter: total.meter,
                stage: row.value("stage")?,
                provider: total.provider,
                quantity: total.quantity,
                free: total.free,
                per: total.per,
                price_micros: total.price_micros,
                amount_micros: total.amount_micros,
            })
        })
        .await
    }

    /// Organizations whose usage of a month has reached their hard limit, their plan's or their own: for admission.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn at_hard_limit(&self, month: BillingMonth) -> Result<Vec<OrganizationId>, StoreError> {
        let query = sqlx::query(
            "SELECT organizations.id AS id FROM organizations LEFT JOIN plans ON plans.name = organizations.plan
               LEFT JOIN usage_months ON usage_months.organization = organizations.id AND usage_months.month = $1
             WHERE (organizations.hard_limit_micros IS NOT NULL OR plans.hard_limit_micros IS NOT NULL)
               AND (COALESCE(usage_months.amount_micros, 0) >= organizations.hard_limit_micros
                 OR COALESCE(usage_months.amount_micros, 0) >= plans.hard_limit_micros)",
        );
        self.read_in("at_hard_limit", Sees::All, query.bind(month.number()), |row| row.parsed("id")).await
    }

    /// Charges a call: in one transaction with the totals of its month, with what others are told, and only once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`]: nothing was written.
    pub async fn charge_call(&self, charged: &ChargedCall<'_>, now: WallTime) -> Result<Written, StoreError> {
        const QUERY: &str = "charge_call";
        let written = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let written = charged.write(&mut writing, now).await?;
            if written == Written::Done {
                self.tell(&mut writing, charged.news(now)).await?;
            }
            if written != Written::Stale {
                writing.commit(QUERY).await?;
            }
            Ok(written)
        });
        let written = written.await?;
        if written == Written::Done {
            self.wake();
        }
        Ok(written)
    }

    /// Takes a call that there is nothing to charge of from the queue: its organization is gone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn drop_uncharged(&self, call: CallId) -> Result<(), StoreError> {
        const QUERY: &str = "drop_uncharged";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let delete = sqlx::query("DELETE FROM usage_queue WHERE call_id = $1").bind(call.to_string());
            writing.execute(QUERY, delete).await?;
            writing.commit(QUERY).await
        })
        .await
    }
}

impl ChargedCall<'_> {
    fn amount(&self) -> u64 {
        self.charges.iter().map(|charge| charge.amount_micros).sum()
    }

    async fn write(&self, writing: &mut Writing, now: WallTime) -> Result<Written, StoreError> {
        const QUERY: &str = "charge_call";
        let delete = sqlx::query("DELETE FROM usage_queue WHERE call_id = $1").bind(self.call.to_string());
        writing.execute(QUERY, delete).await?;
        let mark = sqlx::query("UPDATE calls SET charged_us = $2 WHERE id = $1 AND charged_us IS NULL");
        if writing.execute(QUERY, mark.bind(self.call.to_string()).bind(now.micros())).await? == 0 {
            return Ok(Written::Before);
        }
        if !self.add_to_month(writing).await? {
            return Ok(Written::Stale);
        }
        for (place, charge) in (0_i64..).zip(self.charges) {
            self.add_charge(writing, place, charge).await?;
        }
        for report in self.reports {
            let insert = sqlx::query(
                "INSERT INTO meter_events (id, organization, customer, meter, quantity, at_us, state, due_us)
                 VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7) ON CONFLICT DO NOTHING",
            )
            .bind(text(&report.id))
            .bind(self.state.subscription.organization.to_string())
            .bind(text(&report.customer))
            .bind(report.meter.as_str())
            .bind(count(report.quantity))
            .bind(self.ended_at.micros())
            .bind(now.micros());
            writing.execute(QUERY, insert).await?;
        }
        Ok(Written::Done)
    }

    /// False: somebody else has changed the month, or closed it.
    async fn add_to_month(&self, writing: &mut Writing) -> Result<bool, StoreError> {
        let state = self.state;
        let add = match state.version {
            0 => sqlx::query(
                "INSERT INTO usage_months (organization, month, calls, amount_micros, told, is_closed, version)
                 VALUES ($1, $2, 1, $3, $4, 0, 1) ON CONFLICT DO NOTHING",
            ),
            _ => sqlx::query(
                "UPDATE usage_months SET calls = calls + 1, amount_micros = amount_micros + $3, told = $4, version = version + 1
                 WHERE organization = $1 AND month = $2 AND version = $5 AND is_closed = 0",
            ),
        };
        let told: Vec<&str> = state.told.iter().map(String::as_str).chain(self.reached.iter().map(|one| one.name)).collect();
        let add = add.bind(state.subscription.organization.to_string()).bind(state.month.number()).bind(count(self.amount()));
        let add = add.bind(told.join(" "));
        let add = if state.version == 0 { add } else { add.bind(count(state.version)) };
        Ok(writing.execute("charge_call", add).await? == 1)
    }

    async fn add_charge(&self, writing: &mut Writing, place: i64, charge: &Charge) -> Result<(), StoreError> {
        const QUERY: &str = "charge_call";
        let (organization, month) = (self.state.subscription.organization.to_string(), self.state.month.number());
        let insert = sqlx::query(
            "INSERT INTO call_charges (organization, month, meter, provider, per, price_micros, quantity, free, amount_micros,
               call_id, place, stage) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        );
        let add = sqlx::query(
            "INSERT INTO usage_totals (organization, month, meter, provider, per, price_micros, quantity, free, amount_micros)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (organization, month, meter, provider, per, price_micros) DO UPDATE SET
               quantity = usage_totals.quantity + excluded.quantity, free = usage_totals.free + excluded.free,
               amount_micros = usage_totals.amount_micros + excluded.amount_micros",
        );
        let bind = |query: crate::write::Bound<'static>| {
            query
                .bind(organization.clone())
                .bind(month)
                .bind(charge.meter.as_str())
                .bind(text(&charge.provider))
                .bind(count(charge.per))
                .bind(count(charge.price_micros))
                .bind(count(charge.quantity))
                .bind(count(charge.free))
                .bind(count(charge.amount_micros))
        };
        let insert = bind(insert).bind(self.call.to_string()).bind(place).bind(text(&charge.stage));
        writing.execute(QUERY, insert).await?;
        writing.execute(QUERY, bind(add)).await.map(drop)
    }

    fn news(&self, now: WallTime) -> Vec<News> {
        let month = self.state.month;
        let lines: Vec<Value> = self.charges.iter().map(line).collect();
        let data = json!({
            "month": month.to_string(),
            "plan": self.state.subscription.plan,
            "currency": self.currency,
            "amount_micros": self.amount(),
            "lines": lines,
        });
        let amount = self.state.amount_micros + self.amount();
        let threshold = |reached: &Threshold| {
            let data = json!({
                "month": month.to_string(),
                "plan": self.state.subscription.plan,
                "currency": self.currency,
                "amount_micros": amount,
                "threshold": reached.name,
                "limit_micros": reached.limit_micros,
            });
            News::of_threshold(&self.state.subscription.organization, format!("{month} {}", reached.name), data, now)
        };
        let call = News::of_usage(self.call, data, self.ended_at);
        std::iter::once(call).chain(self.reached.iter().map(threshold)).collect()
    }
}

fn line(charge: &Charge) -> Value {
    let mut line = Map::new();
    line.insert("meter".to_owned(), json!(charge.meter.as_str()));
    line.insert("stage".to_owned(), json!(charge.stage));
    line.insert("provider".to_owned(), json!(charge.provider));
    line.insert("quantity".to_owned(), json!(charge.quantity));
    line.insert("free".to_owned(), json!(charge.free));
    line.insert("per".to_owned(), json!(charge.per));
    line.insert("price_micros".to_owned(), json!(charge.price_micros));
    line.insert("amount_micros".to_owned(), json!(charge.amount_micros));
    Value::Object(line)
}

fn total(row: &Columns<'_>) -> Result<MonthTotal, StoreError> {
    Ok(MonthTotal {
        meter: row.parsed("meter")?,
        provider: row.value("provider")?,
        per: row.count("per")?,
        price_micros: row.count("price_micros")?,
        quantity: row.count("quantity")?,
        free: row.count("free")?,
        amount_micros: row.count("amount_micros")?,
    })
}
