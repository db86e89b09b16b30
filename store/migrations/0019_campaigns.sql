-- Lists of people who are called, one after the other, at times that suit them.
CREATE TABLE campaigns (
    id           TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name         TEXT   NOT NULL,
    -- What it does and when: JSON, checked by whoever writes it.
    settings     TEXT   NOT NULL,
    -- draft, running, paused, finished.
    status       TEXT   NOT NULL,
    -- Why it was paused, when nobody asked for it.
    status_why   TEXT,
    -- As many calls at once, on all nodes; the shortest time between two dials.
    concurrency  BIGINT NOT NULL,
    gap_us       BIGINT NOT NULL,
    -- The last claim: the next one comes a gap later, on whatever node. Its row is the lock of all claims.
    dialed_us    BIGINT,
    version      BIGINT NOT NULL,
    created_us   BIGINT NOT NULL,
    updated_us   BIGINT NOT NULL,
    started_us   BIGINT,
    finished_us  BIGINT,
    UNIQUE (organization, name)
);

CREATE INDEX campaigns_organization ON campaigns (organization, id);
CREATE INDEX campaigns_running ON campaigns (id) WHERE status = 'running';

CREATE TABLE campaign_contacts (
    id           TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    campaign_id  TEXT   NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    -- Its line in the list that it came with.
    line         BIGINT NOT NULL,
    phone        TEXT   NOT NULL,
    zone         TEXT   NOT NULL,
    variables    TEXT   NOT NULL,
    -- pending, dialing, done.
    state        TEXT   NOT NULL,
    -- Of the last attempt, or why there is none.
    outcome      TEXT,
    attempts     BIGINT NOT NULL DEFAULT 0,
    -- Not before this, by its retries; and when to look at it next, by its window too.
    ready_us     BIGINT NOT NULL,
    due_us       BIGINT NOT NULL,
    updated_us   BIGINT NOT NULL,
    UNIQUE (campaign_id, phone)
);

CREATE INDEX campaign_contacts_due ON campaign_contacts (campaign_id, due_us, id) WHERE state = 'pending';
CREATE INDEX campaign_contacts_again ON campaign_contacts (campaign_id, due_us, id) WHERE state = 'pending' AND attempts > 0;
CREATE INDEX campaign_contacts_open ON campaign_contacts (campaign_id) WHERE state <> 'done';
CREATE INDEX campaign_contacts_list ON campaign_contacts (organization, campaign_id, id);

-- Written before the INVITE leaves, with the id that the call will have.
CREATE TABLE campaign_attempts (
    call_id      TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    campaign_id  TEXT   NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    contact_id   TEXT   NOT NULL REFERENCES campaign_contacts (id) ON DELETE CASCADE,
    number       BIGINT NOT NULL,
    node         TEXT   NOT NULL,
    -- Until then it is the node's; after that others may say that nobody knows what became of it.
    lease_us     BIGINT NOT NULL,
    claimed_us   BIGINT NOT NULL,
    ended_us     BIGINT,
    outcome      TEXT,
    detail       TEXT,
    UNIQUE (contact_id, number)
);

CREATE INDEX campaign_attempts_campaign ON campaign_attempts (organization, campaign_id, call_id);
CREATE INDEX campaign_attempts_open ON campaign_attempts (campaign_id) WHERE ended_us IS NULL;
CREATE INDEX campaign_attempts_node ON campaign_attempts (node, lease_us) WHERE ended_us IS NULL;

-- Whom the organization calls no more.
CREATE TABLE do_not_call (
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    phone        TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    -- Who said so: user:ID, key:ID, node, call:ID.
    source       TEXT   NOT NULL,
    created_us   BIGINT NOT NULL,
    PRIMARY KEY (organization, phone)
);

-- Who or what picked up, where it was listened for: human, machine, unknown; and why we think so, as JSON.
ALTER TABLE calls ADD COLUMN answered_by TEXT;
ALTER TABLE calls ADD COLUMN answered_by_evidence TEXT;
