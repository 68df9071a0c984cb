-- Every table of a tenant carries the owning account_id, first in every key of it.
-- Row-level security is the second wall, after the account in every query; an empty or missing setting means deny.
-- JSON rather than JSONB: nothing is asked of it, its text is kept, and JSONB refuses the escape of a NUL character.

-- The role that serves. It owns nothing and cannot pass the policies. Logins become members of it
-- (`CREATE ROLE app LOGIN PASSWORD '…' IN ROLE firewarden_app`), or it is made with LOGIN beforehand.
-- On a managed database whose owner lacks CREATEROLE an administrator makes it first.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'firewarden_app') THEN
        CREATE ROLE firewarden_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL; -- another database of this server is being migrated at the same time
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'the role firewarden_app is missing and this user may not create it: ask an administrator for CREATE ROLE firewarden_app NOLOGIN NOBYPASSRLS';
END
$$;

-- People, known to the platform by a confirmed address; of no Account.
CREATE TABLE people (
    id UUID NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- What is looked up before the tenant is known, and nothing else.
CREATE TABLE directory (
    kind TEXT NOT NULL,
    lookup BYTEA NOT NULL,
    account_id UUID NOT NULL,
    target_id UUID NOT NULL,
    PRIMARY KEY (kind, lookup, account_id, target_id)
);
-- A person is in several Accounts; everything else is in one.
CREATE UNIQUE INDEX directory_one ON directory (kind, lookup) WHERE kind <> 'member';

CREATE TABLE accounts (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL
);

CREATE TABLE members (
    account_id UUID NOT NULL REFERENCES accounts (id),
    id UUID NOT NULL,
    person_id UUID NOT NULL REFERENCES people (id),
    role TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, person_id)
);

CREATE TABLE sessions (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    member_id UUID NOT NULL,
    hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, hash),
    FOREIGN KEY (account_id, member_id) REFERENCES members (account_id, id)
);
CREATE INDEX sessions_of_member ON sessions (account_id, member_id);

CREATE TABLE services (
    account_id UUID NOT NULL REFERENCES accounts (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    kind TEXT NOT NULL,
    base_url TEXT,
    settings JSON NOT NULL,
    version BIGINT NOT NULL,
    openapi TEXT NOT NULL,
    paths BIGINT NOT NULL,
    bundle_version BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, slug)
);

CREATE TABLE spec_versions (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    service_id UUID NOT NULL,
    number BIGINT NOT NULL,
    document BYTEA NOT NULL,
    imported BYTEA NOT NULL,
    findings JSON NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, service_id, number),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
);

CREATE TABLE roles (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    service_id UUID NOT NULL,
    name TEXT NOT NULL,
    operations JSON NOT NULL,
    trust JSON,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, service_id, name),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
);

CREATE TABLE invitations (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    service_id UUID NOT NULL,
    email TEXT NOT NULL,
    role_ids JSON NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    subscription_id UUID,
    revision BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
);
CREATE INDEX invitations_of_service ON invitations (account_id, service_id, id);

-- The owner's row of a Subscription.
CREATE TABLE subscriptions (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    service_id UUID NOT NULL,
    partner_account_id UUID NOT NULL REFERENCES accounts (id),
    role_ids JSON NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, service_id, partner_account_id),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
);

-- The partner's row of the same Subscription, with the same id; the two never differ.
CREATE TABLE subscribed_services (
    account_id UUID NOT NULL REFERENCES accounts (id),
    id UUID NOT NULL,
    service_id UUID NOT NULL,
    owner_account_id UUID NOT NULL,
    role_ids JSON NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, service_id),
    FOREIGN KEY (owner_account_id, id) REFERENCES subscriptions (account_id, id)
);

CREATE TABLE keys (
    account_id UUID NOT NULL REFERENCES accounts (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE key_roles (
    account_id UUID NOT NULL,
    key_id UUID NOT NULL,
    service_id UUID NOT NULL,
    service_account_id UUID NOT NULL,
    role_ids JSON NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, key_id, service_id),
    FOREIGN KEY (account_id, key_id) REFERENCES keys (account_id, id) ON DELETE CASCADE,
    FOREIGN KEY (service_account_id, service_id) REFERENCES services (account_id, id)
);

-- Kept by the role's owner; it outlives the role, because its token may.
CREATE TABLE role_sessions (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    role_id UUID NOT NULL,
    service_id UUID NOT NULL,
    key_id UUID NOT NULL,
    partner_account_id UUID NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
);
CREATE INDEX role_sessions_of_role ON role_sessions (account_id, role_id, id);

CREATE TABLE gateways (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    service_id UUID NOT NULL,
    name TEXT NOT NULL,
    key_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ,
    bundle_version BIGINT,
    state TEXT,
    error TEXT,
    arc_version TEXT,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
);
CREATE INDEX gateways_of_service ON gateways (account_id, service_id, id);

CREATE TABLE signing_keys (
    account_id UUID NOT NULL,
    kid TEXT NOT NULL,
    service_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    public_jwk JSON NOT NULL,
    private BYTEA NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, kid),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
);
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (account_id, service_id, purpose) WHERE state = 'active';
CREATE INDEX signing_keys_of_service ON signing_keys (account_id, service_id);

