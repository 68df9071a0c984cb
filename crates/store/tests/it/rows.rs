//! What is written is read back, and changes only as its function says.

use domain::{
    InvitationState, KeyPurpose, KeyState, MemberRole, Revision, Role, Service, Subscription, SubscriptionState,
};
use policy::bundle::Revocation;
use policy::id::{AccountId, KeyId, RoleSessionId, TokenId};
use policy::settings::ServiceKind;
use store::directory::{self, Found, Lookup};
use store::{
    Page, StoreError, admin_events, bundles, gateways, invitations, key_roles, keys, members, outbox, people,
    revocations, role_sessions, roles, services, sessions, signing_keys, spec_versions, subscribed_services,
    subscriptions,
};

use crate::harness::{later, now, on_both};
use crate::world::{self, World};

#[test]
fn everything_reads_back_as_it_was_written() {
    on_both(|database| {
        let world = World::new(database);
        database
            .pool
            .read(world.account, |tx| -> Result<(), StoreError> {
                assert_eq!(people::find(tx, world.person.id)?, world.person);
                assert_eq!(people::find_by_email(tx, &world.person.email)?, Some(world.person.clone()));
                assert_eq!(members::find(tx, world.member.id)?, world.member);
                assert_eq!(members::find_by_person(tx, world.person.id)?, Some(world.member.clone()));
                assert_eq!(sessions::find_by_hash(tx, &world.session.hash, now())?, world.session);
                assert_eq!(services::find(tx, world.service.id)?, world.service);
                assert_eq!(spec_versions::find(tx, world.spec.id)?, world.spec);
                assert_eq!(spec_versions::find_by_number(tx, world.service.id, 1)?, world.spec);
                assert_eq!(roles::find(tx, world.role.id)?, world.role);
                assert_eq!(invitations::find(tx, world.invitation.id)?, world.invitation);
                assert_eq!(subscriptions::find(tx, world.subscription.id)?, world.subscription);
                assert_eq!(subscribed_services::find(tx, world.subscribed.id)?, world.subscribed);
                assert_eq!(keys::find(tx, world.key.id)?, world.key);
                assert_eq!(key_roles::all(tx, world.key.id)?, std::slice::from_ref(&world.key_roles));
                assert_eq!(role_sessions::find(tx, world.role_session.id)?, world.role_session);
                assert_eq!(gateways::find(tx, world.gateway.id)?, world.gateway);
                assert_eq!(signing_keys::active(tx, world.service.id, KeyPurpose::Token)?, world.signing_key);
                assert_eq!(bundles::latest(tx, world.service.id)?, Some(world.bundle.clone()));
                assert_eq!(bundles::find(tx, world.service.id, 1)?, world.bundle);
                assert_eq!(revocations::all(tx, world.service.id, now())?, std::slice::from_ref(&world.revocation));
                assert_eq!(admin_events::list(tx, Page::first(1))?.items, std::slice::from_ref(&world.event));
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn the_directory_leads_to_the_account_of_what_is_known_by_itself() {
    on_both(|database| {
        let world = World::new(database);
        let leads = |lookup| database.pool.directory(lookup).unwrap();
        let to = |target| Some(Found { account_id: world.account, target });
        assert_eq!(leads(Lookup::Key(world.key.id)), to(world.key.id.uuid()));
        assert_eq!(leads(Lookup::Session(&world.session.hash)), to(world.session.id.uuid()));
        assert_eq!(leads(Lookup::Gateway(world.gateway.id)), to(world.gateway.id.uuid()));
        assert_eq!(leads(Lookup::Link(&world.link)), to(world.account.uuid()));
        assert_eq!(leads(Lookup::Slug(&world.service.slug)), to(world.service.id.uuid()));
        assert_eq!(leads(Lookup::Service(world.service.id)), to(world.service.id.uuid()));
        assert_eq!(leads(Lookup::Role(world.role.id)), to(world.role.id.uuid()));
        assert_eq!(leads(Lookup::Key(KeyId::new(world.role.id.uuid()))), None, "an id of another kind is unknown");
        assert_eq!(leads(Lookup::Link(&world.session.hash)), None, "a hash of another kind is unknown");

        let second = database.account();
        let again = world::member(database, world.person.id);
        database.within(second, |tx| members::insert(tx, &again)).unwrap();
        let memberships = database.platform(|tx| directory::memberships(tx, world.person.id)).unwrap();
        assert_eq!(memberships.len(), 2);
        assert!(memberships.contains(&(world.account, world.member.id)) && memberships.contains(&(second, again.id)));
    });
}

#[test]
fn what_must_be_unique_is_a_conflict_with_its_name() {
    on_both(|database| {
        let world = World::new(database);
        let other = database.account();
        let conflict = |account, what, work: &dyn Fn(&mut store::Tx<'_>) -> Result<(), StoreError>| {
            let outcome = database.within(account, |tx| work(tx));
            assert_eq!(outcome, Err(StoreError::Conflict(what)), "{}", database.kind);
        };
        let same_slug = Service { slug: world.service.slug.clone(), ..world::service(database) };
        conflict(other, "slug", &|tx| services::insert(tx, &same_slug));
        let same_name = Role { name: world.role.name.clone(), ..world::role(database, world.service.id) };
        conflict(world.account, "role name", &|tx| roles::insert(tx, &same_name));
        let same_email = domain::Person { email: world.person.email.clone(), ..world::person(database) };
        conflict(other, "mail address", &|tx| people::insert(tx, &same_email));
        let again = world::member(database, world.person.id);
        conflict(world.account, "member", &|tx| members::insert(tx, &again));
        let again = world::subscription(database, world.account, world.service.id, world.partner);
        conflict(world.account, "subscription", &|tx| subscriptions::insert(tx, &again));
        let second = world::signing_key(database, world.service.id, KeyPurpose::Token);
        conflict(world.account, "signing key", &|tx| signing_keys::insert(tx, &second));
        let again = world::spec(database, world.service.id, 1);
        conflict(world.account, "document", &|tx| spec_versions::insert(tx, &again));
    });
}

#[test]
fn an_update_needs_the_revision_that_was_read() {
    on_both(|database| {
        let world = World::new(database);
        let renamed = Service {
            name: "Other".parse().unwrap(),
            kind: ServiceKind::Plain,
            base_url: None,
            ..world.service.clone()
        };
        let role = Role { trust: None, operations: vec![], ..world.role.clone() };
        database
            .within(world.account, |tx| {
                assert_eq!(services::update(tx, &renamed, Revision(9)), Err(StoreError::Changed));
                assert_eq!(services::update(tx, &renamed, Revision::FIRST), Ok(Revision(2)));
                assert_eq!(services::update(tx, &renamed, Revision::FIRST), Err(StoreError::Changed));
                assert_eq!(services::find(tx, renamed.id)?, Service { revision: Revision(2), ..renamed.clone() });
                let missing = Service { id: policy::id::ServiceId::new(database.uuid()), ..renamed.clone() };
                assert_eq!(services::update(tx, &missing, Revision::FIRST), Err(StoreError::NotFound));

                assert_eq!(roles::update(tx, &role, Revision(9)), Err(StoreError::Changed));
                assert_eq!(roles::update(tx, &role, Revision::FIRST), Ok(Revision(2)));
                assert_eq!(roles::find(tx, role.id)?, Role { revision: Revision(2), ..role.clone() });
                assert_eq!(roles::delete(tx, role.id, Revision::FIRST), Err(StoreError::Changed));
                roles::delete(tx, role.id, Revision(2))?;
                assert_eq!(roles::delete(tx, role.id, Revision(2)), Err(StoreError::NotFound));
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn both_sides_of_a_subscription_are_the_same() {
    on_both(|database| {
        let world = World::new(database);
        let changed = Subscription {
            state: SubscriptionState::Suspended,
            role_ids: vec![],
            updated_at: later(5),
            ..world.subscription.clone()
        };
        let revision =
            database.within(world.account, |tx| subscriptions::update(tx, &changed, Revision::FIRST)).unwrap();
        let owner = database.pool.read(world.account, |tx| subscriptions::find(tx, changed.id)).unwrap();
        let partner = database.pool.read(world.partner, |tx| subscribed_services::find(tx, changed.id)).unwrap();
        assert_eq!(owner, Subscription { revision, ..changed.clone() }, "{}", database.kind);
        assert_eq!(partner, owner, "{}", database.kind);
        let stale = database.within(world.account, |tx| subscriptions::update(tx, &changed, Revision::FIRST));
        assert_eq!(stale, Err(StoreError::Changed));
        // The partner's own side cannot be written, as the owner's cannot be by the partner.
        let partner = database.within(world.partner, |tx| subscriptions::update(tx, &changed, Revision(2)));
        assert_eq!(partner, Err(StoreError::NotFound));
    });
}

#[test]
fn c02_an_invitation_is_accepted_before_its_expiry_and_never_at_it() {
    on_both(|database| {
        let world = World::new(database);
        let (id, subscription) = (world.invitation.id, world.subscription.id);
        let expires_at = world.invitation.expires_at;
        database
            .within(world.account, |tx| {
                assert_eq!(world.invitation.state_at(expires_at), InvitationState::Expired);
                assert_eq!(invitations::accept(tx, id, subscription, expires_at), Err(StoreError::NotFound));
                invitations::renew(tx, id, later(120))?;
                invitations::accept(tx, id, subscription, expires_at)?;
                assert_eq!(invitations::accept(tx, id, subscription, now()), Err(StoreError::NotFound));
                assert_eq!(invitations::revoke(tx, id), Err(StoreError::NotFound));
                assert_eq!(invitations::renew(tx, id, later(999)), Err(StoreError::NotFound));
                let found = invitations::find(tx, id)?;
                assert_eq!(found.state_at(later(9_999)), InvitationState::Accepted);
                assert_eq!((found.subscription_id, found.revision), (Some(subscription), Revision(3)));
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn a_session_counts_until_it_expires_or_ends() {
    on_both(|database| {
        let world = World::new(database);
        let expires_at = world.session.expires_at;
        database
            .within(world.account, |tx| {
                let late = sessions::find_by_hash(tx, &world.session.hash, expires_at);
                assert_eq!(late, Err(StoreError::NotFound));
                sessions::delete(tx, world.session.id)?;
                assert_eq!(sessions::find_by_hash(tx, &world.session.hash, now()), Err(StoreError::NotFound));
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn the_last_owner_stays() {
    on_both(|database| {
        let world = World::new(database);
        let last = Err(StoreError::Conflict("last owner"));
        database
            .within(world.account, |tx| {
                let lesser = members::set_role(tx, world.member.id, MemberRole::Admin, Revision::FIRST);
                assert_eq!(lesser.map(drop), last);
                assert_eq!(members::delete(tx, world.member.id).map(drop), last);
                let person = world::person(database);
                people::insert(tx, &person)?;
                let second = world::member(database, person.id);
                members::insert(tx, &second)?;
                let lesser = members::set_role(tx, second.id, MemberRole::Admin, Revision::FIRST)?;
                assert_eq!(members::find(tx, second.id)?, lesser);
                assert_eq!(members::delete(tx, world.member.id).map(drop), last, "an admin is no owner");
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn a_key_notes_its_use_once_a_minute() {
    on_both(|database| {
        let world = World::new(database);
        database
            .within(world.account, |tx| {
                let touched = [0, 59, 60, 61].map(|second| keys::touch(tx, world.key.id, later(second)).unwrap());
                assert_eq!(touched, [true, false, true, false]);
                assert_eq!(keys::find(tx, world.key.id)?.last_used_at, Some(later(60)));
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn a_gateway_keeps_what_it_last_reported() {
    on_both(|database| {
        let world = World::new(database);
        let found = database
            .within(world.account, |tx| {
                gateways::seen(tx, world.gateway.id, later(1))?;
                gateways::report(tx, world.gateway.id, &world::report(), later(2))?;
                gateways::find(tx, world.gateway.id)
            })
            .unwrap();
        assert_eq!(found.last_seen_at, Some(later(2)));
        let error = found.report.and_then(|report| report.error);
        assert_eq!(error.as_deref(), Some("the signature\u{FFFD} does not verify"), "PostgreSQL takes no NUL");
    });
}

#[test]
fn one_key_signs_at_a_time_and_the_others_stay_published() {
    on_both(|database| {
        let world = World::new(database);
        let next = domain::SigningKey {
            state: KeyState::Next,
            created_at: later(1),
            ..world::signing_key(database, world.service.id, KeyPurpose::Token)
        };
        database
            .within(world.account, |tx| {
                signing_keys::insert(tx, &next)?;
                signing_keys::set_state(tx, &world.signing_key.kid, KeyState::Retired)?;
                signing_keys::set_state(tx, &next.kid, KeyState::Active)?;
                assert_eq!(signing_keys::active(tx, world.service.id, KeyPurpose::Token)?.kid, next.kid);
                let kids: Vec<String> = signing_keys::all(tx, world.service.id, KeyPurpose::Token)?
                    .into_iter()
                    .map(|key| key.kid)
                    .collect();
                assert_eq!(kids, [world.signing_key.kid.clone(), next.kid.clone()]);
                let none = signing_keys::active(tx, world.service.id, KeyPurpose::Bundle);
                assert_eq!(none.map(drop), Err(StoreError::NotFound));
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn a_bundle_has_the_version_that_was_reserved_for_it() {
    on_both(|database| {
        let world = World::new(database);
        let insert = |version| {
            database.within(world.account, |tx| {
                bundles::reserve(tx, world.service.id)?;
                bundles::insert(tx, &world::bundle(world.service.id, version))
            })
        };
        assert_eq!(insert(3), Err(StoreError::Conflict("bundle")), "a version is left out");
        assert_eq!(insert(1), Err(StoreError::Conflict("bundle")), "a version comes twice");
        assert_eq!(insert(2), Ok(()));
        let head = database.pool.read(world.account, |tx| bundles::head(tx, world.service.id)).unwrap();
        assert_eq!(head, Some(bundles::BundleHead { version: 2, digest: [9; 32] }));
    });
}

#[test]
fn every_kind_of_revocation_reads_back_sorted_until_it_runs_out() {
    on_both(|database| {
        let world = World::new(database);
        let id = database.uuid();
        let mut revoked = vec![
            Revocation::Token(TokenId::new(id)),
            Revocation::Account(AccountId::new(id)),
            Revocation::RoleSession(RoleSessionId::new(id)),
            Revocation::Role(world.role.id),
            Revocation::Key(world.key.id),
        ];
        database
            .within(world.account, |tx| {
                for revocation in &revoked {
                    revocations::put(tx, world.service.id, revocation, later(60))?;
                }
                // Once more: the later moment counts, in whatever order they come.
                revocations::put(tx, world.service.id, &revoked[0], later(120))?;
                revocations::put(tx, world.service.id, &revoked[0], later(30))?;
                revoked.push(world.revocation.clone());
                revoked.sort();
                assert_eq!(revocations::all(tx, world.service.id, now())?, revoked);
                assert!(revocations::remove(tx, world.service.id, &Revocation::Key(world.key.id))?);
                assert!(!revocations::remove(tx, world.service.id, &Revocation::Key(world.key.id))?);
                let left = revocations::all(tx, world.service.id, later(60))?;
                assert_eq!(left, [Revocation::Token(TokenId::new(id)), world.revocation.clone()]);
                assert_eq!(revocations::sweep(tx, world.service.id, later(60))?, 3);
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn a_list_is_read_in_pages_that_neither_lose_nor_double_a_row() {
    on_both(|database| {
        let account = database.account();
        let mut written = Vec::new();
        database
            .within(account, |tx| {
                for _ in 0..7 {
                    let key = world::key(database);
                    keys::insert(tx, &key)?;
                    written.push(key.id);
                }
                Ok(())
            })
            .unwrap();
        written.sort();
        let (mut seen, mut page) = (Vec::new(), Page::first(3));
        loop {
            let listed = database.pool.read(account, |tx| keys::list(tx, page)).unwrap();
            assert!(listed.items.len() <= 3);
            seen.extend(listed.items.iter().map(|key| key.id));
            if !listed.more {
                break;
            }
            // A row that comes in before the cursor shifts nothing.
            page = Page::after(*seen.last().unwrap(), 3);
        }
        assert_eq!(seen, written, "{}", database.kind);
        let all = database.pool.read(account, |tx| keys::list(tx, Page::first(usize::MAX))).unwrap();
        assert_eq!((all.items.len(), all.more), (7, false));
        let exact = database.pool.read(account, |tx| keys::list(tx, Page::first(7))).unwrap();
        assert!(!exact.more);
        let none = database.pool.read(account, |tx| keys::list(tx, Page::first(0))).unwrap();
        assert_eq!((none.items.len(), none.more), (1, true), "a page has at least one row");
    });
}

#[test]
fn mail_is_due_in_order_leased_to_one_worker_and_due_again_after_a_failure() {
    on_both(|database| {
        let world = World::new(database);
        let late = domain::OutboxMail { due_at: later(10), ..world::mail(database) };
        let due = |at| database.platform(|tx| outbox::due(tx, at)).unwrap();
        let take = |at, until| database.within(world.account, |tx| outbox::take(tx, world.mail.id, at, until)).unwrap();
        database.within(world.account, |tx| outbox::put(tx, &late)).unwrap();
        assert_eq!(due(later(-1)), []);
        assert_eq!(due(now()), [(world.account, world.mail.id)]);
        assert_eq!(due(later(10)), [(world.account, world.mail.id), (world.account, late.id)]);

        let leased = take(now(), later(60)).unwrap();
        assert_eq!((leased.attempts, leased.due_at), (1, later(60)));
        assert_eq!(leased.content, world.mail.content);
        assert_eq!(take(now(), later(60)), None, "one worker has it");
        assert_eq!(due(later(10)), [(world.account, late.id)]);
        assert!(take(later(60), later(120)).is_some_and(|mail| mail.attempts == 2), "its worker died");

        let leased = domain::OutboxMail { due_at: later(120), ..leased };
        database.within(world.account, |tx| outbox::failed(tx, &leased, later(500))).unwrap();
        assert_eq!(due(later(499)), [(world.account, late.id)]);
        let leased = take(later(500), later(560)).unwrap();
        database.within(world.account, |tx| outbox::done(tx, &leased)).unwrap();
        assert_eq!(due(later(9_999)), [(world.account, late.id)]);
    });
}
