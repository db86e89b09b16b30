//! Call records, turns, recordings and the knowledge base, on SQLite or PostgreSQL.
//!
//! [`Store`] is the handle; [`StoreWrite`] is everything that can be written, one by one or in a batch that is
//! one transaction; the records ([`CallRecord`], [`Turn`], [`Recording`], [`Incident`]) are what is read back.
//! Both databases run the same migrations and the same queries, but for full text and vectors, which are different in
//! each: [`KnowledgeStore`] is the knowledge base.
//!
//! Secrets of rows, and recordings, are sealed under the operator's master key by [`seal`], once it has one.
//!
//! It refuses to know what a call is made of: it has no actor, no audio and no file but SQLite's own. It keeps no
//! queue either: who calls [`Store::write_batch`] owns what is waiting and decides what to do when it fails.

mod analysis;
mod analytics;
mod backup;
mod billing;
mod calls;
mod campaigns;
mod error;
mod events;
mod id;
mod kind;
mod knowledge;
mod ladder;
mod lead;
mod memory;
mod migrations;
mod open;
mod people;
mod privacy;
mod read;
mod record;
mod retention;
mod rows;
pub mod seal;
mod spend;
mod text;
mod time;
mod webhooks;
mod write;

pub use analysis::{
    ANALYSIS_CLAIMS_MAX, Analysis, AnalysisClaim, AnalysisEnd, AnalysisJob, Findings, LeadScore, Learned, SentimentScore,
    SuccessVerdict,
};
pub use analytics::{Figures, GROUPS_MAX, Gaps, GroupBy};
pub use backup::{
    DatabasePlace, Holdings, PostgresMoment, PostgresPlace, copy_sqlite, holdings_of_sqlite, newest_schema, postgres_moment,
};
pub use billing::{
    BadMonth, BillingMonth, CallUsage, Charge, ChargedCall, Invoice, InvoiceId, InvoiceItem, InvoiceLine, Meter, MonthState,
    MonthTotal, MonthUsage, NewInvoice, NewPlan, NewReport, PLANS_MAX, Plan, PlanChange, Price, ProviderUsage, REPORT_CLAIMS_MAX,
    ReportEnd, ReportJob, Subscription, SubscriptionChange, Threshold, ToBill, UnknownMeter, Written,
};
pub use calls::CallFilter;
pub use campaigns::{
    AnsweredBy, Attempt, AttemptEnd, AttemptOver, CONTACTS_AT_ONCE, CONTACTS_MAX, Campaign, CampaignCounts, CampaignLook,
    CampaignStatus, CampaignWish, Claimed, Contact, ContactFilter, ContactNext, ContactOutcome, ContactState, DIAL_LEASE,
    DO_NOT_CALL_MAX, DialPlan, DoNotCall, Imported, NewContact, Pulse,
};
pub use error::StoreError;
pub use events::{Event, EventFilter, EventsKept};
pub use id::{CallId, DocumentId};
pub use kind::{
    AnalysisState, CallStatus, DeliveryState, Direction, DocumentOrigin, DocumentStatus, EventKind, HangupCause, IdentityVerdict,
    IncidentKind, LeadStatus, LegKind, MemorySource, Outcome, RecordingFormat, RecordingState, ResourceKind, Role, Sentiment,
    SessionStatus, UnknownText, UserRole, WebhookKind,
};
pub use knowledge::{
    ChunkName, Claim, DEFAULT_ORGANIZATION, DOCUMENT_LIST_MAX, DocumentsHeld, KnowledgeChunk, KnowledgeDocument, KnowledgeStore,
    LiveDocument, NewChunk, NewDocument, NewVector, NoChunk, Scope, StoredChunk, VectorPlace,
};
pub use ladder::{SipLadder, SipMessage};
pub use lead::{LEAD_NOTES_BYTES_MAX, Lead, LeadChange};
pub use memory::{Caller, MEMORIES_MAX, MEMORY_BYTES_MAX, Memory, MemoryId, NewMemory};
pub use open::Store;
pub use people::{
    Act, ApiKeyId, ApiKeyRow, AuditEnds, AuditEntry, AuditVerdict, CampaignId, Changed, ContactId, DeliveryId, Hidden, Login,
    LoginId, NewApiKey, NewLogin, NewOrganization, NewSession, NewUser, Organization, OrganizationChange, OrganizationId, Page,
    PrivacyJobId, RESOURCE_BYTES_MAX, RESOURCES_MAX, Refresh, Resource, ResourceId, ResourceVersion, ResourceWish, Session,
    SignInFailures, SigningKey, User, UserChange, UserId, VERSIONS_KEPT, WebhookId,
};
pub use privacy::{
    NewPrivacyJob, PRIVACY_JOBS_OPEN_MAX, PersonCall, PrivacyCounts, PrivacyFile, PrivacyJob, PrivacyKind, PrivacyState,
    SchemaGap, Subject,
};
pub use read::LIST_MAX;
pub use record::{CallIdentity, CallRecord, Citation, Incident, LostCall, NewCall, Recording, Refused, ToolUse, Turn, Usage};
pub use retention::{RETENTION_DAYS_MAX, Retention, RetentionClass, RetentionDays, SweepBatch, Swept};
pub use seal::{KeyId, Keyring, RecordingReader, SealError, Seals};
pub use spend::SpentMinute;
pub use text::{PhoneNumber, TEXT_BYTES_MAX, Transcript};
pub use time::WallTime;
pub use webhooks::{
    DELIVERY_CLAIMS_MAX, Delivery, DeliveryClaim, DeliveryEnd, DeliveryJob, DeliverySlots, DeliveryTry, NewDelivery, NewWebhook,
    WEBHOOKS_MAX, Webhook, WebhookChange,
};
pub use write::StoreWrite;
