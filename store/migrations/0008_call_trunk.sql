-- The trunk of a call, by its name in the configuration then.
ALTER TABLE calls ADD COLUMN trunk TEXT;
