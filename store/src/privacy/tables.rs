//! Every table of the database, and what of it is about people: the one walk that exports and erasures make.
//!
//! A new table is a row here, or a test fails: in [`TRACES`] when people leave traces in it, in [`NAMED`] when it may name them and
//! stays, in [`APART`] when it says nothing of callers. So is a new column of text of the first two.

/// What an erasure does with a row that is the person's own.
#[derive(Clone, Copy)]
pub(crate) enum Own {
    /// It goes.
    Delete,
    /// These columns change; sums that bills are made of stay.
    Blank(&'static str),
}

/// A table in which callers leave traces.
pub(crate) struct Trace {
    pub(crate) table: &'static str,
    /// Which rows are an organization's, `$1`.
    pub(crate) within: &'static str,
    /// What names a row.
    pub(crate) key: &'static str,
    /// Which rows are of the call `$2`.
    pub(crate) of_call: &'static str,
    /// The column with whom it is about.
    pub(crate) party: Option<&'static str>,
    /// Columns that may name anybody: searched, and exported.
    pub(crate) texts: &'static [&'static str],
    /// Columns of text that name nobody: ids, words of vocabularies, what the organization itself has written.
    pub(crate) plain: &'static [&'static str],
    /// Columns that are not exported.
    pub(crate) hidden: &'static [&'static str],
    pub(crate) own: Own,
    /// A row of somebody else that names the person: its texts are changed (true), or it goes as if it were the person's.
    pub(crate) scrubbed: bool,
}

/// A table that may name people and stays as it is.
pub(crate) struct Named {
    pub(crate) table: &'static str,
    pub(crate) within: &'static str,
    pub(crate) texts: &'static [&'static str],
    /// What is exported of a row that names somebody.
    pub(crate) shown: &'static [&'static str],
    pub(crate) why: &'static str,
}

const OF_ORGANIZATION: &str = "organization = $1";
const OF_ITS_CALLS: &str = "call_id IN (SELECT id FROM calls WHERE organization = $1)";

