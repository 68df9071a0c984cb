//! Opening: what is made, what is refused, and how clearly.

use diesel::connection::SimpleConnection;
use store::{DatabaseUrl, Pool, StoreError, accounts};

use crate::harness::{Database, in_database, on_both, on_postgresql, options, raw};

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
    on_postgresql(|_, owner, app| {
        raw(owner).batch_execute("CREATE DATABASE fw_unmigrated").unwrap();
        let fault = Pool::open(&in_database(app, "fw_unmigrated").parse().unwrap(), &options()).unwrap_err();
        raw(owner).batch_execute("DROP DATABASE fw_unmigrated WITH (FORCE)").unwrap();
        assert!(fault.to_string().contains("`firewarden migrate`"), "{fault}");
    });
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
