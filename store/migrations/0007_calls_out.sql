-- Calls that we place: when the callee's telephone began to ring, and with which code and words they were refused.
ALTER TABLE calls ADD COLUMN ringing_us BIGINT;
ALTER TABLE calls ADD COLUMN refused_code BIGINT;
ALTER TABLE calls ADD COLUMN refused_reason TEXT;
