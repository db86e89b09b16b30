-- What came of looking at a call after its end: the queue, and the results. A row is made in the transaction that ends a
-- call which was answered.
CREATE TABLE analyses (
    call_id         TEXT   NOT NULL PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    state           TEXT   NOT NULL,
    -- Why it was skipped or failed, or why it is tried again.
    reason          TEXT,
    -- Who works at it: each claim has a number of its own, and the next one may begin at due_us.
    claim           BIGINT NOT NULL DEFAULT 0,
    claimed_by      TEXT   NOT NULL DEFAULT '',
    attempts        BIGINT NOT NULL DEFAULT 0,
    due_us          BIGINT NOT NULL,
    queued_us       BIGINT NOT NULL,
    finished_us     BIGINT,
    -- 0: its caller was erased meanwhile, and nothing may be remembered of the call.
    remembers       BIGINT NOT NULL DEFAULT 1,
    provider        TEXT   NOT NULL DEFAULT '',
    model           TEXT   NOT NULL DEFAULT '',
    input_tokens    BIGINT NOT NULL DEFAULT 0,
    output_tokens   BIGINT NOT NULL DEFAULT 0,
    summary         TEXT,
    sentiment       TEXT,
    sentiment_score DOUBLE PRECISION,
    passed          BIGINT,
    passed_reason   TEXT,
    fields          TEXT,
    lead_score      BIGINT,
    lead_reasons    TEXT
);

-- What is to be done.
CREATE INDEX analyses_due ON analyses (due_us) WHERE state = 'pending';

-- What is remembered of callers. No reference to the call: a memory may be made before its record is written, and may
-- outlive it.
CREATE TABLE memories (
    id           TEXT   NOT NULL PRIMARY KEY,
    caller       TEXT   NOT NULL,
    text         TEXT   NOT NULL,
    call_id      TEXT   NOT NULL,
    assistant    TEXT   NOT NULL,
    source       TEXT   NOT NULL,
    created_us   BIGINT NOT NULL,
    confirmed_us BIGINT NOT NULL,
    expires_us   BIGINT NOT NULL,
    UNIQUE (caller, text)
);

CREATE INDEX memories_expiry ON memories (expires_us);
