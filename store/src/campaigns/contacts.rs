//! The people of a campaign: lists of them come in, what came of each is read.

use serde_json::json;

use super::{
    Attempt, CampaignCounts, Contact, ContactFilter, ContactOutcome, ContactState, Imported, NewContact, attempt, contact,
};
use crate::open::Writing;
use crate::people::audit::Deed;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::write::text;
use crate::{Act, CallId, CampaignId, ContactId, OrganizationId, Page, PhoneNumber, Store, StoreError};

/// Contacts of one campaign: a year of calling at 5 a minute through the working day.
pub const CONTACTS_MAX: u64 = 100_000;

/// Contacts that one write adds: a transaction of a second.
pub const CONTACTS_AT_ONCE: usize = 1_000;

impl Store {
    /// Adds contacts to a campaign, at most [`CONTACTS_AT_ONCE`]; numbers that are there are left as they are.
    ///
    /// # Errors
    /// [`StoreError::Full`]: nothing was added; else as [`Store::call`].
    pub async fn add_contacts(
        &self,
        organization: &OrganizationId,
        campaign: CampaignId,
        contacts: &[NewContact],
        act: &Act<'_>,
    ) -> Result<Imported, StoreError> {
        const QUERY: &str = "add_contacts";
        let done = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            // Its row is the lock: of two lists at once the second counts the first.
            let lock = sqlx::query("UPDATE campaigns SET updated_us = $3 WHERE organization = $1 AND id = $2");
            let lock = lock.bind(organization.to_string()).bind(campaign.to_string()).bind(act.at.micros());
            writing.execute(QUERY, lock).await?;
            let count =
                sqlx::query("SELECT COUNT(*) AS there FROM campaign_contacts WHERE organization = $1 AND campaign_id = $2");
            let count = count.bind(organization.to_string()).bind(campaign.to_string());
            let there = writing.fetch_one(QUERY, count, |row| row.count("there")).await?;
            if there + contacts.len() as u64 > CONTACTS_MAX {
                return Err(StoreError::Full { query: QUERY, limit: CONTACTS_MAX });
            }
            let mut imported = Imported::default();
            for new in contacts {
                match writing.add_contact(organization, campaign, new, act).await? {
                    0 => imported.duplicates.push(new.line),
                    _ => imported.added += 1,
                }
            }
            let details = json!({ "added": imported.added, "duplicates": imported.duplicates.len() });
            let deed = Deed { action: "campaign.contacts_added", resource: format!("campaign:{campaign}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| imported)
        });
        let imported = done.await?;
        self.wake();
        Ok(imported)
    }

    /// The contacts of a campaign, in the order in which they came.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn contacts(
        &self,
        organization: &OrganizationId,
        campaign: CampaignId,
        filter: ContactFilter,
        page: &Page,
    ) -> Result<Vec<Contact>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM campaign_contacts WHERE organization = $1 AND campaign_id = $2 AND id > $3
               AND ($4 = '' OR state = $4) AND ($5 = '' OR outcome = $5) ORDER BY id LIMIT $6",
        )
        .bind(organization.to_string())
        .bind(campaign.to_string())
        .bind(page.after.clone().unwrap_or_default())
        .bind(filter.state.map_or("", ContactState::as_str))
        .bind(filter.outcome.map_or("", ContactOutcome::as_str))
        .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("contacts", Sees::One(organization), query, contact).await
    }

    /// One contact.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn contact(
        &self,
        organization: &OrganizationId,
        campaign: CampaignId,
        id: ContactId,
    ) -> Result<Option<Contact>, StoreError> {
        let query = sqlx::query("SELECT * FROM campaign_contacts WHERE organization = $1 AND campaign_id = $2 AND id = $3")
            .bind(organization.to_string())
            .bind(campaign.to_string())
            .bind(id.to_string());
        Ok(self.read_in("contact", Sees::One(organization), query, contact).await?.pop())
    }

    /// All calls to a range of contacts of a campaign, in order: from the first id to the last.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn attempts(
        &self,
        organization: &OrganizationId,
        campaign: CampaignId,
        (first, last): (ContactId, ContactId),
    ) -> Result<Vec<Attempt>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM campaign_attempts WHERE organization = $1 AND campaign_id = $2 AND contact_id >= $3 AND contact_id <= $4
             ORDER BY contact_id, number",
        )
        .bind(organization.to_string())
        .bind(campaign.to_string())
        .bind(first.to_string())
        .bind(last.to_string());
        self.read_in("attempts", Sees::One(organization), query, attempt).await
    }

    /// The number that a campaign had called, by its call; `None`: no campaign did.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn phone_called(&self, call: CallId) -> Result<Option<PhoneNumber>, StoreError> {
        let query = sqlx::query(
            "SELECT people.phone AS phone FROM campaign_attempts AS attempts
             JOIN campaign_contacts AS people ON people.id = attempts.contact_id WHERE attempts.call_id = $1",
        );
        let phone = self.read_in("phone_called", Sees::All, query.bind(call.to_string()), |row| row.value::<String>("phone"));
        Ok(phone.await?.pop().map(PhoneNumber::new))
    }

    /// How far a campaign is.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn campaign_counts(
        &self,
        organization: &OrganizationId,
        campaign: CampaignId,
    ) -> Result<CampaignCounts, StoreError> {
        const QUERY: &str = "campaign_counts";
        let mut reading = self.begin_in(QUERY, Sees::One(organization)).await?;
        let counts = counts_of(&mut reading, organization, campaign).await?;
        reading.commit(QUERY).await.map(|()| counts)
    }
}

/// The same within a transaction.
pub(super) async fn counts_of(
    writing: &mut Writing,
    organization: &OrganizationId,
    campaign: CampaignId,
) -> Result<CampaignCounts, StoreError> {
    let query = sqlx::query(
        "SELECT state, outcome, COUNT(*) AS people, CAST(SUM(attempts) AS BIGINT) AS attempts FROM campaign_contacts
         WHERE organization = $1 AND campaign_id = $2 GROUP BY state, outcome ORDER BY state, outcome",
    )
    .bind(organization.to_string())
    .bind(campaign.to_string());
    let rows = writing.fetch("campaign_counts", query, |row| {
        let (state, outcome) = (row.parsed::<ContactState>("state")?, row.parsed_option::<ContactOutcome>("outcome")?);
        Ok((state, outcome, row.count("people")?, row.count("attempts")?))
    });
    let mut counts = CampaignCounts::default();
    for (state, outcome, people, attempts) in rows.await? {
        counts.attempts += attempts;
        match state {
            ContactState::Pending => counts.pending += people,
            ContactState::Dialing => counts.dialing += people,
            ContactState::Done => {
                counts.done += people;
                counts.outcomes.extend(outcome.map(|outcome| (outcome, people)));
            }
        }
    }
    Ok(counts)
}

impl Writing {
    async fn add_contact(
        &mut self,
        organization: &OrganizationId,
        campaign: CampaignId,
        new: &NewContact,
        act: &Act<'_>,
    ) -> Result<u64, StoreError> {
        let insert = sqlx::query(
            "INSERT INTO campaign_contacts (id, organization, campaign_id, line, phone, zone, variables, state, ready_us, due_us, updated_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $8, $8) ON CONFLICT DO NOTHING",
        )
        .bind(ContactId::generate().to_string())
        .bind(organization.to_string())
        .bind(campaign.to_string())
        .bind(i64::from(new.line))
        .bind(text(new.phone.reveal()))
        .bind(text(&new.zone))
        .bind(text(new.variables.reveal()))
        .bind(act.at.micros());
        self.execute("add_contact", insert).await
    }
}
