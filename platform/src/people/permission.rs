//! What each role may do: the one table.

use store::{ApiKeyId, LoginId, OrganizationId, UserId, UserRole};

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $role:ident, $operator:literal;)+) => {
        /// Something that may be done. The words are the scopes of API keys.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Permission { $($(#[$doc])* $name,)+ }

        impl Permission {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The lowest role that may; all above it may too.
            #[must_use]
            pub const fn lowest_role(self) -> UserRole {
                match self { $(Self::$name => UserRole::$role,)+ }
            }

            /// Whether only people of the operator's organization may.
            #[must_use]
            pub const fn is_operators(self) -> bool {
                match self { $(Self::$name => $operator,)+ }
            }

            /// The permission with this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|permission| permission.as_str() == word)
            }
        }
    };
}

// What, its scope, the lowest role that may, and whether only the operator's people may.
permissions! {
    /// Reads calls, and what came of them.
    ReadCalls = "calls:read", Viewer, false;
    /// Places calls and acts on them.
    WriteCalls = "calls:write", Agent, false;
    /// Reads sessions and what is said in them.
    ReadSessions = "sessions:read", Viewer, false;
    /// Makes sessions, speaks in them and ends them.
    WriteSessions = "sessions:write", Agent, false;
    /// Reads the organization.
    ReadOrganization = "organizations:read", Viewer, false;
    /// Changes the organization.
    WriteOrganization = "organizations:write", Owner, false;
    /// Lists, makes, reads, changes and deletes all organizations.
    ManageOrganizations = "organizations:manage", Owner, true;
    /// Reads users.
    ReadUsers = "users:read", Admin, false;
    /// Adds, changes and removes users of one's own role or below.
    WriteUsers = "users:write", Admin, false;
    /// Reads API keys, which never shows their secrets.
    ReadKeys = "api_keys:read", Admin, false;
    /// Makes, rotates and deletes API keys of one's own role or below.
    WriteKeys = "api_keys:write", Admin, false;
    /// Reads assistants.
    ReadAssistants = "assistants:read", Viewer, false;
    /// Makes, changes and deletes assistants.
    WriteAssistants = "assistants:write", Admin, false;
    /// Reads which numbers are whose.
    ReadNumbers = "phone_numbers:read", Viewer, false;
    /// Adds, changes and removes numbers.
    WriteNumbers = "phone_numbers:write", Admin, false;
    /// Reads the values that the organization keeps.
    ReadConfigurations = "configurations:read", Agent, false;
    /// Sets them.
    WriteConfigurations = "configurations:write", Admin, false;
    /// Reads what is on or off.
    ReadFlags = "feature_flags:read", Viewer, false;
    /// Switches it.
    WriteFlags = "feature_flags:write", Admin, false;
    /// Reads tools and MCP servers, without the values of their headers.
    ReadTools = "tools:read", Agent, false;
    /// Makes, changes, tries out and deletes tools and MCP servers.
    WriteTools = "tools:write", Admin, false;
    /// Reads trunks, and how they are.
    ReadTrunks = "trunks:read", Agent, true;
    /// Makes, changes and deletes trunks.
    WriteTrunks = "trunks:write", Admin, true;
    /// Reads how the node is.
    ReadNode = "node:read", Agent, true;
    /// Drains the node, and has it read its file again.
    ManageNode = "node:manage", Owner, true;
    /// Reads the audit log.
    ReadAuditLog = "audit_log:read", Admin, false;
    /// Listens to what happens.
    ReadEvents = "events:read", Viewer, false;
    /// Reads webhooks and what came of them, which never shows their secrets.
    ReadWebhooks = "webhooks:read", Admin, false;
    /// Makes, changes, tests and deletes webhooks, and has them told again.
    WriteWebhooks = "webhooks:write", Admin, false;
    /// Reads plans, usage, the subscription and invoices.
    ReadBilling = "billing:read", Admin, false;
    /// Chooses the plan, sets limits, manages how it is paid.
    WriteBilling = "billing:write", Owner, false;
    /// Makes and changes plans, and gives any to an organization.
    ManagePlans = "plans:manage", Owner, true;
    /// Reads leads.
    ReadLeads = "leads:read", Viewer, false;
    /// Follows leads up.
    WriteLeads = "leads:write", Agent, false;
    /// Reads campaigns, what came of them, and who is not called.
    ReadCampaigns = "campaigns:read", Viewer, false;
    /// Makes, changes, starts, pauses and deletes campaigns, and gives them people.
    WriteCampaigns = "campaigns:write", Admin, false;
    /// Puts numbers on the list of those who are not called, and takes them off.
    WriteDoNotCall = "do_not_call:write", Agent, false;
    /// Reads what is remembered of callers.
    ReadMemories = "memories:read", Viewer, false;
    /// Puts right and deletes what is remembered.
    WriteMemories = "memories:write", Agent, false;
    /// Reads documents, and asks them.
    ReadKnowledge = "knowledge:read", Viewer, false;
    /// Puts and deletes documents.
    WriteKnowledge = "knowledge:write", Admin, false;
    /// Reads which exports and erasures there are, their reports, and how long what is kept.
    ReadPrivacy = "privacy:read", Admin, false;
    /// Exports and erases persons, and says how long what is kept.
    WritePrivacy = "privacy:write", Admin, false;
}

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Actor {
    /// A user, in a login.
    User {
        /// Who.
        user: UserId,
        /// Which.
        login: LoginId,
    },
    /// A program with a key.
    Key(ApiKeyId),
    /// Whoever has the node's own key, `security.api_key_env`.
    Node,
}

