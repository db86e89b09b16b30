//! Who may do what over HTTP: every route with every role, strangers, signing in, users, keys.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ai::net::guard::{Guard, Reach};
use api::*;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use platform::billing::{Billing, OverLimit};
use platform::events::{Events, ReaderLimits};
use platform::knowledge::{KnowledgeConfig, Service};
use platform::people::{KeyWish, People, Permission};
use platform::privacy::{Privacy, PrivacyConfig};
use platform::webhooks::Webhooks;
use serde_json::{Value, json};
use store::{Act, NewOrganization, NewUser, OrganizationId, Store, UserRole, WallTime};
use tower::ServiceExt as _;

use crate::fake::*;

const PASSWORD: &str = "correct horse battery staple";
const NOBODY: &str = "019a0000-0000-7000-8000-000000000000";

pub struct House {
    pub people: People,
    pub router: Router,
    pub gate: Arc<FakeGate>,
    pub knowledge: Service,
}

impl House {
    pub async fn new(requests: RequestLimits) -> Self {
        Self::with(requests, FakeGate::default()).await
    }

    pub async fn with(requests: RequestLimits, gate: FakeGate) -> Self {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let people = People::open(store.clone(), WallTime::now()).await.unwrap();
        let cors_origins = vec!["https://app.example".to_owned()];
        let node: Option<Arc<dyn NodeGate>> = Some(Arc::new(FakeNode::default()));
        let events = Some(Events::open(store.clone(), ReaderLimits::default()).await.unwrap());
        let knowledge = Service::open(&store, KnowledgeConfig::default()).await.unwrap();
        let billing = Some(Billing::new(store.clone(), "USD", None, OverLimit::default()));
        let privacy = PrivacyConfig {
            data_dir: std::env::temp_dir(),
            node: "node-1".to_owned(),
            exports_kept: Duration::from_secs(60),
            own_numbers: Arc::new(|_| Vec::new()),
        };
        let privacy = Some(Privacy::open(store.clone(), privacy).await.unwrap());
        let webhooks = Some(Webhooks::new(store, Guard::default(), Reach::Public));
        let config = ApiConfig {
            people: Some(people.clone()),
            node,
            events,
            webhooks,
            knowledge: Some(knowledge.clone()),
            document_bytes_max: 100_000,
            billing,
            privacy,
            requests,
            cors_origins,
            sessions_per_organization: 3,
            ..ApiConfig::default()
        };
        let gate = Arc::new(gate);
        let router = router(config, Arc::clone(&gate) as Arc<dyn CallGate>);
        Self { people, router, gate, knowledge }
    }

    pub async fn unlimited() -> Self {
        Self::new(RequestLimits { by_address: 0, by_actor: 0 }).await
    }

    pub async fn organization(&self) -> OrganizationId {
        let new =
            NewOrganization { name: "Acme".to_owned(), domain: String::new(), description: String::new(), plan: String::new() };
        self.people.store().create_organization(&new, &act()).await.unwrap().id
    }

    async fn user(&self, organization: &OrganizationId, email: &str, role: UserRole) {
        let password_hash = self.people.hash_password(PASSWORD, &[]).await.unwrap();
        let new = NewUser { email: email.to_owned(), name: "Ada".to_owned(), role, password_hash };
        self.people.store().create_user(organization, &new, &act()).await.unwrap();
    }

    pub async fn key(&self, organization: &OrganizationId, role: UserRole) -> String {
        let wish = KeyWish { name: role.to_string(), role, scopes: Vec::new(), expires_at: None };
        self.people.make_key(organization, wish, &act()).await.unwrap().key.expose().to_owned()
    }

    async fn sign_in(&self, email: &str) -> Value {
        let (status, _, tokens) =
            self.ask("POST", "/api/v1/auth/login", "", json!({ "email": email, "password": PASSWORD })).await;
        assert_eq!(status, 200, "{tokens}");
        tokens
    }

    pub async fn ask(&self, method: &str, path: &str, token: &str, body: Value) -> (u16, HeaderMap, Value) {
        self.ask_with(method, path, &[("authorization", &format!("Bearer {token}"))], body).await
    }

