-- Where the audit log of an organization begins since its oldest rows were taken out: the number and the hash of the last of them. The
-- log itself says so too, in a row of its chain (audit.pruned). It outlives its organization, as the log does.
CREATE TABLE audit_checkpoints (
    organization TEXT   NOT NULL PRIMARY KEY,
    number       BIGINT NOT NULL,
    hash         TEXT   NOT NULL,
    at_us        BIGINT NOT NULL
);
