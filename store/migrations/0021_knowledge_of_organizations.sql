-- What an organization has to be read, and how much it has.
CREATE INDEX knowledge_documents_organization ON knowledge_documents (organization, id);
