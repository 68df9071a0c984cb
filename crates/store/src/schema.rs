//! The tables, as the queries see them; `migrations/` makes them.

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    people (id) {
        id -> Guid,
        email -> Text,
        password_hash -> Text,
        created_at -> Tstz,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    directory (kind, lookup, account_id, target_id) {
        kind -> Text,
        lookup -> Binary,
        account_id -> Guid,
        target_id -> Guid,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    accounts (id) {
        id -> Guid,
        name -> Text,
        created_at -> Tstz,
        revision -> BigInt,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    members (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        person_id -> Guid,
        role -> Text,
        created_at -> Tstz,
        revision -> BigInt,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    sessions (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        member_id -> Guid,
        hash -> Binary,
        created_at -> Tstz,
        expires_at -> Tstz,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    services (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        name -> Text,
        slug -> Text,
        kind -> Text,
        base_url -> Nullable<Text>,
        settings -> JsonDoc,
        version -> BigInt,
        openapi -> Text,
        paths -> BigInt,
        bundle_version -> BigInt,
        created_at -> Tstz,
        updated_at -> Tstz,
        revision -> BigInt,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    spec_versions (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        service_id -> Guid,
        number -> BigInt,
        document -> Binary,
        imported -> Binary,
        findings -> JsonDoc,
        created_at -> Tstz,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    roles (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        service_id -> Guid,
        name -> Text,
        operations -> JsonDoc,
        trust -> Nullable<JsonDoc>,
        created_at -> Tstz,
        updated_at -> Tstz,
        revision -> BigInt,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    invitations (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        service_id -> Guid,
        email -> Text,
        role_ids -> JsonDoc,
        state -> Text,
        created_at -> Tstz,
        expires_at -> Tstz,
        subscription_id -> Nullable<Guid>,
        revision -> BigInt,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    subscriptions (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        service_id -> Guid,
        partner_account_id -> Guid,
        role_ids -> JsonDoc,
        state -> Text,
        created_at -> Tstz,
        updated_at -> Tstz,
        revision -> BigInt,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    subscribed_services (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        service_id -> Guid,
        owner_account_id -> Guid,
        role_ids -> JsonDoc,
        state -> Text,
        created_at -> Tstz,
        updated_at -> Tstz,
        revision -> BigInt,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    keys (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        name -> Text,
        secret_hash -> Binary,
        created_at -> Tstz,
        last_used_at -> Nullable<Tstz>,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    key_roles (account_id, key_id, service_id) {
        account_id -> Guid,
        key_id -> Guid,
        service_id -> Guid,
        service_account_id -> Guid,
        role_ids -> JsonDoc,
        updated_at -> Tstz,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    role_sessions (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        role_id -> Guid,
        service_id -> Guid,
        key_id -> Guid,
        partner_account_id -> Guid,
        name -> Text,
        created_at -> Tstz,
        expires_at -> Tstz,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    gateways (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        service_id -> Guid,
        name -> Text,
        key_hash -> Binary,
        created_at -> Tstz,
        last_seen_at -> Nullable<Tstz>,
        bundle_version -> Nullable<BigInt>,
        state -> Nullable<Text>,
        error -> Nullable<Text>,
        arc_version -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    signing_keys (account_id, kid) {
        account_id -> Guid,
        kid -> Text,
        service_id -> Guid,
        purpose -> Text,
        public_jwk -> JsonDoc,
        private -> Binary,
        state -> Text,
        created_at -> Tstz,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    bundles (account_id, service_id, version) {
        account_id -> Guid,
        service_id -> Guid,
        version -> BigInt,
        digest -> Binary,
        manifest -> Text,
        content -> Binary,
        created_at -> Tstz,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    revocations (account_id, service_id, kind, subject, other) {
        account_id -> Guid,
        service_id -> Guid,
        kind -> Text,
        subject -> Guid,
        other -> Guid,
        until -> Tstz,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    admin_events (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        at -> Tstz,
        actor -> Text,
        action -> Text,
        target -> Text,
        was -> Nullable<JsonDoc>,
        became -> Nullable<JsonDoc>,
        request_id -> Guid,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    audit_entries (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        service_id -> Guid,
        gateway_id -> Guid,
        boot -> BigInt,
        seq -> BigInt,
        at -> Tstz,
        received_at -> Tstz,
        request_id -> Guid,
        principal -> Nullable<Text>,
        principal_account_id -> Nullable<Guid>,
        act_account_id -> Nullable<Guid>,
        decision -> Nullable<Text>,
        reason -> Nullable<Text>,
        resource_type -> Nullable<Text>,
        patient -> Nullable<Text>,
        entry -> Text,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    single_use (account_id, purpose, hash) {
        account_id -> Guid,
        purpose -> Text,
        hash -> Binary,
        subject -> Text,
        payload -> JsonDoc,
        expires_at -> Tstz,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    idempotency (account_id, principal, key) {
        account_id -> Guid,
        principal -> Text,
        key -> Text,
        request_hash -> Binary,
        response -> Nullable<JsonDoc>,
        expires_at -> Tstz,
    }
}

diesel::table! {
    use crate::types::{Guid, JsonDoc, Tstz};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    outbox (account_id, id) {
        account_id -> Guid,
        id -> Guid,
        recipient -> Text,
        content -> Binary,
        attempts -> BigInt,
        created_at -> Tstz,
        due_at -> Tstz,
    }
}
