//! PostgreSQL's own wall, looked at from behind the store: raw statements of the roles that serve and own.

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{PgConnection, QueryResult, QueryableByName, RunQueryDsl};
use store::{Page, StoreError, keys};

use crate::harness::{on_postgresql, raw};
use crate::world::{self, World};

/// The only tables that belong to no tenant.
const PLATFORM: [&str; 3] = ["__diesel_schema_migrations", "directory", "people"];

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Nullable<Text>)]
    word: Option<String>,
}

fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    diesel::sql_query(sql).get_result::<Number>(connection).unwrap().number
}

fn words(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let found: QueryResult<Vec<Word>> = diesel::sql_query(sql).load(connection);
    found.unwrap().into_iter().filter_map(|row| row.word).collect()
}

fn tenant_tables(connection: &mut PgConnection) -> Vec<String> {
    words(
        connection,
        "SELECT relname::TEXT AS word FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
         ORDER BY relname",
    )
    .into_iter()
    .filter(|table| !PLATFORM.contains(&table.as_str()))
    .collect()
}

#[test]
fn b06_every_tenant_table_forces_row_level_security_and_every_key_begins_with_the_account() {
    on_postgresql(|_, owner, _| {
        let mut connection = raw(owner);
        let forced = words(
            &mut connection,
            "SELECT relname::TEXT AS word FROM pg_class
             WHERE relrowsecurity AND relforcerowsecurity ORDER BY relname",
        );
        assert_eq!(forced, tenant_tables(&mut connection));
        assert!(forced.len() >= 20);
        let other_keys = words(
            &mut connection,
            "SELECT (c.conrelid::regclass || ' ' || c.conname)::TEXT AS word FROM pg_constraint AS c
             JOIN pg_class AS t ON t.oid = c.conrelid AND t.relrowsecurity
             WHERE c.contype IN ('p', 'u') AND c.conkey[1] <> (
                 SELECT attnum FROM pg_attribute WHERE attrelid = c.conrelid
                 AND attname = CASE WHEN t.relname = 'accounts' THEN 'id' ELSE 'account_id' END)",
        );
        assert_eq!(other_keys, Vec::<String>::new());
        let other_indices = words(
            &mut connection,
            "SELECT i.indexrelid::regclass::TEXT AS word FROM pg_index AS i
             JOIN pg_class AS t ON t.oid = i.indrelid AND t.relrowsecurity AND t.relname <> 'accounts'
             JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE a.attname <> 'account_id'",
        );
        assert_eq!(other_indices, Vec::<String>::new());
    });
}

#[test]
fn b06_without_an_account_every_table_is_empty_to_everybody() {
    on_postgresql(|database, owner, app| {
        let world = World::new(database);
        for (role, url) in [("app", app), ("owner", owner)] {
            let mut connection = raw(url);
            for table in tenant_tables(&mut raw(owner)) {
                let count = format!("SELECT count(*) AS number FROM {table}");
                assert_eq!(number(&mut connection, &count), 0, "{role} {table}");
                // The setting exists from the first use on, and is then empty rather than missing.
                connection
                    .batch_execute(&format!(
                        "BEGIN; SELECT set_config('firewarden.account_id', '{}', true)",
                        world.account.uuid()
                    ))
                    .unwrap();
                assert!(number(&mut connection, &count) > 0, "{role} {table} has a row to hide");
                connection.batch_execute("COMMIT").unwrap();
                let setting = words(&mut connection, "SELECT current_setting('firewarden.account_id', true) AS word");
                assert_eq!(setting, [""], "nothing leaks past the transaction");
                assert_eq!(number(&mut connection, &count), 0, "{role} {table} after COMMIT");
            }
        }
    });
}

