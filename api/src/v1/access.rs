//! Who may use which route: one table, asked before any handler runs. A route that is not in it is refused to everybody.

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use platform::people::{Actor, Ids, People, Permission, Principal, Refused};
use sha2::{Digest as _, Sha256};
use store::{Act, User, WallTime};
use subtle::ConstantTimeEq as _;

use super::V1;
use crate::problem::Problem;
use crate::server::Peer;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const USERS_ONLY: &str = "only a user who is signed in can do this, not a key";

/// Who may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Everybody: it is how one signs in.
    Anybody,
    /// Whoever shows a token or key that works, for themselves.
    Known,
    /// Whoever shows the token of the session, which is in the URL.
    Invited,
    /// Whoever has the permission.
    May(Permission),
}

/// Every route of `/api/v1`: method, path, who may.
pub const ROUTES: &[(&str, &str, Access)] = &[
    ("POST", "/api/v1/auth/login", Access::Anybody),
    ("POST", "/api/v1/auth/refresh", Access::Anybody),
    ("POST", "/api/v1/auth/logout", Access::Known),
    ("POST", "/api/v1/auth/password", Access::Known),
    ("POST", "/api/v1/auth/mfa/enroll", Access::Known),
    ("POST", "/api/v1/auth/mfa/verify", Access::Known),
    ("POST", "/api/v1/auth/mfa/disable", Access::Known),
    ("GET", "/api/v1/auth/sessions", Access::Known),
    ("DELETE", "/api/v1/auth/sessions/{id}", Access::Known),
    ("GET", "/api/v1/me", Access::Known),
    ("GET", "/api/v1/organizations", Access::May(Permission::ReadOrganization)),
    ("POST", "/api/v1/organizations", Access::May(Permission::ManageOrganizations)),
    ("GET", "/api/v1/organizations/{id}", Access::May(Permission::ReadOrganization)),
    ("PATCH", "/api/v1/organizations/{id}", Access::May(Permission::WriteOrganization)),
    ("DELETE", "/api/v1/organizations/{id}", Access::May(Permission::ManageOrganizations)),
    ("GET", "/api/v1/users", Access::May(Permission::ReadUsers)),
    ("POST", "/api/v1/users", Access::May(Permission::WriteUsers)),
    ("GET", "/api/v1/users/{id}", Access::May(Permission::ReadUsers)),
    ("PATCH", "/api/v1/users/{id}", Access::May(Permission::WriteUsers)),
    ("DELETE", "/api/v1/users/{id}", Access::May(Permission::WriteUsers)),
    ("GET", "/api/v1/api-keys", Access::May(Permission::ReadKeys)),
    ("POST", "/api/v1/api-keys", Access::May(Permission::WriteKeys)),
    ("GET", "/api/v1/api-keys/{id}", Access::May(Permission::ReadKeys)),
    ("PATCH", "/api/v1/api-keys/{id}", Access::May(Permission::WriteKeys)),
    ("DELETE", "/api/v1/api-keys/{id}", Access::May(Permission::WriteKeys)),
    ("POST", "/api/v1/api-keys/{id}/rotate", Access::May(Permission::WriteKeys)),
    ("GET", "/api/v1/audit-log", Access::May(Permission::ReadAuditLog)),
    ("GET", "/api/v1/assistants", Access::May(Permission::ReadAssistants)),
    ("POST", "/api/v1/assistants", Access::May(Permission::WriteAssistants)),
    ("GET", "/api/v1/assistants/{id}", Access::May(Permission::ReadAssistants)),
    ("PATCH", "/api/v1/assistants/{id}", Access::May(Permission::WriteAssistants)),
    ("DELETE", "/api/v1/assistants/{id}", Access::May(Permission::WriteAssistants)),
    ("GET", "/api/v1/assistants/{id}/versions", Access::May(Permission::ReadAssistants)),
    ("POST", "/api/v1/assistants/{id}/versions/{n}/restore", Access::May(Permission::WriteAssistants)),
    ("GET", "/api/v1/phone-numbers", Access::May(Permission::ReadNumbers)),
    ("POST", "/api/v1/phone-numbers", Access::May(Permission::WriteNumbers)),
    ("GET", "/api/v1/phone-numbers/{id}", Access::May(Permission::ReadNumbers)),
    ("PATCH", "/api/v1/phone-numbers/{id}", Access::May(Permission::WriteNumbers)),
    ("DELETE", "/api/v1/phone-numbers/{id}", Access::May(Permission::WriteNumbers)),
    ("GET", "/api/v1/configurations", Access::May(Permission::ReadConfigurations)),
    ("POST", "/api/v1/configurations", Access::May(Permission::WriteConfigurations)),
    ("GET", "/api/v1/configurations/{id}", Access::May(Permission::ReadConfigurations)),
    ("PATCH", "/api/v1/configurations/{id}", Access::May(Permission::WriteConfigurations)),
    ("DELETE", "/api/v1/configurations/{id}", Access::May(Permission::WriteConfigurations)),
    ("GET", "/api/v1/feature-flags", Access::May(Permission::ReadFlags)),
    ("POST", "/api/v1/feature-flags", Access::May(Permission::WriteFlags)),
    ("GET", "/api/v1/feature-flags/{id}", Access::May(Permission::ReadFlags)),
    ("PATCH", "/api/v1/feature-flags/{id}", Access::May(Permission::WriteFlags)),
    ("DELETE", "/api/v1/feature-flags/{id}", Access::May(Permission::WriteFlags)),
    ("GET", "/api/v1/tools", Access::May(Permission::ReadTools)),
    ("POST", "/api/v1/tools", Access::May(Permission::WriteTools)),
    ("GET", "/api/v1/tools/{id}", Access::May(Permission::ReadTools)),
    ("PATCH", "/api/v1/tools/{id}", Access::May(Permission::WriteTools)),
    ("DELETE", "/api/v1/tools/{id}", Access::May(Permission::WriteTools)),
    ("POST", "/api/v1/tools/{id}/test", Access::May(Permission::WriteTools)),
    ("GET", "/api/v1/mcp-servers", Access::May(Permission::ReadTools)),
    ("POST", "/api/v1/mcp-servers", Access::May(Permission::WriteTools)),
    ("GET", "/api/v1/mcp-servers/{id}", Access::May(Permission::ReadTools)),
    ("PATCH", "/api/v1/mcp-servers/{id}", Access::May(Permission::WriteTools)),
    ("DELETE", "/api/v1/mcp-servers/{id}", Access::May(Permission::WriteTools)),
    ("GET", "/api/v1/mcp-servers/{id}/tools", Access::May(Permission::ReadTools)),
    ("GET", "/api/v1/trunks", Access::May(Permission::ReadTrunks)),
    ("POST", "/api/v1/trunks", Access::May(Permission::WriteTrunks)),
    ("GET", "/api/v1/trunks/{id}", Access::May(Permission::ReadTrunks)),
    ("PATCH", "/api/v1/trunks/{id}", Access::May(Permission::WriteTrunks)),
    ("DELETE", "/api/v1/trunks/{id}", Access::May(Permission::WriteTrunks)),
    ("GET", "/api/v1/trunks/{id}/status", Access::May(Permission::ReadTrunks)),
    ("GET", "/api/v1/admin/node", Access::May(Permission::ReadNode)),
    ("POST", "/api/v1/admin/reload", Access::May(Permission::ManageNode)),
    ("POST", "/api/v1/admin/drain", Access::May(Permission::ManageNode)),
    ("GET", "/api/v1/events", Access::May(Permission::ReadEvents)),
    ("GET", "/api/v1/webhooks", Access::May(Permission::ReadWebhooks)),
    ("POST", "/api/v1/webhooks", Access::May(Permission::WriteWebhooks)),
    ("GET", "/api/v1/webhooks/{id}", Access::May(Permission::ReadWebhooks)),
    ("PATCH", "/api/v1/webhooks/{id}", Access::May(Permission::WriteWebhooks)),
    ("DELETE", "/api/v1/webhooks/{id}", Access::May(Permission::WriteWebhooks)),
    ("POST", "/api/v1/webhooks/{id}/rotate", Access::May(Permission::WriteWebhooks)),
    ("POST", "/api/v1/webhooks/{id}/test", Access::May(Permission::WriteWebhooks)),
    ("GET", "/api/v1/webhooks/{id}/deliveries", Access::May(Permission::ReadWebhooks)),
    ("POST", "/api/v1/deliveries/{id}/redeliver", Access::May(Permission::WriteWebhooks)),
    ("GET", "/api/v1/leads", Access::May(Permission::ReadLeads)),
    ("GET", "/api/v1/leads/{id}", Access::May(Permission::ReadLeads)),
    ("PATCH", "/api/v1/leads/{id}", Access::May(Permission::WriteLeads)),
    ("GET", "/api/v1/memories", Access::May(Permission::ReadMemories)),
    ("GET", "/api/v1/memories/{id}", Access::May(Permission::ReadMemories)),
    ("PATCH", "/api/v1/memories/{id}", Access::May(Permission::WriteMemories)),
    ("DELETE", "/api/v1/memories/{id}", Access::May(Permission::WriteMemories)),
    ("GET", "/api/v1/knowledge/documents", Access::May(Permission::ReadKnowledge)),
    ("POST", "/api/v1/knowledge/documents", Access::May(Permission::WriteKnowledge)),
    ("GET", "/api/v1/knowledge/documents/{id}", Access::May(Permission::ReadKnowledge)),
    ("PATCH", "/api/v1/knowledge/documents/{id}", Access::May(Permission::WriteKnowledge)),
    ("DELETE", "/api/v1/knowledge/documents/{id}", Access::May(Permission::WriteKnowledge)),
    ("GET", "/api/v1/knowledge/documents/{id}/chunks", Access::May(Permission::ReadKnowledge)),
    ("POST", "/api/v1/knowledge/search", Access::May(Permission::ReadKnowledge)),
    ("GET", "/api/v1/campaigns", Access::May(Permission::ReadCampaigns)),
    ("POST", "/api/v1/campaigns", Access::May(Permission::WriteCampaigns)),
    ("GET", "/api/v1/campaigns/{id}", Access::May(Permission::ReadCampaigns)),
    ("PATCH", "/api/v1/campaigns/{id}", Access::May(Permission::WriteCampaigns)),
    ("DELETE", "/api/v1/campaigns/{id}", Access::May(Permission::WriteCampaigns)),
    ("POST", "/api/v1/campaigns/{id}/start", Access::May(Permission::WriteCampaigns)),
    ("POST", "/api/v1/campaigns/{id}/pause", Access::May(Permission::WriteCampaigns)),
    ("POST", "/api/v1/campaigns/{id}/finish", Access::May(Permission::WriteCampaigns)),
    ("GET", "/api/v1/campaigns/{id}/contacts", Access::May(Permission::ReadCampaigns)),
    ("POST", "/api/v1/campaigns/{id}/contacts", Access::May(Permission::WriteCampaigns)),
    ("GET", "/api/v1/campaigns/{id}/results", Access::May(Permission::ReadCampaigns)),
    ("GET", "/api/v1/do-not-call", Access::May(Permission::ReadCampaigns)),
    ("POST", "/api/v1/do-not-call", Access::May(Permission::WriteDoNotCall)),
    ("POST", "/api/v1/do-not-call/import", Access::May(Permission::WriteDoNotCall)),
    ("DELETE", "/api/v1/do-not-call/{phone}", Access::May(Permission::WriteDoNotCall)),
    ("GET", "/api/v1/calls", Access::May(Permission::ReadCalls)),
    ("POST", "/api/v1/calls", Access::May(Permission::WriteCalls)),
    ("GET", "/api/v1/calls/{id}", Access::May(Permission::ReadCalls)),
    ("POST", "/api/v1/calls/{id}/actions", Access::May(Permission::WriteCalls)),
    ("GET", "/api/v1/calls/{id}/sip", Access::May(Permission::ReadCalls)),
    ("GET", "/api/v1/calls/{id}/pcap", Access::May(Permission::ReadCalls)),
    ("GET", "/api/v1/calls/{id}/transcript", Access::May(Permission::ReadCalls)),
    ("GET", "/api/v1/calls/{id}/timeline", Access::May(Permission::ReadCalls)),
    ("GET", "/api/v1/calls/{id}/recording", Access::May(Permission::ReadCalls)),
    ("GET", "/api/v1/calls/{id}/stats", Access::May(Permission::ReadCalls)),
    ("GET", "/api/v1/analytics/summary", Access::May(Permission::ReadCalls)),
    ("GET", "/api/v1/usage", Access::May(Permission::ReadBilling)),
    ("GET", "/api/v1/calls/{id}/usage", Access::May(Permission::ReadBilling)),
    ("GET", "/api/v1/plans", Access::May(Permission::ReadBilling)),
    ("POST", "/api/v1/plans", Access::May(Permission::ManagePlans)),
    ("GET", "/api/v1/plans/{name}", Access::May(Permission::ReadBilling)),
    ("PATCH", "/api/v1/plans/{name}", Access::May(Permission::ManagePlans)),
    ("GET", "/api/v1/subscription", Access::May(Permission::ReadBilling)),
    ("PATCH", "/api/v1/subscription", Access::May(Permission::WriteBilling)),
    ("GET", "/api/v1/organizations/{id}/subscription", Access::May(Permission::ReadBilling)),
    ("PATCH", "/api/v1/organizations/{id}/subscription", Access::May(Permission::WriteBilling)),
    ("POST", "/api/v1/subscription/portal", Access::May(Permission::WriteBilling)),
    ("GET", "/api/v1/invoices", Access::May(Permission::ReadBilling)),
    ("GET", "/api/v1/invoices/{id}", Access::May(Permission::ReadBilling)),
    ("GET", "/api/v1/invoices/{id}/csv", Access::May(Permission::ReadBilling)),
    ("GET", "/api/v1/sessions", Access::May(Permission::ReadSessions)),
    ("POST", "/api/v1/sessions", Access::May(Permission::WriteSessions)),
    ("GET", "/api/v1/sessions/{id}", Access::May(Permission::ReadSessions)),
    ("DELETE", "/api/v1/sessions/{id}", Access::May(Permission::WriteSessions)),
    ("GET", "/api/v1/sessions/{id}/messages", Access::May(Permission::ReadSessions)),
    ("POST", "/api/v1/sessions/{id}/messages", Access::May(Permission::WriteSessions)),
    ("GET", "/api/v1/sessions/{id}/ws", Access::Invited),
    ("POST", "/api/v1/privacy/export", Access::May(Permission::WritePrivacy)),
    ("POST", "/api/v1/privacy/erase", Access::May(Permission::WritePrivacy)),
    ("GET", "/api/v1/privacy/jobs", Access::May(Permission::ReadPrivacy)),
    ("GET", "/api/v1/privacy/jobs/{id}", Access::May(Permission::ReadPrivacy)),
    ("GET", "/api/v1/privacy/jobs/{id}/file", Access::May(Permission::WritePrivacy)),
    ("GET", "/api/v1/privacy/jobs/{id}/report", Access::May(Permission::ReadPrivacy)),
    ("GET", "/api/v1/privacy/retention", Access::May(Permission::ReadPrivacy)),
    ("PUT", "/api/v1/privacy/retention", Access::May(Permission::WritePrivacy)),
    ("POST", "/api/v1/sessions/{id}/webrtc", Access::Invited),
    ("PATCH", "/api/v1/sessions/{id}/webrtc", Access::Invited),
    ("DELETE", "/api/v1/sessions/{id}/webrtc", Access::Invited),
];

