-- Exports and erasures of what is known of a person: the queue, and what came of each.
CREATE TABLE privacy_jobs (
    id           TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- export or erase.
    kind         TEXT   NOT NULL,
    -- Whom it is about, while it is to be done; '' once it is over. The hash is keyed: who has no key cannot try numbers out.
    subject      TEXT   NOT NULL,
    subject_kind TEXT   NOT NULL,
    subject_hash TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    -- Why it waits, or failed.
    reason       TEXT,
    requested_by TEXT   NOT NULL,
    -- Who works at it: each claim has a number of its own, and the next one may begin at due_us.
    claim        BIGINT NOT NULL DEFAULT 0,
    claimed_by   TEXT   NOT NULL DEFAULT '',
    attempts     BIGINT NOT NULL DEFAULT 0,
    due_us       BIGINT NOT NULL,
    -- The node that must go on with it, since files lie there; '': any.
    waits_for    TEXT   NOT NULL DEFAULT '',
    -- JSON: what was found or erased so far, by table; written with each step.
    counts       TEXT   NOT NULL,
    -- The signed report of an erasure, to the letter.
    report       TEXT,
    -- Of an export: the node that has the file, its path in the data folder, and what it must be.
    node         TEXT   NOT NULL DEFAULT '',
    file         TEXT,
    bytes        BIGINT,
    sha256       TEXT,
    created_us   BIGINT NOT NULL,
    finished_us  BIGINT,
    expires_us   BIGINT
);

CREATE INDEX privacy_jobs_organization ON privacy_jobs (organization, id);
CREATE INDEX privacy_jobs_due ON privacy_jobs (due_us) WHERE state IN ('pending', 'waiting');

-- What reports are signed with, and persons are hashed with: the seed of an Ed25519 key.
CREATE TABLE privacy_keys (
    kid        TEXT   NOT NULL PRIMARY KEY,
    secret     TEXT   NOT NULL,
    created_us BIGINT NOT NULL
);

-- How long an organization keeps what, in days; 0 for ever, NULL as the node's file says.
CREATE TABLE retention (
    organization     TEXT   NOT NULL PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    recordings_days  BIGINT,
    transcripts_days BIGINT,
    logs_days        BIGINT,
    version          BIGINT NOT NULL,
    updated_us       BIGINT NOT NULL
);

-- How far the sweep has come: calls that began until then are done. What went since the last entry of the audit log is counted here.
CREATE TABLE retention_sweeps (
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    class        TEXT   NOT NULL,
    -- Of recordings the node that has them; '' else.
    node         TEXT   NOT NULL,
    swept_us     BIGINT NOT NULL,
    removed      BIGINT NOT NULL,
    bytes        BIGINT NOT NULL,
    PRIMARY KEY (organization, class, node)
);
