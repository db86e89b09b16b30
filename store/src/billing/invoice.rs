//! Invoices: one for a month of an organization, made once and never changed.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::subscription::{Subscription, subscription};
use super::{BillingMonth, Meter, Written};
use crate::open::Writing;
use crate::people::id::last;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::write::{count, text};
use crate::{OrganizationId, Page, Store, StoreError, WallTime};

/// Id of an invoice: a UUIDv7, so ids sort by the time of issue.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InvoiceId(Uuid);

/// What a line of an invoice is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvoiceItem {
    /// The plan, for the month.
    MonthlyFee,
    /// What was used.
    Usage(Meter),
}

/// A line of an invoice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvoiceLine {
    /// What for.
    pub item: InvoiceItem,
    /// Of which provider; of a fee, the plan.
    pub provider: String,
    /// How much.
    pub quantity: u64,
    /// How much of it was free.
    pub free: u64,
    /// How many have the price together.
    pub per: u64,
    /// The price, in millionths.
    pub price_micros: u64,
    /// What it comes to, in millionths.
    pub amount_micros: u64,
}

/// An invoice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// For which month.
    pub month: BillingMonth,
    /// The plan at its issue.
    pub plan: String,
    /// ISO 4217.
    pub currency: String,
    /// The sum of its lines, in millionths.
    pub total_micros: u64,
    /// When it was issued.
    pub issued_at: WallTime,
    /// Empty in a list.
    pub lines: Vec<InvoiceLine>,
}

/// An organization with a month that is over and not billed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToBill {
    /// What it pays by.
    pub subscription: Subscription,
    /// The last month that was billed; `None`: it was never looked at.
    pub billed: Option<BillingMonth>,
    /// The first month that anything was used in.
    pub first_used: Option<BillingMonth>,
}

/// A month that is to be billed.
#[derive(Clone, Debug)]
pub struct NewInvoice<'a> {
    /// Whose, with the last month that was billed.
    pub to_bill: &'a ToBill,
    /// Which month.
    pub month: BillingMonth,
    /// Its version.
    pub version: u64,
    /// ISO 4217.
    pub currency: &'a str,
    /// What it comes to; nothing: the month is closed without an invoice.
    pub lines: &'a [InvoiceLine],
}

impl InvoiceItem {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MonthlyFee => "monthly_fee",
            Self::Usage(meter) => meter.as_str(),
        }
    }
}

impl FromStr for InvoiceItem {
    type Err = super::UnknownMeter;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if word == "monthly_fee" { Ok(Self::MonthlyFee) } else { word.parse().map(Self::Usage) }
    }
}

impl fmt::Display for InvoiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for InvoiceId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