/// The node's own key, `security.api_key_env`. Only its hash is kept: two of one length are compared, in constant time.
#[derive(Clone)]
pub struct ApiKey([u8; 32]);

impl ApiKey {
    /// From the key itself.
    pub fn new(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    fn fits(&self, given: &[u8]) -> bool {
        Sha256::digest(given).ct_eq(&self.0).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(_)")
    }
}

/// Lets a request through that may use its route, and notes who makes it.
pub(super) async fn check(State(api): State<Arc<V1>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&api, &parts).await {
        Ok(principal) => {
            if let Some(principal) = principal {
                parts.extensions.insert(principal);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(api: &V1, request: &Parts) -> Result<Option<Principal>, Problem> {
    let method = if request.method == Method::HEAD { &Method::GET } else { &request.method };
    let path = request.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let row = ROUTES.iter().find(|(one, route, _)| *one == method.as_str() && *route == path);
    let access = row.map(|(.., access)| *access).ok_or_else(|| Problem::new(StatusCode::FORBIDDEN, "nobody may do this"))?;
    let address = address(request.extensions.get());
    if access == Access::Anybody {
        api.limits.sign_in(&address)?;
        return Ok(None);
    }
    api.limits.address(&address)?;
    if access == Access::Invited {
        return Ok(None);
    }
    let principal = who(api, &request.headers).await?;
    api.limits.actor(&principal)?;
    match access {
        Access::May(permission) if !principal.may(permission) => {
            let detail = format!("this needs the permission {}, which this role or key does not have", permission.as_str());
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
        _ => Ok(Some(principal)),
    }
}

/// Who shows this token or key.
pub(super) async fn who(api: &V1, headers: &HeaderMap) -> Result<Principal, Problem> {
    let refused = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, detail);
    let given = given(headers);
    if let (Some(key), Some(given)) = (&api.key, given)
        && key.fits(given)
    {
        return Ok(Principal::node());
    }
    match (given.map(str::from_utf8), &api.people, &api.key) {
        (Some(Ok(given)), Some(people), _) => people.principal(given, WallTime::now()).await.map_err(Problem::from),
        (_, None, None) => Err(refused(
            "no API key is set: name an environment variable with one of 16 characters at least in security.api_key_env, and start again",
        )),
        (None, ..) => Err(refused("show a token or an API key: `Authorization: Bearer TOKEN` or `X-API-Key: KEY`")),
        (Some(_), ..) => Err(refused("the API key is wrong")),
    }
}

/// The token of a bearer, if it is a text.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    str::from_utf8(given(headers)?).ok()
}

/// The token or key that a request shows.
fn given(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|value| {
        let (scheme, key) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
    });
    bearer.or_else(|| headers.get(API_KEY).map(HeaderValue::as_bytes))
}

fn address(peer: Option<&Peer>) -> String {
    peer.map(|Peer(address)| address.to_string()).unwrap_or_default()
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::Store(error) => error.into(),
            Refused::TooMany { seconds } => Self::new(StatusCode::TOO_MANY_REQUESTS, detail).again_after(seconds),
            Refused::Weak(weak) => Self::field("password", weak.to_string()),
            Refused::CodeNeeded => {
                let mut problem = Self::new(StatusCode::UNAUTHORIZED, detail);
                problem.add("totp", "is missing");
                problem
            }
            Refused::SecondFactor(_) => Self::new(StatusCode::CONFLICT, detail),
            _ => Self::new(StatusCode::UNAUTHORIZED, detail),
        }
    }
}

