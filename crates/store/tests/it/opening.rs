//! Opening: what is made, what is refused, and how clearly.

use diesel::connection::SimpleConnection;
use store::{DatabaseUrl, Pool, StoreError, accounts};

use crate::harness::{Database, Place, on_both, on_postgresql, options, raw};

#[test]
fn an_opened_store_answers_and_keeps_what_is_written() {
    on_both(|database| {
        database.pool.ping().unwrap();
        let account = database.account();
        let again = Pool::open(&database.url, &options()).unwrap();
        assert_eq!(again.read(account, accounts::get).unwrap().id, account, "{}", database.kind);
    });
}

#[test]
fn sqlite_is_private_to_its_owner() {
    use std::os::unix::fs::PermissionsExt;

    let database = Database::sqlite();
    let DatabaseUrl::Sqlite(path) = &database.url else { panic!("not SQLite") };
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_place_that_cannot_be_written_is_refused_with_its_name() {
    let url: DatabaseUrl = "sqlite:/nowhere/at/all.db".parse().unwrap();
    let fault = Pool::open(&url, &options()).unwrap_err();
    assert!(fault.to_string().contains("/nowhere/at/all.db"), "{fault}");
}

#[test]
fn a_server_that_cannot_be_reached_is_refused_and_no_file_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let url: DatabaseUrl = format!("postgres://nobody@/none?host={}", folder.path().display()).parse().unwrap();
    assert!(matches!(Pool::open(&url, &options()), Err(StoreError::Refused(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_unmigrated_database_is_refused_with_what_to_do() {
    let Some(place) = Place::new() else { return };
    let fault = Pool::open(&place.app.parse().unwrap(), &options()).unwrap_err();
    assert!(fault.to_string().contains("`firewarden migrate`"), "{fault}");
    // The same once somebody made the table and ran nothing.
    let table = "CREATE TABLE __diesel_schema_migrations (version VARCHAR PRIMARY KEY, run_on TIMESTAMP)";
    raw(&place.owner).batch_execute(&format!("{table}; GRANT SELECT ON __diesel_schema_migrations TO PUBLIC")).unwrap();
    let fault = Pool::open(&place.app.parse().unwrap(), &options()).unwrap_err();
    assert!(fault.to_string().contains("lacks version 20261122000000"), "{fault}");
    assert_eq!(store::migrate(&place.owner.parse().unwrap()).unwrap(), ["20261122000000"]);
    assert!(Pool::open(&place.app.parse().unwrap(), &options()).is_ok());
}

#[test]
fn two_who_migrate_at_once_both_succeed() {
    let Some(place) = Place::new() else { return };
    let url: DatabaseUrl = place.owner.parse().unwrap();
    let ran: usize = std::thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(|| store::migrate(&url).unwrap().len())).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(ran, 1);
}

#[test]
fn two_who_open_a_new_sqlite_file_at_once_both_succeed() {
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let url: DatabaseUrl = format!("sqlite:{}", folder.path().join("new.db").display()).parse().unwrap();
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..4).map(|_| scope.spawn(|| Pool::open(&url, &options()).map(drop))).collect();
            for thread in running {
                assert_eq!(thread.join().unwrap(), Ok(()));
            }
        });
    }
}

#[test]
fn a_schema_of_a_later_program_is_refused() {
    let later = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')";
    on_postgresql(|database, owner, _| {
        raw(owner).batch_execute(later).unwrap();
        let fault = Pool::open(&database.url, &options()).unwrap_err();
        assert!(fault.to_string().contains("29991231000000"), "{fault}");
        let fault = store::migrate(&owner.parse().unwrap()).unwrap_err();
        assert!(fault.to_string().contains("newer program"), "{fault}");
    });
}

#[test]
fn b06_the_owner_and_superusers_may_migrate_and_never_serve() {
    on_postgresql(|_, owner, _| {
        let fault = Pool::open(&owner.parse().unwrap(), &options()).unwrap_err();
        assert!(fault.to_string().contains("row-level security would not hold"), "{fault}");
        assert_eq!(store::migrate(&owner.parse().unwrap()).unwrap(), Vec::<String>::new(), "nothing is left to do");
    });
}
