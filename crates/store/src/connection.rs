//! Connections: which database a URL names, and how each connection is set up.
//!
//! Invariant: the scheme of the URL alone chooses the database. The derived `establish` of the enum
//! is never called: it tries one database after the other, and would make an empty SQLite file of a
//! PostgreSQL URL that fails.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use diesel::connection::{AnsiTransactionManager, Connection, SimpleConnection, TransactionManager};
use diesel::{PgConnection, SqliteConnection};

use crate::error::StoreError;
use crate::multi::{Conn, dual};

/// Which database: `sqlite:PATH`, or `postgres://…`. Its password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file of the embedded SQLite.
    Sqlite(PathBuf),
    /// A PostgreSQL server, by libpq's URL.
    Postgresql(String),
}

/// The text names no database that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// Neither scheme.
    #[error("a database URL starts with `sqlite:` or `postgres://`; libpq's `host=… dbname=…` form is not taken")]
    Scheme,
    /// SQLite without a file.
    #[error("`sqlite:` needs the path of a file: every connection would have a memory of its own")]
    Memory,
    /// TLS is asked for, and is not compiled in.
    #[error(
        "`sslmode={0}` asks for TLS, which this build has not: build with --no-default-features --features pg-system, \
         connect through a socket, or through a proxy that ends TLS"
    )]
    NoTls(String),
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with(":memory:") || path.contains('?') {
                return Err(InvalidDatabaseUrl::Memory);
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(InvalidDatabaseUrl::Scheme);
        }
        match sslmode(text) {
            Some(mode) if cfg!(feature = "pg-static") && !matches!(mode, "disable" | "allow" | "prefer") => {
                Err(InvalidDatabaseUrl::NoTls(mode.to_owned()))
            }
            _ => Ok(Self::Postgresql(text.to_owned())),
        }
    }
}

fn sslmode(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').rev().find_map(|pair| pair.strip_prefix("sslmode="))
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The URL without its user, password and options.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(out, "sqlite:{}", path.display()),
            Self::Postgresql(url) => {
                let bare = url.split('?').next().unwrap_or_default();
                let place = bare
                    .rsplit_once('@')
                    .map_or_else(|| bare.split_once("://").map_or("", |(_, rest)| rest), |(_, place)| place);
                write!(out, "postgres://{place}")
            }
        }
    }
}

/// How long a statement waits for another writer before it is [`StoreError::Busy`], in milliseconds.
const LOCK_WAIT_MS: u32 = 5_000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Reading and writing.
    Write,
    /// Reading only; SQLite then refuses to write.
    Read,
}

/// Opens and sets up one connection.
pub(crate) fn connect(url: &DatabaseUrl, purpose: Use) -> Result<Conn, diesel::ConnectionError> {
    match url {
        DatabaseUrl::Sqlite(path) => sqlite(path, purpose).map(Conn::Sqlite),
        DatabaseUrl::Postgresql(url) => postgresql(url).map(Conn::Postgresql),
    }
}

