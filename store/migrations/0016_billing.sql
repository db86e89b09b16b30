-- What usage is, what it costs, and what it was billed as. Amounts are millionths of the currency; a month is counted from January 1970.
CREATE TABLE plans (
    name               TEXT   NOT NULL PRIMARY KEY,
    title              TEXT   NOT NULL,
    -- Owners may choose it by themselves.
    is_open            BIGINT NOT NULL,
    monthly_fee_micros BIGINT NOT NULL,
    soft_limit_micros  BIGINT,
    hard_limit_micros  BIGINT,
    -- JSON: [{"meter", "provider", "micros"}].
    prices             TEXT   NOT NULL,
    -- JSON: what costs nothing each month, by meter.
    allowance          TEXT   NOT NULL,
    version            BIGINT NOT NULL,
    created_us         BIGINT NOT NULL,
    updated_us         BIGINT NOT NULL
);

-- Everybody's until somebody says otherwise: usage is counted and costs nothing.
INSERT INTO plans (name, title, is_open, monthly_fee_micros, prices, allowance, version, created_us, updated_us)
VALUES ('default', 'Free of charge', 0, 0, '[]', '{}', 1, 0, 0);

-- What an organization has set for itself: it lowers the plan's limits and never raises them.
ALTER TABLE organizations ADD COLUMN soft_limit_micros BIGINT;
ALTER TABLE organizations ADD COLUMN hard_limit_micros BIGINT;
-- Whom the payment service knows it as.
ALTER TABLE organizations ADD COLUMN billing_customer TEXT;
-- The last month that was billed.
ALTER TABLE organizations ADD COLUMN billed_month BIGINT;

-- What providers did for a call so far, from its beginning.
CREATE TABLE call_usage (
    call_id        TEXT   NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    stage          TEXT   NOT NULL,
    provider       TEXT   NOT NULL,
    input_tokens   BIGINT NOT NULL,
    output_tokens  BIGINT NOT NULL,
    characters     BIGINT NOT NULL,
    transcribed_ms BIGINT NOT NULL,
    updated_us     BIGINT NOT NULL,
    PRIMARY KEY (call_id, stage, provider)
);

-- When a call was charged: it never is again.
ALTER TABLE calls ADD COLUMN charged_us BIGINT;

-- Calls that are to be charged: queued in the transaction that ends them.
CREATE TABLE usage_queue (
    call_id  TEXT   NOT NULL PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    ended_us BIGINT NOT NULL
);

CREATE INDEX usage_queue_ended ON usage_queue (ended_us);

-- What a call was charged.
CREATE TABLE call_charges (
    call_id       TEXT   NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    organization  TEXT   NOT NULL,
    place         BIGINT NOT NULL,
    month         BIGINT NOT NULL,
    meter         TEXT   NOT NULL,
    stage         TEXT   NOT NULL,
    provider      TEXT   NOT NULL,
    quantity      BIGINT NOT NULL,
    free          BIGINT NOT NULL,
    per           BIGINT NOT NULL,
    price_micros  BIGINT NOT NULL,
    amount_micros BIGINT NOT NULL,
    PRIMARY KEY (call_id, place)
);

-- A month of an organization. Who adds to it names the version that was read; once it is closed nobody does.
CREATE TABLE usage_months (
    organization  TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    month         BIGINT NOT NULL,
    calls         BIGINT NOT NULL,
    amount_micros BIGINT NOT NULL,
    -- Limits that were told of: words with a space between them.
    told          TEXT   NOT NULL DEFAULT '',
    is_closed     BIGINT NOT NULL,
    version       BIGINT NOT NULL,
    PRIMARY KEY (organization, month)
);

CREATE INDEX usage_months_month ON usage_months (month, amount_micros);

-- The same by what was used at which price: the lines of its invoice.
CREATE TABLE usage_totals (
    organization  TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    month         BIGINT NOT NULL,
    meter         TEXT   NOT NULL,
    provider      TEXT   NOT NULL,
    per           BIGINT NOT NULL,
    price_micros  BIGINT NOT NULL,
    quantity      BIGINT NOT NULL,
    free          BIGINT NOT NULL,
    amount_micros BIGINT NOT NULL,
    PRIMARY KEY (organization, month, meter, provider, per, price_micros)
);

-- Invoices outlive their organization, and nobody changes them.
CREATE TABLE invoices (
    id           TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL,
    month        BIGINT NOT NULL,
    plan         TEXT   NOT NULL,
    currency     TEXT   NOT NULL,
    total_micros BIGINT NOT NULL,
    issued_us    BIGINT NOT NULL,
    UNIQUE (organization, month)
);

CREATE INDEX invoices_organization ON invoices (organization, id);

CREATE TABLE invoice_lines (
    invoice_id    TEXT   NOT NULL REFERENCES invoices (id),
    organization  TEXT   NOT NULL,
    place         BIGINT NOT NULL,
    -- monthly_fee, or a meter.
    item          TEXT   NOT NULL,
    provider      TEXT   NOT NULL,
    quantity      BIGINT NOT NULL,
    free          BIGINT NOT NULL,
    per           BIGINT NOT NULL,
    price_micros  BIGINT NOT NULL,
    amount_micros BIGINT NOT NULL,
    PRIMARY KEY (invoice_id, place)
);

-- What the payment service is to be told: queued in the transaction that charges a call.
CREATE TABLE meter_events (
    -- What it knows a second one by.
    id           TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    customer     TEXT   NOT NULL,
    meter        TEXT   NOT NULL,
    quantity     BIGINT NOT NULL,
    at_us        BIGINT NOT NULL,
    state        TEXT   NOT NULL,
    claim        BIGINT NOT NULL DEFAULT 0,
    claimed_by   TEXT   NOT NULL DEFAULT '',
    attempts     BIGINT NOT NULL DEFAULT 0,
    due_us       BIGINT NOT NULL,
    finished_us  BIGINT,
    error        TEXT
);

CREATE INDEX meter_events_due ON meter_events (due_us) WHERE state = 'pending';
CREATE INDEX meter_events_finished ON meter_events (finished_us);