/// In the order in which a call is erased: itself last, so that a kill in between finds it again.
pub(crate) const TRACES: &[Trace] = &[
    Trace {
        table: "turns",
        within: OF_ITS_CALLS,
        key: "call_id || '/' || number",
        of_call: "call_id = $2",
        party: None,
        texts: &["text", "timings"],
        plain: &["call_id", "role"],
        hidden: &[],
        own: Own::Delete,
        scrubbed: true,
    },
    Trace {
        table: "turn_citations",
        within: OF_ITS_CALLS,
        key: "call_id || '/' || turn || '/' || place",
        of_call: "call_id = $2",
        party: None,
        texts: &[],
        plain: &["call_id", "chunk", "document", "heading", "text"],
        hidden: &[],
        own: Own::Delete,
        scrubbed: true,
    },
    Trace {
        table: "tool_calls",
        within: OF_ITS_CALLS,
        key: "call_id || '/' || number",
        of_call: "call_id = $2",
        party: None,
        texts: &["arguments"],
        plain: &["call_id", "name", "kind", "outcome"],
        hidden: &[],
        own: Own::Delete,
        scrubbed: true,
    },
    Trace {
        table: "incidents",
        within: OF_ITS_CALLS,
        key: "call_id || '/' || at_us || '/' || kind || '/' || source",
        of_call: "call_id = $2",
        party: None,
        texts: &["detail"],
        plain: &["call_id", "kind", "source"],
        hidden: &[],
        own: Own::Delete,
        scrubbed: true,
    },
    Trace {
        table: "recordings",
        within: OF_ITS_CALLS,
        key: "call_id || '/' || path",
        of_call: "call_id = $2",
        party: None,
        texts: &["note"],
        plain: &["call_id", "path", "format", "state"],
        hidden: &[],
        own: Own::Delete,
        scrubbed: true,
    },
    Trace {
        table: "analyses",
        within: OF_ITS_CALLS,
        key: "call_id",
        of_call: "call_id = $2",
        party: None,
        texts: &["reason", "summary", "passed_reason", "fields", "lead_reasons"],
        plain: &["call_id", "state", "claimed_by", "provider", "model", "sentiment"],
        hidden: &["claim", "claimed_by", "attempts", "due_us", "remembers"],
        // Its tokens were paid for. Another claim, so that who works at it writes nothing.
        own: Own::Blank(
            "state = 'skipped', reason = 'erased', claim = claim + 1, claimed_by = '', remembers = 0, summary = NULL,
             sentiment = NULL, sentiment_score = NULL, passed = NULL, passed_reason = NULL, fields = NULL, lead_score = NULL,
             lead_reasons = NULL",
        ),
        scrubbed: true,
    },
    Trace {
        table: "leads",
        within: OF_ORGANIZATION,
        key: "call_id",
        of_call: "call_id = $2",
        party: Some("caller"),
        texts: &["reasons", "notes"],
        plain: &["call_id", "organization", "assistant", "status", "owner"],
        hidden: &[],
        own: Own::Delete,
        scrubbed: true,
    },
    Trace {
        table: "memories",
        within: OF_ORGANIZATION,
        key: "id",
        of_call: "call_id = $2",
        party: Some("caller"),
        texts: &["text"],
        plain: &["id", "organization", "call_id", "assistant", "source"],
        hidden: &[],
        own: Own::Delete,
        scrubbed: false,
    },
    Trace {
        table: "webhook_deliveries",
        within: OF_ORGANIZATION,
        key: "id",
        of_call: "call_id = $2",
        party: None,
        texts: &["body", "answer", "error"],
        plain: &["id", "organization", "webhook_id", "call_id", "lane", "message", "type", "state", "claimed_by"],
        hidden: &["lane", "place", "claim", "claimed_by", "due_us"],
        own: Own::Delete,
        scrubbed: true,
    },
    Trace {
        table: "events",
        within: OF_ORGANIZATION,
        key: "subject",
        of_call: "call_id = $2",
        party: None,
        texts: &["data"],
        plain: &["organization", "subject", "message", "type", "call_id"],
        hidden: &[],
        own: Own::Delete,
        scrubbed: true,
    },
    // Before the attempts, by which they are found. Who waits for a call is never called.
    Trace {
        table: "campaign_contacts",
        within: OF_ORGANIZATION,
        key: "id",
        of_call: "id IN (SELECT contact_id FROM campaign_attempts WHERE call_id = $2)",
        party: Some("phone"),
        texts: &["variables"],
        plain: &["id", "organization", "campaign_id", "zone", "state", "outcome"],
        hidden: &[],
        own: Own::Delete,
        scrubbed: true,
    },
    Trace {
        table: "campaign_attempts",
        within: OF_ORGANIZATION,
        key: "call_id",
        of_call: "call_id = $2",
        party: None,
        texts: &["detail"],
        plain: &["call_id", "organization", "campaign_id", "contact_id", "node", "outcome"],
        hidden: &[],
        own: Own::Delete,
        scrubbed: true,
    },
    Trace {
        table: "sip_ladders",
        // It has no organization but its call's. One of no call (a try before the one that was answered) is nobody's to see.
        within: "EXISTS (SELECT 1 FROM calls WHERE calls.external_id = sip_ladders.external_id AND calls.organization = $1)",
        key: "external_id || '/' || began_us",
        // Peers may use an id again, on another day.
        of_call: "EXISTS (SELECT 1 FROM calls WHERE calls.id = $2 AND calls.external_id = sip_ladders.external_id
                    AND sip_ladders.began_us BETWEEN calls.created_us - 600000000 AND COALESCE(calls.ended_us, calls.created_us) + 600000000)",
        party: None,
        texts: &["messages", "external_id"],
        plain: &[],
        hidden: &[],
        own: Own::Delete,
        scrubbed: false,
    },
    Trace {
        table: "sessions",
        within: OF_ORGANIZATION,
        key: "id",
        of_call: "id = $2",
        party: None,
        texts: &["metadata"],
        plain: &["id", "organization", "assistant", "token_hash", "created_by"],
        hidden: &["token_hash"],
        own: Own::Blank("metadata = '{}', token_hash = ''"),
        scrubbed: true,
    },
    Trace {
        table: "calls",
        within: OF_ORGANIZATION,
        key: "id",
        of_call: "id = $2",
        party: None,
        texts: &["from_number", "to_number", "external_id", "cause_detail", "refused_reason", "stats", "answered_by_evidence"],
        plain: &[
            "id",
            "organization",
            "node",
            "leg",
            "direction",
            "assistant",
            "engine",
            "cause",
            "language",
            "trunk",
            "identity",
            "identity_attestation",
            "identity_reason",
            "identity_origid",
            "identity_provider",
            "identity_noted",
            "identity_carrier",
            "answered_by",
        ],
        hidden: &[],
        own: Own::Blank(
            "from_number = CASE WHEN direction = 'inbound' THEN '' ELSE from_number END,
             to_number = CASE WHEN direction = 'outbound' THEN '' ELSE to_number END,
             external_id = '', cause_detail = NULL, refused_reason = NULL, stats = NULL, language = NULL, identity_origid = NULL,
             identity_provider = NULL, identity_noted = NULL, identity_carrier = NULL, answered_by_evidence = NULL",
        ),
        scrubbed: true,
    },
];

