-- Uses of tools by the model: a row each, written when it begins and again when it ends.
CREATE TABLE tool_calls (
    call_id    TEXT   NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    number     BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    -- NULL: they are sensitive.
    arguments  TEXT,
    started_us BIGINT NOT NULL,
    -- NULL until it has ended; for ever when the node was lost meanwhile.
    outcome    TEXT,
    length_ms  BIGINT,
    PRIMARY KEY (call_id, number)
);
