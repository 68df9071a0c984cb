//! The wall between tenants: every function of the store, asked by one account about another's rows.
//!
//! The list of functions comes from the source; a new one without a row here fails.

use std::collections::BTreeSet;
use std::path::Path;

use domain::{InvitationState, KeyPurpose, KeyState, MemberRole, Revision};
use policy::id::{AuditId, RequestId};
use serde_json::json;
use store::idempotency::Begun;
use store::single_use::{Purpose, Take};
use store::{
    Listed, Page, StoreError, Tx, accounts, admin_events, audit, bundles, gateways, idempotency, invitations,
    key_roles, keys, members, outbox, revocations, role_sessions, roles, services, sessions, signing_keys, single_use,
    spec_versions, subscribed_services, subscriptions,
};

use crate::harness::{Database, later, now, on_both};
use crate::world::{self, LINK_SUBJECT, World, attempt};

/// What a call found or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saw {
    /// Nothing: as if the row were not there.
    Nothing,
    /// Something.
    Something,
}

type Asked = fn(&Database, &World, &mut Tx<'_>) -> Result<Saw, StoreError>;

/// What a row of the table expects of a foreign account.
enum Row {
    /// It names rows of the first account: the first sees or changes something, another nothing.
    Names(Asked),
    /// It names no row of anybody: another account's call does what it does to itself.
    Own(Asked),
}

fn did<T>(outcome: Result<T, StoreError>) -> Result<Saw, StoreError> {
    outcome.map(|_| Saw::Something)
}

fn any<T>(outcome: Result<Option<T>, StoreError>) -> Result<Saw, StoreError> {
    when(outcome.map(|found| found.is_some()))
}

fn items<T>(outcome: Result<Listed<T>, StoreError>) -> Result<Saw, StoreError> {
    when(outcome.map(|listed| !listed.items.is_empty()))
}

fn when(outcome: Result<bool, StoreError>) -> Result<Saw, StoreError> {
    outcome.map(|something| if something { Saw::Something } else { Saw::Nothing })
}

/// Functions of the platform: they touch no tenant's rows.
const PLATFORM: &[&str] = &[
    "directory::find",
    "directory::memberships",
    "outbox::due",
    "people::find",
    "people::find_by_email",
    "people::insert",
    "people::set_password",
];

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "one table, a line for each function")]
fn rows() -> Vec<(&'static str, Row)> {
    use Row::{Names, Own};
    vec![
        ("accounts::get", Own(|_, _, tx| did(accounts::get(tx)))),
        ("accounts::insert", Names(|_, a, tx| {
            let account = domain::Account { id: a.account, name: "x".parse().unwrap(), created_at: now() };
            did(accounts::insert(tx, &account))
        })),
        ("accounts::lock", Own(|_, _, tx| did(accounts::lock(tx)))),
        ("admin_events::append", Own(|_, a, tx| did(admin_events::append(tx, &a.event)))),
        ("admin_events::list", Names(|_, _, tx| items(admin_events::list(tx, Page::first(9))))),
        ("audit::insert", Names(|database, a, tx| {
            let entry = world::decision(database, &a.gateway, 2);
            did(audit::insert(tx, a.service.id, a.gateway.id, &[entry], now()))
        })),
        ("audit::position", Names(|_, a, tx| any(audit::position(tx, a.gateway.id)))),
        ("audit::search", Names(|_, a, tx| items(audit::search(tx, a.service.id, &audit::Filter::default(), Page::first(9))))),
        ("bundles::find", Names(|_, a, tx| did(bundles::find(tx, a.service.id, 1)))),
        ("bundles::head", Names(|_, a, tx| any(bundles::head(tx, a.service.id)))),
        ("bundles::insert", Names(|_, a, tx| did(bundles::insert(tx, &world::bundle(a.service.id, 1))))),
        ("bundles::latest", Names(|_, a, tx| any(bundles::latest(tx, a.service.id)))),
        ("bundles::reserve", Names(|_, a, tx| did(bundles::reserve(tx, a.service.id)))),
        ("gateways::delete", Names(|_, a, tx| did(gateways::delete(tx, a.gateway.id)))),
        ("gateways::find", Names(|_, a, tx| did(gateways::find(tx, a.gateway.id)))),
        ("gateways::insert", Names(|database, a, tx| did(gateways::insert(tx, &world::gateway(database, a.service.id))))),
        ("gateways::list", Names(|_, a, tx| items(gateways::list(tx, a.service.id, Page::first(9))))),
        ("gateways::report", Names(|_, a, tx| did(gateways::report(tx, a.gateway.id, &world::report(), now())))),
        ("gateways::seen", Names(|_, a, tx| did(gateways::seen(tx, a.gateway.id, later(1))))),
        ("idempotency::begin", Names(|_, a, tx| {
            when(idempotency::begin(tx, &attempt(&a.request_hash), now(), later(9)).map(|begun| begun != Begun::Fresh))
        })),
        ("idempotency::finish", Names(|_, a, tx| did(idempotency::finish(tx, &attempt(&a.request_hash), &json!(1), later(9))))),
        ("idempotency::forget", Own(|_, a, tx| did(idempotency::forget(tx, &attempt(&a.request_hash))))),
        ("idempotency::sweep", Names(|_, _, tx| when(idempotency::sweep(tx, later(99)).map(|swept| swept > 0)))),
        ("invitations::accept", Names(|_, a, tx| did(invitations::accept(tx, a.invitation.id, a.subscription.id, now())))),
        ("invitations::find", Names(|_, a, tx| did(invitations::find(tx, a.invitation.id)))),
        ("invitations::insert", Names(|database, a, tx| did(invitations::insert(tx, &world::invitation(database, a.service.id))))),
        ("invitations::list", Names(|_, a, tx| items(invitations::list(tx, a.service.id, Page::first(9))))),
        ("invitations::renew", Names(|_, a, tx| did(invitations::renew(tx, a.invitation.id, later(99))))),
        ("invitations::revoke", Names(|_, a, tx| did(invitations::revoke(tx, a.invitation.id)))),
        ("key_roles::all", Names(|_, a, tx| when(key_roles::all(tx, a.key.id).map(|all| !all.is_empty())))),
        ("key_roles::find", Names(|_, a, tx| any(key_roles::find(tx, a.key.id, a.key_roles.service_id)))),
        ("key_roles::put", Names(|_, a, tx| did(key_roles::put(tx, &a.key_roles)))),
        ("keys::delete", Names(|_, a, tx| did(keys::delete(tx, a.key.id)))),
        ("keys::find", Names(|_, a, tx| did(keys::find(tx, a.key.id)))),
        ("keys::insert", Own(|database, _, tx| did(keys::insert(tx, &world::key(database))))),
        ("keys::list", Names(|_, _, tx| items(keys::list(tx, Page::first(9))))),
        ("keys::touch", Names(|_, a, tx| when(keys::touch(tx, a.key.id, now())))),
        ("members::delete", Names(|database, a, tx| {
            second_owner(database, tx)?;
            did(members::delete(tx, a.member.id))
        })),
        ("members::find", Names(|_, a, tx| did(members::find(tx, a.member.id)))),
        ("members::find_by_person", Names(|_, a, tx| any(members::find_by_person(tx, a.person.id)))),
        ("members::insert", Own(|database, a, tx| did(members::insert(tx, &world::member(database, a.person.id))))),
        ("members::list", Names(|_, _, tx| items(members::list(tx, Page::first(9))))),
        ("members::set_role", Names(|_, a, tx| did(members::set_role(tx, a.member.id, MemberRole::Owner, Revision::FIRST)))),
        ("outbox::done", Names(|_, a, tx| did(outbox::done(tx, &a.mail)))),
        ("outbox::failed", Names(|_, a, tx| did(outbox::failed(tx, &a.mail, later(9))))),
        ("outbox::put", Own(|database, _, tx| did(outbox::put(tx, &world::mail(database))))),
        ("outbox::take", Names(|_, a, tx| any(outbox::take(tx, a.mail.id, now(), later(9))))),
        ("revocations::all", Names(|_, a, tx| when(revocations::all(tx, a.service.id, now()).map(|all| !all.is_empty())))),
        ("revocations::put", Names(|_, a, tx| did(revocations::put(tx, a.service.id, &a.revocation, later(9_999))))),
        ("revocations::remove", Names(|_, a, tx| when(revocations::remove(tx, a.service.id, &a.revocation)))),
        ("revocations::sweep", Names(|_, a, tx| when(revocations::sweep(tx, a.service.id, later(9_999)).map(|swept| swept > 0)))),
        ("role_sessions::find", Names(|_, a, tx| did(role_sessions::find(tx, a.role_session.id)))),
        ("role_sessions::insert", Names(|database, a, tx| {
            did(role_sessions::insert(tx, &world::role_session(database, &a.role, a.key.id, a.partner)))
        })),
        ("role_sessions::list", Names(|_, a, tx| items(role_sessions::list(tx, a.role.id, Page::first(9))))),
        ("roles::all", Names(|_, a, tx| when(roles::all(tx, a.service.id).map(|all| !all.is_empty())))),
        ("roles::delete", Names(|_, a, tx| did(roles::delete(tx, a.role.id, Revision::FIRST)))),
        ("roles::find", Names(|_, a, tx| did(roles::find(tx, a.role.id)))),
        ("roles::insert", Names(|database, a, tx| did(roles::insert(tx, &world::role(database, a.service.id))))),
        ("roles::list", Names(|_, a, tx| items(roles::list(tx, a.service.id, Page::first(9))))),
        ("roles::update", Names(|_, a, tx| did(roles::update(tx, &a.role, Revision::FIRST)))),
        ("services::find", Names(|_, a, tx| did(services::find(tx, a.service.id)))),
        ("services::insert", Own(|database, _, tx| did(services::insert(tx, &world::service(database))))),
        ("services::list", Names(|_, _, tx| items(services::list(tx, Page::first(9))))),
        ("services::update", Names(|_, a, tx| did(services::update(tx, &a.service, Revision::FIRST)))),
        ("sessions::delete", Names(|_, a, tx| did(sessions::delete(tx, a.session.id)))),
        ("sessions::delete_of_member", Names(|_, a, tx| when(sessions::delete_of_member(tx, a.member.id).map(|ended| ended > 0)))),
        ("sessions::find_by_hash", Names(|_, a, tx| did(sessions::find_by_hash(tx, &a.session.hash, now())))),
        ("sessions::insert", Names(|database, a, tx| did(sessions::insert(tx, &world::session(database, a.member.id))))),
        ("signing_keys::active", Names(|_, a, tx| did(signing_keys::active(tx, a.service.id, KeyPurpose::Token)))),
        ("signing_keys::all", Names(|_, a, tx| {
            when(signing_keys::all(tx, a.service.id, KeyPurpose::Token).map(|all| !all.is_empty()))
        })),
        ("signing_keys::insert", Names(|database, a, tx| {
            did(signing_keys::insert(tx, &world::signing_key(database, a.service.id, KeyPurpose::Bundle)))
        })),
        ("signing_keys::set_state", Names(|_, a, tx| did(signing_keys::set_state(tx, &a.signing_key.kid, KeyState::Retired)))),
        ("single_use::peek", Names(|_, a, tx| any(single_use::peek(tx, Purpose::Invitation, &a.link, now())))),
        ("single_use::put", Own(|database, _, tx| {
            did(single_use::put(tx, Purpose::Invitation, LINK_SUBJECT, &world::hash(database), &json!(1), later(60)))
        })),
        ("single_use::revoke", Names(|_, _, tx| when(single_use::revoke(tx, Purpose::Invitation, LINK_SUBJECT)))),
        ("single_use::sweep", Names(|_, _, tx| when(single_use::sweep(tx, later(99)).map(|swept| swept > 0)))),
        ("single_use::take", Names(|_, a, tx| {
            when(single_use::take(tx, Purpose::Invitation, &a.link, now()).map(|take| take != Take::Gone))
        })),
        ("spec_versions::find", Names(|_, a, tx| did(spec_versions::find(tx, a.spec.id)))),
        ("spec_versions::find_by_number", Names(|_, a, tx| did(spec_versions::find_by_number(tx, a.service.id, 1)))),
        ("spec_versions::insert", Names(|database, a, tx| did(spec_versions::insert(tx, &world::spec(database, a.service.id, 2))))),
        ("spec_versions::list", Names(|_, a, tx| items(spec_versions::list(tx, a.service.id, Page::first(9))))),
        ("subscribed_services::find", Names(|_, a, tx| did(subscribed_services::find(tx, a.subscribed.id)))),
        ("subscribed_services::find_by_service", Names(|_, a, tx| {
            any(subscribed_services::find_by_service(tx, a.subscribed.service_id))
        })),
        ("subscribed_services::list", Names(|_, _, tx| items(subscribed_services::list(tx, Page::first(9))))),
        ("subscriptions::all", Names(|_, a, tx| when(subscriptions::all(tx, a.service.id).map(|all| !all.is_empty())))),
        ("subscriptions::find", Names(|_, a, tx| did(subscriptions::find(tx, a.subscription.id)))),
        ("subscriptions::find_by_partner", Names(|_, a, tx| any(subscriptions::find_by_partner(tx, a.service.id, a.partner)))),
        ("subscriptions::insert", Names(|database, a, tx| {
            did(subscriptions::insert(tx, &world::subscription(database, a.account, a.service.id, a.provider)))
        })),
        ("subscriptions::list", Names(|_, a, tx| items(subscriptions::list(tx, a.service.id, Page::first(9))))),
        ("subscriptions::update", Names(|_, a, tx| did(subscriptions::update(tx, &a.subscription, Revision::FIRST)))),
    ]
}

