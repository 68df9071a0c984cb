//! Transactions: all or nothing, in one account, with connections that come back clean.

use std::time::Duration;

use domain::Revision;
use store::{Page, Pool, PoolOptions, StoreError, accounts, keys, roles, services};

use crate::harness::{Database, now, on_both, options};
use crate::world::{self, World};

fn key_count(database: &Database, account: policy::id::AccountId) -> usize {
    database.pool.read(account, |tx| keys::list(tx, Page::first(200))).unwrap().items.len()
}

#[test]
fn an_error_of_the_use_case_undoes_everything() {
    #[derive(Debug, PartialEq)]
    enum Refusal {
        Policy,
        Store(StoreError),
    }
    impl From<StoreError> for Refusal {
        fn from(error: StoreError) -> Self {
            Self::Store(error)
        }
    }
    on_both(|database| {
        let account = database.account();
        let outcome: Result<(), Refusal> = database.pool.transact(account, |tx| {
            keys::insert(tx, &world::key(database))?;
            Err(Refusal::Policy)
        });
        assert_eq!(outcome, Err(Refusal::Policy));
        assert_eq!(key_count(database, account), 0);
    });
}

#[test]
fn a_failed_statement_that_was_swallowed_is_not_acknowledged() {
    on_both(|database| {
        let world = World::new(database);
        let outcome = database.within(world.account, |tx| {
            keys::insert(tx, &world::key(database))?;
            let same = domain::Role { name: world.role.name.clone(), ..world::role(database, world.service.id) };
            assert!(roles::insert(tx, &same).is_err());
            Ok("done")
        });
        assert_eq!(outcome, Err(StoreError::Conflict("role name")), "{}", database.kind);
        assert_eq!(key_count(database, world.account), 1, "{}", database.kind);
    });
}

#[test]
fn what_is_not_found_or_changed_ends_no_transaction() {
    on_both(|database| {
        let world = World::new(database);
        database
            .within(world.account, |tx| {
                assert!(keys::find(tx, world::key(database).id).is_err());
                assert!(services::update(tx, &world.service, Revision(7)).is_err());
                keys::insert(tx, &world::key(database))
            })
            .unwrap();
        assert_eq!(key_count(database, world.account), 2);
    });
}

#[test]
fn another_account_is_entered_for_a_while_and_left_again_whatever_happens() {
    on_both(|database| {
        let (first, second) = (database.account(), database.account());
        database
            .within(first, |tx| {
                tx.as_account(second, |tx| {
                    assert_eq!(accounts::get(tx)?.id, second);
                    tx.as_account(first, |tx| keys::insert(tx, &world::key(database)))?;
                    keys::insert(tx, &world::key(database))
                })?;
                let refused = tx.as_account(second, |_| Err::<(), _>(StoreError::NotFound));
                assert_eq!(refused, Err(StoreError::NotFound));
                assert_eq!(tx.account_id(), first);
                assert_eq!(accounts::get(tx)?.id, first);
                keys::insert(tx, &world::key(database))
            })
            .unwrap();
        assert_eq!((key_count(database, first), key_count(database, second)), (2, 1), "{}", database.kind);
    });
}

#[test]
fn joining_two_accounts_is_undone_in_both() {
    on_both(|database| {
        let (first, second) = (database.account(), database.account());
        let outcome = database.within(first, |tx| {
            keys::insert(tx, &world::key(database))?;
            tx.as_account(second, |tx| keys::insert(tx, &world::key(database)))?;
            Err::<(), _>(StoreError::NotFound)
        });
        assert!(outcome.is_err());
        assert_eq!((key_count(database, first), key_count(database, second)), (0, 0));
    });
}

#[test]
fn a_read_cannot_write() {
    on_both(|database| {
        let account = database.account();
        let outcome = database.pool.read(account, |tx| keys::insert(tx, &world::key(database)));
        assert_eq!(outcome, Err(StoreError::Unavailable), "{}", database.kind);
        assert_eq!(key_count(database, account), 0);
    });
}

#[test]
fn a_read_sees_one_moment_and_what_was_written_is_read_back_at_once() {
    on_both(|database| {
        let account = database.account();
        database
            .pool
            .read(account, |tx| -> Result<(), StoreError> {
                assert_eq!(keys::list(tx, Page::first(9))?.items.len(), 0);
                database.within(account, |tx| keys::insert(tx, &world::key(database)))?;
                assert_eq!(keys::list(tx, Page::first(9))?.items.len(), 0, "{}", database.kind);
                Ok(())
            })
            .unwrap();
        assert_eq!(key_count(database, account), 1);
    });
}

#[test]
fn b06_a_panic_in_a_transaction_undoes_it_and_gives_back_a_clean_connection() {
    on_both(|database| {
        let (first, second) = (database.account(), database.account());
        for _ in 0..8 {
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                database.within(first, |tx| -> Result<(), StoreError> {
                    keys::insert(tx, &world::key(database))?;
                    std::panic::resume_unwind(Box::new("a fault of ours"))
                })
            }));
            assert!(panicked.is_err());
        }
        assert_eq!(key_count(database, first), 0, "{}", database.kind);
        for _ in 0..8 {
            assert_eq!(database.within(second, accounts::get).unwrap().id, second, "{}", database.kind);
        }
    });
}

#[test]
fn who_gets_no_connection_in_time_is_told_that_the_store_is_busy() {
    on_both(|database| {
        let account = database.account();
        let options = PoolOptions { connections: 1, acquire_timeout: Duration::from_millis(50), ..options() };
        let pool = Pool::open(&database.url, &options).unwrap();
        pool.transact(account, |_| {
            let second = pool.transact(account, accounts::get);
            assert_eq!(second, Err(StoreError::Busy), "{}", database.kind);
            Ok::<_, StoreError>(())
        })
        .unwrap();
        assert!(pool.transact(account, accounts::get).is_ok());
    });
}

#[test]
fn times_are_kept_to_the_microsecond() {
    on_both(|database| {
        let account = database.account();
        let fine = now() + chrono::TimeDelta::nanoseconds(1_999);
        let key = domain::Key { created_at: fine, ..world::key(database) };
        database.within(account, |tx| keys::insert(tx, &key)).unwrap();
        let found = database.pool.read(account, |tx| keys::find(tx, key.id)).unwrap();
        assert_eq!(found.created_at, now() + chrono::TimeDelta::microseconds(1), "{}", database.kind);
    });
}
