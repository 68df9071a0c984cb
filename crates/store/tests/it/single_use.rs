//! What works once works once, for its own purpose, in its own account, before its expiry.

use domain::SecretHash;
use serde_json::json;
use store::directory::Lookup;
use store::idempotency::{self, Begun};
use store::single_use::{self, Purpose, Take};

use crate::harness::{Database, later, now, on_both};
use crate::world::{attempt, hash};

fn put(database: &Database, account: policy::id::AccountId, subject: &str, hash: &SecretHash) {
    database
        .within(account, |tx| single_use::put(tx, Purpose::Invitation, subject, hash, &json!({"n": 1}), later(60)))
        .unwrap();
}

fn take(
    database: &Database,
    account: policy::id::AccountId,
    purpose: Purpose,
    hash: &SecretHash,
    at: chrono::DateTime<chrono::Utc>,
) -> Take {
    database.within(account, |tx| single_use::take(tx, purpose, hash, at)).unwrap()
}

#[test]
fn a05_a_link_is_taken_once() {
    on_both(|database| {
        let (account, link) = (database.account(), hash(database));
        put(database, account, "inv_1", &link);
        let taken = take(database, account, Purpose::Invitation, &link, now());
        assert_eq!(taken, Take::Taken { subject: "inv_1".into(), payload: json!({"n": 1}) });
        assert_eq!(take(database, account, Purpose::Invitation, &link, now()), Take::Gone);
        assert_eq!(database.pool.directory(Lookup::Link(&link)).unwrap(), None);
    });
}

#[test]
fn c05_a_link_is_bound_to_purpose_and_account() {
    on_both(|database| {
        let (account, other, link) = (database.account(), database.account(), hash(database));
        put(database, account, "inv_1", &link);
        assert_eq!(take(database, account, Purpose::SignUp, &link, now()), Take::Gone);
        assert_eq!(take(database, other, Purpose::Invitation, &link, now()), Take::Gone);
        assert_eq!(take(database, account, Purpose::Invitation, &hash(database), now()), Take::Gone);
        assert!(matches!(take(database, account, Purpose::Invitation, &link, now()), Take::Taken { .. }));
    });
}

#[test]
fn c02_a_link_is_gone_at_its_expiry_though_nothing_swept_it() {
    on_both(|database| {
        let (account, link) = (database.account(), hash(database));
        put(database, account, "inv_1", &link);
        assert_eq!(take(database, account, Purpose::Invitation, &link, later(60)), Take::Gone);
        let before = later(60) - chrono::TimeDelta::microseconds(1);
        assert!(matches!(take(database, account, Purpose::Invitation, &link, before), Take::Taken { .. }));
    });
}

#[test]
fn looking_at_a_link_does_not_use_it_and_shows_only_what_would_work() {
    on_both(|database| {
        let (account, link) = (database.account(), hash(database));
        put(database, account, "inv_1", &link);
        let peek = |purpose, at| database.within(account, |tx| single_use::peek(tx, purpose, &link, at)).unwrap();
        for _ in 0..2 {
            assert_eq!(peek(Purpose::Invitation, now()).as_deref(), Some("inv_1"));
        }
        assert_eq!(peek(Purpose::SignUp, now()), None);
        assert_eq!(peek(Purpose::Invitation, later(60)), None);
        assert!(matches!(take(database, account, Purpose::Invitation, &link, now()), Take::Taken { .. }));
        assert_eq!(peek(Purpose::Invitation, now()), None);
    });
}

#[test]
fn a_new_link_ends_the_one_before_of_the_same_subject_only() {
    on_both(|database| {
        let account = database.account();
        let (old, new, other) = (hash(database), hash(database), hash(database));
        put(database, account, "inv_1", &old);
        put(database, account, "inv_2", &other);
        put(database, account, "inv_1", &new);
        assert_eq!(take(database, account, Purpose::Invitation, &old, now()), Take::Gone);
        assert_eq!(database.pool.directory(Lookup::Link(&old)).unwrap(), None);
        for link in [&new, &other] {
            assert!(matches!(take(database, account, Purpose::Invitation, link, now()), Take::Taken { .. }));
        }
    });
}

#[test]
fn a_link_that_was_taken_is_there_again_when_its_effect_is_undone() {
    on_both(|database| {
        let (account, link) = (database.account(), hash(database));
        put(database, account, "inv_1", &link);
        let undone = database.within(account, |tx| {
            single_use::take(tx, Purpose::Invitation, &link, now())?;
            Err::<(), _>(store::StoreError::NotFound)
        });
        assert_eq!(undone, Err(store::StoreError::NotFound));
        assert!(matches!(take(database, account, Purpose::Invitation, &link, now()), Take::Taken { .. }));
    });
}

#[test]
fn what_has_expired_is_swept_and_nothing_else() {
    on_both(|database| {
        let (account, other, link) = (database.account(), database.account(), hash(database));
        put(database, account, "inv_1", &link);
        put(database, other, "inv_1", &hash(database));
        assert_eq!(database.within(account, |tx| single_use::sweep(tx, later(59))), Ok(0));
        assert_eq!(database.within(account, |tx| single_use::sweep(tx, later(60))), Ok(1));
        assert_eq!(database.within(other, |tx| single_use::revoke(tx, Purpose::Invitation, "inv_1")), Ok(true));
    });
}

#[test]
fn a_retried_call_gets_the_first_answer_and_another_request_none() {
    on_both(|database| {
        let (account, request, other) = (database.account(), hash(database), hash(database));
        let begin =
            |hash, at| database.within(account, |tx| idempotency::begin(tx, &attempt(hash), at, later(60))).unwrap();
        assert_eq!(begin(&request, now()), Begun::Fresh);
        assert_eq!(begin(&request, now()), Begun::InFlight);
        assert_eq!(begin(&other, now()), Begun::Mismatch);
        database
            .within(account, |tx| idempotency::finish(tx, &attempt(&request), &json!({"status": 201}), later(86_400)))
            .unwrap();
        assert_eq!(begin(&request, later(86_399)), Begun::Replay(json!({"status": 201})));
        assert_eq!(begin(&other, later(86_399)), Begun::Mismatch);
        assert_eq!(begin(&other, later(86_400)), Begun::Fresh, "a day later the key is free again");
    });
}

#[test]
fn an_unfinished_call_frees_its_key_when_it_says_so_or_its_lease_ends() {
    on_both(|database| {
        let (account, request) = (database.account(), hash(database));
        let begin =
            |at| database.within(account, |tx| idempotency::begin(tx, &attempt(&request), at, later(60))).unwrap();
        assert_eq!(begin(now()), Begun::Fresh);
        database.within(account, |tx| idempotency::forget(tx, &attempt(&request))).unwrap();
        assert_eq!(begin(now()), Begun::Fresh);
        assert_eq!(begin(later(59)), Begun::InFlight);
        assert_eq!(begin(later(60)), Begun::Fresh, "whoever held it died");
        database.within(account, |tx| idempotency::finish(tx, &attempt(&request), &json!(1), later(99))).unwrap();
        database.within(account, |tx| idempotency::forget(tx, &attempt(&request))).unwrap();
        assert_eq!(begin(later(60)), Begun::Replay(json!(1)), "an answer that is kept stays");
    });
}
