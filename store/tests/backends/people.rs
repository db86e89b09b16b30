//! Organizations and who works in them.

use std::time::Duration;

use serde_json::json;
use sqlx::{AnyConnection, Connection as _};
use store::*;

use crate::analyses::after;

pub fn act(seconds: i64) -> Act<'static> {
    Act { actor: "node", address: "192.0.2.1", at: after(seconds) }
}

pub async fn organization(store: &Store, name: &str) -> OrganizationId {
    let new =
        NewOrganization { name: name.to_owned(), domain: String::new(), description: String::new(), plan: "free".to_owned() };
    store.create_organization(&new, &act(0)).await.unwrap().id
}

pub async fn user(store: &Store, organization: &OrganizationId, email: &str, role: UserRole) -> User {
    let new = NewUser { email: email.to_owned(), name: "Ada".to_owned(), role, password_hash: Hidden::new("$argon2id$a") };
    store.create_user(organization, &new, &act(1)).await.unwrap()
}

pub fn all() -> Page {
    Page { limit: 200, after: None }
}

pub async fn an_organization_is_made_changed_once_a_version_and_deleted(url: String) {
    let store = Store::open(&url).await.unwrap();
    let id = organization(&store, "Acme").await;
    let change =
        OrganizationChange { name: Some("Acme Inc".to_owned()), is_active: Some(false), ..OrganizationChange::default() };
    let Changed::Done(changed) = store.change_organization(&id, Some(1), &change, &act(2)).await.unwrap() else { panic!() };
    assert_eq!(
        (changed.name.as_str(), changed.is_active, changed.version, changed.plan.as_str()),
        ("Acme Inc", false, 2, "free")
    );
    assert_eq!((changed.created_at, changed.updated_at), (after(0), after(2)));
    assert_eq!(store.change_organization(&id, Some(1), &change, &act(3)).await.unwrap(), Changed::Stale);
    let names = |list: Vec<Organization>| list.into_iter().map(|one| one.name).collect::<Vec<_>>();
    assert_eq!(names(store.organizations(&all()).await.unwrap()), ["Default", "Acme Inc"]);
    let page = Page { limit: 1, after: Some("default".to_owned()) };
    assert_eq!(names(store.organizations(&page).await.unwrap()), ["Acme Inc"]);

    user(&store, &id, "a@example.com", UserRole::Owner).await;
    assert_eq!(store.delete_organization(&OrganizationId::operator(), None, &act(4)).await.unwrap(), Changed::Missing);
    assert_eq!(store.delete_organization(&id, Some(1), &act(4)).await.unwrap(), Changed::Stale);
    assert_eq!(store.delete_organization(&id, Some(2), &act(4)).await.unwrap(), Changed::Done(()));
    assert_eq!(store.organization(&id).await.unwrap(), None);
    assert_eq!(store.user_by_email("a@example.com").await.unwrap(), None, "its users went with it");
    // Its log stays, and the operator's says who did it.
    assert_eq!(store.verify_audit(&id).await.unwrap(), AuditVerdict::Whole(3));
    let log = store.audit_log(&OrganizationId::operator(), &all()).await.unwrap();
    assert_eq!((log[0].action.as_str(), &log[0].resource), ("organization.deleted", &format!("organization:{id}")));
}

