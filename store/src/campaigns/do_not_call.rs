//! Whom an organization does not call: looked at in the transaction that claims somebody.

use serde_json::json;

use super::DoNotCall;
use crate::open::Writing;
use crate::people::audit::Deed;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::write::text;
use crate::{Act, OrganizationId, Page, PhoneNumber, Store, StoreError};

/// Numbers on the list of one organization.
pub const DO_NOT_CALL_MAX: u64 = 1_000_000;

impl Store {
    /// Adds numbers (E.164, with +) to the list; answers how many are new. Who gave the `source` is noted with each.
    ///
    /// # Errors
    /// [`StoreError::Full`]: nothing was added; else as [`Store::call`].
    pub async fn forbid_calls(
        &self,
        organization: &OrganizationId,
        phones: &[PhoneNumber],
        (reason, source): (&str, &str),
        act: &Act<'_>,
    ) -> Result<u64, StoreError> {
        const QUERY: &str = "forbid_calls";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let count = sqlx::query("SELECT COUNT(*) AS there FROM do_not_call WHERE organization = $1");
            let there = writing.fetch_one(QUERY, count.bind(organization.to_string()), |row| row.count("there")).await?;
            if there + phones.len() as u64 > DO_NOT_CALL_MAX {
                return Err(StoreError::Full { query: QUERY, limit: DO_NOT_CALL_MAX });
            }
            let mut added = 0;
            for phone in phones {
                let insert = sqlx::query(
                    "INSERT INTO do_not_call (organization, phone, reason, source, created_us) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT DO NOTHING",
                )
                .bind(organization.to_string())
                .bind(text(phone.reveal()))
                .bind(text(reason))
                .bind(text(source))
                .bind(act.at.micros());
                added += writing.execute(QUERY, insert).await?;
            }
            writing.note_list(organization, "do_not_call.added", added, act).await?;
            writing.commit(QUERY).await.map(|()| added)
        })
        .await
    }

    /// Takes a number off the list; false: it was not on it.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn allow_calls(
        &self,
        organization: &OrganizationId,
        phone: &PhoneNumber,
        act: &Act<'_>,
    ) -> Result<bool, StoreError> {
        const QUERY: &str = "allow_calls";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let delete = sqlx::query("DELETE FROM do_not_call WHERE organization = $1 AND phone = $2");
            let delete = delete.bind(organization.to_string()).bind(phone.reveal().to_owned());
            let gone = writing.execute(QUERY, delete).await?;
            if gone > 0 {
                writing.note_list(organization, "do_not_call.removed", gone, act).await?;
            }
            writing.commit(QUERY).await.map(|()| gone > 0)
        })
        .await
    }

    /// The list, by number; `page.after` is a number, with or without its +.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn do_not_call(&self, organization: &OrganizationId, page: &Page) -> Result<Vec<DoNotCall>, StoreError> {
        let after = page.after.as_deref().map(|phone| format!("+{}", phone.trim_start_matches('+'))).unwrap_or_default();
        let query = sqlx::query("SELECT * FROM do_not_call WHERE organization = $1 AND phone > $2 ORDER BY phone LIMIT $3")
            .bind(organization.to_string())
            .bind(after)
            .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("do_not_call", Sees::One(organization), query, listed).await
    }

    /// Whether a number is on the list, and why.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn is_not_called(
        &self,
        organization: &OrganizationId,
        phone: &PhoneNumber,
    ) -> Result<Option<DoNotCall>, StoreError> {
        let query = sqlx::query("SELECT * FROM do_not_call WHERE organization = $1 AND phone = $2");
        let query = query.bind(organization.to_string()).bind(phone.reveal().to_owned());
        Ok(self.read_in("is_not_called", Sees::One(organization), query, listed).await?.pop())
    }
}

impl Writing {
    /// Numbers themselves stay out of the audit log.
    async fn note_list(
        &mut self,
        organization: &OrganizationId,
        action: &'static str,
        numbers: u64,
        act: &Act<'_>,
    ) -> Result<(), StoreError> {
        let details = json!({ "numbers": numbers });
        self.note(organization, act, Deed { action, resource: "do_not_call".to_owned(), details: &details }).await
    }
}

fn listed(row: &Columns<'_>) -> Result<DoNotCall, StoreError> {
    Ok(DoNotCall {
        phone: PhoneNumber::new(row.value::<String>("phone")?),
        reason: row.value("reason")?,
        source: row.value("source")?,
        created_at: row.time("created_us")?,
    })
}
