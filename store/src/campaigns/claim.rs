//! Who is called next: looked at by every node, claimed by one, on the record before anything leaves.

use super::{Attempt, CampaignLook, Claimed, Contact, DIAL_LEASE, DialPlan, Pulse, campaign, contact, micros, small};
use crate::open::Writing;
use crate::people::within::Sees;
use crate::rows::Columns;
use crate::write::text;
use crate::{CallId, CampaignId, OrganizationId, Store, StoreError, WallTime};

/// Contacts that a plan is made of. Those of a closed zone are all put off by one statement, so that no more are needed.
const DUE_MAX: i64 = 64;

impl Store {
    /// The running campaigns of all organizations.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn look_at_campaigns(&self, now: WallTime) -> Result<Vec<CampaignLook>, StoreError> {
        let query = sqlx::query(
            "SELECT campaigns.*,
               (SELECT COUNT(*) FROM campaign_attempts AS up WHERE up.campaign_id = campaigns.id AND up.ended_us IS NULL) AS under_way,
               (SELECT COUNT(*) FROM (SELECT 1 AS one FROM campaign_contacts AS due WHERE due.campaign_id = campaigns.id
                  AND due.state = 'pending' AND due.due_us <= $1 LIMIT 1) AS some_due) AS is_due,
               (SELECT COUNT(*) FROM (SELECT 1 AS one FROM campaign_contacts AS rest WHERE rest.campaign_id = campaigns.id
                  AND rest.state <> 'done' LIMIT 1) AS some_left) AS is_open
             FROM campaigns WHERE status = 'running' ORDER BY id",
        )
        .bind(now.micros());
        self.read_in("look_at_campaigns", Sees::All, query, look).await
    }

    /// Claims somebody of a running campaign: `plan` says whom, given all that is under way on all nodes; nobody else claims of this
    /// campaign meanwhile. The attempt is on the record when this returns.
    ///
    /// # Errors
    /// As [`Store::call`]; after [`StoreError::Late`] an attempt may be on the record that nobody makes: its lease ends, and it is
    /// `unknown`.
    pub async fn claim_contact(
        &self,
        id: CampaignId,
        (node, now): (&str, WallTime),
        plan: impl FnOnce(Pulse<'_>) -> DialPlan + Send,
    ) -> Result<Claimed, StoreError> {
        const QUERY: &str = "claim_contact";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let lock =
                sqlx::query("UPDATE campaigns SET updated_us = updated_us WHERE id = $1 AND status = 'running' RETURNING *");
            let Some(campaign) = writing.fetch(QUERY, lock.bind(id.to_string()), campaign).await?.pop() else {
                return Ok(Claimed::default());
            };
            let up =
                sqlx::query("SELECT COUNT(*) AS under_way FROM campaign_attempts WHERE campaign_id = $1 AND ended_us IS NULL");
            let under_way = writing.fetch_one(QUERY, up.bind(id.to_string()), |row| row.count("under_way")).await?;
            let (due, forbidden) = writing.due(id, now).await?;
            let plan = plan(Pulse { campaign: &campaign, under_way: small(under_way), due: &due });
            for (zone, from) in &plan.closed {
                writing.put_off(id, zone, *from, now).await?;
            }
            let mut claimed = Claimed { dial: None, look_again: forbidden > 0 || !plan.closed.is_empty() };
            if let Some(contact) = plan.dial.and_then(|place| due.into_iter().nth(place)) {
                let attempt = writing.begin_attempt(&campaign.organization, &contact, node, now).await?;
                claimed.dial = Some((contact, attempt));
            }
            writing.commit(QUERY).await?;
            Ok(claimed)
        })
        .await
    }

    /// Takes an attempt back whose INVITE never left; its contact is due again then, as if nothing had been.
    ///
    /// # Errors
    /// As [`Store::call`]: then it stays, and is `unknown` when its lease is over.
    pub async fn unclaim_contact(&self, attempt: &Attempt, due: WallTime) -> Result<(), StoreError> {
        const QUERY: &str = "unclaim_contact";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let delete = sqlx::query("DELETE FROM campaign_attempts WHERE call_id = $1 AND ended_us IS NULL");
            if writing.execute(QUERY, delete.bind(attempt.call.to_string())).await? == 0 {
                return Ok(());
            }
            let update = "UPDATE campaign_contacts SET state = 'pending', attempts = attempts - 1, due_us = $2 WHERE id = $1";
            let update = sqlx::query(update).bind(attempt.contact.to_string()).bind(due.micros());
            writing.execute(QUERY, update).await?;
            writing.commit(QUERY).await
        })
        .await
    }
}

