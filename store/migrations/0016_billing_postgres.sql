ALTER TABLE call_charges ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_charges FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON call_charges USING (offhook_sees(organization));

ALTER TABLE usage_months ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_months FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON usage_months USING (offhook_sees(organization));

ALTER TABLE usage_totals ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_totals FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON usage_totals USING (offhook_sees(organization));

ALTER TABLE meter_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE meter_events FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON meter_events USING (offhook_sees(organization));

ALTER TABLE invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoices FORCE ROW LEVEL SECURITY;
CREATE POLICY read_by_organization ON invoices FOR SELECT USING (offhook_sees(organization));
CREATE POLICY added_by_organization ON invoices FOR INSERT WITH CHECK (offhook_sees(organization));

ALTER TABLE invoice_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoice_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY read_by_organization ON invoice_lines FOR SELECT USING (offhook_sees(organization));
CREATE POLICY added_by_organization ON invoice_lines FOR INSERT WITH CHECK (offhook_sees(organization));

-- For those whom policies do not bind.
CREATE FUNCTION offhook_issued() RETURNS TRIGGER LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'an invoice stays as it was issued' USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER invoices_stay BEFORE UPDATE OR DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION offhook_issued();
CREATE TRIGGER invoice_lines_stay BEFORE UPDATE OR DELETE ON invoice_lines FOR EACH ROW EXECUTE FUNCTION offhook_issued();
