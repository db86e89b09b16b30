-- What happened is told: as events (a table of each database's own, since their numbers are made differently), and by webhooks.
CREATE TABLE webhooks (
    id                TEXT   NOT NULL PRIMARY KEY,
    organization      TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- standard: signed by Standard Webhooks; slack: a line of text for each lead.
    kind              TEXT   NOT NULL,
    url               TEXT   NOT NULL,
    description       TEXT   NOT NULL,
    -- Words with a space between them: types, call.* for all of a group, * for all.
    events            TEXT   NOT NULL,
    -- Of slack: leads below this score are not told.
    lead_threshold    BIGINT NOT NULL,
    secret            TEXT   NOT NULL,
    -- After a rotation deliveries are signed with the one before too, until then.
    previous_secret   TEXT,
    previous_until_us BIGINT,
    is_active         BIGINT NOT NULL,
    -- Why it was switched off, when we did that.
    disabled_why      TEXT,
    version           BIGINT NOT NULL,
    created_us        BIGINT NOT NULL,
    updated_us        BIGINT NOT NULL
);

CREATE INDEX webhooks_organization ON webhooks (organization, id);

-- The queue of webhooks, and what came of each: filled in the transaction that writes the event.
CREATE TABLE webhook_deliveries (
    id           TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    webhook_id   TEXT   NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    call_id      TEXT   REFERENCES calls (id) ON DELETE CASCADE,
    -- What is delivered in order: of a lane only the first that is pending is tried.
    lane         TEXT   NOT NULL,
    place        BIGINT NOT NULL,
    -- webhook-id: the same each time it is sent.
    message      TEXT   NOT NULL,
    type         TEXT   NOT NULL,
    body         TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    claim        BIGINT NOT NULL DEFAULT 0,
    claimed_by   TEXT   NOT NULL DEFAULT '',
    attempts     BIGINT NOT NULL DEFAULT 0,
    due_us       BIGINT NOT NULL,
    -- Since when it has been tried for: again after a redelivery.
    queued_us    BIGINT NOT NULL,
    finished_us  BIGINT,
    status       BIGINT,
    error        TEXT,
    answer       TEXT,
    created_us   BIGINT NOT NULL
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_us) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_lane ON webhook_deliveries (webhook_id, lane, place) WHERE state = 'pending';
-- Which are under way: counted for each that is due.
CREATE INDEX webhook_deliveries_busy ON webhook_deliveries (webhook_id, due_us) WHERE state = 'pending' AND claimed_by <> '';
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (organization, webhook_id, id);
CREATE INDEX webhook_deliveries_call ON webhook_deliveries (call_id);
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_us);

-- Promising callers, one a call: made in the transaction that writes the score, and followed up by people.
CREATE TABLE leads (
    call_id      TEXT   NOT NULL PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    organization TEXT   NOT NULL,
    -- As in memories; '': the number was withheld.
    caller       TEXT   NOT NULL,
    assistant    TEXT   NOT NULL,
    score        BIGINT NOT NULL,
    reasons      TEXT   NOT NULL,
    status       TEXT   NOT NULL,
    notes        TEXT   NOT NULL,
    owner        TEXT   REFERENCES users (id) ON DELETE SET NULL,
    version      BIGINT NOT NULL,
    created_us   BIGINT NOT NULL,
    updated_us   BIGINT NOT NULL
);

CREATE INDEX leads_organization ON leads (organization, call_id);

-- What one organization remembers of a caller is not another's.
ALTER TABLE memories RENAME TO memories_before;
CREATE TABLE memories (
    id           TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL,
    caller       TEXT   NOT NULL,
    text         TEXT   NOT NULL,
    call_id      TEXT   NOT NULL,
    assistant    TEXT   NOT NULL,
    source       TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    created_us   BIGINT NOT NULL,
    confirmed_us BIGINT NOT NULL,
    expires_us   BIGINT NOT NULL,
    UNIQUE (organization, caller, text)
);
INSERT INTO memories (id, organization, caller, text, call_id, assistant, source, version, created_us, confirmed_us, expires_us)
SELECT id, 'default', caller, text, call_id, assistant, source, 1, created_us, confirmed_us, expires_us FROM memories_before;
DROP TABLE memories_before;
CREATE INDEX memories_expiry ON memories (expires_us);
CREATE INDEX memories_organization ON memories (organization, id);

-- What was scored before.
INSERT INTO leads (call_id, organization, caller, assistant, score, reasons, status, notes, owner, version, created_us, updated_us)
SELECT calls.id, calls.organization,
  LOWER(REPLACE(CASE WHEN calls.direction = 'inbound' THEN calls.from_number ELSE calls.to_number END, '+', '')),
  calls.assistant, analyses.lead_score, COALESCE(analyses.lead_reasons, '[]'), 'new', '', NULL, 1,
  COALESCE(analyses.finished_us, analyses.queued_us), COALESCE(analyses.finished_us, analyses.queued_us)
FROM analyses JOIN calls ON calls.id = analyses.call_id WHERE analyses.lead_score IS NOT NULL;
