-- What calls are answered by, beside the file: a row a resource, of every kind. The database knows its name and what it uses; the rest
-- is JSON, checked by whoever writes it as the file's rows are.
CREATE TABLE resources (
    id           TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    kind         TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    fields       TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    created_us   BIGINT NOT NULL,
    updated_us   BIGINT NOT NULL
);

CREATE UNIQUE INDEX resources_name ON resources (organization, kind, name);

-- A called number and a trunk are one organization's.
CREATE UNIQUE INDEX resources_name_everywhere ON resources (kind, name) WHERE kind IN ('phone_number', 'trunk');

-- What is used cannot be deleted.
CREATE TABLE resource_uses (
    organization TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    resource_id  TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    used_id      TEXT NOT NULL REFERENCES resources (id),
    PRIMARY KEY (resource_id, used_id)
);

CREATE INDEX resource_uses_used ON resource_uses (used_id);

CREATE TABLE resource_versions (
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    resource_id  TEXT   NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    version      BIGINT NOT NULL,
    fields       TEXT   NOT NULL,
    changed_by   TEXT   NOT NULL,
    at_us        BIGINT NOT NULL,
    PRIMARY KEY (resource_id, version)
);

-- Counts the changes of all this, in their transactions: what nodes look at to know whether they are up to date.
CREATE TABLE directory_revision (
    only_row BIGINT NOT NULL PRIMARY KEY,
    number   BIGINT NOT NULL
);

INSERT INTO directory_revision (only_row, number) VALUES (1, 0);
