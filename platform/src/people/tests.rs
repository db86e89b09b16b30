//! Signing in, in times that are told.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use store::{Act, Hidden, NewOrganization, NewUser, OrganizationId, Page, Store, User, UserRole, WallTime};
use totp_rs::{Builder, Secret};

use super::*;

const PASSWORD: &str = "correct horse battery staple";

fn at(seconds: i64) -> WallTime {
    WallTime::from_micros((1_800_000_000 + seconds) * 1_000_000)
}

fn act(seconds: i64) -> Act<'static> {
    Act { actor: "node", address: "", at: at(seconds) }
}

fn from(seconds: i64) -> Visitor<'static> {
    Visitor { address: "192.0.2.7", agent: "test", at: at(seconds) }
}

async fn people() -> (People, User) {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let people = People::open(store.clone(), at(0)).await.unwrap();
    let new = NewOrganization { name: "Acme".to_owned(), domain: String::new(), description: String::new(), plan: String::new() };
    let organization = store.create_organization(&new, &act(0)).await.unwrap().id;
    let password_hash = people.hash_password(PASSWORD, &[]).await.unwrap();
    let new = NewUser { email: "ada@example.com".to_owned(), name: "Ada".to_owned(), role: UserRole::Admin, password_hash };
    let user = store.create_user(&organization, &new, &act(0)).await.unwrap();
    (people, user)
}

async fn sign_in(people: &People, password: &str, code: Option<&str>, seconds: i64) -> Result<SignedIn, String> {
    let shown = Credentials { email: "Ada@example.com", password, code };
    people.sign_in(shown, from(seconds)).await.map_err(|refused| refused.to_string())
}

fn code(secret: &Hidden, seconds: i64) -> String {
    let secret = Secret::try_from_base32(secret.expose()).unwrap();
    let totp = Builder::new().with_secret(secret).build_noncompliant();
    totp.generate(u64::try_from(at(seconds).micros() / 1_000_000).unwrap()).to_string()
}

#[tokio::test]
async fn an_access_token_lives_fifteen_minutes_and_no_longer_than_its_login() {
    let (people, user) = people().await;
    let signed = sign_in(&people, PASSWORD, None, 0).await.unwrap();
    let token = signed.access_token.expose();
    let who = people.principal(token, at(1)).await.unwrap();
    assert_eq!(
        (who.organization.clone(), who.role, who.name()),
        (user.organization.clone(), UserRole::Admin, format!("user:{}", user.id))
    );
    assert!(people.principal(token, at(899)).await.is_ok());
    assert!(matches!(people.principal(token, at(905)).await, Err(Refused::Invalid)), "expired");
    assert!(matches!(people.principal(&format!("{token}x"), at(1)).await, Err(Refused::Invalid)), "forged");

    assert!(people.sign_out(&signed.ids, "logout", &act(10)).await.unwrap());
    assert!(matches!(people.principal(token, at(11)).await, Err(Refused::Invalid)), "signed out");
    assert!(matches!(people.refresh(signed.refresh_token.expose(), at(12)).await, Err(Refused::Invalid)));
}

#[tokio::test]
async fn tokens_of_an_older_key_are_read_and_those_without_a_signature_are_not() {
    let (people, _) = people().await;
    // A month later another key signs; what the first one signed a moment ago still counts, on another node too.
    let month = 30 * 24 * 3600;
    let old = sign_in(&people, PASSWORD, None, month - 1).await.unwrap();
    let new = sign_in(&people, PASSWORD, None, month).await.unwrap();
    assert_eq!(people.store().signing_keys().await.unwrap().len(), 2);
    let kid = |token: &Hidden| jsonwebtoken::decode_header(token.expose()).unwrap().kid;
    assert_ne!(kid(&old.access_token), kid(&new.access_token));
    let other = People::open(people.store().clone(), at(month)).await.unwrap();
    for token in [&old.access_token, &new.access_token] {
        assert!(other.principal(token.expose(), at(month + 20)).await.is_ok());
    }
    // {"alg":"none"} with our claims.
    let claims = new.access_token.expose().split('.').nth(1).unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{claims}.");
    assert!(matches!(people.principal(&none, at(month)).await, Err(Refused::Invalid)));
}

#[tokio::test]
async fn a_refresh_token_works_once_and_then_ends_all() {
    let (people, _) = people().await;
    let first = sign_in(&people, PASSWORD, None, 0).await.unwrap();
    let second = people.refresh(first.refresh_token.expose(), at(60)).await.unwrap();
    assert_eq!(second.ids, first.ids);
    assert!(people.principal(second.access_token.expose(), at(61)).await.is_ok());
    assert!(matches!(people.refresh(first.refresh_token.expose(), at(62)).await, Err(Refused::Reused)));
    assert!(matches!(people.refresh(second.refresh_token.expose(), at(63)).await, Err(Refused::Invalid)));
    assert!(people.principal(second.access_token.expose(), at(63)).await.is_err());
    let log = people.store().audit_log(&first.ids.organization, &Page { limit: 1, after: None }).await.unwrap();
    assert_eq!((log[0].action.as_str(), log[0].details["why"].as_str()), ("login.ended", Some("reused")));
}

