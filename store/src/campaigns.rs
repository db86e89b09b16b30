//! Campaigns: whom an organization has called, one after the other, and what came of each.
//!
//! ```text
//! contact: pending ──claimed, with an attempt──► dialing ──its call is over──► done, or pending again
//! ```
//! An attempt is written before its INVITE leaves, with the id of the call that is to be made. So whatever becomes of the node, nobody
//! is called twice for it: an attempt whose call nobody knows the end of is `unknown`, and stays so.

mod change;
mod claim;
mod contacts;
mod do_not_call;
mod over;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::kind::{UnknownText, vocabulary};
use crate::rows::Columns;
use crate::{CallId, CallRecord, CampaignId, ContactId, OrganizationId, PhoneNumber, StoreError, Transcript, WallTime};

pub use contacts::{CONTACTS_AT_ONCE, CONTACTS_MAX};
pub use do_not_call::DO_NOT_CALL_MAX;
pub use over::DIAL_LEASE;

vocabulary! {
    /// Where a campaign is in its life.
    CampaignStatus {
        /// It was never started.
        Draft = "draft",
        /// People are called, at their times.
        Running = "running",
        /// Nobody is called until it is started again; calls that are up go on.
        Paused = "paused",
        /// All were called, or it was ended.
        Finished = "finished",
    }
}

vocabulary! {
    /// Where a contact is in its life.
    ContactState {
        /// To be called, now or later.
        Pending = "pending",
        /// Being called, or in the call.
        Dialing = "dialing",
        /// Not called any more.
        Done = "done",
    }
}

vocabulary! {
    /// What came of an attempt; the last one is the contact's.
    ContactOutcome {
        /// A person answered, as it sounded.
        Human = "human",
        /// Somebody or something answered.
        Answered = "answered",
        /// A machine answered.
        Voicemail = "voicemail",
        /// Busy.
        Busy = "busy",
        /// Nobody picked up.
        NoAnswer = "no_answer",
        /// Refused.
        Declined = "declined",
        /// There is no such number.
        InvalidNumber = "invalid_number",
        /// The callee, or the network for it, takes us for unwanted.
        Unwanted = "unwanted",
        /// The network failed, or we did.
        Failed = "failed",
        /// Somebody here took the call back.
        Cancelled = "cancelled",
        /// On the list of those who are not called.
        DoNotCall = "do_not_call",
        /// The node was lost with the call: nobody knows.
        Unknown = "unknown",
    }
}

vocabulary! {
    /// Who or what picked up.
    AnsweredBy {
        /// A person.
        Human = "human",
        /// An answering machine, a voicemail, a menu, a fax.
        Machine = "machine",
        /// It did not say.
        Unknown = "unknown",
    }
}

/// A campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is called, once in the organization.
    pub name: String,
    /// What it does and when, as JSON.
    pub settings: Value,
    /// Where it is in its life.
    pub status: CampaignStatus,
    /// Why we paused it; `None`: we did not.
    pub status_why: Option<String>,
    /// Most calls at once, on all nodes.
    pub concurrency: u32,
    /// Shortest time between two dials.
    pub gap: Duration,
    /// When the last one was claimed.
    pub dialed_at: Option<WallTime>,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: WallTime,
    /// When it was changed last.
    pub updated_at: WallTime,
    /// When it was first started.
    pub started_at: Option<WallTime>,
    /// When it was finished.
    pub finished_at: Option<WallTime>,
}

/// What a campaign is to be.
#[derive(Clone, Debug)]
pub struct CampaignWish {
    /// As in [`Campaign`].
    pub name: String,
    /// As in [`Campaign`].
    pub settings: Value,
    /// As in [`Campaign`].
    pub concurrency: u32,
    /// As in [`Campaign`].
    pub gap: Duration,
}

/// How far a campaign is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CampaignCounts {
    /// To be called.
    pub pending: u64,
    /// Being called.
    pub dialing: u64,
    /// Not called any more.
    pub done: u64,
    /// Those that are done, by what came of them.
    pub outcomes: Vec<(ContactOutcome, u64)>,
    /// Calls so far.
    pub attempts: u64,
}

/// Somebody to be called.
#[derive(Clone, Debug)]
pub struct NewContact {
    /// The line of the list.
    pub line: u32,
    /// E.164, with +.
    pub phone: PhoneNumber,
    /// IANA name of the zone that their clock is in.
    pub zone: String,
    /// What else is known of them: an object of texts, as JSON.
    pub variables: Transcript,
}

/// What came of a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Imported {
    /// Contacts that are new.
    pub added: u64,
    /// Lines whose number was there already.
    pub duplicates: Vec<u32>,
}

/// Somebody whom a campaign calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// The id.
    pub id: ContactId,
    /// Of which campaign.
    pub campaign: CampaignId,
    /// The line of the list.
    pub line: u32,
    /// E.164, with +.
    pub phone: PhoneNumber,
    /// As in [`NewContact`].
    pub zone: String,
    /// As in [`NewContact`].
    pub variables: Transcript,
    /// Where it is.
    pub state: ContactState,
    /// What came of the last attempt.
    pub outcome: Option<ContactOutcome>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is looked at next, while it is pending.
    pub due_at: WallTime,
    /// When something last happened to it.
    pub updated_at: WallTime,
}