#[test]
fn b06_no_row_can_be_written_into_another_account() {
    on_postgresql(|database, _, app| {
        let world = World::new(database);
        let mut connection = raw(app);
        let enter = format!("BEGIN; SELECT set_config('firewarden.account_id', '{}', true)", world.account.uuid());
        for statement in [
            format!("INSERT INTO accounts VALUES ('{}', 'x', now(), 1)", database.uuid()),
            format!("UPDATE keys SET account_id = '{}'", world.partner.uuid()),
            format!(
                "INSERT INTO keys VALUES ('{}', '{}', 'x', '\\x00', now(), NULL)",
                world.partner.uuid(),
                database.uuid()
            ),
        ] {
            connection.batch_execute(&enter).unwrap();
            let fault = connection.batch_execute(&statement).unwrap_err().to_string();
            assert!(fault.contains("row-level security"), "{statement}: {fault}");
            connection.batch_execute("ROLLBACK").unwrap();
        }
        connection.batch_execute(&enter).unwrap();
        let hidden = format!("UPDATE accounts SET name = 'x' WHERE id = '{}'", world.partner.uuid());
        assert_eq!(diesel::sql_query(hidden).execute(&mut connection), Ok(0));
    });
}

#[test]
fn b06_the_role_that_serves_cannot_rewrite_history_or_the_schema() {
    on_postgresql(|database, _, app| {
        World::new(database);
        let mut connection = raw(app);
        for statement in [
            "DELETE FROM audit_entries",
            "UPDATE audit_entries SET patient = NULL",
            "DELETE FROM admin_events",
            "UPDATE admin_events SET actor = 'system'",
            "UPDATE bundles SET version = 9",
            "UPDATE spec_versions SET number = 9",
            "DELETE FROM people",
            "TRUNCATE keys",
            "ALTER TABLE keys DISABLE ROW LEVEL SECURITY",
            "DROP POLICY tenant ON keys",
            "CREATE TABLE x (id INT)",
            "DELETE FROM __diesel_schema_migrations",
        ] {
            let fault = connection.batch_execute(statement).unwrap_err().to_string();
            assert!(fault.contains("permission denied") || fault.contains("must be owner"), "{statement}: {fault}");
        }
    });
}

#[test]
fn b06_a_thousand_accounts_share_four_connections_and_each_sees_its_own_rows() {
    const ACCOUNTS: usize = 1_000;
    const THREADS: usize = 8;

    on_postgresql(|database, _, _| {
        let accounts: Vec<_> = (0..ACCOUNTS).map(|_| (database.account(), world::key(database))).collect();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let accounts = &accounts;
                scope.spawn(move || {
                    // Every thread meets the accounts in another order, so that neighbours share a connection.
                    for (account, key) in accounts.iter().skip(thread).step_by(THREADS) {
                        database.within(*account, |tx| keys::insert(tx, key)).unwrap();
                    }
                    for index in 0..ACCOUNTS {
                        let (account, _) = &accounts[(index * 7 + thread * 131) % ACCOUNTS];
                        let listed = database.pool.read(*account, |tx| keys::list(tx, Page::first(9))).unwrap();
                        assert!(listed.items.len() <= 1, "{account} sees a row of another");
                    }
                });
            }
        });
        for (account, key) in &accounts {
            let listed = database.pool.read(*account, |tx| keys::list(tx, Page::first(9))).unwrap();
            assert_eq!(listed.items, std::slice::from_ref(key));
        }
    });
}

#[test]
fn b06_a_connection_that_served_one_account_serves_the_next_cleanly_after_every_kind_of_end() {
    on_postgresql(|database, _, app| {
        let options = store::PoolOptions { connections: 1, ..crate::harness::options() };
        let pool = store::Pool::open(&app.parse().unwrap(), &options).unwrap();
        let (first, second) = (database.account(), database.account());
        let empty = |end: &str| {
            let listed = pool.transact(second, |tx| keys::list(tx, Page::first(9))).unwrap();
            assert!(listed.items.is_empty(), "after {end}");
        };
        pool.transact(first, |tx| keys::insert(tx, &world::key(database))).unwrap();
        empty("a commit");
        let refused = pool.transact(first, |tx| {
            keys::list(tx, Page::first(9))?;
            Err::<(), _>(StoreError::NotFound)
        });
        assert!(refused.is_err());
        empty("a refusal");
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.transact(first, |tx| -> Result<(), StoreError> {
                tx.as_account(first, |tx| keys::list(tx, Page::first(9)).map(drop))?;
                std::panic::resume_unwind(Box::new("a fault of ours"))
            })
        }));
        assert!(panicked.is_err());
        empty("a panic");
    });
}
