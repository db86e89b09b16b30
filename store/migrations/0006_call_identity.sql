-- Whether the caller's number is the caller's (STIR/SHAKEN), where that was looked at.
ALTER TABLE calls ADD COLUMN identity TEXT;
ALTER TABLE calls ADD COLUMN identity_attestation TEXT;
ALTER TABLE calls ADD COLUMN identity_reason TEXT;
ALTER TABLE calls ADD COLUMN identity_origid TEXT;
ALTER TABLE calls ADD COLUMN identity_provider TEXT;
ALTER TABLE calls ADD COLUMN identity_noted TEXT;
ALTER TABLE calls ADD COLUMN identity_carrier TEXT;
