//! Many at once: whatever only one may do, exactly one does, on both databases.

use std::sync::Barrier;

use domain::{MemberRole, Revision, Service};
use serde_json::json;
use store::idempotency::{self, Begun};
use store::single_use::{self, Purpose, Take};
use store::{Page, StoreError, bundles, invitations, members, outbox, people, services};

use crate::harness::{Database, later, now, on_both};
use crate::world::{self, World, attempt, hash};

/// Runs `attempt` on that many threads, which start at the same time, and says how many got what `won` wants.
fn winners<T: Send>(threads: usize, attempt: impl Fn(usize) -> T + Sync, won: impl Fn(&T) -> bool) -> usize {
    let barrier = Barrier::new(threads);
    let outcomes: Vec<T> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|index| {
                let (barrier, attempt) = (&barrier, &attempt);
                scope.spawn(move || {
                    barrier.wait();
                    attempt(index)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    outcomes.iter().filter(|outcome| won(outcome)).count()
}

#[test]
fn a05_of_64_who_take_a_link_one_has_it() {
    on_both(|database| {
        let (account, link) = (database.account(), hash(database));
        database
            .within(account, |tx| single_use::put(tx, Purpose::Invitation, "inv_1", &link, &json!(1), later(60)))
            .unwrap();
        let taken = winners(
            64,
            |_| database.within(account, |tx| single_use::take(tx, Purpose::Invitation, &link, now())).unwrap(),
            |take| matches!(take, Take::Taken { .. }),
        );
        assert_eq!(taken, 1, "{}", database.kind);
    });
}

#[test]
fn of_16_links_for_one_subject_one_is_left() {
    on_both(|database| {
        let account = database.account();
        let links: Vec<_> = (0..16).map(|_| hash(database)).collect();
        let put = winners(
            16,
            |index| {
                database.within(account, |tx| {
                    single_use::put(tx, Purpose::Invitation, "inv_1", &links[index], &json!(index), later(60))
                })
            },
            Result::is_ok,
        );
        assert_eq!(put, 16, "{}", database.kind);
        let left = links.iter().filter(|link| {
            let take = database.within(account, |tx| single_use::take(tx, Purpose::Invitation, link, now()));
            take.unwrap() != Take::Gone
        });
        assert_eq!(left.count(), 1, "{}", database.kind);
    });
}

#[test]
fn c05_of_64_who_accept_an_invitation_one_does() {
    on_both(|database| {
        let world = World::new(database);
        let accepted = winners(
            64,
            |_| {
                database.within(world.account, |tx| {
                    invitations::accept(tx, world.invitation.id, world.subscription.id, now())
                })
            },
            Result::is_ok,
        );
        assert_eq!(accepted, 1, "{}", database.kind);
    });
}

#[test]
fn b08_of_64_owners_who_leave_at_once_one_stays() {
    on_both(|database| {
        let account = database.account();
        let owners: Vec<_> = (0..64)
            .map(|_| {
                let person = world::person(database);
                let member = world::member(database, person.id);
                database
                    .within(account, |tx| {
                        people::insert(tx, &person)?;
                        members::insert(tx, &member)
                    })
                    .unwrap();
                member.id
            })
            .collect();
        let left = winners(
            64,
            |index| {
                database.within(account, |tx| match index % 2 {
                    0 => members::delete(tx, owners[index]).map(drop),
                    _ => members::set_role(tx, owners[index], MemberRole::Auditor, Revision::FIRST).map(drop),
                })
            },
            |outcome| match outcome {
                Ok(()) => true,
                Err(error) => {
                    assert_eq!(*error, StoreError::Conflict("last owner"), "{}", database.kind);
                    false
                }
            },
        );
        assert_eq!(left, 63, "{}", database.kind);
        let listed = database.pool.read(account, |tx| members::list(tx, Page::first(200))).unwrap();
        assert_eq!(listed.items.iter().filter(|member| member.role == MemberRole::Owner).count(), 1);
    });
}

#[test]
fn of_16_who_write_over_the_same_revision_one_does() {
    on_both(|database| {
        let world = World::new(database);
        let written = winners(
            16,
            |index| {
                let name = format!("name {index}").parse().unwrap();
                let service = Service { name, ..world.service.clone() };
                database.within(world.account, |tx| services::update(tx, &service, Revision::FIRST))
            },
            |outcome| match outcome {
                Ok(revision) => *revision == Revision(2),
                Err(error) => {
                    assert_eq!(*error, StoreError::Changed, "{}", database.kind);
                    false
                }
            },
        );
        assert_eq!(written, 1, "{}", database.kind);
    });
}

#[test]
fn bundles_published_at_once_have_versions_without_a_gap_and_the_last_one_has_seen_all() {
    on_both(|database| {
        let world = World::new(database);
        // Each publication changes the Service and puts what it then reads into its bundle.
        let published = winners(
            16,
            |_| {
                database.within(world.account, |tx| {
                    let version = bundles::reserve(tx, world.service.id)?;
                    let service = services::find(tx, world.service.id)?;
                    let changed = Service { paths: service.paths + 1, ..service.clone() };
                    services::update(tx, &changed, service.revision)?;
                    let content = changed.paths.to_be_bytes().to_vec();
                    bundles::insert(tx, &domain::StoredBundle { content, ..world::bundle(world.service.id, version) })
                })
            },
            Result::is_ok,
        );
        assert_eq!(published, 16, "{}", database.kind);
        let last = database.pool.read(world.account, |tx| bundles::latest(tx, world.service.id)).unwrap().unwrap();
        assert_eq!((last.version, last.content), (17, (world.service.paths + 16).to_be_bytes().to_vec()));
    });
}

#[test]
fn of_16_same_calls_at_once_one_is_fresh() {
    on_both(|database| {
        let (account, request) = (database.account(), hash(database));
        for round in 0..2 {
            // In the second round a claim that ran out is taken over.
            let at = later(round * 100);
            let fresh = winners(
                16,
                |_| {
                    database
                        .within(account, |tx| idempotency::begin(tx, &attempt(&request), at, later(round * 100 + 60)))
                        .unwrap()
                },
                |begun| *begun == Begun::Fresh,
            );
            assert_eq!(fresh, 1, "{} round {round}", database.kind);
        }
    });
}

#[test]
fn of_16_workers_one_has_a_mail() {
    on_both(|database: &Database| {
        let world = World::new(database);
        let taken = winners(
            16,
            |_| database.within(world.account, |tx| outbox::take(tx, world.mail.id, now(), later(60))).unwrap(),
            Option::is_some,
        );
        assert_eq!(taken, 1, "{}", database.kind);
    });
}
