-- What people ask of calls: those of their organization, the newest first, and figures of a time.
CREATE INDEX calls_organization ON calls (organization, id);
CREATE INDEX calls_organization_created ON calls (organization, created_us);

-- What a call of ours cost, where prices are configured: millionths of the operator's currency.
ALTER TABLE calls ADD COLUMN cost_micros BIGINT;

-- Of timings: percentiles are made of it.
ALTER TABLE turns ADD COLUMN response_gap_ms BIGINT;

-- Conversations of browsers and programs. What is said in one is the call with the same id, which is there once somebody has connected.
CREATE TABLE sessions (
    id               TEXT   NOT NULL PRIMARY KEY,
    organization     TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    assistant        TEXT   NOT NULL,
    -- JSON, as it was given.
    metadata         TEXT   NOT NULL,
    token_hash       TEXT   NOT NULL,
    token_expires_us BIGINT NOT NULL,
    created_by       TEXT   NOT NULL,
    created_us       BIGINT NOT NULL,
    -- The token was used: it opens no second socket.
    connected_us     BIGINT,
    -- Ended by somebody, and not by its call.
    ended_us         BIGINT
);

CREATE INDEX sessions_organization ON sessions (organization, id);