/// Who asks, where they belong, and what they may.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Principal {
    /// Whose rows they see.
    pub organization: OrganizationId,
    /// Who they are.
    pub actor: Actor,
    /// What they are.
    pub role: UserRole,
    /// What of the role they may; `None`: all.
    pub scopes: Option<Vec<Permission>>,
}

impl Principal {
    /// Whoever has the node's own key: an owner of the operator's organization.
    #[must_use]
    pub fn node() -> Self {
        Self { organization: OrganizationId::operator(), actor: Actor::Node, role: UserRole::Owner, scopes: None }
    }

    /// Whether they may do this.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        let in_scope = self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&permission));
        let here = !permission.is_operators() || self.organization.is_operator();
        in_scope && here && self.is_at_least(permission.lowest_role())
    }

    /// Whether their role is this one or above.
    #[must_use]
    pub fn is_at_least(&self, role: UserRole) -> bool {
        rank(self.role) <= rank(role)
    }

    /// For the audit log: `user:ID`, `key:ID` or `node`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.actor {
            Actor::User { user, .. } => format!("user:{user}"),
            Actor::Key(key) => format!("key:{key}"),
            Actor::Node => "node".to_owned(),
        }
    }
}

fn rank(role: UserRole) -> usize {
    UserRole::ALL.iter().position(|one| *one == role).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(role: UserRole, permission: Permission) -> bool {
        let organization = OrganizationId::generate();
        Principal { organization, actor: Actor::Node, role, scopes: None }.may(permission)
    }

    #[test]
    fn each_role_may_what_those_below_it_may() {
        assert!(check(UserRole::Viewer, Permission::ReadCalls) && !check(UserRole::Viewer, Permission::WriteCalls));
        assert!(check(UserRole::Agent, Permission::WriteCalls) && !check(UserRole::Agent, Permission::ReadUsers));
        assert!(check(UserRole::Admin, Permission::WriteUsers) && !check(UserRole::Admin, Permission::WriteOrganization));
        assert!(check(UserRole::Owner, Permission::WriteOrganization));
        assert!(!check(UserRole::Owner, Permission::ManageOrganizations), "not an owner elsewhere");
        assert!(Principal::node().may(Permission::ManageOrganizations));
    }

    #[test]
    fn a_scope_takes_away_and_never_gives() {
        let scoped = |role| Principal { role, scopes: Some(vec![Permission::WriteCalls]), ..Principal::node() };
        assert!(scoped(UserRole::Owner).may(Permission::WriteCalls) && !scoped(UserRole::Owner).may(Permission::ReadCalls));
        assert!(!scoped(UserRole::Viewer).may(Permission::WriteCalls));
        for permission in Permission::ALL {
            assert_eq!(Permission::from_word(permission.as_str()), Some(*permission));
        }
    }
}
