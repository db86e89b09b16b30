-- Documents of the knowledge base. What a document says lies in rows that the files beside this one make, since
-- full text is different in SQLite and PostgreSQL.
CREATE TABLE knowledge_documents (
    id           TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL,
    base         TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    origin       TEXT   NOT NULL,
    url          TEXT,
    format       TEXT,
    bytes        BIGINT NOT NULL,
    digest       TEXT   NOT NULL,
    status       TEXT   NOT NULL,
    reason       TEXT,
    -- Which of its chunks are searched; 0 for none yet. What the vectors of these can be compared with, '' without vectors.
    generation   BIGINT NOT NULL DEFAULT 0,
    chunks       BIGINT NOT NULL DEFAULT 0,
    space        TEXT   NOT NULL DEFAULT '',
    -- Who works at it: each claim has a number of its own, and the next one may begin at due_us.
    claim        BIGINT NOT NULL DEFAULT 0,
    claimed_by   TEXT   NOT NULL DEFAULT '',
    attempts     BIGINT NOT NULL DEFAULT 0,
    due_us       BIGINT NOT NULL,
    created_us   BIGINT NOT NULL,
    updated_us   BIGINT NOT NULL,
    UNIQUE (organization, base, name)
);

-- What is to be done.
CREATE INDEX knowledge_documents_due ON knowledge_documents (due_us) WHERE status IN ('pending', 'deleting');

-- Counts the changes of what can be found, so that a copy in memory knows when it is old.
CREATE TABLE knowledge_revision (
    id       BIGINT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);

INSERT INTO knowledge_revision (id, revision) VALUES (1, 0);

-- What an answer was based on. A copy: the document may change or go.
CREATE TABLE turn_citations (
    call_id  TEXT             NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    turn     BIGINT           NOT NULL,
    place    BIGINT           NOT NULL,
    chunk    TEXT             NOT NULL,
    document TEXT             NOT NULL,
    heading  TEXT             NOT NULL,
    score    DOUBLE PRECISION NOT NULL,
    text     TEXT             NOT NULL,
    PRIMARY KEY (call_id, turn, place)
);
