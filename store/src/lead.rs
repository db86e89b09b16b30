//! Leads: callers whom the analysis of a call has scored, and how far people are with them.

use serde_json::{Value, json};

use crate::open::Writing;
use crate::people::audit::Deed;
use crate::people::id::last;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::{Columns, call_record};
use crate::write::text;
use crate::{
    Act, CallId, Caller, Changed, LeadScore, LeadStatus, OrganizationId, Page, Store, StoreError, Transcript, UserId, WallTime,
};

/// Longest notes on a lead, in bytes.
pub const LEAD_NOTES_BYTES_MAX: usize = 8 * 1024;

/// A caller whom an analysis has scored. Its id is the call's.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// The call.
    pub call: CallId,
    /// Who called, or was called; `None`: the number was withheld.
    pub caller: Option<Caller>,
    /// Who talked with them.
    pub assistant: String,
    /// 0 to 100.
    pub score: u8,
    /// Why.
    pub reasons: Vec<Transcript>,
    /// How far somebody is with it.
    pub status: LeadStatus,
    /// What people have noted.
    pub notes: Transcript,
    /// Who looks after it.
    pub owner: Option<UserId>,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was scored.
    pub created_at: WallTime,
    /// When it was changed last.
    pub updated_at: WallTime,
}

/// What is to be changed of a lead; `None`: it stays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LeadChange {
    /// How far somebody is with it.
    pub status: Option<LeadStatus>,
    /// What people have noted.
    pub notes: Option<Transcript>,
    /// Who looks after it; `Some(None)`: nobody.
    pub owner: Option<Option<UserId>>,
}

/// Makes the lead of a call; one that is there stays. The transaction sees all organizations.
pub(crate) async fn score(writing: &mut Writing, call: CallId, lead: &LeadScore, at: WallTime) -> Result<(), StoreError> {
    const QUERY: &str = "score_lead";
    let query = sqlx::query("SELECT * FROM calls WHERE id = $1").bind(call.to_string());
    let found = writing.fetch(QUERY, query, |row| Ok((row.value::<String>("organization")?, call_record(row)?))).await?.pop();
    let Some((organization, record)) = found else { return Ok(()) };
    let reasons: Vec<&str> = lead.reasons.iter().map(Transcript::reveal).collect();
    let insert = sqlx::query(
        "INSERT INTO leads (call_id, organization, caller, assistant, score, reasons, status, notes, version, created_us, updated_us)
         VALUES ($1, $2, $3, $4, $5, $6, 'new', '', 1, $7, $7) ON CONFLICT DO NOTHING",
    )
    .bind(call.to_string())
    .bind(organization)
    .bind(record.call.caller().map_or_else(String::new, |caller| caller.reveal().to_owned()))
    .bind(text(&record.call.assistant))
    .bind(i64::from(lead.score))
    .bind(text(&json!(reasons).to_string()))
    .bind(at.micros());
    writing.execute(QUERY, insert).await.map(drop)
}

impl Store {
    /// The leads of an organization, the newest call first: of this status, when one is given, and with at least this score.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn leads(
        &self,
        organization: &OrganizationId,
        status: Option<LeadStatus>,
        score_min: u8,
        page: &Page,
    ) -> Result<Vec<Lead>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM leads WHERE organization = $1 AND call_id < $2 AND score >= $3 AND ($4 = '' OR status = $4)
             ORDER BY call_id DESC LIMIT $5",
        )
        .bind(organization.to_string())
        .bind(page.after.clone().unwrap_or_else(last))
        .bind(i64::from(score_min))
        .bind(status.map_or("", LeadStatus::as_str))
        .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("leads", Sees::One(organization), query, lead).await
    }

    /// The lead of a call.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn lead(&self, organization: &OrganizationId, call: CallId) -> Result<Option<Lead>, StoreError> {
        let query = sqlx::query("SELECT * FROM leads WHERE organization = $1 AND call_id = $2");
        let query = query.bind(organization.to_string()).bind(call.to_string());
        Ok(self.read_in("lead", Sees::One(organization), query, lead).await?.pop())
    }

    /// Changes a lead, if `version` is still its own.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn change_lead(
        &self,
        organization: &OrganizationId,
        call: CallId,
        version: Option<u64>,
        change: &LeadChange,
        act: &Act<'_>,
    ) -> Result<Changed<Lead>, StoreError> {
        const QUERY: &str = "change_lead";
        let Some(is) = self.lead(organization, call).await? else { return Ok(Changed::Missing) };
        let changed = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query(
                "UPDATE leads SET status = $4, notes = $5, owner = $6, version = version + 1, updated_us = $7
                 WHERE organization = $1 AND call_id = $2 AND version = $3",
            )
            .bind(organization.to_string())
            .bind(call.to_string())
            .bind(version.unwrap_or(is.version) as i64)
            .bind(change.status.unwrap_or(is.status).as_str())
            .bind(text(change.notes.as_ref().unwrap_or(&is.notes).reveal()))
            .bind(change.owner.unwrap_or(is.owner).map(|owner| owner.to_string()))
            .bind(act.at.micros());
            if writing.execute(QUERY, update).await? == 0 {
                return Ok(false);
            }
            let owner = change.owner.map(|owner| owner.map(|owner| owner.to_string()));
            let status = change.status.map(LeadStatus::as_str);
            let details = json!({ "status": status, "owner": owner, "notes": change.notes.is_some() });
            let deed = Deed { action: "lead.changed", resource: format!("lead:{call}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| true)
        });
        if !changed.await? {
            return Ok(Changed::Stale);
        }
        Ok(self.lead(organization, call).await?.map_or(Changed::Missing, Changed::Done))
    }
}

fn lead(row: &Columns<'_>) -> Result<Lead, StoreError> {
    let reasons = row.json("reasons")?;
    let reasons = reasons.as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(Lead {
        call: row.parsed("call_id")?,
        caller: Caller::stored(row.value("caller")?),
        assistant: row.value("assistant")?,
        score: u8::try_from(row.count("score")?).unwrap_or(u8::MAX),
        reasons: reasons.map(Transcript::new).collect(),
        status: row.parsed("status")?,
        notes: Transcript::new(row.value::<String>("notes")?),
        owner: row.parsed_option("owner")?,
        version: row.count("version")?,
        created_at: row.time("created_us")?,
        updated_at: row.time("updated_us")?,
    })
}
