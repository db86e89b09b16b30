CREATE TABLE events (
    -- AUTOINCREMENT: a number is never used again, also when the last rows were pruned. There is one writer, so they are in order.
    number       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    organization TEXT    NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- What happened, so that the same batch, sent again, tells it once.
    subject      TEXT    NOT NULL UNIQUE,
    message      TEXT    NOT NULL,
    type         TEXT    NOT NULL,
    call_id      TEXT    REFERENCES calls (id) ON DELETE CASCADE,
    at_us        BIGINT  NOT NULL,
    data         TEXT    NOT NULL
);

CREATE INDEX events_organization ON events (organization, number);
CREATE INDEX events_call ON events (call_id);
CREATE INDEX events_age ON events (at_us);
