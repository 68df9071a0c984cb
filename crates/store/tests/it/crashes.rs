//! Killed at a named point: what was acknowledged is there, and nothing is half done.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use domain::AdminEvent;
use policy::id::{AccountId, KeyId};
use store::{Page, Pool, PoolOptions, StoreError, accounts, admin_events, keys};

use crate::harness::{Database, on_both, options};
use crate::world;

/// SIGABRT, by which the process ends at a point.
const ABORTED: i32 = 6;

/// Runs [`dies`] in a process of its own, and says by which signal it ended.
fn killed_at(database: &Database, account: AccountId, point: &str) -> Option<i32> {
    let url = match (&database.app, &database.url) {
        (Some(app), _) => app.clone(),
        (None, url) => url.to_string(),
    };
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crashes::dies", "--ignored", "--quiet"])
        .env("FIREWARDEN_CRASH_URL", url)
        .env("FIREWARDEN_CRASH_ACCOUNT", account.to_string())
        .env("FIREWARDEN_CRASH_POINT", point)
        .output()
        .unwrap()
        .status;
    assert!(status.signal().is_some() || status.success(), "{status}");
    status.signal()
}

#[test]
#[ignore = "the other tests here run it, in a process that it kills"]
fn dies() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let account: AccountId = variable("FIREWARDEN_CRASH_ACCOUNT").parse().unwrap();
    let options = PoolOptions { kill_at: Some(variable("FIREWARDEN_CRASH_POINT")), ..options() };
    let pool = Pool::open(&variable("FIREWARDEN_CRASH_URL").parse().unwrap(), &options).unwrap();
    let database = Database::sqlite(); // for its call only
    // One key in each account, so its id is free.
    let key = domain::Key { id: KeyId::new(account.uuid()), ..world::key(&database) };
    pool.transact(account, |tx| {
        keys::insert(tx, &key)?;
        tx.point("half_way"); // before the event, so it has no action yet
        let call = database.call(account);
        admin_events::append(tx, &AdminEvent::new(&call, "key.create", &"key_x"))?;
        tx.point("half_way");
        accounts::lock(tx)
    })
    .unwrap();
}

#[test]
fn a_process_killed_before_its_commit_leaves_nothing_and_after_it_everything() {
    on_both(|database| {
        for (point, signal, kept) in [
            ("unnamed:half_way", Some(ABORTED), 0),
            ("key.create:half_way", Some(ABORTED), 0),
            ("key.create:before_commit", Some(ABORTED), 0),
            ("key.create:after_commit", Some(ABORTED), 1),
            ("role.create:before_commit", None, 1),
        ] {
            let account = database.account();
            assert_eq!(killed_at(database, account, point), signal, "{} {point}", database.kind);
            let (keys, events) = database
                .pool
                .read(account, |tx| -> Result<_, StoreError> {
                    Ok((keys::list(tx, Page::first(9))?, admin_events::list(tx, Page::first(9))?))
                })
                .unwrap();
            assert_eq!((keys.items.len(), events.items.len()), (kept, kept), "{} {point}", database.kind);
            assert!(database.within(account, accounts::lock).is_ok(), "it can be written again");
        }
    });
}