/// So that the first owner may leave.
fn second_owner(database: &Database, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let person = world::person(database);
    store::people::insert(tx, &person)?;
    members::insert(tx, &world::member(database, person.id))
}

/// The public functions of the store that take a transaction, as `module::name`.
fn functions_of_the_source() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for part in text.split("\npub fn ").skip(1) {
            let (name, rest) = part.split_once('(').unwrap();
            if rest.trim_start().starts_with("tx: &mut Tx<'_>") {
                found.insert(format!("{module}::{name}"));
            }
        }
    }
    found
}

#[test]
fn b01_every_function_of_the_store_has_a_row_here() {
    let source = functions_of_the_source();
    assert!(source.len() > 80, "the source is read: {}", source.len());
    let table: Vec<String> =
        rows().iter().map(|(name, _)| (*name).to_owned()).chain(PLATFORM.iter().map(ToString::to_string)).collect();
    let rows: BTreeSet<String> = table.iter().cloned().collect();
    assert_eq!(rows.len(), table.len(), "a row stands twice");
    assert_eq!(rows, source, "the table (left) and the source (right) differ");
}

#[test]
fn b01_another_account_sees_nothing_and_changes_nothing() {
    on_both(|database| {
        let first = World::new(database);
        let before = first.snapshot(database);
        for (name, row) in rows() {
            let other = database.account();
            let (Row::Names(ask) | Row::Own(ask)) = &row;
            let own = asked(database, first.account, &first, *ask);
            assert_eq!(own, Ok(Saw::Something), "{} {name} by its own account", database.kind);
            let foreign = asked(database, other, &first, *ask);
            match row {
                Row::Names(_) => assert!(
                    matches!(foreign, Ok(Saw::Nothing) | Err(StoreError::NotFound)),
                    "{} {name} by another account: {foreign:?}",
                    database.kind
                ),
                Row::Own(_) => assert_eq!(foreign, Ok(Saw::Something), "{} {name} by another account", database.kind),
            }
            // Once more, and kept this time.
            drop(database.within(other, |tx| ask(database, &first, tx)));
            assert_eq!(first.snapshot(database), before, "{} {name} changed another account", database.kind);
        }
    });
}

