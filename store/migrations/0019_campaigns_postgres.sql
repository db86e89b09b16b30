ALTER TABLE campaigns ENABLE ROW LEVEL SECURITY;
ALTER TABLE campaigns FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON campaigns USING (offhook_sees(organization));

ALTER TABLE campaign_contacts ENABLE ROW LEVEL SECURITY;
ALTER TABLE campaign_contacts FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON campaign_contacts USING (offhook_sees(organization));

ALTER TABLE campaign_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE campaign_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON campaign_attempts USING (offhook_sees(organization));

ALTER TABLE do_not_call ENABLE ROW LEVEL SECURITY;
ALTER TABLE do_not_call FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON do_not_call USING (offhook_sees(organization));