    pub async fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, HeaderMap, Value) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers.iter().filter(|(_, value)| *value != "Bearer ") {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A stream of events has no end.
        if headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            return (status, headers, Value::Null);
        }
        (status, headers, serde_json::from_str(&text(response).await).unwrap_or_default())
    }
}

pub fn act() -> Act<'static> {
    Act { actor: "node", address: "", at: WallTime::now() }
}

fn token(tokens: &Value) -> String {
    tokens["access_token"].as_str().unwrap().to_owned()
}

/// What is wrong with which field, in a line.
pub fn errors(answer: &Value) -> String {
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let errors =
        errors.iter().map(|error| format!("{}: {}", error["field"].as_str().unwrap(), error["reason"].as_str().unwrap()));
    errors.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn every_route_asks_every_role_for_its_permission() {
    let house = House::unlimited().await;
    let (here, operator) = (house.organization().await, OrganizationId::operator());
    let mut walked = 0;
    for (method, path, access) in ROUTES {
        let path = path.replace("{id}", NOBODY).replace("{n}", "1");
        let (status, _, answer) = house.ask(method, &path, "", json!({})).await;
        assert_eq!(status == 401, *access != Access::Anybody, "nobody: {method} {path}: {answer}");
        for (organization, role) in
            [&here, &operator].into_iter().flat_map(|one| UserRole::ALL.iter().map(move |role| (one, *role)))
        {
            // A key of its own for each request: none is used up, whatever the route does.
            let key = house.key(organization, role).await;
            let (status, _, answer) = house.ask(method, &path, &key, json!({})).await;
            let refused = answer["detail"].as_str().unwrap_or_default().contains("needs the permission");
            let expected = match access {
                Access::Anybody | Access::Invited | Access::Known => false,
                Access::May(permission) => {
                    let high = UserRole::ALL.iter().take_while(|one| **one != permission.lowest_role()).count();
                    let mine = UserRole::ALL.iter().take_while(|one| **one != role).count();
                    mine > high || (permission.is_operators() && !organization.is_operator())
                }
            };
            assert_eq!(refused, expected, "{role} of {organization}: {method} {path}: {status} {answer}");
            assert!(status < 500 && (!expected || status == 403), "{role} of {organization}: {method} {path}: {status} {answer}");
            walked += 1;
        }
    }
    assert_eq!(walked, ROUTES.len() * 8);
}

#[tokio::test]
async fn a_stranger_finds_nothing_of_another_organization() {
    let house = House::unlimited().await;
    let (here, there) = (house.organization().await, house.organization().await);
    let (mine, stranger) = (house.key(&here, UserRole::Owner).await, house.key(&there, UserRole::Owner).await);
    let user = json!({ "email": "a@example.com", "name": "Ada", "role": "owner", "password": PASSWORD });
    let (status, _, user) = house.ask("POST", "/api/v1/users", &mine, user).await;
    assert_eq!(status, 201, "{user}");
    let (_, _, key) = house.ask("POST", "/api/v1/api-keys", &mine, json!({ "name": "n8n", "role": "agent" })).await;
    let of = |kind: &str, row: &Value| format!("/api/v1/{kind}/{}", row["id"].as_str().unwrap());
    let (user, key, organization) = (of("users", &user), of("api-keys", &key), format!("/api/v1/organizations/{here}"));
    let patch = json!({ "name": "Eve" });
    for path in [&user, &key, &organization] {
        assert_eq!(house.ask("GET", path, &mine, Value::Null).await.0, 200, "{path}");
        assert_eq!(house.ask("GET", path, &stranger, Value::Null).await.0, 404, "{path}");
        assert_eq!(house.ask("PATCH", path, &stranger, patch.clone()).await.0, 404, "{path}");
        assert_eq!(house.ask("PATCH", path, &mine, patch.clone()).await.0, 200, "{path}");
    }
    for path in [&user, &key] {
        assert_eq!(house.ask("DELETE", path, &stranger, Value::Null).await.0, 404, "{path}");
    }
    assert_eq!(house.ask("POST", &format!("{key}/rotate"), &stranger, json!({})).await.0, 404);
    let call = format!("/api/v1/calls/{NOBODY}");
    assert_eq!(house.ask("GET", &call, &stranger, Value::Null).await.0, 404);
    for (list, seen) in [("users", 0), ("api-keys", 1), ("organizations", 1)] {
        let (_, _, answer) = house.ask("GET", &format!("/api/v1/{list}"), &stranger, Value::Null).await;
        let rows = answer["data"].as_array().unwrap();
        assert!(rows.len() == seen && !answer.to_string().contains(here.as_str()), "{list}: {answer}");
    }
    let (_, _, log) = house.ask("GET", "/api/v1/audit-log?limit=2", &mine, Value::Null).await;
    assert_eq!((log["data"][0]["action"].as_str(), log["next_cursor"].is_string()), (Some("organization.changed"), true));
    let before = format!("/api/v1/audit-log?limit=200&cursor={}", log["next_cursor"].as_str().unwrap());
    let (_, _, rest) = house.ask("GET", &before, &mine, Value::Null).await;
    assert_eq!((rest["data"][0]["action"].as_str(), &rest["next_cursor"]), (Some("user.changed"), &Value::Null));
}

#[tokio::test]
async fn the_document_has_every_route_and_the_page_of_roles_says_the_same() {
    let house = House::unlimited().await;
    let (status, headers, document) = house.ask("GET", "/api/openapi.json", "", Value::Null).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "application/json"));
    let mut documented: Vec<String> = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        documented.extend(operations.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let mut routes: Vec<String> = ROUTES.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|operations| operations.as_object().unwrap().values());
    let named: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let different: HashSet<&&str> = named.iter().collect();
    assert_eq!(different.len(), named.len(), "each name of an operation is another: {named:?}");
    assert!(named.contains(&"api_keys_rotate") && named.contains(&"webhooks_deliveries_list"), "{named:?}");
    documented.sort();
    routes.sort();
    assert_eq!(documented, routes);
    assert_eq!(house.ask("GET", "/docs", "", Value::Null).await.0, 200);

    let mut table =
        "| permission | owner | admin | agent | viewer | routes |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    for permission in Permission::ALL {
        table += &format!("| `{}` |", permission.as_str());
        let mut may = true;
        for role in UserRole::ALL {
            let word = if !may {
                ""
            } else if permission.is_operators() {
                "operator's"
            } else {
                "yes"
            };
            table += &format!(" {word} |");
            may &= *role != permission.lowest_role();
        }
        let of = ROUTES.iter().filter(|(.., access)| *access == Access::May(*permission));
        let of = of.map(|(method, path, _)| format!("{method} `{}`", path.trim_start_matches("/api/v1")));
        table += &format!(" {} |\n", of.collect::<Vec<_>>().join(", "));
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md")).unwrap();
    assert!(page.contains(&table), "docs/api.md must have this table:\n{table}");
}

