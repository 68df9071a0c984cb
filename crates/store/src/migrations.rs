//! The schema: compiled-in migrations for both databases, and the check that they were run.

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::{DatabaseUrl, Use, begin, commit, connect, rollback};
use crate::error::StoreError;
use crate::multi::{Conn, dual};

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRESQL: EmbeddedMigrations = embed_migrations!("../../migrations/postgresql");

/// Brings the schema to the version of this program; returns the versions that were run.
///
/// PostgreSQL: with the owner's URL, never with the one that serves.
pub fn migrate(url: &DatabaseUrl) -> Result<Vec<String>, StoreError> {
    let mut connection = connect(url, Use::Write).map_err(|fault| unreachable_database(url, &fault))?;
    run(&mut connection)
}

/// Runs what is missing, unless the schema is of a later program. Of several at once the others wait, and then
/// find nothing to do.
pub(crate) fn run(connection: &mut Conn) -> Result<Vec<String>, StoreError> {
    match connection {
        Conn::Sqlite(_) => {
            begin(connection, Use::Write)?;
            match pending(connection) {
                Ok(ran) => commit(connection).map(|()| ran),
                Err(error) => {
                    rollback(connection);
                    Err(error)
                }
            }
        }
        Conn::Postgresql(inner) => {
            // A migration may take its time. The end of the session unlocks.
            inner
                .batch_execute("SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock(6073)")
                .map_err(|fault| StoreError::of(&fault, "schema"))?;
            pending(connection)
        }
    }
}

fn pending(connection: &mut Conn) -> Result<Vec<String>, StoreError> {
    let known = known()?;
    let applied = dual!(connection, c => c.applied_migrations()).map_err(failed)?;
    refuse_later(&known, &texts(&applied))?;
    let ran = match connection {
        Conn::Sqlite(inner) => inner.run_pending_migrations(SQLITE).map(|ran| texts(&ran)),
        Conn::Postgresql(inner) => inner.run_pending_migrations(POSTGRESQL).map(|ran| texts(&ran)),
    };
    ran.map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn failed(fault: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Refused(format!("the migration failed: {fault}"))
}

diesel::table! {
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

/// Refuses a schema that is not of this program's version. Reads only: the role that serves may no more.
pub(crate) fn check(connection: &mut Conn) -> Result<(), StoreError> {
    let applied: Vec<String> = __diesel_schema_migrations::table
        .select(__diesel_schema_migrations::version)
        .load(connection)
        .map_err(|_| {
            StoreError::Refused(
                "the schema's version cannot be read: run `firewarden migrate` with the owner's URL first".into(),
            )
        })?;
    let known = known()?;
    refuse_later(&known, &applied)?;
    match known.iter().find(|version| !applied.contains(version)) {
        None => Ok(()),
        Some(version) => Err(StoreError::Refused(format!(
            "the schema lacks version {version}: run `firewarden migrate` with the owner's URL first"
        ))),
    }
}

fn refuse_later(known: &[String], applied: &[String]) -> Result<(), StoreError> {
    match applied.iter().find(|version| !known.contains(version)) {
        None => Ok(()),
        Some(version) => Err(StoreError::Refused(format!(
            "the schema has version {version}, which this program does not know: use the newer program"
        ))),
    }
}

/// The versions that this program knows; both databases have the same.
fn known() -> Result<Vec<String>, StoreError> {
    let migrations = MigrationSource::<Sqlite>::migrations(&SQLITE).map_err(failed)?;
    Ok(migrations.iter().map(|one| one.name().version().to_string()).collect())
}

fn texts(versions: &[diesel::migration::MigrationVersion<'_>]) -> Vec<String> {
    versions.iter().map(ToString::to_string).collect()
}

/// Said to the operator only: libpq's text names host and user, never the password.
pub(crate) fn unreachable_database(url: &DatabaseUrl, fault: &diesel::ConnectionError) -> StoreError {
    StoreError::Refused(format!("{url} cannot be opened: {fault}"))
}