impl Writing {
    /// Who is due, and how many of them turned out not to be called at all, which is written with them.
    async fn due(&mut self, id: CampaignId, now: WallTime) -> Result<(Vec<Contact>, usize), StoreError> {
        const QUERY: &str = "due_contacts";
        // Each by its own index: of 100,000 that are due, 64 are read.
        const AGAIN: &str = "SELECT people.*, (SELECT COUNT(*) FROM do_not_call AS no WHERE no.organization = people.organization
               AND no.phone = people.phone) AS forbidden FROM campaign_contacts AS people
             WHERE campaign_id = $1 AND state = 'pending' AND attempts > 0 AND due_us <= $2 ORDER BY due_us, id LIMIT $3";
        const FIRST: &str = "SELECT people.*, (SELECT COUNT(*) FROM do_not_call AS no WHERE no.organization = people.organization
               AND no.phone = people.phone) AS forbidden FROM campaign_contacts AS people
             WHERE campaign_id = $1 AND state = 'pending' AND attempts = 0 AND due_us <= $2 ORDER BY due_us, id LIMIT $3";
        let (mut due, mut forbidden) = (Vec::new(), 0);
        for query in [AGAIN, FIRST] {
            let query = sqlx::query(query).bind(id.to_string()).bind(now.micros()).bind(DUE_MAX);
            for (contact, is_forbidden) in self.fetch(QUERY, query, judged).await? {
                match is_forbidden {
                    true => {
                        self.forbid(&contact, now).await?;
                        forbidden += 1;
                    }
                    false => due.push(contact),
                }
            }
        }
        Ok((due, forbidden))
    }

    /// Whoever is not to be called is done with.
    async fn forbid(&mut self, contact: &Contact, now: WallTime) -> Result<(), StoreError> {
        let update = "UPDATE campaign_contacts SET state = 'done', outcome = 'do_not_call', updated_us = $2 WHERE id = $1";
        let update = sqlx::query(update).bind(contact.id.to_string()).bind(now.micros());
        self.execute("forbid_contact", update).await.map(drop)
    }

    /// All of a zone that are due are looked at again when it opens.
    async fn put_off(&mut self, id: CampaignId, zone: &str, from: WallTime, now: WallTime) -> Result<(), StoreError> {
        let update = sqlx::query(
            "UPDATE campaign_contacts SET due_us = $3 WHERE campaign_id = $1 AND zone = $2 AND state = 'pending' AND due_us <= $4",
        )
        .bind(id.to_string())
        .bind(text(zone))
        .bind(from.micros())
        .bind(now.micros());
        self.execute("put_off_contacts", update).await.map(drop)
    }

    async fn begin_attempt(
        &mut self,
        organization: &OrganizationId,
        contact: &Contact,
        node: &str,
        now: WallTime,
    ) -> Result<Attempt, StoreError> {
        const QUERY: &str = "begin_attempt";
        let number = contact.attempts + 1;
        let attempt = Attempt {
            call: CallId::generate(),
            campaign: contact.campaign,
            contact: contact.id,
            number,
            node: node.to_owned(),
            claimed_at: now,
            ended_at: None,
            outcome: None,
            detail: None,
        };
        let insert = sqlx::query(
            "INSERT INTO campaign_attempts (call_id, organization, campaign_id, contact_id, number, node, lease_us, claimed_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(attempt.call.to_string())
        .bind(organization.to_string())
        .bind(contact.campaign.to_string())
        .bind(contact.id.to_string())
        .bind(i64::from(number))
        .bind(text(node))
        .bind(now.micros().saturating_add(micros(DIAL_LEASE)))
        .bind(now.micros());
        self.execute(QUERY, insert).await?;
        let dialing = "UPDATE campaign_contacts SET state = 'dialing', attempts = $2, updated_us = $3 WHERE id = $1";
        let dialing = sqlx::query(dialing).bind(contact.id.to_string()).bind(i64::from(number)).bind(now.micros());
        self.execute(QUERY, dialing).await?;
        let last = sqlx::query("UPDATE campaigns SET dialed_us = $2 WHERE id = $1");
        self.execute(QUERY, last.bind(contact.campaign.to_string()).bind(now.micros())).await?;
        Ok(attempt)
    }
}

fn judged(row: &Columns<'_>) -> Result<(Contact, bool), StoreError> {
    Ok((contact(row)?, row.count("forbidden")? > 0))
}

fn look(row: &Columns<'_>) -> Result<CampaignLook, StoreError> {
    Ok(CampaignLook {
        campaign: campaign(row)?,
        under_way: small(row.count("under_way")?),
        is_due: row.count("is_due")? > 0,
        is_over: row.count("is_open")? == 0,
    })
}
