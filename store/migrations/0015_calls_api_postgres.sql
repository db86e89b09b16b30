UPDATE turns SET response_gap_ms = CAST(CAST(timings AS JSON) ->> 'response_gap_ms' AS BIGINT) WHERE timings LIKE '{%';

ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON sessions USING (offhook_sees(organization));
