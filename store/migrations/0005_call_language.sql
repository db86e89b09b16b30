-- The caller's language, ISO 639-1, where it was found out.
ALTER TABLE calls ADD COLUMN language TEXT;
