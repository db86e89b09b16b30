ALTER TABLE resources ENABLE ROW LEVEL SECURITY;
ALTER TABLE resources FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON resources USING (offhook_sees(organization));

ALTER TABLE resource_uses ENABLE ROW LEVEL SECURITY;
ALTER TABLE resource_uses FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON resource_uses USING (offhook_sees(organization));

ALTER TABLE resource_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE resource_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON resource_versions USING (offhook_sees(organization));
