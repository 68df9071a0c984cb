//! Databases of their own for tests on PostgreSQL; `scripts/postgres start` prints the variables that name the server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use crate::process::program;

/// One database, dropped with this.
pub(crate) struct Database {
    owner: String,
    app: String,
    url: String,
    name: String,
}

#[expect(clippy::disallowed_methods, reason = "the kind of the database is fixed")]
fn run(url: &str, statement: &str) -> Result<(), String> {
    let mut connection = PgConnection::establish(url).map_err(|fault| fault.to_string())?;
    connection.batch_execute(statement).map_err(|fault| fault.to_string())
}

fn fresh_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("fw_it_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The same URL for another database of the server.
fn in_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, String::new()), |(base, query)| (base, format!("?{query}")));
    let (scheme, rest) = base.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{authority}/{name}{query}")
}

impl Database {
    /// A migrated database on the server of the environment; none, and a clear word, without one.
    pub(crate) fn new() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let urls = (variable("FIREWARDEN_TEST_POSTGRES"), variable("FIREWARDEN_TEST_POSTGRES_APP"));
        let (Some(owner), Some(app)) = urls else {
            let required = variable("FIREWARDEN_REQUIRE_POSTGRES").is_some_and(|value| value == "1");
            assert!(!required, "FIREWARDEN_TEST_POSTGRES and FIREWARDEN_TEST_POSTGRES_APP are not set");
            eprintln!("skipped on PostgreSQL: FIREWARDEN_TEST_POSTGRES is not set (`scripts/postgres start DIR`)");
            return None;
        };
        let name = fresh_name();
        run(&owner, &format!("CREATE DATABASE {name}")).unwrap();
        let migrated = program().arg("migrate").env("FIREWARDEN_DATABASE_URL", in_database(&owner, &name)).output();
        let migrated = migrated.unwrap();
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        Some(Self { url: in_database(&app, &name), owner, app, name })
    }

    /// What a server is given.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A copy. The server notices the end of a killed process a moment later, and copies nothing that is in use.
    pub(crate) fn copy(&self) -> Self {
        let name = fresh_name();
        let started = Instant::now();
        while let Err(fault) = run(&self.owner, &format!("CREATE DATABASE {name} TEMPLATE {}", self.name)) {
            assert!(started.elapsed() < Duration::from_secs(20), "{fault}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { url: in_database(&self.app, &name), owner: self.owner.clone(), app: self.app.clone(), name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = run(&self.owner, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}
