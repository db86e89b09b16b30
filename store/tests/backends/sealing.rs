//! Secrets under a master key, rotation, and the beginning of the audit log taken out.

use serde_json::json;
use sqlx::{AnyConnection, Connection as _, Row as _};
use store::seal::SealedTable;
use store::{
    AuditVerdict, EventFilter, Hidden, KeyId, Keyring, NewWebhook, OrganizationId, Page, ResourceKind, ResourceWish, SigningKey,
    Store, Webhook, WebhookKind,
};

use crate::analyses::after;
use crate::people::{act, all, organization, user};

const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "6fd1c1ffe9cd2ae0b7e6a32ba8a5bb5c4be87b47d7c34ba7fb4de3ab9d0e4c11";
/// What must be nowhere in the clear.
const MARK: &str = "MARKMARK";

fn ring(text: &str) -> Keyring {
    text.parse().unwrap()
}

fn id(text: &str) -> KeyId {
    ring(text).newest().unwrap().id()
}

/// The same database, seen with other keys.
async fn with(url: &str, keys: Keyring) -> Store {
    let store = Store::open(url).await.unwrap();
    store.seals().replace(keys);
    store
}

fn hook() -> NewWebhook {
    NewWebhook {
        kind: WebhookKind::Standard,
        url: Hidden::new(format!("https://example.com/{MARK}")),
        description: String::new(),
        events: "*".parse::<EventFilter>().unwrap(),
        lead_threshold: 70,
        secret: Hidden::new(format!("whsec_{MARK}")),
        is_active: true,
    }
}

/// A secret of each kind, and whose the webhook is.
async fn fill(store: &Store) -> (OrganizationId, Webhook) {
    let here = organization(store, "here").await;
    let ada = user(store, &here, "ada@example.com", store::UserRole::Owner).await;
    assert!(store.begin_mfa(&here, ada.id, &Hidden::new(MARK)).await.unwrap());
    let webhook = store.create_webhook(&here, &hook(), &act(2)).await.unwrap().unwrap();
    store.rotate_webhook(&here, webhook.id, &Hidden::new(format!("whsec_{MARK}2")), after(100), &act(3)).await.unwrap();
    let signing = SigningKey { kid: "k".to_owned(), secret: Hidden::new(MARK), created_at: after(1) };
    store.add_signing_key(&signing, after(0)).await.unwrap();
    let fields = json!({ "name": "t", "headers": { "Authorization": MARK } });
    let wish = ResourceWish { name: "t", fields: &fields, uses: &[] };
    store.create_resource(&here, ResourceKind::Tool, wish, &act(4)).await.unwrap();
    (here, webhook)
}

/// All of it is read as it was given.
async fn reads(store: &Store, here: &OrganizationId, webhook: &Webhook) {
    let read = store.webhook(here, webhook.id).await.unwrap().unwrap();
    assert_eq!(read.url.expose(), format!("https://example.com/{MARK}"));
    assert_eq!(
        (read.secret.expose(), read.previous.unwrap().0.expose()),
        (&*format!("whsec_{MARK}2"), &*format!("whsec_{MARK}"))
    );
    assert_eq!(store.users(here, &all()).await.unwrap()[0].mfa_secret.as_ref().unwrap().expose(), MARK);
    assert_eq!(store.signing_keys().await.unwrap()[0].secret.expose(), MARK);
    let tool = store.resources(here, ResourceKind::Tool, &all()).await.unwrap().remove(0);
    assert_eq!(tool.fields["headers"]["Authorization"], MARK);
    let versions = store.resource_versions(here, tool.id, &all()).await.unwrap();
    assert_eq!(versions[0].fields, tool.fields);
}

/// All that stands in a sealed column.
async fn stored(url: &str) -> Vec<String> {
    let mut raw = AnyConnection::connect(url).await.unwrap();
    if url.starts_with("postgres") {
        sqlx::query("SELECT set_config('offhook.organization', '*', false)").execute(&mut raw).await.unwrap();
    }
    let mut values = Vec::new();
    for SealedTable { table, column, .. } in SealedTable::ALL {
        let query = format!("SELECT {column} AS stored FROM {table} WHERE {column} IS NOT NULL");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&mut raw).await.unwrap();
        assert!(!rows.is_empty(), "{table}.{column}");
        values.extend(rows.iter().map(|row| row.get::<String, _>("stored")));
    }
    values
}