#[tokio::test]
async fn one_signs_in_stays_so_and_leaves() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    house.user(&here, "ada@example.com", UserRole::Admin).await;
    let login = |password: &str| json!({ "email": "ada@example.com", "password": password });
    let (status, _, answer) = house.ask("POST", "/api/v1/auth/login", "", login("wrong")).await;
    assert_eq!((status, answer["detail"].as_str()), (401, Some("the e-mail address, the password or the code is wrong")));
    let tokens = house.sign_in("ada@example.com").await;
    assert_eq!((tokens["expires_in"].as_u64(), tokens["token_type"].as_str()), (Some(900), Some("Bearer")));
    let (status, _, me) = house.ask("GET", "/api/v1/me", &token(&tokens), Value::Null).await;
    assert_eq!((status, me["user"]["email"].as_str(), me["role"].as_str()), (200, Some("ada@example.com"), Some("admin")));
    assert!(me["permissions"].as_array().unwrap().contains(&json!("users:write")) && !me.to_string().contains("argon2"));

    let other = house.sign_in("ada@example.com").await;
    let (_, _, list) = house.ask("GET", "/api/v1/auth/sessions", &token(&other), Value::Null).await;
    let current: Vec<_> = list["data"].as_array().unwrap().iter().map(|one| one["current"].as_bool().unwrap()).collect();
    assert_eq!(current, [true, false]);
    let first = format!("/api/v1/auth/sessions/{}", list["data"][1]["id"].as_str().unwrap());
    assert_eq!(house.ask("DELETE", &first, &token(&other), Value::Null).await.0, 204);
    assert_eq!(house.ask("DELETE", &first, &token(&other), Value::Null).await.0, 404);
    assert_eq!(house.ask("GET", "/api/v1/me", &token(&tokens), Value::Null).await.0, 401, "revoked at once");

    let refresh = |tokens: &Value| json!({ "refresh_token": tokens["refresh_token"] });
    let (status, _, next) = house.ask("POST", "/api/v1/auth/refresh", "", refresh(&other)).await;
    assert_eq!(status, 200);
    assert_eq!(house.ask("POST", "/api/v1/auth/refresh", "", refresh(&other)).await.0, 401, "shown twice");
    assert_eq!(house.ask("GET", "/api/v1/me", &token(&next), Value::Null).await.0, 401, "so all of it ends");

    let last = house.sign_in("ada@example.com").await;
    let wish = json!({ "current_password": "no", "password": "another horse battery staple" });
    let (status, _, answer) = house.ask("POST", "/api/v1/auth/password", &token(&last), wish).await;
    assert_eq!((status, errors(&answer)), (422, "current_password: is wrong".to_owned()));
    let wish = json!({ "current_password": PASSWORD, "password": "aaaaaaaaaaaaaaaaaa" });
    assert!(
        errors(&house.ask("POST", "/api/v1/auth/password", &token(&last), wish).await.2).starts_with("password: is too easy")
    );
    assert_eq!(house.ask("POST", "/api/v1/auth/logout", &token(&last), json!({})).await.0, 204);
    assert_eq!(house.ask("GET", "/api/v1/me", &token(&last), Value::Null).await.0, 401);
}