/// Which contacts a list has.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContactFilter {
    /// Only those in it.
    pub state: Option<ContactState>,
    /// Only those with it.
    pub outcome: Option<ContactOutcome>,
}

/// One call to a contact.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The call: on the record from its INVITE on.
    pub call: CallId,
    /// Of which campaign.
    pub campaign: CampaignId,
    /// To whom.
    pub contact: ContactId,
    /// Which one it is, from 1.
    pub number: u32,
    /// Whose it is.
    pub node: String,
    /// When it was written, before the INVITE.
    pub claimed_at: WallTime,
    /// When it was over.
    pub ended_at: Option<WallTime>,
    /// What came of it.
    pub outcome: Option<ContactOutcome>,
    /// More on that.
    pub detail: Option<String>,
}

/// A running campaign as a node looks at it.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignLook {
    /// The campaign.
    pub campaign: Campaign,
    /// Its calls, on all nodes.
    pub under_way: u32,
    /// Somebody is due.
    pub is_due: bool,
    /// Nobody is left to be called, and no call is up.
    pub is_over: bool,
}

/// A campaign at the moment of a claim, while nobody else claims.
#[derive(Clone, Copy, Debug)]
pub struct Pulse<'a> {
    /// The campaign.
    pub campaign: &'a Campaign,
    /// Its calls, on all nodes.
    pub under_way: u32,
    /// Who is due, those that were called before first, then those that wait longest; none of them on the list of those who are not called.
    pub due: &'a [Contact],
}

/// What is to be done at a claim.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DialPlan {
    /// Which of [`Pulse::due`] is dialled now.
    pub dial: Option<usize>,
    /// Zones in which nobody may be called now, and from when on they may.
    pub closed: Vec<(String, WallTime)>,
}

/// What came of a claim.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claimed {
    /// Whom to call now; the attempt is written.
    pub dial: Option<(Contact, Attempt)>,
    /// Others may be due now: somebody was put off, or is not to be called.
    pub look_again: bool,
}

/// An attempt whose call is over, or lost.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptOver {
    /// The attempt.
    pub attempt: Attempt,
    /// The campaign.
    pub campaign: Campaign,
    /// The call, if it came to be; its end may be unknown.
    pub call: Option<CallRecord>,
    /// What came of the attempts before.
    pub before: Vec<ContactOutcome>,
}

/// How an attempt ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttemptEnd {
    /// What came of it.
    pub outcome: ContactOutcome,
    /// More on that.
    pub detail: Option<String>,
    /// What comes next.
    pub next: ContactNext,
}

/// What becomes of a contact after an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContactNext {
    /// It is not called any more.
    Done,
    /// It is called again, not before this.
    Again(WallTime),
}

/// Somebody who is not called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DoNotCall {
    /// E.164, with +.
    pub phone: PhoneNumber,
    /// Why, in words.
    pub reason: String,
    /// Who said so: `user:ID`, `key:ID`, `node`, `call:ID`.
    pub source: String,
    /// When.
    pub created_at: WallTime,
}

fn campaign(row: &Columns<'_>) -> Result<Campaign, StoreError> {
    Ok(Campaign {
        id: row.parsed("id")?,
        organization: row.parsed("organization")?,
        name: row.value("name")?,
        settings: row.json("settings")?,
        status: row.parsed("status")?,
        status_why: row.value("status_why")?,
        concurrency: small(row.count("concurrency")?),
        gap: Duration::from_micros(row.count("gap_us")?),
        dialed_at: row.time_option("dialed_us")?,
        version: row.count("version")?,
        created_at: row.time("created_us")?,
        updated_at: row.time("updated_us")?,
        started_at: row.time_option("started_us")?,
        finished_at: row.time_option("finished_us")?,
    })
}

fn contact(row: &Columns<'_>) -> Result<Contact, StoreError> {
    Ok(Contact {
        id: row.parsed("id")?,
        campaign: row.parsed("campaign_id")?,
        line: small(row.count("line")?),
        phone: PhoneNumber::new(row.value::<String>("phone")?),
        zone: row.value("zone")?,
        variables: Transcript::new(row.value::<String>("variables")?),
        state: row.parsed("state")?,
        outcome: row.parsed_option("outcome")?,
        attempts: small(row.count("attempts")?),
        due_at: row.time("due_us")?,
        updated_at: row.time("updated_us")?,
    })
}

fn attempt(row: &Columns<'_>) -> Result<Attempt, StoreError> {
    Ok(Attempt {
        call: row.parsed("call_id")?,
        campaign: row.parsed("campaign_id")?,
        contact: row.parsed("contact_id")?,
        number: small(row.count("number")?),
        node: row.value("node")?,
        claimed_at: row.time("claimed_us")?,
        ended_at: row.time_option("ended_us")?,
        outcome: row.parsed_option("outcome")?,
        detail: row.value("detail")?,
    })
}

fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A length of time as the tables have it.
fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