#[tokio::test]
async fn wrong_passwords_make_the_next_one_wait_the_right_one_too() {
    let (people, _) = people().await;
    for second in 0..5 {
        let refused = sign_in(&people, "wrong", None, second).await.unwrap_err();
        assert_eq!(refused, "the e-mail address, the password or the code is wrong");
    }
    assert_eq!(sign_in(&people, PASSWORD, None, 4).await.unwrap_err(), "too many attempts; come again in 2 s");
    sign_in(&people, "wrong", None, 5).await.unwrap_err();
    assert_eq!(sign_in(&people, PASSWORD, None, 5).await.unwrap_err(), "too many attempts; come again in 3 s");
    sign_in(&people, PASSWORD, None, 7).await.unwrap();
    // The right one has cleared it.
    sign_in(&people, "wrong", None, 8).await.unwrap_err();
    sign_in(&people, PASSWORD, None, 8).await.unwrap();
    // An address that tries many accounts waits too: 7 above, 13 here.
    for number in 0..13 {
        let email = format!("{number}@example.com");
        let shown = Credentials { email: &email, password: "wrong", code: None };
        assert!(matches!(people.sign_in(shown, from(9)).await, Err(Refused::Wrong)), "{number}");
    }
    assert_eq!(sign_in(&people, PASSWORD, None, 9).await.unwrap_err(), "too many attempts; come again in 2 s");
    let elsewhere = Visitor { address: "198.51.100.1", ..from(9) };
    people.sign_in(Credentials { email: "ada@example.com", password: PASSWORD, code: None }, elsewhere).await.unwrap();
}

#[tokio::test]
async fn a_code_is_asked_for_and_works_once() {
    let (people, user) = people().await;
    let enrolment = people.enroll(&user).await.unwrap();
    assert!(enrolment.url.expose().starts_with("otpauth://totp/Offhook:ada%40example.com?secret="), "{}", enrolment.url.expose());
    sign_in(&people, PASSWORD, None, 0).await.unwrap();
    let user = people.store().user(&user.organization, user.id).await.unwrap().unwrap();
    assert!(matches!(people.confirm(&user, "000000", &act(0)).await, Err(Refused::Wrong)));
    let recovery = people.confirm(&user, &code(&enrolment.secret, 0), &act(0)).await.unwrap();
    assert_eq!(recovery.len(), RECOVERY_CODES);

    assert_eq!(sign_in(&people, PASSWORD, None, 1).await.unwrap_err(), "a code of the authenticator is needed: send it as totp");
    let wrong = "the e-mail address, the password or the code is wrong";
    assert_eq!(sign_in(&people, PASSWORD, Some(&code(&enrolment.secret, 0)), 2).await.unwrap_err(), wrong, "shown at enrolment");
    let next = code(&enrolment.secret, 30);
    sign_in(&people, PASSWORD, Some(&next), 3).await.unwrap();
    assert_eq!(sign_in(&people, PASSWORD, Some(&next), 4).await.unwrap_err(), wrong, "seen over a shoulder");
    assert_eq!(sign_in(&people, PASSWORD, Some(&code(&enrolment.secret, 300)), 31).await.unwrap_err(), wrong);
    sign_in(&people, PASSWORD, Some(&recovery[3].to_uppercase()), 40).await.unwrap();
    assert_eq!(sign_in(&people, PASSWORD, Some(&recovery[3]), 41).await.unwrap_err(), wrong);
    assert_eq!(sign_in(&people, "wrong", Some(&code(&enrolment.secret, 90)), 90).await.unwrap_err(), wrong);
    sign_in(&people, PASSWORD, Some(&code(&enrolment.secret, 90)), 100).await.unwrap();
}

#[tokio::test]
async fn a_key_is_known_by_its_hash_and_rotated() {
    let (people, user) = people().await;
    let wish = KeyWish {
        name: "n8n".to_owned(),
        role: UserRole::Agent,
        scopes: vec![Permission::ReadCalls],
        expires_at: Some(at(1_000)),
    };
    let made = people.make_key(&user.organization, wish, &act(0)).await.unwrap();
    let key = made.key.expose();
    assert!(key.len() == 44 && key.starts_with(&made.row.prefix));
    let who = people.principal(key, at(1)).await.unwrap();
    assert!(who.may(Permission::ReadCalls) && !who.may(Permission::WriteCalls));
    assert!(matches!(people.principal("ohk_another", at(1)).await, Err(Refused::Invalid)));
    let used = people.store().api_key(&user.organization, made.row.id).await.unwrap().unwrap().last_used_at;
    assert_eq!(used, Some(at(1)));
    let rotated = people.rotate_key(&user.organization, made.row.id, Duration::from_secs(60), &act(10)).await.unwrap();
    let store::Changed::Done(next) = rotated else { panic!() };
    assert!(people.principal(key, at(69)).await.is_ok() && people.principal(next.key.expose(), at(69)).await.is_ok());
    assert!(people.principal(key, at(80)).await.is_err());
    assert!(people.principal(next.key.expose(), at(1_005)).await.is_err(), "expired");
}

#[tokio::test]
async fn the_first_owner_is_made_once() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let people = People::open(store, at(0)).await.unwrap();
    let password = people.first_owner(at(0)).await.unwrap().unwrap();
    assert_eq!(people.first_owner(at(1)).await.unwrap(), None);
    let shown = Credentials { email: FIRST_OWNER, password: &password, code: None };
    let signed = people.sign_in(shown, from(2)).await.unwrap();
    assert_eq!(signed.ids.organization, OrganizationId::operator());
    assert!(people.principal(signed.access_token.expose(), at(3)).await.unwrap().may(Permission::ManageOrganizations));
    let user = people.store().user(&signed.ids.organization, signed.ids.user).await.unwrap().unwrap();
    assert!(matches!(people.change_password(&user, "wrong", PASSWORD, &act(4)).await, Err(Refused::Wrong)));
    assert!(matches!(people.change_password(&user, &password, "owner-offhook", &act(4)).await, Err(Refused::Weak(_))));
    people.change_password(&user, &password, PASSWORD, &act(5)).await.unwrap();
    assert!(people.principal(signed.access_token.expose(), at(6)).await.is_err(), "all logins end");
}
