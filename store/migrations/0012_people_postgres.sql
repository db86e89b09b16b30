-- A transaction names the organization that it sees, `*` for all (signing in, which begins without one); without a name it sees
-- none. FORCE: the owner of the tables is held to it too. Superusers and roles with BYPASSRLS are not.
CREATE FUNCTION offhook_sees(organization TEXT) RETURNS BOOLEAN LANGUAGE SQL STABLE AS
$$ SELECT coalesce(current_setting('offhook.organization', true), '') IN (organization, '*') $$;

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON organizations USING (offhook_sees(id));

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON users USING (offhook_sees(organization));

ALTER TABLE recovery_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE recovery_codes FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON recovery_codes USING (offhook_sees(organization));

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON api_keys USING (offhook_sees(organization));

ALTER TABLE logins ENABLE ROW LEVEL SECURITY;
ALTER TABLE logins FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON logins USING (offhook_sees(organization));

ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON refresh_tokens USING (offhook_sees(organization));

ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY read_by_organization ON audit_log FOR SELECT USING (offhook_sees(organization));
CREATE POLICY added_by_organization ON audit_log FOR INSERT WITH CHECK (offhook_sees(organization));

-- For those whom policies do not bind.
CREATE FUNCTION offhook_append_only() RETURNS TRIGGER LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER audit_log_stays BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION offhook_append_only();
