-- Rows before the checkpoint may go; all others stay as they did.
DROP TRIGGER audit_log_stays;
CREATE TRIGGER audit_log_stays BEFORE DELETE ON audit_log
WHEN OLD.number > coalesce((SELECT number FROM audit_checkpoints WHERE organization = OLD.organization), 0) BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- A checkpoint only ever moves on.
CREATE TRIGGER audit_checkpoints_stay BEFORE DELETE ON audit_checkpoints BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_checkpoints_move_on BEFORE UPDATE ON audit_checkpoints
WHEN NEW.number <= OLD.number OR NEW.organization <> OLD.organization BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
