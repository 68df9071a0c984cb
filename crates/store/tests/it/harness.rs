//! Runs each test on a fresh database of either kind.
//!
//! PostgreSQL takes part when `FIREWARDEN_TEST_POSTGRES` (the owner's URL) and `FIREWARDEN_TEST_POSTGRES_APP` (of a
//! member of `firewarden_app`) are set, as `scripts/postgres start` prints them; `FIREWARDEN_REQUIRE_POSTGRES=1`
//! turns a missing one into a failure.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use domain::account::PLATFORM;
use domain::{Account, Actor, Call, Random};
use policy::id::{AccountId, RequestId};
use store::{DatabaseUrl, Pool, PoolOptions, StoreError, Tx, accounts};
use uuid::Uuid;

/// How many databases this process has made.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// One database of a test, empty but for its schema.
pub(crate) struct Database {
    /// `sqlite` or `postgresql`, for messages.
    pub(crate) kind: &'static str,
    /// What the store is opened with.
    pub(crate) url: DatabaseUrl,
    /// The store, with [`options`].
    pub(crate) pool: Pool,
    /// The owner's URL, on PostgreSQL.
    pub(crate) owner: Option<String>,
    /// The URL that serves, on PostgreSQL.
    pub(crate) app: Option<String>,
    random: Random,
    _folder: Option<tempfile::TempDir>,
    _place: Option<Place>,
}

/// Four connections, so that tests have more callers than connections.
pub(crate) fn options() -> PoolOptions {
    PoolOptions { connections: 4, acquire_timeout: Duration::from_secs(30), kill_at: None }
}

/// Runs the test on every kind of database that there is.
pub(crate) fn on_both(test: impl Fn(&Database)) {
    test(&Database::sqlite());
    if let Some(database) = Database::postgresql() {
        test(&database);
    }
}

/// Runs the test on PostgreSQL, if there is one.
pub(crate) fn on_postgresql(test: impl FnOnce(&Database, &str, &str)) {
    if let Some(database) = Database::postgresql() {
        let (owner, app) = (database.owner.clone().unwrap(), database.app.clone().unwrap());
        test(&database, &owner, &app);
    }
}

/// The moment at which tests start.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 123_456_000).unwrap()
}

pub(crate) fn later(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

#[expect(clippy::disallowed_methods, reason = "a raw connection, to look behind the store's back; its kind is fixed")]
pub(crate) fn raw(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap()
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url: DatabaseUrl = format!("sqlite:{}", folder.path().join("test.db").display()).parse().unwrap();
        let pool = Pool::open(&url, &options()).unwrap();
        Self {
            kind: "sqlite",
            url,
            pool,
            owner: None,
            app: None,
            random: Random::seeded(1),
            _folder: Some(folder),
            _place: None,
        }
    }

    /// A new database on the server of the environment, migrated; none, and a clear word, without one.
    pub(crate) fn postgresql() -> Option<Self> {
        let place = Place::new()?;
        store::migrate(&place.owner.parse().unwrap()).unwrap();
        let url: DatabaseUrl = place.app.parse().unwrap();
        let pool = Pool::open(&url, &options()).unwrap();
        Some(Self {
            kind: "postgresql",
            url,
            pool,
            owner: Some(place.owner.clone()),
            app: Some(place.app.clone()),
            random: Random::seeded(1),
            _folder: None,
            _place: Some(place),
        })
    }

    /// A fresh id.
    pub(crate) fn uuid(&self) -> Uuid {
        self.random.uuid(now())
    }

    /// A call of the platform itself.
    pub(crate) fn call(&self, account_id: AccountId) -> Call {
        Call::new(account_id, Actor::System, now(), RequestId::new(self.uuid()), self.random.clone())
    }

    /// A new account.
    pub(crate) fn account(&self) -> AccountId {
        let account =
            Account { id: AccountId::new(self.uuid()), name: "Ann's Clinic".parse().unwrap(), created_at: now() };
        self.within(account.id, |tx| accounts::insert(tx, &account)).unwrap();
        account.id
    }

    /// Runs `work` in one transaction of that account.
    pub(crate) fn within<T>(
        &self,
        account_id: AccountId,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.pool.transact(account_id, work)
    }

    /// Runs `work` for the platform.
    pub(crate) fn platform<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.pool.transact(PLATFORM, work)
    }
}

/// An empty database of PostgreSQL, without a schema; it goes when this does.
pub(crate) struct Place {
    /// The owner's URL of it.
    pub(crate) owner: String,
    /// The URL of it for who serves.
    pub(crate) app: String,
    server: String,
    name: String,
}

impl Place {
    pub(crate) fn new() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let urls = (variable("FIREWARDEN_TEST_POSTGRES"), variable("FIREWARDEN_TEST_POSTGRES_APP"));
        let (Some(server), Some(app)) = urls else {
            let required = variable("FIREWARDEN_REQUIRE_POSTGRES").is_some_and(|value| value == "1");
            assert!(!required, "FIREWARDEN_TEST_POSTGRES and FIREWARDEN_TEST_POSTGRES_APP are not set");
            eprintln!("skipped on PostgreSQL: FIREWARDEN_TEST_POSTGRES is not set (`scripts/postgres start DIR`)");
            return None;
        };
        // Other processes use the same server, also those that were killed and left theirs behind.
        let name = format!("fw_{}_{}_{}", std::process::id(), started(), COUNT.fetch_add(1, Ordering::Relaxed));
        raw(&server).batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        Some(Self { owner: in_database(&server, &name), app: in_database(&app, &name), server, name })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let dropped = raw(&self.server).batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        if let Err(fault) = dropped {
            eprintln!("the database {} is left behind: {fault}", self.name);
        }
    }
}

/// Tells this process from an earlier one of the same number.
fn started() -> u64 {
    static STARTED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *STARTED.get_or_init(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0))
}

/// The same URL for another database of the server.
pub(crate) fn in_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, String::new()), |(base, query)| (base, format!("?{query}")));
    let (scheme, rest) = base.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{authority}/{name}{query}")
}