pub async fn users_belong_to_one_organization_and_it_keeps_an_owner(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (here, there) = (organization(&store, "here").await, organization(&store, "there").await);
    let owner = user(&store, &here, "Owner@Example.com", UserRole::Owner).await;
    assert_eq!((owner.email.as_str(), owner.version), ("owner@example.com", 1));
    let again = NewUser {
        email: "OWNER@example.com".to_owned(),
        name: String::new(),
        role: UserRole::Viewer,
        password_hash: Hidden::new(""),
    };
    assert!(matches!(store.create_user(&there, &again, &act(2)).await, Err(StoreError::Taken { .. })), "one login everywhere");
    assert_eq!(store.user_by_email("OWNER@EXAMPLE.COM").await.unwrap().unwrap().id, owner.id);

    // Nobody of another organization finds, changes or deletes a user.
    assert_eq!(store.user(&there, owner.id).await.unwrap(), None);
    let name = UserChange { name: Some("Eve".to_owned()), ..UserChange::default() };
    assert_eq!(store.change_user(&there, owner.id, None, &name, &act(2)).await.unwrap(), Changed::Missing);
    assert_eq!(store.delete_user(&there, owner.id, None, &act(2)).await.unwrap(), Changed::Missing);
    assert!(store.users(&there, &all()).await.unwrap().is_empty());

    let demoted = UserChange { role: Some(UserRole::Admin), ..UserChange::default() };
    let inactive = UserChange { is_active: Some(false), ..UserChange::default() };
    for change in [&demoted, &inactive] {
        assert_eq!(store.change_user(&here, owner.id, None, change, &act(3)).await.unwrap(), Changed::LastOwner);
    }
    assert_eq!(store.delete_user(&here, owner.id, None, &act(3)).await.unwrap(), Changed::LastOwner);
    let second = user(&store, &here, "second@example.com", UserRole::Owner).await;
    let Changed::Done(changed) = store.change_user(&here, owner.id, Some(1), &demoted, &act(4)).await.unwrap() else { panic!() };
    assert_eq!((changed.role, changed.version, changed.name.as_str()), (UserRole::Admin, 2, "Ada"));
    assert_eq!(store.change_user(&here, owner.id, Some(1), &name, &act(4)).await.unwrap(), Changed::Stale);
    let ids: Vec<_> = store.users(&here, &all()).await.unwrap().into_iter().map(|user| user.id).collect();
    assert_eq!(ids, [second.id, owner.id], "the newest first");
    let rest = store.users(&here, &Page { limit: 5, after: Some(second.id.to_string()) }).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(store.delete_user(&here, owner.id, Some(2), &act(5)).await.unwrap(), Changed::Done(()));
    assert!(!format!("{second:?}").contains("argon2"));
}

pub async fn a_key_works_until_it_expires_and_overlaps_with_the_next(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (here, there) = (organization(&store, "here").await, organization(&store, "there").await);
    let new = NewApiKey {
        name: "n8n".to_owned(),
        prefix: "ohk_abc".to_owned(),
        hash: Hidden::new("one"),
        role: UserRole::Agent,
        scopes: vec!["calls:read".to_owned(), "calls:write".to_owned()],
        expires_at: Some(after(100)),
    };
    let key = store.create_api_key(&here, &new, &act(1)).await.unwrap();
    assert_eq!((key.scopes.clone(), key.created_by.as_str(), key.last_used_at), (new.scopes, "node", None));
    let works = async |hash: &str, at: i64| store.working_api_key(hash, after(at)).await.unwrap().map(|key| key.id);
    assert_eq!(works("one", 99).await, Some(key.id));
    assert_eq!(works("one", 100).await, None, "expired");
    store.use_api_key(&here, key.id, after(9)).await.unwrap();
    store.use_api_key(&there, key.id, after(50)).await.unwrap();

    let next = ("ohk_def", &Hidden::new("two"));
    assert_eq!(store.rotate_api_key(&there, key.id, next, after(20), &act(10)).await.unwrap(), Changed::Missing);
    let Changed::Done(row) = store.rotate_api_key(&here, key.id, next, after(20), &act(10)).await.unwrap() else { panic!() };
    assert_eq!((row.prefix.as_str(), row.previous_until, row.last_used_at), ("ohk_def", Some(after(20)), Some(after(9))));
    assert_eq!((works("one", 19).await, works("one", 20).await, works("two", 99).await), (Some(key.id), None, Some(key.id)));

    assert_eq!(store.rename_api_key(&here, key.id, Some(1), "x", &act(11)).await.unwrap(), Changed::Stale);
    assert!(matches!(store.rename_api_key(&here, key.id, Some(2), "x", &act(11)).await.unwrap(), Changed::Done(_)));
    assert!(store.api_keys(&there, &all()).await.unwrap().is_empty());
    assert_eq!(store.delete_api_key(&there, key.id, None, &act(12)).await.unwrap(), Changed::Missing);
    let closed = OrganizationChange { is_active: Some(false), ..OrganizationChange::default() };
    store.change_organization(&here, None, &closed, &act(12)).await.unwrap();
    assert_eq!(works("two", 13).await, None, "its organization is closed");
    assert_eq!(store.delete_api_key(&here, key.id, Some(3), &act(13)).await.unwrap(), Changed::Done(()));
    assert_eq!(store.verify_audit(&here).await.unwrap(), AuditVerdict::Whole(6));
}

