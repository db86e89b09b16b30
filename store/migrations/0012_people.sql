-- Organizations and who works in them. Every row but those of the two last tables belongs to an organization.
CREATE TABLE organizations (
    id          TEXT   NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL,
    domain      TEXT   NOT NULL,
    description TEXT   NOT NULL,
    is_active   BIGINT NOT NULL,
    plan        TEXT   NOT NULL,
    -- Rows of its audit log. Whoever writes one takes the next number here, and so waits for others.
    audited     BIGINT NOT NULL DEFAULT 0,
    version     BIGINT NOT NULL,
    created_us  BIGINT NOT NULL,
    updated_us  BIGINT NOT NULL
);

-- What was there before there were organizations belongs to this one, the operator's.
INSERT INTO organizations (id, name, domain, description, is_active, plan, version, created_us, updated_us)
VALUES ('default', 'Default', '', 'The operator of this server', 1, 'default', 1, 0, 0);

ALTER TABLE calls ADD COLUMN organization TEXT NOT NULL DEFAULT 'default';

CREATE TABLE users (
    id            TEXT   NOT NULL PRIMARY KEY,
    organization  TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- In lower case; one login in all organizations.
    email         TEXT   NOT NULL UNIQUE,
    name          TEXT   NOT NULL,
    role          TEXT   NOT NULL,
    is_active     BIGINT NOT NULL,
    password_hash TEXT   NOT NULL,
    -- Base32; asked for only when mfa_enabled is 1.
    mfa_secret    TEXT,
    mfa_enabled   BIGINT NOT NULL DEFAULT 0,
    -- The step of the code that was taken last: that one and those before it are refused.
    mfa_step      BIGINT NOT NULL DEFAULT 0,
    version       BIGINT NOT NULL,
    created_us    BIGINT NOT NULL,
    updated_us    BIGINT NOT NULL,
    last_login_us BIGINT
);

CREATE INDEX users_organization ON users (organization, id);

CREATE TABLE recovery_codes (
    organization TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash         TEXT NOT NULL,
    PRIMARY KEY (user_id, hash)
);

CREATE TABLE api_keys (
    id                TEXT   NOT NULL PRIMARY KEY,
    organization      TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name              TEXT   NOT NULL,
    prefix            TEXT   NOT NULL,
    hash              TEXT   NOT NULL UNIQUE,
    -- After a rotation the one before it works until then.
    previous_hash     TEXT   UNIQUE,
    previous_until_us BIGINT,
    role              TEXT   NOT NULL,
    -- Words with a space between them; '': all that the role may.
    scopes            TEXT   NOT NULL,
    expires_us        BIGINT,
    last_used_us      BIGINT,
    created_by        TEXT   NOT NULL,
    version           BIGINT NOT NULL,
    created_us        BIGINT NOT NULL,
    updated_us        BIGINT NOT NULL
);

CREATE INDEX api_keys_organization ON api_keys (organization, id);

CREATE TABLE logins (
    id           TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id      TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address      TEXT   NOT NULL,
    agent        TEXT   NOT NULL,
    created_us   BIGINT NOT NULL,
    used_us      BIGINT NOT NULL,
    expires_us   BIGINT NOT NULL,
    ended_us     BIGINT,
    -- Why it ended: logout, revoked, reused, password.
    ended_why    TEXT
);

CREATE INDEX logins_user ON logins (organization, user_id, id);

-- The refresh tokens of a login, the used ones too: one that comes again was stolen.
CREATE TABLE refresh_tokens (
    hash         TEXT   NOT NULL PRIMARY KEY,
    organization TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    login_id     TEXT   NOT NULL REFERENCES logins (id) ON DELETE CASCADE,
    used_us      BIGINT
);

CREATE INDEX refresh_tokens_login ON refresh_tokens (login_id);

-- Rows are only ever added; each holds the hash of the one before it. It outlives its organization.
CREATE TABLE audit_log (
    organization TEXT   NOT NULL,
    number       BIGINT NOT NULL,
    at_us        BIGINT NOT NULL,
    actor        TEXT   NOT NULL,
    action       TEXT   NOT NULL,
    resource     TEXT   NOT NULL,
    details      TEXT   NOT NULL,
    address      TEXT   NOT NULL,
    hash         TEXT   NOT NULL,
    PRIMARY KEY (organization, number)
);

-- Wrong passwords and codes, by account and by address; nothing here names either.
CREATE TABLE sign_in_failures (
    subject    TEXT   NOT NULL PRIMARY KEY,
    failures   BIGINT NOT NULL,
    last_us    BIGINT NOT NULL,
    blocked_us BIGINT NOT NULL
);

CREATE TABLE signing_keys (
    kid        TEXT   NOT NULL PRIMARY KEY,
    secret     TEXT   NOT NULL,
    created_us BIGINT NOT NULL
);
