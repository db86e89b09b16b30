//! Ids of organizations and of who works in them.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::knowledge::DEFAULT_ORGANIZATION;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
            pub struct $name(Uuid);

            impl $name {
                /// A new id, unique over all nodes.
                #[must_use]
                pub fn generate() -> Self {
                    Self(Uuid::now_v7())
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.fmt(f)
                }
            }

            impl FromStr for $name {
                type Err = uuid::Error;

                fn from_str(text: &str) -> Result<Self, Self::Err> {
                    Uuid::parse_str(text).map(Self)
                }
            }
        )+
    };
}

ids! {
    /// Id of a user: a UUIDv7, so ids sort by the time of creation.
    UserId,
    /// Id of an API key, which stays when the key is rotated.
    ApiKeyId,
    /// Id of a webhook.
    WebhookId,
    /// Id of one event on its way to one webhook.
    DeliveryId,
    /// Id of a login: of one device or program, from the password to the logout.
    LoginId,
    /// Id of an export or an erasure of what is known of a person.
    PrivacyJobId,
    /// Id of a row of the directory: an assistant, a number, a tool.
    ResourceId,
    /// Id of a campaign.
    CampaignId,
    /// Id of one person whom a campaign calls.
    ContactId,
}

/// Id of an organization: a UUIDv7, or `default` for the operator's own, which is always there.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OrganizationId(String);

impl OrganizationId {
    /// A new id, unique over all nodes.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// The operator's own.
    #[must_use]
    pub fn operator() -> Self {
        Self(DEFAULT_ORGANIZATION.to_owned())
    }

    /// Whether it is the operator's own.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.0 == DEFAULT_ORGANIZATION
    }

    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OrganizationId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            DEFAULT_ORGANIZATION => Ok(Self::operator()),
            _ => Uuid::parse_str(text).map(|id| Self(id.to_string())),
        }
    }
}

/// Before this one every list begins.
pub(crate) fn last() -> String {
    Uuid::max().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_organization_is_a_uuid_or_the_operators() {
        assert!("default".parse::<OrganizationId>().unwrap().is_operator());
        let id = OrganizationId::generate();
        assert_eq!(id.to_string().to_uppercase().parse::<OrganizationId>().unwrap(), id);
        for other in ["", "*", "Default", "1"] {
            assert!(other.parse::<OrganizationId>().is_err(), "{other}");
        }
    }
}