pub async fn a_refresh_token_that_comes_again_ends_the_login(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (here, there) = (organization(&store, "here").await, organization(&store, "there").await);
    let user = user(&store, &here, "a@example.com", UserRole::Owner).await;
    let begin = async |token: &str| {
        let new = NewLogin {
            organization: here.clone(),
            user: user.id,
            agent: "curl".to_owned(),
            token: Hidden::new(token),
            expires_at: after(100),
        };
        store.create_login(&new, &act(1)).await.unwrap()
    };
    let refresh = async |token: &str, next: &str, at: i64| {
        store.refresh_login(&Hidden::new(token), &Hidden::new(next), after(at + 100), after(at)).await.unwrap()
    };
    let (one, other) = (begin("a1").await, begin("b1").await);
    let Refresh::Taken(taken) = refresh("a1", "a2", 50).await else { panic!() };
    assert_eq!((taken.0.id, taken.0.expires_at, taken.1.id, taken.1.last_login_at), (one, after(150), user.id, Some(after(1))));
    assert_eq!(refresh("a1", "a3", 51).await, Refresh::Reused(one));
    assert_eq!(refresh("a2", "a3", 52).await, Refresh::Unknown, "its successor is worth nothing any more");
    assert_eq!(refresh("x", "y", 52).await, Refresh::Unknown);
    assert_eq!(store.user_of_login(&here, one, after(52)).await.unwrap(), None);
    assert_eq!(store.user_of_login(&here, other, after(52)).await.unwrap().unwrap().id, user.id);
    assert_eq!(store.user_of_login(&there, other, after(52)).await.unwrap(), None);
    assert_eq!(refresh("b1", "b2", 100).await, Refresh::Unknown, "expired");
    assert_eq!(store.logins(&here, user.id, after(52), &all()).await.unwrap().len(), 1);

    // What was used long ago is forgotten, so that a login that is never left does not grow for ever.
    begin("d1").await;
    assert!(
        matches!(refresh("d1", "d2", 55).await, Refresh::Taken(_)) && matches!(refresh("d2", "d3", 154).await, Refresh::Taken(_))
    );
    assert!(matches!(refresh("d3", "d4", 160).await, Refresh::Taken(_)));
    assert_eq!(refresh("d1", "x", 161).await, Refresh::Unknown);
    assert!(matches!(refresh("d2", "x", 161).await, Refresh::Reused(_)));

    // One of many at the same time wins; then they are a theft.
    let third = begin("c1").await;
    let (a, b) = tokio::join!(refresh("c1", "c2", 60), refresh("c1", "c3", 60));
    let taken = [&a, &b].into_iter().filter(|one| matches!(one, Refresh::Taken(_))).count();
    assert_eq!((taken, store.user_of_login(&here, third, after(61)).await.unwrap()), (1, None));

    assert_eq!(store.end_login(&there, user.id, other, "logout", &act(62)).await.unwrap(), Changed::Missing);
    assert_eq!(store.end_login(&here, UserId::generate(), other, "logout", &act(62)).await.unwrap(), Changed::Missing);
    let password = UserChange { password_hash: Some(Hidden::new("new")), ..UserChange::default() };
    store.change_user(&here, user.id, None, &password, &act(63)).await.unwrap();
    assert_eq!(store.user_of_login(&here, other, after(64)).await.unwrap(), None, "a new password ends all");
    assert_eq!(store.forget_logins(after(1_000)).await.unwrap(), 4);
}

