CREATE TABLE events (
    -- Who adds rows takes a lock before and holds it to the end of the transaction: so numbers are seen in order.
    number       BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- What happened, so that the same batch, sent again, tells it once.
    subject      TEXT   NOT NULL UNIQUE,
    message      TEXT   NOT NULL,
    type         TEXT   NOT NULL,
    call_id      TEXT   REFERENCES calls (id) ON DELETE CASCADE,
    at_us        BIGINT NOT NULL,
    data         TEXT   NOT NULL
);

CREATE INDEX events_organization ON events (organization, number);
CREATE INDEX events_call ON events (call_id);
CREATE INDEX events_age ON events (at_us);

ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON events USING (offhook_sees(organization));

ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhooks FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON webhooks USING (offhook_sees(organization));

ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON webhook_deliveries USING (offhook_sees(organization));

ALTER TABLE leads ENABLE ROW LEVEL SECURITY;
ALTER TABLE leads FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON leads USING (offhook_sees(organization));
