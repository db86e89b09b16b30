ALTER TABLE privacy_jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy_jobs FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON privacy_jobs USING (offhook_sees(organization));

ALTER TABLE retention ENABLE ROW LEVEL SECURITY;
ALTER TABLE retention FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON retention USING (offhook_sees(organization));

ALTER TABLE retention_sweeps ENABLE ROW LEVEL SECURITY;
ALTER TABLE retention_sweeps FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON retention_sweeps USING (offhook_sees(organization));
