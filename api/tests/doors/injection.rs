//! What is sent is data: no SQL, no path, no header comes of it.

use api::*;
use serde_json::{Value, json};
use store::{AuditVerdict, OrganizationId, Page, UserRole};

use crate::people::House;

/// What databases would understand.
const SQL: [&str; 6] = [
    "'; DROP TABLE users; --",
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "1) UNION SELECT password_hash FROM users --",
    "$1 || pg_sleep(9)",
    "%' ESCAPE '%",
];
/// What file systems and heads of answers would.
const PATHS: [&str; 8] = [
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fCargo.toml",
    "..%5c..%5cwindows%5cwin.ini",
    "....%2f%2f",
    "%00",
    "%0d%0aX-Evil:%201",
    "%ff%fe",
    "a%20b%3fc%23d",
];

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Asks each route with this in the place of what its path names.
async fn walk(house: &House, key: &str, named: &str) {
    for (method, path, access) in ROUTES.iter().filter(|(_, path, _)| path.contains('{')) {
        let path = path.replace("{id}", named).replace("{n}", named);
        let (status, headers, answer) = house.ask(method, &path, key, json!({})).await;
        assert!((400..=422).contains(&status), "{method} {path} ({access:?}): {status} {answer}");
        assert_eq!(headers["content-type"], "application/problem+json", "{method} {path}: {status}");
        assert!(!headers.contains_key("x-evil"), "{method} {path}");
    }
}

#[tokio::test]
async fn sql_is_text() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    let key = house.key(&here, UserRole::Owner).await;
    let lists = [
        "calls?from=",
        "calls?to=",
        "calls?assistant=",
        "calls?status=",
        "calls?since=",
        "calls?cursor=",
        "leads?status=",
        "leads?min_score=",
        "memories?caller=",
        "users?cursor=",
        "audit-log?cursor=",
        "audit-log?limit=",
        "assistants?cursor=",
        "webhooks?cursor=",
        "sessions?cursor=",
        "knowledge/documents?cursor=",
        "analytics/summary?group_by=",
        "analytics/summary?since=",
    ];
    for sql in SQL {
        for list in lists {
            let (status, _, answer) = house.ask("GET", &format!("/api/v1/{list}{}", encoded(sql)), &key, Value::Null).await;
            let nothing = status == 200 && answer["data"] == json!([]);
            assert!(nothing || status == 422 || status == 503, "{list}{sql}: {status} {answer}");
        }
        // To the letter.
        let (status, _, changed) =
            house.ask("PATCH", &format!("/api/v1/organizations/{here}"), &key, json!({ "name": sql })).await;
        assert_eq!((status, &changed["name"]), (200, &json!(sql)));
        let value = json!({ "key": format!("k{}", sql.len()), "type": "json", "value": { sql: sql }, "description": sql });
        let (status, _, made) = house.ask("POST", "/api/v1/configurations", &key, value).await;
        assert_eq!((status, &made["value"][sql], &made["description"]), (201, &json!(sql), &json!(sql)));
        let wrong = json!({ "email": sql, "password": sql });
        assert_eq!(house.ask("POST", "/api/v1/auth/login", "", wrong).await.0 / 100, 4);
        for header in ["x-api-key", "if-match", "idempotency-key", "user-agent", "x-forwarded-for"] {
            let bearer = format!("Bearer {key}");
            let headers = [("authorization", bearer.as_str()), (header, sql)];
            let (status, ..) = house.ask_with("GET", "/api/v1/me", &headers, Value::Null).await;
            assert_eq!(status, 200, "{header}: {sql}");
        }
        walk(&house, &key, &encoded(sql)).await;
    }
    let store = house.people.store();
    assert_eq!(store.organizations(&Page { limit: 9, after: None }).await.unwrap().len(), 2);
    assert_eq!(store.verify_audit(&here).await.unwrap(), AuditVerdict::Whole(2 * SQL.len() as u64 + 2));
}

#[tokio::test]
async fn paths_lead_nowhere_and_heads_are_not_split() {
    let house = House::unlimited().await;
    let key = house.key(&OrganizationId::operator(), UserRole::Owner).await;
    for path in PATHS {
        walk(&house, &key, path).await;
        for door in ["", "assets/", "docs/", "api/", "twilio/"] {
            let (status, headers, answer) = house.ask("GET", &format!("/{door}{path}"), &key, Value::Null).await;
            assert!(
                status >= 400 || headers["content-type"].to_str().unwrap().starts_with("text/html"),
                "/{door}{path}: {answer}"
            );
            assert!(!answer.to_string().contains("[package]") && !headers.contains_key("x-evil"), "/{door}{path}");
        }
    }
    // A line break in a value is one in JSON, and in no head.
    let name = "a\r\nX-Evil: 1\r\n\r\n<html>";
    let new = json!({ "name": name, "domain": "x" });
    let (status, headers, made) = house.ask("POST", "/api/v1/organizations", &key, new).await;
    assert_eq!((status, &made["name"]), (201, &json!(name)));
    assert!(
        !headers.contains_key("x-evil") && !headers["location"].to_str().unwrap().contains('a')
            || headers.contains_key("location")
    );
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k\tX-Evil: 1")];
    let (status, headers, _) = house.ask_with("POST", "/api/v1/organizations", &headers, json!({ "name": "b" })).await;
    assert!(matches!(status, 201 | 400) && !headers.contains_key("x-evil"), "{status}");
}
