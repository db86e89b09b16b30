CREATE TABLE knowledge_sources (
    document_id TEXT NOT NULL PRIMARY KEY REFERENCES knowledge_documents (id) ON DELETE CASCADE,
    content     BLOB NOT NULL
);

-- AUTOINCREMENT: an id is never used again, so that what was deleted is not taken for what is new.
CREATE TABLE knowledge_chunks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT    NOT NULL REFERENCES knowledge_documents (id) ON DELETE CASCADE,
    generation  BIGINT  NOT NULL,
    position    BIGINT  NOT NULL,
    heading     TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    UNIQUE (document_id, generation, position)
);

CREATE TABLE knowledge_vectors (
    chunk_id INTEGER NOT NULL PRIMARY KEY REFERENCES knowledge_chunks (id) ON DELETE CASCADE,
    vector   BLOB    NOT NULL
);

-- An index without a copy of the texts; the triggers keep it in step.
CREATE VIRTUAL TABLE knowledge_fts USING fts5 (
    heading, text, content = 'knowledge_chunks', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2'
);

CREATE TRIGGER knowledge_chunks_added AFTER INSERT ON knowledge_chunks BEGIN
    INSERT INTO knowledge_fts (rowid, heading, text) VALUES (new.id, new.heading, new.text);
END;

CREATE TRIGGER knowledge_chunks_removed AFTER DELETE ON knowledge_chunks BEGIN
    INSERT INTO knowledge_fts (knowledge_fts, rowid, heading, text) VALUES ('delete', old.id, old.heading, old.text);
END;
