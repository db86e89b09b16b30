ALTER TABLE audit_checkpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_checkpoints FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON audit_checkpoints USING (offhook_sees(organization));
CREATE POLICY pruned_by_organization ON audit_log FOR DELETE USING (offhook_sees(organization));

-- Rows before the checkpoint may go; all others stay as they did.
CREATE OR REPLACE FUNCTION offhook_append_only() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.number <= coalesce(
        (SELECT number FROM audit_checkpoints WHERE organization = OLD.organization), 0) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'restrict_violation';
END $$;

-- A checkpoint only ever moves on.
CREATE FUNCTION offhook_moves_on() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.number > OLD.number AND NEW.organization = OLD.organization THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_checkpoints_stay BEFORE UPDATE OR DELETE ON audit_checkpoints FOR EACH ROW EXECUTE FUNCTION offhook_moves_on();
