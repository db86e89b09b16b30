-- One SQL for SQLite and PostgreSQL: ids are UUIDv7 text, times are microseconds
-- since 1970 UTC, flags are 0 or 1, JSON is text.
CREATE TABLE calls (
    id                  TEXT   NOT NULL PRIMARY KEY,
    node                TEXT   NOT NULL,
    leg                 TEXT   NOT NULL,
    direction           TEXT   NOT NULL,
    from_number         TEXT   NOT NULL,
    to_number           TEXT   NOT NULL,
    assistant           TEXT   NOT NULL,
    engine              TEXT   NOT NULL,
    external_id         TEXT   NOT NULL,
    created_us          BIGINT NOT NULL,
    answered_us         BIGINT,
    ended_us            BIGINT,
    cause               TEXT,
    cause_detail        TEXT,
    stats               TEXT,
    input_text_tokens   BIGINT NOT NULL DEFAULT 0,
    input_audio_tokens  BIGINT NOT NULL DEFAULT 0,
    cached_tokens       BIGINT NOT NULL DEFAULT 0,
    output_text_tokens  BIGINT NOT NULL DEFAULT 0,
    output_audio_tokens BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX calls_external ON calls (external_id);

-- What a start after a crash looks for.
CREATE INDEX calls_open ON calls (node) WHERE ended_us IS NULL;

CREATE TABLE turns (
    call_id     TEXT   NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    number      BIGINT NOT NULL,
    role        TEXT   NOT NULL,
    text        TEXT   NOT NULL,
    started_us  BIGINT NOT NULL,
    ended_us    BIGINT NOT NULL,
    interrupted BIGINT NOT NULL,
    heard_ms    BIGINT,
    timings     TEXT   NOT NULL,
    PRIMARY KEY (call_id, number)
);

CREATE TABLE recordings (
    call_id   TEXT   NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    path      TEXT   NOT NULL,
    format    TEXT   NOT NULL,
    state     TEXT   NOT NULL,
    opened_us BIGINT NOT NULL,
    length_ms BIGINT,
    bytes     BIGINT,
    note      TEXT,
    PRIMARY KEY (call_id, path)
);

CREATE INDEX recordings_writing ON recordings (call_id) WHERE state = 'writing';

-- What went wrong in a call: rows, so that adding one never reads the others.
CREATE TABLE incidents (
    call_id TEXT   NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    at_us   BIGINT NOT NULL,
    kind    TEXT   NOT NULL,
    source  TEXT   NOT NULL,
    detail  TEXT   NOT NULL,
    PRIMARY KEY (call_id, at_us, kind, source)
);