#[tokio::test]
async fn a_browser_keeps_its_refresh_token_where_no_script_and_no_other_site_gets_at_it() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    house.user(&here, "ada@example.com", UserRole::Viewer).await;
    let login = json!({ "email": "ada@example.com", "password": PASSWORD, "cookie": true });
    let (_, headers, tokens) = house.ask_with("POST", "/api/v1/auth/login", &[("host", "offhook.example")], login).await;
    assert_eq!(tokens["refresh_token"], Value::Null);
    let cookie = headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.ends_with("; Path=/api/v1/auth; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let elsewhere = [("cookie", cookie), ("sec-fetch-site", "cross-site")];
    assert_eq!(house.ask_with("POST", "/api/v1/auth/refresh", &elsewhere, json!({})).await.0, 403);
    let here = [("cookie", cookie), ("sec-fetch-site", "same-origin"), ("host", "127.0.0.1:8080")];
    let (status, headers, _) = house.ask_with("POST", "/api/v1/auth/refresh", &here, json!({})).await;
    assert!(status == 200 && headers["set-cookie"].to_str().unwrap().ends_with("SameSite=Strict"));
    let (status, headers, _) = house.ask_with("POST", "/api/v1/auth/refresh", &here, json!({})).await;
    assert!(status == 401 && headers["set-cookie"].to_str().unwrap().contains("=; Path=/api/v1/auth; Max-Age=0;"));
    assert_eq!(house.ask("POST", "/api/v1/auth/refresh", "", json!({})).await.0, 422);
}

