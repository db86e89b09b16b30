//! Organizations, and what is theirs: users, API keys, logins, what went wrong at signing in, the audit log, and what their calls are
//! answered by.
//!
//! Every query names the organization whose rows it may see: here as an argument, on PostgreSQL as a setting of the transaction too,
//! which row level security holds it to. Every change is noted in the organization's audit log, in the same transaction.

pub(crate) mod audit;
mod failures;
pub(crate) mod id;
mod key;
mod login;
mod mfa;
mod organization;
mod resource;
mod session;
mod user;
pub(crate) mod within;

use std::fmt;

use crate::WallTime;

pub use audit::{AuditEnds, AuditEntry, AuditVerdict};
pub use failures::{SignInFailures, SigningKey};
pub use id::{ApiKeyId, CampaignId, ContactId, DeliveryId, LoginId, OrganizationId, PrivacyJobId, ResourceId, UserId, WebhookId};
pub use key::{ApiKeyRow, NewApiKey};
pub use login::{Login, NewLogin, Refresh};
pub use organization::{NewOrganization, Organization, OrganizationChange};
pub use resource::{RESOURCE_BYTES_MAX, RESOURCES_MAX, Resource, ResourceVersion, ResourceWish, VERSIONS_KEPT};
pub use session::{NewSession, Session};
pub use user::{NewUser, User, UserChange};

/// Something that must not be seen: a hash of a password, the secret of an authenticator. `Debug` says only that it is there.
#[derive(Clone, Eq, PartialEq)]
pub struct Hidden(String);

impl Hidden {
    /// Wraps it.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that compares with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(_)")
    }
}

/// Who does something, for the audit log.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Who: `user:ID`, `key:ID`, `node`.
    pub actor: &'a str,
    /// From where; empty when it did not come over the network.
    pub address: &'a str,
    /// When.
    pub at: WallTime,
}

/// A part of a list, newest first.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Most rows, 1 to [`LIST_MAX`](crate::LIST_MAX), clamped.
    pub limit: u32,
    /// The last row of the part before; `None`: from the beginning.
    pub after: Option<String>,
}

/// What became of a change of a row that others may change too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Changed<T> {
    /// It was made.
    Done(T),
    /// There is no such row in this organization.
    Missing,
    /// Somebody else has changed it since: it has another version.
    Stale,
    /// It would leave the organization without an owner who can sign in.
    LastOwner,
}
