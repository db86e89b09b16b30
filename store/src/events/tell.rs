//! Writing events, and what webhooks are to be told of them, at the end of a transaction.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use super::{Event, News, Of};
use crate::open::Writing;
use crate::rows::{Columns, call_record};
use crate::webhooks::{Told, queue};
use crate::write::text;
use crate::{CallId, CallRecord, OrganizationId, Store, StoreError};

const QUERY: &str = "tell";

/// The lock of those who add events; any number that nobody else takes.
const LOCK: i64 = 0x6F66_6668_6F6F_6B01;

/// What one transaction has looked up.
#[derive(Default)]
struct Known {
    calls: HashMap<CallId, Option<(OrganizationId, CallRecord)>>,
    webhooks: HashMap<OrganizationId, Vec<Told>>,
}

impl Store {
    /// Tells what has happened; the last thing of a transaction, whose caller wakes others when it is committed. What was told before
    /// is not told again.
    pub(crate) async fn tell(&self, writing: &mut Writing, news: Vec<News>) -> Result<(), StoreError> {
        if news.is_empty() {
            return Ok(());
        }
        self.begin_telling(writing).await?;
        let mut known = Known::default();
        for one in news {
            let record = match &one.of {
                Of::Call(call) => match known.call(writing, *call).await? {
                    Some(found) => Some(found),
                    None => continue,
                },
                Of::Organization(_) => None,
            };
            let Some(data) = one.told(record.as_ref().map(|(_, record)| record)) else { continue };
            let organization = match (&one.of, &record) {
                (Of::Organization(organization), _) => organization.clone(),
                (Of::Call(_), found) => found.as_ref().map_or_else(OrganizationId::operator, |(owner, _)| owner.clone()),
            };
            let Some(event) = add(writing, organization, &one, data).await? else { continue };
            for webhook in known.webhooks(writing, &event.organization).await? {
                queue(writing, webhook, &event).await?;
            }
        }
        Ok(())
    }

    /// On PostgreSQL: all organizations are seen from here on, only one transaction at a time adds events, so that their numbers are
    /// seen in order, and all nodes hear of it when this one is committed.
    async fn begin_telling(&self, writing: &mut Writing) -> Result<(), StoreError> {
        if self.sqlite {
            return Ok(());
        }
        let begin =
            sqlx::query("SELECT set_config('offhook.organization', '*', true), pg_advisory_xact_lock($1), pg_notify($2, '')")
                .bind(LOCK)
                .bind(super::CHANNEL);
        writing.execute(QUERY, begin).await.map(drop)
    }
}

impl Known {
    /// The record of a call and whose it is, as this transaction has left it.
    async fn call(&mut self, writing: &mut Writing, call: CallId) -> Result<Option<(OrganizationId, CallRecord)>, StoreError> {
        if let Some(found) = self.calls.get(&call) {
            return Ok(found.clone());
        }
        let query = sqlx::query("SELECT * FROM calls WHERE id = $1").bind(call.to_string());
        let found = writing.fetch(QUERY, query, owned).await?.pop();
        self.calls.insert(call, found.clone());
        Ok(found)
    }

    /// The webhooks of an organization that are told of anything.
    async fn webhooks(&mut self, writing: &mut Writing, organization: &OrganizationId) -> Result<&[Told], StoreError> {
        let found = match self.webhooks.remove(organization) {
            Some(found) => found,
            None => Told::of(writing, organization).await?,
        };
        Ok(self.webhooks.entry(organization.clone()).or_insert(found))
    }
}

fn owned(row: &Columns<'_>) -> Result<(OrganizationId, CallRecord), StoreError> {
    Ok((row.parsed("organization")?, call_record(row)?))
}

/// `None`: it was told before, or its organization is gone.
async fn add(writing: &mut Writing, organization: OrganizationId, news: &News, data: Value) -> Result<Option<Event>, StoreError> {
    let message = format!("msg_{}", Uuid::now_v7().simple());
    let call = match news.of {
        Of::Call(call) => Some(call),
        Of::Organization(_) => None,
    };
    let insert = sqlx::query(
        "INSERT INTO events (organization, subject, message, type, call_id, at_us, data)
         SELECT id, $2, $3, $4, $5, $6, $7 FROM organizations WHERE id = $1
         ON CONFLICT (subject) DO NOTHING RETURNING number",
    )
    .bind(organization.to_string())
    .bind(text(&format!("{} {}", news.kind, news.subject)))
    .bind(message.clone())
    .bind(news.kind.as_str())
    .bind(call.map(|call| call.to_string()))
    .bind(news.at.micros())
    .bind(data.to_string());
    let number = writing.fetch(QUERY, insert, |row| row.count("number")).await?.pop();
    Ok(number.map(|number| Event { number, organization, kind: news.kind, message, at: news.at, call, data }))
}