#[tokio::test]
async fn users_are_managed_by_those_above_them() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    let (owner, admin) = (house.key(&here, UserRole::Owner).await, house.key(&here, UserRole::Admin).await);
    let wrong = json!({ "email": "a b", "name": "", "role": "king", "extra": 1 });
    let (status, _, answer) = house.ask("POST", "/api/v1/users", &admin, wrong).await;
    assert_eq!(status, 422, "{answer}");
    for field in [
        "email: does not match",
        "name: must not be empty",
        "role: is not one of owner, admin, agent, viewer",
        "password: is missing",
        "extra: is not known",
    ] {
        assert!(errors(&answer).contains(field), "{field}: {answer}");
    }
    let new = |email: &str, role: &str| json!({ "email": email, "name": "Ada", "role": role, "password": PASSWORD });
    assert_eq!(house.ask("POST", "/api/v1/users", &admin, new("a@example.com", "owner")).await.0, 403);
    let (status, headers, user) = house.ask("POST", "/api/v1/users", &owner, new("A@example.com", "owner")).await;
    assert_eq!((status, user["email"].as_str(), headers["etag"].to_str().unwrap()), (201, Some("a@example.com"), "\"1\""));
    let path = headers["location"].to_str().unwrap().to_owned();
    let (status, _, answer) = house.ask("POST", "/api/v1/users", &owner, new("a@example.com", "agent")).await;
    assert_eq!((status, errors(&answer)), (409, "email: is taken".to_owned()));
    assert_eq!(house.ask("PATCH", &path, &admin, json!({ "role": "viewer" })).await.0, 403);
    assert_eq!(house.ask("PATCH", &path, &owner, json!({ "role": "viewer" })).await.0, 409, "the last owner");
    let owner_header = format!("Bearer {owner}");
    let change = async |version: &str| {
        let headers = [("authorization", owner_header.as_str()), ("if-match", version)];
        let (status, headers, _) = house.ask_with("PATCH", &path, &headers, json!({ "name": "Grace" })).await;
        (status, headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned()))
    };
    assert_eq!(change("\"1\"").await, (200, Some("\"2\"".to_owned())));
    assert_eq!(change("\"1\"").await, (412, None));
    // Sent twice with one key, a user is added once; with another body it is refused.
    let once = [("authorization", owner_header.as_str()), ("idempotency-key", "k")];
    let (_, _, first) = house.ask_with("POST", "/api/v1/users", &once, new("b@example.com", "agent")).await;
    let (status, headers, again) = house.ask_with("POST", "/api/v1/users", &once, new("b@example.com", "agent")).await;
    assert_eq!((status, &again, headers.contains_key("location")), (201, &first, true));
    assert_eq!(house.ask_with("POST", "/api/v1/users", &once, new("c@example.com", "agent")).await.0, 422);
    let admin_header = format!("Bearer {admin}");
    let other = [("authorization", admin_header.as_str()), ("idempotency-key", "k")];
    assert_eq!(house.ask_with("POST", "/api/v1/users", &other, new("b@example.com", "agent")).await.0, 409, "another's key");
}

#[tokio::test]
async fn a_key_is_shown_once_and_gives_no_more_than_it_has() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    let admin = house.key(&here, UserRole::Admin).await;
    let wish = json!({ "name": "n8n", "role": "admin", "scopes": ["calls:read", "api_keys:write"], "expires_in_days": 90 });
    let (status, _, made) = house.ask("POST", "/api/v1/api-keys", &admin, wish).await;
    assert_eq!(status, 201, "{made}");
    let key = made["key"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/api-keys/{}", made["id"].as_str().unwrap());
    let (_, _, shown) = house.ask("GET", &path, &admin, Value::Null).await;
    assert!(shown["key"].is_null() && key.starts_with(shown["prefix"].as_str().unwrap()), "{shown}");
    let (_, _, me) = house.ask("GET", "/api/v1/me", &key, Value::Null).await;
    assert_eq!((&me["kind"], &me["permissions"]), (&json!("key"), &json!(["calls:read", "api_keys:write"])));
    assert_eq!(house.ask("GET", "/api/v1/users", &key, Value::Null).await.0, 403);
    for (scopes, expected) in [
        (json!(["users:read"]), "scopes.0: is not yours to give"),
        (json!([]), "scopes: is needed: a key with scopes cannot make one without"),
    ] {
        let (status, _, answer) =
            house.ask("POST", "/api/v1/api-keys", &key, json!({ "name": "x", "role": "admin", "scopes": scopes })).await;
        assert_eq!((status, errors(&answer)), (422, expected.to_owned()));
    }
    assert_eq!(house.ask("POST", "/api/v1/api-keys", &key, json!({ "name": "x", "role": "owner" })).await.0, 403);
    let (status, _, next) = house.ask("POST", &format!("{path}/rotate"), &admin, json!({ "overlap_s": 0 })).await;
    assert_eq!(status, 200, "{next}");
    assert_eq!(house.ask("GET", "/api/v1/me", &key, Value::Null).await.0, 401, "no overlap was asked for");
    assert_eq!(house.ask("GET", "/api/v1/me", next["key"].as_str().unwrap(), Value::Null).await.0, 200);
    assert_eq!(house.ask("DELETE", &path, &admin, Value::Null).await.0, 204);
    assert_eq!(house.ask("GET", "/api/v1/me", next["key"].as_str().unwrap(), Value::Null).await.0, 401);
}

