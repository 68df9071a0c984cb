//! The pool: bounded connections, and the one way to a transaction.
//!
//! SQLite has one connection that writes, because the file has one writer: waiting for it here has a bound
//! and ends as [`StoreError::Busy`]. Several others read beside it (WAL). PostgreSQL has one pool for both.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use policy::id::AccountId;

use crate::connection::{DatabaseUrl, Manager, Use, begin, commit, connect, rollback};
use crate::directory::{Found, Lookup};
use crate::error::StoreError;
use crate::migrations;
use crate::multi::Conn;
use crate::tx::Tx;

/// How large the pool is, and how long it lets callers wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// Connections to PostgreSQL; on SQLite, those that read.
    pub connections: u32,
    /// How long a caller waits for one before it is [`StoreError::Busy`].
    pub acquire_timeout: Duration,
    /// The named point at which the process dies at once; for crash tests, and only in debug builds.
    pub kill_at: Option<String>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { connections: 8, acquire_timeout: Duration::from_secs(5), kill_at: None }
    }
}

/// The store. Clones share its connections.
#[derive(Clone)]
pub struct Pool {
    writers: r2d2::Pool<Manager>,
    readers: r2d2::Pool<Manager>,
    kill_at: Option<Arc<str>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pool").field("writers", &self.writers.state()).finish_non_exhaustive()
    }
}

impl Pool {
    /// Opens the store.
    ///
    /// SQLite is made and migrated when it is not there yet. PostgreSQL is refused when its schema is of another
    /// version, or when the user could pass row-level security ([`StoreError::Refused`] says what to do).
    pub fn open(url: &DatabaseUrl, options: &PoolOptions) -> Result<Self, StoreError> {
        if let DatabaseUrl::Sqlite(path) = url {
            make_private(path)?;
        }
        let mut first = connect(url, Use::Write).map_err(|fault| migrations::unreachable_database(url, &fault))?;
        match url {
            DatabaseUrl::Sqlite(_) => drop(migrations::run(&mut first)?),
            DatabaseUrl::Postgresql(_) => {
                refuse_strong_user(&mut first)?;
                migrations::check(&mut first)?;
            }
        }
        let kill_at = options.kill_at.as_deref().map(Arc::from);
        let pool = |purpose, size| {
            r2d2::Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .connection_timeout(options.acquire_timeout)
                .build(Manager { url: url.clone(), purpose })
                .map_err(|_| StoreError::Refused(format!("{url} takes no connection")))
        };
        let size = options.connections.max(1);
        match url {
            DatabaseUrl::Sqlite(_) => {
                Ok(Self { writers: pool(Use::Write, 1)?, readers: pool(Use::Read, size)?, kill_at })
            }
            DatabaseUrl::Postgresql(_) => {
                let both = pool(Use::Write, size)?;
                Ok(Self { writers: both.clone(), readers: both, kill_at })
            }
        }
    }

    /// Runs `work` in one transaction of that account: all of it is kept, durably, or nothing.
    ///
    /// After a failed statement nothing is kept even if `work` says `Ok`: a database that undid a part
    /// must not have the rest taken for the whole. `work` does not call the pool again: it would wait for itself.
    pub fn transact<T, E: From<StoreError>>(
        &self,
        account_id: AccountId,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.writers.get().map_err(|_| StoreError::Busy)?;
        let connection = &mut *connection;
        begin(connection, Use::Write)?;
        let mut tx = Tx::new(connection, account_id, self.kill_at.clone());
        let outcome = tx.enter().map_err(E::from).and_then(|()| work(&mut tx));
        let outcome = match (outcome, tx.fault()) {
            (Ok(_), Some(fault)) => Err(fault.into()),
            (outcome, _) => outcome,
        };
        if outcome.is_ok() {
            tx.point("before_commit");
        }
        let after = tx.into_after_commit();
        match outcome {
            Ok(value) => {
                commit(connection)?;
                after.point("after_commit");
                Ok(value)
            }
            Err(error) => {
                rollback(connection);
                Err(error)
            }
        }
    }

    /// Runs `work` over one snapshot of that account; it cannot write. On SQLite it waits for no writer.
    pub fn read<T, E: From<StoreError>>(
        &self,
        account_id: AccountId,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.readers.get().map_err(|_| StoreError::Busy)?;
        let connection = &mut *connection;
        begin(connection, Use::Read)?;
        let mut tx = Tx::new(connection, account_id, None);
        let outcome = tx.enter().map_err(E::from).and_then(|()| work(&mut tx));
        rollback(connection);
        outcome
    }

    /// To which account something belongs that is known by itself (a key's id, a link's hash); none when it is unknown.
    pub fn directory(&self, lookup: Lookup<'_>) -> Result<Option<Found>, StoreError> {
        self.read(domain::account::PLATFORM, |tx| crate::directory::find(tx, lookup))
    }

    /// Whether the database answers.
    pub fn ping(&self) -> Result<(), StoreError> {
        self.read(domain::account::PLATFORM, |_| Ok(()))
    }
}

/// Makes the file, for its owner's eyes only.
fn make_private(path: &std::path::Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(path);
    made.map(drop).map_err(|fault| StoreError::Refused(format!("{} cannot be written: {fault}", path.display())))
}

#[derive(diesel::QueryableByName)]
struct Strength {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    strong: bool,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    owner: bool,
}

/// Refuses to serve as a user for whom row-level security is no wall.
fn refuse_strong_user(connection: &mut Conn) -> Result<(), StoreError> {
    let Conn::Postgresql(connection) = connection else { return Ok(()) };
    let found: Strength = diesel::sql_query(
        "SELECT (rolsuper OR rolbypassrls) AS strong, EXISTS (
             SELECT FROM pg_catalog.pg_class AS found
             WHERE found.oid = to_regclass('accounts') AND pg_has_role(current_user, found.relowner, 'USAGE')
         ) AS owner
         FROM pg_catalog.pg_roles WHERE rolname = current_user",
    )
    .get_result(connection)
    .map_err(|fault| StoreError::of(&fault, "role"))?;
    let fault = match found {
        Strength { strong: true, .. } => "is a superuser or has BYPASSRLS",
        Strength { owner: true, .. } => "owns the tables",
        Strength { .. } => return Ok(()),
    };
    Err(StoreError::Refused(format!(
        "the database user {fault}, so row-level security would not hold: serve as a member of firewarden_app, \
         and keep this user for `firewarden migrate`"
    )))
}