#[expect(clippy::disallowed_methods, reason = "the arm is chosen by the scheme, so nothing is guessed")]
fn sqlite(path: &Path, purpose: Use) -> Result<SqliteConnection, diesel::ConnectionError> {
    let path = path.to_str().ok_or_else(|| diesel::ConnectionError::BadConnection("the path is not UTF-8".into()))?;
    // `./` keeps SQLite from reading a path such as `file:x` as a URI.
    let path = if path.starts_with('/') { path.to_owned() } else { format!("./{path}") };
    let mut connection = SqliteConnection::establish(&path)?;
    let only = if purpose == Use::Read { "ON" } else { "OFF" };
    in_wal_mode(&mut connection).map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    // FULL: what is acknowledged is on the disk, also in WAL mode.
    connection
        .batch_execute(&format!(
            "PRAGMA busy_timeout = {LOCK_WAIT_MS}; PRAGMA synchronous = FULL; \
             PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA query_only = {only};"
        ))
        .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// Switches a file to WAL mode, if it is not.
///
/// For the switch SQLite does not wait as `busy_timeout` says: of several that open a new file at once, all but one are told at
/// once that it is locked.
fn in_wal_mode(connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
    const PAUSE_MS: u32 = 10;
    let mut waited = 0;
    loop {
        let done = connection.batch_execute("PRAGMA journal_mode = WAL;");
        let Err(fault) = done else { return Ok(()) };
        if waited >= LOCK_WAIT_MS || !fault.to_string().contains("locked") {
            return Err(fault);
        }
        std::thread::sleep(std::time::Duration::from_millis(PAUSE_MS.into()));
        waited += PAUSE_MS;
    }
}

#[expect(clippy::disallowed_methods, reason = "the arm is chosen by the scheme, so nothing is guessed")]
fn postgresql(url: &str) -> Result<PgConnection, diesel::ConnectionError> {
    let mut connection = PgConnection::establish(url)?;
    connection
        .batch_execute(&format!(
            "SET lock_timeout = {LOCK_WAIT_MS}; SET statement_timeout = 30000; \
             SET idle_in_transaction_session_timeout = 60000; SET synchronous_commit = on; SET row_security = on;"
        ))
        .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// Makes the connections of a pool.
#[derive(Debug)]
pub(crate) struct Manager {
    pub(crate) url: DatabaseUrl,
    pub(crate) purpose: Use,
}

/// Why the pool threw a connection away; its text goes to the log only.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Lost(String);

impl r2d2::ManageConnection for Manager {
    type Connection = Conn;
    type Error = Lost;

    fn connect(&self) -> Result<Conn, Lost> {
        connect(&self.url, self.purpose).map_err(|fault| Lost(fault.to_string()))
    }

    fn is_valid(&self, connection: &mut Conn) -> Result<(), Lost> {
        match connection {
            Conn::Sqlite(_) => Ok(()), // a file does not hang up
            Conn::Postgresql(inner) => inner.batch_execute("SELECT 1").map_err(|fault| Lost(fault.to_string())),
        }
    }

    /// A connection that a panic dropped in the middle of a transaction is closed, which rolls it back.
    fn has_broken(&self, connection: &mut Conn) -> bool {
        std::thread::panicking() || dual!(connection, c => AnsiTransactionManager::is_broken_transaction_manager(c))
    }
}

/// How a transaction starts.
pub(crate) fn begin(connection: &mut Conn, purpose: Use) -> Result<(), StoreError> {
    let begun = match (connection, purpose) {
        // A deferred transaction that comes to write later fails at once when another one wrote.
        (Conn::Sqlite(inner), Use::Write) => AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN IMMEDIATE"),
        (Conn::Sqlite(inner), Use::Read) => AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN DEFERRED"),
        (Conn::Postgresql(inner), Use::Write) => {
            AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN READ WRITE")
        }
        // One snapshot for the whole of it, as SQLite gives.
        (Conn::Postgresql(inner), Use::Read) => {
            AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        }
    };
    begun.map_err(|fault| StoreError::of(&fault, "transaction"))
}

/// Ends a transaction for good.
pub(crate) fn commit(connection: &mut Conn) -> Result<(), StoreError> {
    dual!(connection, c => AnsiTransactionManager::commit_transaction(c))
        .map_err(|fault| StoreError::of(&fault, "transaction"))
}

/// Takes a transaction back; a connection that cannot is not used again.
pub(crate) fn rollback(connection: &mut Conn) {
    if let Err(fault) = dual!(connection, c => AnsiTransactionManager::rollback_transaction(c)) {
        tracing::warn!(db.message = %fault, "a transaction could not be rolled back; its connection is closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_names_the_database() {
        for (text, shown) in [
            ("sqlite:/x/y.db", "sqlite:/x/y.db"),
            ("sqlite:///x/y.db", "sqlite:/x/y.db"),
            ("sqlite:y.db", "sqlite:y.db"),
            ("postgres://ann:se@cret@host:5432/db?sslmode=disable", "postgres://host:5432/db"),
            ("postgresql:///db?host=/run&user=ann&password=secret", "postgres:///db"),
        ] {
            assert_eq!(format!("{:?}", text.parse::<DatabaseUrl>().unwrap()), shown);
        }
    }

    #[test]
    fn what_names_no_database_is_refused_rather_than_made_a_file() {
        for text in ["", "y.db", "host=db dbname=firewarden", "mysql://db/x", "file:y.db", "POSTGRES://db/x"] {
            assert_eq!(text.parse::<DatabaseUrl>(), Err(InvalidDatabaseUrl::Scheme), "{text}");
        }
        for text in ["sqlite:", "sqlite::memory:", "sqlite://", "sqlite:x?mode=memory"] {
            assert_eq!(text.parse::<DatabaseUrl>(), Err(InvalidDatabaseUrl::Memory), "{text}");
        }
    }

    #[test]
    #[cfg(feature = "pg-static")]
    fn tls_is_refused_clearly_where_it_is_not_compiled_in() {
        for mode in ["require", "verify-ca", "verify-full", "nonsense"] {
            let fault = format!("postgres://db/x?a=b&sslmode={mode}").parse::<DatabaseUrl>().unwrap_err();
            assert_eq!(fault, InvalidDatabaseUrl::NoTls(mode.into()));
        }
        assert!("postgres://db/x?sslmode=disable&sslmode=require".parse::<DatabaseUrl>().is_err());
    }
}