#[tokio::test]
async fn a_second_factor_is_set_up_and_asked_for() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    house.user(&here, "ada@example.com", UserRole::Agent).await;
    let tokens = house.sign_in("ada@example.com").await;
    let bearer = token(&tokens);
    let (status, _, answer) = house.ask("POST", "/api/v1/auth/mfa/enroll", &bearer, json!({ "password": "wrong" })).await;
    assert_eq!((status, errors(&answer)), (422, "password: is wrong".to_owned()));
    let (status, _, enrolment) = house.ask("POST", "/api/v1/auth/mfa/enroll", &bearer, json!({ "password": PASSWORD })).await;
    assert_eq!(status, 200);
    assert!(enrolment["otpauth_url"].as_str().unwrap().contains(enrolment["secret"].as_str().unwrap()));
    let (status, _, answer) = house.ask("POST", "/api/v1/auth/mfa/verify", &bearer, json!({ "code": "000000" })).await;
    assert_eq!((status, errors(&answer)), (422, "code: is wrong".to_owned()));
    // With codes asked for, the password alone is not enough, until an admin takes them away.
    let user = house.people.store().user_by_email("ada@example.com").await.unwrap().unwrap();
    assert!(house.people.store().enable_mfa(&here, user.id, 1, &[], &act()).await.unwrap());
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let (status, _, answer) = house.ask("POST", "/api/v1/auth/login", "", login).await;
    assert_eq!((status, errors(&answer)), (401, "totp: is missing".to_owned()));
    let key = house.key(&here, UserRole::Admin).await;
    let path = format!("/api/v1/users/{}", user.id);
    assert_eq!(house.ask("PATCH", &path, &key, json!({ "mfa_enabled": true })).await.0, 422);
    let (status, _, shown) = house.ask("PATCH", &path, &key, json!({ "mfa_enabled": false })).await;
    assert_eq!((status, &shown["mfa_enabled"]), (200, &json!(false)));
    house.sign_in("ada@example.com").await;
    let key = house.key(&here, UserRole::Owner).await;
    assert_eq!(house.ask("POST", "/api/v1/auth/mfa/enroll", &key, json!({ "password": PASSWORD })).await.0, 403, "not by a key");
}

#[tokio::test]
async fn who_asks_too_often_waits_and_browsers_are_told_the_rules() {
    let house = House::new(RequestLimits { by_address: 0, by_actor: 1 }).await;
    let here = house.organization().await;
    let (key, other) = (house.key(&here, UserRole::Viewer).await, house.key(&here, UserRole::Viewer).await);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (status, headers, _) = house.ask("GET", "/api/v1/me", &key, Value::Null).await;
        seen.push((status, headers.get("retry-after").map(|after| after.to_str().unwrap().to_owned())));
    }
    assert_eq!(seen, [(200, None), (200, None), (429, Some("1".to_owned()))]);
    let (status, headers, _) = house.ask("GET", "/api/v1/me", &other, Value::Null).await;
    assert_eq!(status, 200);
    for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store"), ("x-frame-options", "DENY")] {
        assert_eq!(headers[name], value);
    }
    let preflight = |origin| {
        [("origin", origin), ("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")]
    };
    let (status, headers, _) = house.ask_with("OPTIONS", "/api/v1/users", &preflight("https://app.example"), Value::Null).await;
    assert_eq!((status, headers["access-control-allow-origin"].to_str().unwrap()), (200, "https://app.example"));
    let (_, headers, _) = house.ask_with("OPTIONS", "/api/v1/users", &preflight("https://evil.example"), Value::Null).await;
    assert!(!headers.contains_key("access-control-allow-origin") && !headers.contains_key("access-control-allow-credentials"));
    let (status, headers, _) = house.ask("PUT", "/api/v1/users", &other, json!({})).await;
    assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "GET,HEAD,POST"));
}