/// What the account's call did; it is taken back.
fn asked(database: &Database, account: policy::id::AccountId, first: &World, ask: Asked) -> Result<Saw, StoreError> {
    let mut outcome = None;
    let end = database.within(account, |tx| {
        outcome = Some(match ask(database, first, tx) {
            // Only the owner of a unique row can be told that it is there.
            Err(StoreError::Conflict(_)) if tx.account_id() == first.account => Ok(Saw::Something),
            other => other,
        });
        Err::<(), _>(StoreError::Refused("taken back".into()))
    });
    assert!(end.is_err());
    outcome.unwrap()
}

#[test]
fn b02_two_accounts_may_use_the_same_ids_names_and_keys() {
    on_both(|database| {
        let first = World::new(database);
        let other = database.account();
        let service = world::service(database);
        database
            .within(other, |tx| {
                services::insert(tx, &service)?;
                let spec = domain::SpecVersion { service_id: service.id, ..first.spec.clone() };
                spec_versions::insert(tx, &spec)?;
                let invitation = domain::Invitation { service_id: service.id, ..first.invitation.clone() };
                invitations::insert(tx, &invitation)?;
                invitations::revoke(tx, invitation.id)?;
                let key = domain::SigningKey { service_id: service.id, ..first.signing_key.clone() };
                signing_keys::insert(tx, &key)?;
                signing_keys::set_state(tx, &key.kid, KeyState::Retired)?;
                idempotency::begin(tx, &attempt(&first.request_hash), now(), later(60))
            })
            .unwrap();
        let (invitation, key) = database
            .pool
            .read(first.account, |tx| {
                let key = signing_keys::active(tx, first.service.id, KeyPurpose::Token)?;
                Ok::<_, StoreError>((invitations::find(tx, first.invitation.id)?, key))
            })
            .unwrap();
        assert_eq!(invitation.state, InvitationState::Pending, "{}", database.kind);
        assert_eq!(key, first.signing_key, "{}", database.kind);
    });
}

