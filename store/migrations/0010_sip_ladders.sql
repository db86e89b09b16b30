-- The SIP messages of a call, by the peer's id of it, without their secrets: a JSON list of at_us, sent, transport, local, remote, text.
CREATE TABLE sip_ladders (
    external_id TEXT NOT NULL,
    began_us BIGINT NOT NULL,
    messages TEXT NOT NULL,
    left_out BIGINT NOT NULL,
    PRIMARY KEY (external_id, began_us)
);