const WRITTEN_BY_PEOPLE: &str = "what the organization itself has written, and changes itself";

/// Exported where they name the person, and counted in the report of an erasure.
pub(crate) const NAMED: &[Named] = &[
    Named {
        table: "audit_log",
        within: OF_ORGANIZATION,
        texts: &["resource", "details"],
        shown: &["number", "at_us", "actor", "action", "resource", "details"],
        why: "the audit log is append-only and holds no caller's number",
    },
    Named {
        table: "users",
        within: OF_ORGANIZATION,
        texts: &["email", "name"],
        shown: &["id", "email", "name", "role", "created_us", "last_login_us"],
        why: "a user of the organization: delete the user",
    },
    Named {
        table: "resources",
        within: OF_ORGANIZATION,
        texts: &["name", "fields"],
        shown: &["id", "kind", "name"],
        why: WRITTEN_BY_PEOPLE,
    },
    Named {
        table: "resource_versions",
        within: OF_ORGANIZATION,
        texts: &["fields"],
        shown: &["resource_id", "version", "at_us"],
        why: WRITTEN_BY_PEOPLE,
    },
    Named {
        table: "knowledge_documents",
        within: OF_ORGANIZATION,
        texts: &["name", "url"],
        shown: &["id", "base", "name", "created_us"],
        why: WRITTEN_BY_PEOPLE,
    },
    Named {
        table: "campaigns",
        within: OF_ORGANIZATION,
        texts: &["name", "settings"],
        shown: &["id", "name", "status", "created_us"],
        why: WRITTEN_BY_PEOPLE,
    },
    Named {
        table: "do_not_call",
        within: OF_ORGANIZATION,
        texts: &["phone", "reason"],
        shown: &["phone", "reason", "created_us"],
        why: "so that the person is not called again: delete the entry if that is wished too",
    },
    Named {
        table: "webhooks",
        within: OF_ORGANIZATION,
        texts: &["url", "description"],
        shown: &["id", "description", "created_us"],
        why: WRITTEN_BY_PEOPLE,
    },
];

/// Tables without a trace of a caller, and why.
pub(crate) const APART: &[(&str, &str)] = &[
    ("_sqlx_migrations", "the schema's version"),
    ("sqlite_sequence", "SQLite's own"),
    ("organizations", "the organization itself"),
    ("audit_checkpoints", "a number and a hash"),
    ("recovery_codes", "hashes of users' codes"),
    ("api_keys", "programs"),
    ("logins", "users of the organization, gone with the user"),
    ("refresh_tokens", "hashes of users' tokens"),
    ("sign_in_failures", "hashes of accounts and addresses"),
    ("signing_keys", "the server's keys"),
    ("resource_uses", "ids"),
    ("directory_revision", "a number"),
    ("knowledge_sources", "documents that the organization gave"),
    ("knowledge_chunks", "documents that the organization gave"),
    ("knowledge_vectors", "documents that the organization gave"),
    ("knowledge_pgvectors", "documents that the organization gave"),
    ("knowledge_fts", "documents that the organization gave"),
    ("knowledge_fts_config", "documents that the organization gave"),
    ("knowledge_fts_data", "documents that the organization gave"),
    ("knowledge_fts_docsize", "documents that the organization gave"),
    ("knowledge_fts_idx", "documents that the organization gave"),
    ("knowledge_revision", "a number"),
    ("spend", "sums of the node"),
    ("call_usage", "sums of a call"),
    ("call_charges", "sums of a call"),
    ("usage_queue", "ids of calls"),
    ("usage_months", "sums of a month"),
    ("usage_totals", "sums of a month"),
    ("plans", "prices"),
    ("invoices", "sums of a month"),
    ("invoice_lines", "sums of a month"),
    ("meter_events", "sums for the payment service"),
    ("privacy_jobs", "the person is blanked at the end, and a keyed hash stays"),
    ("privacy_keys", "the server's keys"),
    ("retention", "days"),
    ("retention_sweeps", "sums"),
];