#[test]
fn b04_what_was_deleted_leaves_nothing_that_leads_to_it() {
    use store::directory::{Lookup, find};

    on_both(|database| {
        let first = World::new(database);
        database
            .within(first.account, |tx| {
                second_owner(database, tx)?;
                members::delete(tx, first.member.id)?;
                keys::delete(tx, first.key.id)?;
                gateways::delete(tx, first.gateway.id)?;
                roles::delete(tx, first.role.id, Revision::FIRST)?;
                single_use::revoke(tx, Purpose::Invitation, LINK_SUBJECT)
            })
            .unwrap();
        database
            .platform(|tx| {
                for lookup in [
                    Lookup::Session(&first.session.hash),
                    Lookup::Key(first.key.id),
                    Lookup::Gateway(first.gateway.id),
                    Lookup::Role(first.role.id),
                    Lookup::Link(&first.link),
                ] {
                    assert_eq!(find(tx, lookup)?, None, "{} {lookup:?}", database.kind);
                }
                assert_eq!(store::directory::memberships(tx, first.person.id)?, []);
                assert!(find(tx, Lookup::Service(first.service.id))?.is_some(), "what is there is still found");
                Ok(())
            })
            .unwrap();
        let audit = database.pool.read(first.account, |tx| {
            let filter =
                audit::Filter { request_id: Some(RequestId::new(AuditId::uuid(first.entry.id))), ..Default::default() };
            audit::search(tx, first.service.id, &filter, Page::first(9))
        });
        assert_eq!(audit.unwrap().items.len(), 1, "the audit of a deleted gateway stays");
    });
}