CREATE TABLE bundles (
    account_id UUID NOT NULL,
    service_id UUID NOT NULL,
    version BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    manifest TEXT NOT NULL,
    content BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, service_id, version),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
);

-- `other` is the nil UUID where a revocation has one subject only.
CREATE TABLE revocations (
    account_id UUID NOT NULL,
    service_id UUID NOT NULL,
    kind TEXT NOT NULL,
    subject UUID NOT NULL,
    other UUID NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, service_id, kind, subject, other),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
);

-- Without a foreign key to accounts: the platform's own events are here too.
CREATE TABLE admin_events (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    was JSON,
    became JSON,
    request_id UUID NOT NULL,
    PRIMARY KEY (account_id, id)
);

-- `entry` is the entry's own text, so that its hash can be checked; the other columns are what is searched by.
CREATE TABLE audit_entries (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    service_id UUID NOT NULL,
    gateway_id UUID NOT NULL,
    boot BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    request_id UUID NOT NULL,
    principal TEXT,
    principal_account_id UUID,
    act_account_id UUID,
    decision TEXT,
    reason TEXT,
    resource_type TEXT,
    patient TEXT,
    entry TEXT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, gateway_id, boot, seq),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
);
CREATE INDEX audit_by_time ON audit_entries (account_id, service_id, at, id);
CREATE INDEX audit_by_principal ON audit_entries (account_id, service_id, principal, at, id);
CREATE INDEX audit_by_account ON audit_entries (account_id, service_id, principal_account_id, at, id);
CREATE INDEX audit_by_act ON audit_entries (account_id, service_id, act_account_id, at, id) WHERE act_account_id IS NOT NULL;
CREATE INDEX audit_by_patient ON audit_entries (account_id, service_id, patient, at, id) WHERE patient IS NOT NULL;
CREATE INDEX audit_by_reason ON audit_entries (account_id, service_id, reason, at, id) WHERE reason IS NOT NULL;
CREATE INDEX audit_by_request ON audit_entries (account_id, service_id, request_id);

-- Links and codes that work once. Without a foreign key to accounts: a sign-up has none yet.
CREATE TABLE single_use (
    account_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    hash BYTEA NOT NULL,
    subject TEXT NOT NULL,
    payload JSON NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, purpose, hash),
    UNIQUE (account_id, purpose, subject)
);

CREATE TABLE idempotency (
    account_id UUID NOT NULL,
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    response JSON,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, principal, key)
);

CREATE TABLE outbox (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    recipient TEXT NOT NULL,
    content BYTEA NOT NULL,
    attempts BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, id)
);

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON accounts
    USING (id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE members ENABLE ROW LEVEL SECURITY;
ALTER TABLE members FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON members
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sessions
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE services ENABLE ROW LEVEL SECURITY;
ALTER TABLE services FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON services
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE spec_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE spec_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON spec_versions
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON roles
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invitations
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON subscriptions
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE subscribed_services ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscribed_services FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON subscribed_services
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON keys
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE key_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE key_roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON key_roles
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE role_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE role_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON role_sessions
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE gateways ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateways FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON gateways
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE signing_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON signing_keys
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE bundles ENABLE ROW LEVEL SECURITY;
ALTER TABLE bundles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON bundles
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE revocations ENABLE ROW LEVEL SECURITY;
ALTER TABLE revocations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON revocations
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE admin_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE admin_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON admin_events
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_entries
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE single_use ENABLE ROW LEVEL SECURITY;
ALTER TABLE single_use FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON single_use
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON outbox
    USING (account_id = NULLIF(current_setting('firewarden.account_id', true), '')::UUID);

-- Only what the functions of the store do. Events, audit, documents and bundles are written once.
GRANT USAGE ON SCHEMA public TO firewarden_app;
GRANT SELECT ON __diesel_schema_migrations TO firewarden_app;
GRANT SELECT, INSERT ON spec_versions, bundles, admin_events, audit_entries TO firewarden_app;
GRANT SELECT, INSERT, UPDATE ON people, accounts, services, invitations, subscriptions, subscribed_services, signing_keys TO firewarden_app;
GRANT SELECT, INSERT, DELETE ON directory, role_sessions TO firewarden_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON members, sessions, roles, keys, key_roles, gateways, revocations, single_use, idempotency, outbox TO firewarden_app;
