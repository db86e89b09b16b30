-- What a document says is found by way of its row alone. Whoever reads documents in the background sees those of all.
ALTER TABLE knowledge_documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE knowledge_documents FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON knowledge_documents USING (offhook_sees(organization));

-- Calls are written and worked at by the node, for all organizations at once and without naming one. Whoever names one, as every request of
-- people does, sees that one's alone.
CREATE FUNCTION offhook_names_none() RETURNS BOOLEAN LANGUAGE SQL STABLE AS
$$ SELECT coalesce(current_setting('offhook.organization', true), '') = '' $$;

ALTER TABLE calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON calls USING (offhook_names_none() OR offhook_sees(organization));

ALTER TABLE memories ENABLE ROW LEVEL SECURITY;
ALTER TABLE memories FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON memories USING (offhook_names_none() OR offhook_sees(organization));

ALTER TABLE turns ENABLE ROW LEVEL SECURITY;
ALTER TABLE turns FORCE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON turns
    USING (offhook_names_none() OR EXISTS (SELECT 1 FROM calls WHERE calls.id = turns.call_id AND offhook_sees(calls.organization)));
