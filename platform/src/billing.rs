//! What usage costs, and who is told: calls that are over are charged, months that are over are billed, and a payment service hears of it.
//!
//! ```text
//! usage_queue ─► [price] charges ─► totals of the month ─► [price] lines ─► the invoice, a month once
//!                   │                    └─► who is over the limit: a snapshot that admission reads
//!                   └─► meter_events ─► [BillingPort], until it has taken each
//! ```
//! Everything is worked out in whole millionths, and rounded in one place ([`price::amount`]), so that lines add up exactly.

mod csv;
pub mod price;
mod runner;
mod stripe;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use store::{
    BillingMonth, CallId, ChargedCall, NewInvoice, NewReport, OrganizationId, ReportJob, Store, StoreError, ToBill, WallTime,
    Written,
};

pub use csv::csv;
pub use runner::Runner;
pub use stripe::{Stripe, StripeConfig};

/// How long after the end of a month it is billed: what its last calls used is known by then, also on nodes with a clock of their own.
pub const BILLED_AFTER: Duration = Duration::from_secs(600);

/// Calls charged at one look; the next look follows at once while there are more.
const CALLS_AT_ONCE: u32 = 64;
/// Organizations looked at for their bills at once.
const BILLS_AT_ONCE: u32 = 64;
/// Months billed of one organization at one look: ten years without a start.
const MONTHS_MAX: usize = 120;
/// Times that a call is charged anew because another node has charged one of the same month.
const TRIES_MAX: usize = 8;

/// Who takes no new calls, since their usage is at its hard limit. Whoever admits calls reads it; it is as old as the last look, a second.
pub type OverLimit = Arc<ArcSwap<HashSet<OrganizationId>>>;

/// What a payment service answers, in time.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'a>>;

/// A payment service. Each request is bounded in time, and may be repeated.
pub trait BillingPort: fmt::Debug + Send + Sync {
    /// Tells it of usage; of what has the same id, it counts one.
    fn report<'a>(&'a self, job: &'a ReportJob) -> Asked<'a, ()>;

    /// A link under which a customer manages how to pay; it is secret, and good for minutes.
    fn portal<'a>(&'a self, customer: &'a str) -> Asked<'a, String>;
}

/// Why a payment service did not do it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PortError {
    /// It will not, however often it is asked.
    #[error("the payment service refused it: {0}")]
    Refused(String),
    /// It could not now.
    #[error("the payment service is away: {reason}")]
    Away {
        /// Why.
        reason: String,
        /// How long it wants to be left alone.
        again: Option<Duration>,
    },
}

/// Why there is no link to the payment service.
#[derive(Debug, thiserror::Error)]
pub enum NoPortal {
    /// None is configured.
    #[error("no payment service is configured (billing.service)")]
    NoService,
    /// It does not know the organization.
    #[error("the organization is no customer of the payment service: the operator sets it (customer)")]
    NoCustomer,
    /// It did not answer as it should.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The database's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Charges, bills and tells. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Billing {
    store: Store,
    currency: Arc<str>,
    port: Option<Arc<dyn BillingPort>>,
    over_limit: OverLimit,
}

impl Billing {
    /// Over the records, in this currency (ISO 4217); who is over the limit is published in `over_limit`.
    #[must_use]
    pub fn new(store: Store, currency: &str, port: Option<Arc<dyn BillingPort>>, over_limit: OverLimit) -> Self {
        Self { store, currency: currency.into(), port, over_limit }
    }

    /// The records.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// ISO 4217.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// Whether an organization takes no new calls, as was known at the last look.
    #[must_use]
    pub fn is_over_limit(&self, organization: &OrganizationId) -> bool {
        self.over_limit.load().contains(organization)
    }

    /// Works until it is stopped, as a node of this name.
    #[must_use]
    pub fn start(&self, node: String) -> Runner {
        Runner::start(self.clone(), node)
    }

    /// A link under which an organization manages how it pays.
    ///
    /// # Errors
    /// [`NoPortal`].
    pub async fn portal(&self, organization: &OrganizationId) -> Result<String, NoPortal> {
        let port = self.port.as_ref().ok_or(NoPortal::NoService)?;
        let subscription = self.store.subscription(organization).await?;
        let customer = subscription.and_then(|subscription| subscription.customer).ok_or(NoPortal::NoCustomer)?;
        Ok(port.portal(&customer).await?)
    }

    /// Looks who is at the hard limit.
    ///
    /// # Errors
    /// The store's; then what was known stays.
    pub async fn look_at_limits(&self, now: WallTime) -> Result<(), StoreError> {
        let over: HashSet<OrganizationId> = self.store.at_hard_limit(BillingMonth::of(now)).await?.into_iter().collect();
        metrics::gauge!("offhook_billing_over_limit").set(over.len() as f64);
        if **self.over_limit.load() != over {
            tracing::info!(organizations = over.len(), "organizations at their hard limit take no new calls");
            self.over_limit.store(Arc::new(over));
        }
        Ok(())
    }

