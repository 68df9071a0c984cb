-- Every table of a tenant carries the owning account_id, first in every key of it.
-- Ids are 16 bytes, times are microseconds since 1970 in UTC. Scoped functions are the only wall between tenants here.

-- People, known to the platform by a confirmed address; of no Account.
CREATE TABLE people (
    id BLOB NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What is looked up before the tenant is known, and nothing else.
CREATE TABLE directory (
    kind TEXT NOT NULL,
    lookup BLOB NOT NULL,
    account_id BLOB NOT NULL,
    target_id BLOB NOT NULL,
    PRIMARY KEY (kind, lookup, account_id, target_id)
) STRICT;
-- A person is in several Accounts; everything else is in one.
CREATE UNIQUE INDEX directory_one ON directory (kind, lookup) WHERE kind <> 'member';

CREATE TABLE accounts (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
    account_id BLOB NOT NULL REFERENCES accounts (id),
    id BLOB NOT NULL,
    person_id BLOB NOT NULL REFERENCES people (id),
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, person_id)
) STRICT;

CREATE TABLE sessions (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    member_id BLOB NOT NULL,
    hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, hash),
    FOREIGN KEY (account_id, member_id) REFERENCES members (account_id, id)
) STRICT;
CREATE INDEX sessions_of_member ON sessions (account_id, member_id);

CREATE TABLE services (
    account_id BLOB NOT NULL REFERENCES accounts (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    kind TEXT NOT NULL,
    base_url TEXT,
    settings TEXT NOT NULL CHECK (json_valid(settings)),
    version INTEGER NOT NULL,
    openapi TEXT NOT NULL,
    paths INTEGER NOT NULL,
    bundle_version INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, slug)
) STRICT;

CREATE TABLE spec_versions (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    document BLOB NOT NULL,
    imported BLOB NOT NULL,
    findings TEXT NOT NULL CHECK (json_valid(findings)),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, service_id, number),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
) STRICT;

CREATE TABLE roles (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    name TEXT NOT NULL,
    operations TEXT NOT NULL CHECK (json_valid(operations)),
    trust TEXT CHECK (trust IS NULL OR json_valid(trust)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, service_id, name),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
) STRICT;

CREATE TABLE invitations (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    email TEXT NOT NULL,
    role_ids TEXT NOT NULL CHECK (json_valid(role_ids)),
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    subscription_id BLOB,
    revision INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
) STRICT;
CREATE INDEX invitations_of_service ON invitations (account_id, service_id, id);

-- The owner's row of a Subscription.
CREATE TABLE subscriptions (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    partner_account_id BLOB NOT NULL REFERENCES accounts (id),
    role_ids TEXT NOT NULL CHECK (json_valid(role_ids)),
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, service_id, partner_account_id),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
) STRICT;

-- The partner's row of the same Subscription, with the same id; the two never differ.
CREATE TABLE subscribed_services (
    account_id BLOB NOT NULL REFERENCES accounts (id),
    id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    owner_account_id BLOB NOT NULL,
    role_ids TEXT NOT NULL CHECK (json_valid(role_ids)),
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, service_id),
    FOREIGN KEY (owner_account_id, id) REFERENCES subscriptions (account_id, id)
) STRICT;

CREATE TABLE keys (
    account_id BLOB NOT NULL REFERENCES accounts (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    PRIMARY KEY (account_id, id)
) STRICT;

CREATE TABLE key_roles (
    account_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    service_account_id BLOB NOT NULL,
    role_ids TEXT NOT NULL CHECK (json_valid(role_ids)),
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, key_id, service_id),
    FOREIGN KEY (account_id, key_id) REFERENCES keys (account_id, id) ON DELETE CASCADE,
    FOREIGN KEY (service_account_id, service_id) REFERENCES services (account_id, id)
) STRICT;

-- Kept by the role's owner; it outlives the role, because its token may.
CREATE TABLE role_sessions (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    role_id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    partner_account_id BLOB NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
) STRICT;
CREATE INDEX role_sessions_of_role ON role_sessions (account_id, role_id, id);

CREATE TABLE gateways (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    name TEXT NOT NULL,
    key_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER,
    bundle_version INTEGER,
    state TEXT,
    error TEXT,
    arc_version TEXT,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
) STRICT;
CREATE INDEX gateways_of_service ON gateways (account_id, service_id, id);

CREATE TABLE signing_keys (
    account_id BLOB NOT NULL,
    kid TEXT NOT NULL,
    service_id BLOB NOT NULL,
    purpose TEXT NOT NULL,
    public_jwk TEXT NOT NULL CHECK (json_valid(public_jwk)),
    private BLOB NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, kid),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
) STRICT;
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (account_id, service_id, purpose) WHERE state = 'active';
CREATE INDEX signing_keys_of_service ON signing_keys (account_id, service_id);

CREATE TABLE bundles (
    account_id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    manifest TEXT NOT NULL,
    content BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, service_id, version),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
) STRICT;

-- `other` is the nil UUID where a revocation has one subject only.
CREATE TABLE revocations (
    account_id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    subject BLOB NOT NULL,
    other BLOB NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (account_id, service_id, kind, subject, other),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
) STRICT;

-- Without a foreign key to accounts: the platform's own events are here too.
CREATE TABLE admin_events (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    was TEXT CHECK (was IS NULL OR json_valid(was)),
    became TEXT CHECK (became IS NULL OR json_valid(became)),
    request_id BLOB NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;

-- `entry` is the entry's own text, so that its hash can be checked; the other columns are what is searched by.
CREATE TABLE audit_entries (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    service_id BLOB NOT NULL,
    gateway_id BLOB NOT NULL,
    boot INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    request_id BLOB NOT NULL,
    principal TEXT,
    principal_account_id BLOB,
    act_account_id BLOB,
    decision TEXT,
    reason TEXT,
    resource_type TEXT,
    patient TEXT,
    entry TEXT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, gateway_id, boot, seq),
    FOREIGN KEY (account_id, service_id) REFERENCES services (account_id, id)
) STRICT;
CREATE INDEX audit_by_time ON audit_entries (account_id, service_id, at, id);
CREATE INDEX audit_by_principal ON audit_entries (account_id, service_id, principal, at, id);
CREATE INDEX audit_by_account ON audit_entries (account_id, service_id, principal_account_id, at, id);
CREATE INDEX audit_by_act ON audit_entries (account_id, service_id, act_account_id, at, id) WHERE act_account_id IS NOT NULL;
CREATE INDEX audit_by_patient ON audit_entries (account_id, service_id, patient, at, id) WHERE patient IS NOT NULL;
CREATE INDEX audit_by_reason ON audit_entries (account_id, service_id, reason, at, id) WHERE reason IS NOT NULL;
CREATE INDEX audit_by_request ON audit_entries (account_id, service_id, request_id);

-- Links and codes that work once. Without a foreign key to accounts: a sign-up has none yet.
CREATE TABLE single_use (
    account_id BLOB NOT NULL,
    purpose TEXT NOT NULL,
    hash BLOB NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL CHECK (json_valid(payload)),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, purpose, hash),
    UNIQUE (account_id, purpose, subject)
) STRICT;

CREATE TABLE idempotency (
    account_id BLOB NOT NULL,
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    response TEXT CHECK (response IS NULL OR json_valid(response)),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, principal, key)
) STRICT;

CREATE TABLE outbox (
    account_id BLOB NOT NULL,
    id BLOB NOT NULL,
    recipient TEXT NOT NULL,
    content BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT;
