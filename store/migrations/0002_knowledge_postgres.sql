CREATE TABLE knowledge_sources (
    document_id TEXT  NOT NULL PRIMARY KEY REFERENCES knowledge_documents (id) ON DELETE CASCADE,
    content     BYTEA NOT NULL
);

CREATE TABLE knowledge_chunks (
    id          BIGINT   NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    document_id TEXT     NOT NULL REFERENCES knowledge_documents (id) ON DELETE CASCADE,
    generation  BIGINT   NOT NULL,
    position    BIGINT   NOT NULL,
    heading     TEXT     NOT NULL,
    text        TEXT     NOT NULL,
    words       TSVECTOR NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('english', heading), 'A') || setweight(to_tsvector('english', text), 'B')
    ) STORED,
    UNIQUE (document_id, generation, position)
);

CREATE INDEX knowledge_chunks_words ON knowledge_chunks USING gin (words);

-- Used without pgvector; with it, the vectors are in knowledge_pgvectors, which is made when the extension is found.
CREATE TABLE knowledge_vectors (
    chunk_id BIGINT NOT NULL PRIMARY KEY REFERENCES knowledge_chunks (id) ON DELETE CASCADE,
    vector   BYTEA  NOT NULL
);