pub async fn codes_are_taken_once(url: String) {
    let store = Store::open(&url).await.unwrap();
    let here = organization(&store, "here").await;
    let id = user(&store, &here, "a@example.com", UserRole::Owner).await.id;
    assert!(!store.enable_mfa(&here, id, 5, &[], &act(1)).await.unwrap(), "without a secret");
    assert!(store.begin_mfa(&here, id, &Hidden::new("JBSW")).await.unwrap());
    assert!(!store.user(&here, id).await.unwrap().unwrap().mfa_enabled);
    assert!(store.enable_mfa(&here, id, 5, &[Hidden::new("r1"), Hidden::new("r2")], &act(1)).await.unwrap());
    assert!(!store.begin_mfa(&here, id, &Hidden::new("OTHER")).await.unwrap(), "the one in use stays");
    let steps = [5, 4, 6, 6].map(|step| store.use_mfa_step(&here, id, step));
    let mut taken = Vec::new();
    for step in steps {
        taken.push(step.await.unwrap());
    }
    assert_eq!(taken, [false, false, true, false]);
    let code = Hidden::new("r1");
    assert!(store.use_recovery_code(&here, id, &code, &act(2)).await.unwrap());
    assert!(!store.use_recovery_code(&here, id, &code, &act(2)).await.unwrap());
    assert!(store.disable_mfa(&here, id, &act(3)).await.unwrap());
    assert!(!store.use_recovery_code(&here, id, &Hidden::new("r2"), &act(4)).await.unwrap());
}

pub async fn failures_are_counted_and_forgotten(url: String) {
    let store = Store::open(&url).await.unwrap();
    let fail = async |at: i64| {
        let counted = store.add_sign_in_failure("a", after(at), Duration::from_secs(60), Duration::from_secs).await.unwrap();
        (counted.failures, counted.blocked_until)
    };
    assert_eq!(fail(0).await, (1, after(1)));
    assert_eq!(fail(10).await, (2, after(12)));
    assert_eq!(store.sign_in_failures("a").await.unwrap().unwrap().blocked_until, after(12));
    assert_eq!(fail(71).await, (1, after(72)), "a minute later it begins anew");
    store.clear_sign_in_failures("a").await.unwrap();
    assert_eq!(store.sign_in_failures("a").await.unwrap(), None);

    let key = |kid: &str, at: i64| SigningKey { kid: kid.to_owned(), secret: Hidden::new("s"), created_at: after(at) };
    store.add_signing_key(&key("one", 1), after(0)).await.unwrap();
    store.add_signing_key(&key("two", 2), after(0)).await.unwrap();
    store.add_signing_key(&key("three", 3), after(2)).await.unwrap();
    assert_eq!(store.signing_keys().await.unwrap(), [key("three", 3), key("two", 2)]);
}