async fn keys_in_use(store: &Store) -> Vec<Option<KeyId>> {
    let mut keys: Vec<_> = store.sealed_with().await.unwrap().into_keys().map(|(_, key)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

async fn reseal(store: &Store) -> (u64, u64) {
    let (mut done, mut failed) = (0, 0);
    for of in SealedTable::ALL {
        let step = store.reseal(&of, 0).await.unwrap();
        assert!(!step.more);
        (done, failed) = (done + step.resealed, failed + step.failed);
    }
    (done, failed)
}

pub async fn secrets_are_sealed_and_a_missing_key_is_named(url: String) {
    let store = with(&url, ring(OLD)).await;
    let (here, webhook) = fill(&store).await;
    reads(&store, &here, &webhook).await;
    let values = stored(&url).await;
    assert!(values.iter().all(|value| value.starts_with("sealed:1:") && !value.contains(MARK)), "{values:?}");
    assert_eq!(keys_in_use(&store).await, [Some(id(OLD))]);

    let other = with(&url, ring(NEW)).await;
    let error = other.webhook(&here, webhook.id).await.unwrap_err().to_string();
    let named = format!("column `url` is unreadable: it is sealed with the master key {}, which is not configured", id(OLD));
    assert_eq!(error, format!("webhook: {named}"));
    assert_eq!(reseal(&other).await, (0, values.len() as u64), "what cannot be opened stays as it is");
    reads(&store, &here, &webhook).await;
}

pub async fn what_is_in_the_clear_is_read_and_sealed_and_keys_are_rotated(url: String) {
    let store = with(&url, Keyring::default()).await;
    let (here, webhook) = fill(&store).await;
    let values = stored(&url).await;
    assert!(values.iter().all(|value| !value.starts_with("sealed:")));
    assert_eq!(keys_in_use(&store).await, [None]);
    assert_eq!(reseal(&store).await, (0, 0), "there is no key");

    store.seals().replace(ring(OLD));
    reads(&store, &here, &webhook).await;
    // The next write seals.
    store.rotate_webhook(&here, webhook.id, &Hidden::new(format!("whsec_{MARK}")), after(100), &act(5)).await.unwrap();
    store.rotate_webhook(&here, webhook.id, &Hidden::new(format!("whsec_{MARK}2")), after(100), &act(6)).await.unwrap();
    assert_eq!(keys_in_use(&store).await, [None, Some(id(OLD))]);
    assert_eq!(reseal(&store).await, (values.len() as u64 - 2, 0));
    assert_eq!(keys_in_use(&store).await, [Some(id(OLD))]);

    // A node that has both goes on, whatever the other one has sealed with.
    let next = with(&url, ring(&format!("{NEW}\n{OLD}"))).await;
    store.seals().replace(ring(&format!("{OLD}\n{NEW}")));
    assert_eq!(reseal(&next).await, (values.len() as u64, 0));
    assert_eq!(keys_in_use(&next).await, [Some(id(NEW))]);
    reads(&store, &here, &webhook).await;
    next.seals().replace(ring(NEW));
    reads(&next, &here, &webhook).await;
    assert_eq!(reseal(&next).await, (0, 0));
    assert!(stored(&url).await.iter().all(|value| !value.contains(MARK)));
}

pub async fn a_value_that_was_moved_does_not_open(url: String) {
    let store = with(&url, ring(OLD)).await;
    let (here, webhook) = fill(&store).await;
    let second = store.create_webhook(&here, &hook(), &act(7)).await.unwrap().unwrap();
    let mut raw = AnyConnection::connect(&url).await.unwrap();
    if url.starts_with("postgres") {
        sqlx::query("SELECT set_config('offhook.organization', '*', false)").execute(&mut raw).await.unwrap();
    }
    let moved = "UPDATE webhooks SET secret = (SELECT secret FROM webhooks AS other WHERE other.id = $1) WHERE id = $2";
    sqlx::query(moved).bind(webhook.id.to_string()).bind(second.id.to_string()).execute(&mut raw).await.unwrap();
    let error = store.webhook(&here, second.id).await.unwrap_err().to_string();
    assert!(error.starts_with("webhook: column `secret` is unreadable: it was changed, moved or damaged"), "{error}");
    assert!(store.webhook(&here, webhook.id).await.is_ok());
}

pub async fn the_beginning_of_the_audit_log_is_taken_out_and_the_rest_proved(url: String) {
    let store = Store::open(&url).await.unwrap();
    let here = organization(&store, "here").await;
    for second in 1..10 {
        store.audit(&here, &act(second), "login.refused", "user:1".to_owned(), &json!({ "n": second })).await.unwrap();
    }
    let before = store.audit_ends(&here).await.unwrap();
    assert_eq!((before.pruned, before.number, before.hash.len()), (0, 10, 64));
    assert_eq!(store.prune_audit(&here, after(-5), &act(20)).await.unwrap(), 0);
    assert_eq!(store.prune_audit(&here, after(5), &act(20)).await.unwrap(), 5, "what made the organization, and four");
    assert_eq!(store.verify_audit(&here).await.unwrap(), AuditVerdict::Whole(6), "five, and the row that tells of it");
    let log = store.audit_log(&here, &Page { limit: 1, after: None }).await.unwrap().remove(0);
    assert_eq!((log.number, log.action.as_str(), &log.details["through"]), (11, "audit.pruned", &json!(5)));
    assert_eq!(store.audit_ends(&here).await.unwrap().pruned, 5);
    assert_eq!(store.prune_audit(&here, after(8), &act(21)).await.unwrap(), 3);
    assert_eq!(store.verify_audit(&here).await.unwrap(), AuditVerdict::Whole(4));
    assert!(store.audited_organizations(None).await.unwrap().contains(&here));

    // Without a checkpoint nothing goes, and who moves it is found out.
    let mut raw = AnyConnection::connect(&url).await.unwrap();
    if url.starts_with("postgres") {
        sqlx::query("SELECT set_config('offhook.organization', '*', false)").execute(&mut raw).await.unwrap();
    }
    let mut touched =
        async |statement: &'static str| sqlx::query(statement).execute(&mut raw).await.map_or(0, |done| done.rows_affected());
    assert_eq!(touched("DELETE FROM audit_log WHERE number > 8").await, 0);
    assert_eq!(touched("UPDATE audit_checkpoints SET number = 3").await, 0);
    assert_eq!(touched("DELETE FROM audit_checkpoints").await, 0);
    assert_eq!(store.verify_audit(&here).await.unwrap(), AuditVerdict::Whole(4));
    assert_eq!(touched("UPDATE audit_checkpoints SET number = 9, hash = (SELECT hash FROM audit_log WHERE number = 9)").await, 1);
    assert_eq!(touched("DELETE FROM audit_log WHERE number = 9").await, 1);
    assert_eq!(store.verify_audit(&here).await.unwrap(), AuditVerdict::Broken(9), "no row of the chain tells of it");
}