impl Store {
    /// Up to `limit` organizations that have not been billed up to `month`, the one before the present.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn to_bill(&self, month: BillingMonth, limit: u32) -> Result<Vec<ToBill>, StoreError> {
        let query = sqlx::query(
            "SELECT organizations.*, (SELECT MIN(usage_months.month) FROM usage_months
               WHERE usage_months.organization = organizations.id) AS first_used FROM organizations
             WHERE billed_month IS NULL OR billed_month < $1 ORDER BY billed_month, id LIMIT $2",
        );
        let query = query.bind(month.number()).bind(i64::from(limit.clamp(1, LIST_MAX)));
        self.read_in("to_bill", Sees::All, query, |row| {
            let month = |column| Ok(row.value::<Option<i64>>(column)?.map(BillingMonth::from_number));
            Ok(ToBill { subscription: subscription(row)?, billed: month("billed_month")?, first_used: month("first_used")? })
        })
        .await
    }

    /// Says from which month on an organization is billed, if nothing was said before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn begin_billing(&self, organization: &OrganizationId, from: BillingMonth) -> Result<(), StoreError> {
        const QUERY: &str = "begin_billing";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query("UPDATE organizations SET billed_month = $2 WHERE id = $1 AND billed_month IS NULL");
            writing.execute(QUERY, update.bind(organization.to_string()).bind(from.previous().number())).await?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// Bills a month and closes it: all in one transaction, once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`]: nothing was written.
    pub async fn issue_invoice(&self, new: &NewInvoice<'_>, now: WallTime) -> Result<Written, StoreError> {
        const QUERY: &str = "issue_invoice";
        let subscription = &new.to_bill.subscription;
        let organization = &subscription.organization;
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let before = new.to_bill.billed.map_or(i64::MIN, BillingMonth::number);
            let update = sqlx::query("UPDATE organizations SET billed_month = $2 WHERE id = $1 AND billed_month = $3");
            let update = update.bind(organization.to_string()).bind(new.month.number()).bind(before);
            if writing.execute(QUERY, update).await? == 0 {
                return Ok(Written::Before);
            }
            // Where nothing was used, so that nothing is added from now on.
            let close = sqlx::query(
                "INSERT INTO usage_months (organization, month, calls, amount_micros, is_closed, version)
                 VALUES ($1, $2, 0, 0, 1, 1) ON CONFLICT (organization, month) DO UPDATE SET is_closed = 1,
                   version = usage_months.version + 1 WHERE usage_months.version = $3",
            );
            let close = close.bind(organization.to_string()).bind(new.month.number()).bind(count(new.version));
            if writing.execute(QUERY, close).await? == 0 {
                return Ok(Written::Stale);
            }
            if !new.lines.is_empty() {
                new.write(&mut writing, now).await?;
            }
            writing.commit(QUERY).await.map(|()| Written::Done)
        })
        .await
    }

    /// Invoices of an organization, the newest first, without their lines.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn invoices(&self, organization: &OrganizationId, page: &Page) -> Result<Vec<Invoice>, StoreError> {
        let query = sqlx::query("SELECT * FROM invoices WHERE organization = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
            .bind(organization.to_string())
            .bind(page.after.clone().unwrap_or_else(last))
            .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("invoices", Sees::One(organization), query, invoice).await
    }

    /// An invoice of an organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn invoice(&self, organization: &OrganizationId, id: InvoiceId) -> Result<Option<Invoice>, StoreError> {
        let of = Sees::One(organization);
        let query = sqlx::query("SELECT * FROM invoices WHERE organization = $1 AND id = $2");
        let query = query.bind(organization.to_string()).bind(id.to_string());
        let Some(mut found) = self.read_in("invoice", of, query, invoice).await?.pop() else { return Ok(None) };
        let query = sqlx::query("SELECT * FROM invoice_lines WHERE organization = $1 AND invoice_id = $2 ORDER BY place");
        let query = query.bind(organization.to_string()).bind(id.to_string());
        found.lines = self.read_in("invoice_lines", of, query, invoice_line).await?;
        Ok(Some(found))
    }
}

impl NewInvoice<'_> {
    async fn write(&self, writing: &mut Writing, now: WallTime) -> Result<(), StoreError> {
        const QUERY: &str = "issue_invoice";
        let (id, subscription) = (InvoiceId(Uuid::now_v7()), &self.to_bill.subscription);
        let total: u64 = self.lines.iter().map(|line| line.amount_micros).sum();
        let insert = sqlx::query(
            "INSERT INTO invoices (id, organization, month, plan, currency, total_micros, issued_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id.to_string())
        .bind(subscription.organization.to_string())
        .bind(self.month.number())
        .bind(text(&subscription.plan))
        .bind(text(self.currency))
        .bind(count(total))
        .bind(now.micros());
        writing.execute(QUERY, insert).await?;
        for (place, line) in (0_i64..).zip(self.lines) {
            let insert = sqlx::query(
                "INSERT INTO invoice_lines (invoice_id, organization, place, item, provider, quantity, free, per, price_micros,
                   amount_micros) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(id.to_string())
            .bind(subscription.organization.to_string())
            .bind(place)
            .bind(line.item.as_str())
            .bind(text(&line.provider))
            .bind(count(line.quantity))
            .bind(count(line.free))
            .bind(count(line.per))
            .bind(count(line.price_micros))
            .bind(count(line.amount_micros));
            writing.execute(QUERY, insert).await?;
        }
        Ok(())
    }
}

fn invoice(row: &Columns<'_>) -> Result<Invoice, StoreError> {
    Ok(Invoice {
        id: row.parsed("id")?,
        organization: row.parsed("organization")?,
        month: BillingMonth::from_number(row.value("month")?),
        plan: row.value("plan")?,
        currency: row.value("currency")?,
        total_micros: row.count("total_micros")?,
        issued_at: row.time("issued_us")?,
        lines: Vec::new(),
    })
}

fn invoice_line(row: &Columns<'_>) -> Result<InvoiceLine, StoreError> {
    Ok(InvoiceLine {
        item: row.parsed("item")?,
        provider: row.value("provider")?,
        quantity: row.count("quantity")?,
        free: row.count("free")?,
        per: row.count("per")?,
        price_micros: row.count("price_micros")?,
        amount_micros: row.count("amount_micros")?,
    })
}