pub async fn the_audit_log_cannot_be_changed_and_shows_if_it_was(url: String) {
    let store = Store::open(&url).await.unwrap();
    let here = organization(&store, "here").await;
    for second in 1..5 {
        store.audit(&here, &act(second), "login.refused", "user:1".to_owned(), &json!({ "n": second })).await.unwrap();
    }
    let (deed, details) = (act(6), json!({}));
    let deed = || store.audit(&here, &deed, "a", String::new(), &details);
    let (one, two) = tokio::join!(deed(), deed());
    one.and(two).unwrap();
    assert_eq!(store.verify_audit(&here).await.unwrap(), AuditVerdict::Whole(7), "writers at the same time wait for each other");
    let page = store.audit_log(&here, &Page { limit: 2, after: Some("6".to_owned()) }).await.unwrap();
    let shown: Vec<_> = page.iter().map(|entry| (entry.number, entry.details.clone(), entry.address.as_str())).collect();
    assert_eq!(shown, [(5, json!({ "n": 4 }), "192.0.2.1"), (4, json!({ "n": 3 }), "192.0.2.1")]);

    let mut raw = AnyConnection::connect(&url).await.unwrap();
    let postgres = url.starts_with("postgres");
    if postgres {
        sqlx::query("SELECT set_config('offhook.organization', '*', false)").execute(&mut raw).await.unwrap();
    }
    let mut touched = async |statement: &'static str| {
        // Refused, or without effect where policies hide the row.
        sqlx::query(statement).execute(&mut raw).await.map_or(0, |done| done.rows_affected())
    };
    assert_eq!(touched("UPDATE audit_log SET actor = 'eve'").await, 0);
    assert_eq!(touched("DELETE FROM audit_log").await, 0);
    // Who can take the guard away is found out.
    let guard = if postgres { "DROP TRIGGER audit_log_stays ON audit_log" } else { "DROP TRIGGER audit_log_is_not_changed" };
    touched(guard).await;
    touched("ALTER TABLE audit_log DISABLE ROW LEVEL SECURITY").await;
    assert_eq!(touched("UPDATE audit_log SET actor = 'eve' WHERE action = 'login.refused' AND number = 3").await, 1);
    assert_eq!(store.verify_audit(&here).await.unwrap(), AuditVerdict::Broken(3));
    assert_eq!(touched("UPDATE audit_log SET actor = 'node' WHERE number = 3").await, 1);
    assert_eq!(store.verify_audit(&here).await.unwrap(), AuditVerdict::Whole(7));
    if !postgres {
        touched("DROP TRIGGER audit_log_stays").await;
    }
    assert_eq!(touched("DELETE FROM audit_log WHERE number = 7").await, 1);
    assert_eq!(store.verify_audit(&here).await.unwrap(), AuditVerdict::Broken(7), "its end is missed too");
}

/// On PostgreSQL only, as a role that policies bind: what forgets to name the organization sees nothing, and what names another one
/// sees nothing of this.
pub async fn the_database_itself_keeps_organizations_apart(url: &str) {
    let store = Store::open(url).await.unwrap();
    assert!(!store.bypasses_row_security().await.unwrap());
    let (here, there) = (organization(&store, "here").await, organization(&store, "there").await);
    user(&store, &here, "a@example.com", UserRole::Owner).await;
    let mut raw = AnyConnection::connect(url).await.unwrap();
    for (named, expected) in [("", 0), (there.as_str(), 0), (here.as_str(), 1), ("*", 1)] {
        sqlx::query("SELECT set_config('offhook.organization', $1, false)")
            .bind(named.to_owned())
            .execute(&mut raw)
            .await
            .unwrap();
        let seen = sqlx::query("SELECT id FROM users").fetch_all(&mut raw).await.unwrap();
        let touched = sqlx::query("UPDATE users SET name = 'Eve'").execute(&mut raw).await.unwrap();
        assert_eq!((seen.len(), touched.rows_affected()), (expected, expected as u64), "{named:?}");
    }
    sqlx::query("SELECT set_config('offhook.organization', $1, false)").bind(there.to_string()).execute(&mut raw).await.unwrap();
    let insert = format!("INSERT INTO recovery_codes (organization, user_id, hash) SELECT '{here}', id, 'x' FROM users");
    let moved = sqlx::query(sqlx::AssertSqlSafe(insert)).execute(&mut raw).await;
    assert!(moved.is_ok_and(|done| done.rows_affected() == 0), "nothing to see, nothing to add to");
    let forged = format!(
        "INSERT INTO audit_log (organization, number, at_us, actor, action, resource, details, address, hash)
         VALUES ('{here}', 99, 0, '', '', '', '', '', '')"
    );
    assert!(sqlx::query(sqlx::AssertSqlSafe(forged)).execute(&mut raw).await.is_err(), "nothing is written for another");
}
