//! What usage costs: plans, what organizations used of them, what they were billed, and what a payment service is to be told.
//!
//! ```text
//! the end of a call ─► usage_queue ─► charges of the call, totals of the month, events ─► the invoice of the month
//!     one transaction     one transaction, for a call once                                  one, for a month once
//! ```
//! What anything costs is not decided here: it is handed in, with the version of the month that it was worked out on.

mod charge;
mod invoice;
mod meter;
mod month;
mod plan;
mod report;
mod subscription;
mod usage;

pub use charge::{Charge, ChargedCall, MonthState, MonthTotal, MonthUsage, NewReport, Threshold, Written};
pub use invoice::{Invoice, InvoiceId, InvoiceItem, InvoiceLine, NewInvoice, ToBill};
pub use meter::{Meter, UnknownMeter};
pub use month::{BadMonth, BillingMonth};
pub use plan::{NewPlan, PLANS_MAX, Plan, PlanChange, Price};
pub use report::{REPORT_CLAIMS_MAX, ReportEnd, ReportJob};
pub use subscription::{Subscription, SubscriptionChange};
pub use usage::{CallUsage, ProviderUsage};

pub(crate) use usage::{queue_lost, queue_used};