    /// Charges calls that are over; answers how many.
    ///
    /// # Errors
    /// The store's; what was not charged is still queued.
    pub async fn charge(&self, now: WallTime) -> Result<usize, StoreError> {
        let calls = self.store.uncharged_calls(CALLS_AT_ONCE).await?;
        for call in &calls {
            match self.charge_one(*call, now).await {
                // One that cannot be read keeps no other from being charged.
                Err(error @ StoreError::Unreadable { .. }) => tracing::error!(%call, %error, "a call cannot be charged"),
                charged => charged?,
            }
        }
        let age = self.store.oldest_uncharged().await?.map_or(Duration::ZERO, |since| now.since(since));
        metrics::gauge!("offhook_billing_queue_age_seconds", "queue" => "charges").set(age.as_secs_f64());
        Ok(calls.len())
    }

    async fn charge_one(&self, call: CallId, now: WallTime) -> Result<(), StoreError> {
        for _ in 0..TRIES_MAX {
            let Some(usage) = self.store.call_usage(call).await? else {
                return self.store.drop_uncharged(call).await;
            };
            let Some(state) = self.store.month_state(&usage.organization, usage.ended_at).await? else {
                return self.store.drop_uncharged(call).await;
            };
            let plan = self.store.plan(&state.subscription.plan).await?;
            let charges = price::charges(plan.as_ref(), &state.free_used, &usage);
            let reached = price::reached(plan.as_ref(), &state, &charges);
            let reports = self.reports(&state.subscription.customer, &usage.call.to_string(), &charges);
            let charged = ChargedCall {
                call,
                ended_at: usage.ended_at,
                state: &state,
                charges: &charges,
                currency: &self.currency,
                reached: &reached,
                reports: &reports,
            };
            if self.store.charge_call(&charged, now).await? != Written::Stale {
                metrics::counter!("offhook_billing_calls_charged_total").increment(1);
                break;
            }
        }
        Ok(())
    }

    /// What the payment service is to be told of a call: of each meter its sum.
    fn reports(&self, customer: &Option<String>, call: &str, charges: &[store::Charge]) -> Vec<NewReport> {
        let (Some(customer), true) = (customer, self.port.is_some()) else { return Vec::new() };
        let sum = |meter| charges.iter().filter(|charge| charge.meter == meter).map(|charge| charge.quantity).sum::<u64>();
        let report = |meter| {
            let quantity = sum(meter);
            (quantity > 0).then(|| NewReport { id: format!("{call}-{meter}"), customer: customer.clone(), meter, quantity })
        };
        store::Meter::ALL.into_iter().filter_map(report).collect()
    }

    /// Bills the months that are over, of all organizations, however many they are; answers how many invoices were issued.
    ///
    /// # Errors
    /// The store's; what was not billed is at the next look.
    pub async fn bill(&self, now: WallTime) -> Result<usize, StoreError> {
        let settled = WallTime::from_micros(now.micros() - BILLED_AFTER.as_micros() as i64);
        let (current, last) = (BillingMonth::of(now), BillingMonth::of(settled).previous());
        let mut issued = 0;
        for to_bill in self.store.to_bill(last, BILLS_AT_ONCE).await? {
            match to_bill.billed {
                Some(_) => issued += self.bill_one(to_bill, last, now).await?,
                // From its first usage on, or from now on.
                None => {
                    let from = to_bill.first_used.unwrap_or(current);
                    self.store.begin_billing(&to_bill.subscription.organization, from).await?;
                }
            }
        }
        Ok(issued)
    }

    async fn bill_one(&self, mut to_bill: ToBill, last: BillingMonth, now: WallTime) -> Result<usize, StoreError> {
        let organization = to_bill.subscription.organization.clone();
        let plan = self.store.plan(&to_bill.subscription.plan).await?;
        let mut issued = 0;
        for _ in 0..MONTHS_MAX {
            let Some(month) = to_bill.billed.map(BillingMonth::next).filter(|month| *month <= last) else { break };
            if self.store.awaits_charges(&organization, month).await? {
                break;
            }
            let usage = self.store.month_usage(&organization, month).await?;
            let lines = price::lines(plan.as_ref(), &usage);
            let currency = &*self.currency;
            let new = NewInvoice { to_bill: &to_bill, month, version: usage.version, currency, lines: &lines };
            if self.store.issue_invoice(&new, now).await? != Written::Done {
                break;
            }
            if !lines.is_empty() {
                tracing::info!(%organization, %month, "an invoice was issued");
                metrics::counter!("offhook_billing_invoices_total").increment(1);
                issued += 1;
            }
            to_bill.billed = Some(month);
        }
        Ok(issued)
    }
}