/// Who makes a request that [`check`] let through, from where, and when.
pub(super) struct Asked {
    pub(super) principal: Principal,
    pub(super) at: WallTime,
    name: String,
    address: String,
}

impl Asked {
    /// For the audit log.
    pub(super) fn act(&self) -> Act<'_> {
        Act { actor: &self.name, address: &self.address, at: self.at }
    }

    /// The login that asks.
    pub(super) fn ids(&self) -> Result<Ids, Problem> {
        match self.principal.actor {
            Actor::User { user, login } => Ok(Ids { organization: self.principal.organization.clone(), user, login }),
            Actor::Key(_) | Actor::Node => Err(Problem::new(StatusCode::FORBIDDEN, USERS_ONLY)),
        }
    }

    /// The user who asks.
    pub(super) async fn user(&self, people: &People) -> Result<User, Problem> {
        let ids = self.ids()?;
        let user = people.store().user(&ids.organization, ids.user).await?;
        user.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "this user is gone"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Principal>().cloned();
        let principal = principal.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "nobody is known to ask this"))?;
        let name = principal.name();
        Ok(Self { principal, name, address: address(parts.extensions.get()), at: WallTime::now() })
    }
}

/// Where a request of somebody unknown comes from.
pub(super) struct Stranger {
    pub(super) address: String,
    pub(super) agent: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Stranger {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        Ok(Self { address: address(parts.extensions.get()), agent: agent.to_owned() })
    }
}
