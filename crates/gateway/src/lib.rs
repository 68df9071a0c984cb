//! What an enforcement point needs around the decision: who calls, under which bundle, and on what record.
//!
//! Invariant: nothing is forwarded that was not permitted and spooled, and nothing is released that
//! phase 9 did not let through. Where anything is missing, broken or full, the answer is a denial.

pub mod audit;
pub mod bearer;
pub mod bundles;
mod check_token;
pub mod clock;
pub mod enforce;
mod engine;
pub mod enrolment;
pub mod files;
pub mod hash;
mod json;
mod judge;
mod jws;
pub mod links;
pub mod snapshot;
mod stored;
pub mod trial;

use std::fs::File;
use std::io;
use std::path::Path;

use audit::{Recovered, Spool};
use bearer::Authenticator;
use bundles::{Bundles, ColdStart};
use check_token::Signer;
use clock::Clock;
pub use engine::{Answer, MAX_BUNDLE_BYTES};
use enrolment::Enrolment;
pub use judge::{BrokenBody, Inbound, Judged, Judging, Pending, denial};
use links::Links;
pub use stored::{Fetched, MAX_LOOKUPS};

/// One enforcement point: its clock, its bundle, its audit.
#[derive(Debug)]
pub struct Gateway {
    clock: Clock,
    bundles: Bundles,
    authenticator: Authenticator,
    links: Links,
    signer: Signer,
    spool: Spool,
    /// Held as long as the gateway lives: two of them in one folder would write over each other.
    _lock: File,
}

/// What a gateway found in its folder when it started.
#[derive(Debug)]
pub struct Found {
    /// The bundles.
    pub bundles: ColdStart,
    /// The audit.
    pub audit: Recovered,
}

impl Gateway {
    /// Opens a gateway over its folder: the last good bundle in force, the audit ready to go on.
    pub fn open(enrolment: &Enrolment, folder: &Path, audit_max_bytes: u64) -> io::Result<(Self, Found)> {
        files::private_folder(folder)?;
        let lock = lock(folder)?;
        let clock = Clock::start();
        let (bundles, cold_start) = Bundles::open(enrolment.trust.clone(), &folder.join("bundles"), clock.now())?;
        if let Some(heard_at) = bundles.heard_at() {
            clock.raise(heard_at);
        }
        let service_id = enrolment.trust.service_id;
        let options = audit::Options { service_id, gateway_id: enrolment.gateway_id, max_bytes: audit_max_bytes };
        let (spool, recovered) = Spool::open(&folder.join("audit"), &options, clock.now())?;
        let links = Links::open(folder, &service_id.to_string())?;
        let signer = Signer::open(folder, &enrolment.gateway_id.to_string())?;
        let found = Found { bundles: cold_start, audit: recovered };
        Ok((Self { clock, bundles, authenticator: Authenticator::default(), links, signer, spool, _lock: lock }, found))
    }

    /// Its clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Its bundles.
    #[must_use]
    pub const fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// Its audit.
    #[must_use]
    pub const fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Whether it can decide now: a bundle is in force, and not stale.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.bundles.current().is_some_and(|snapshot| !self.bundles.stale(&snapshot, self.clock.now()))
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join("lock");
    let file = files::private().write(true).create(true).truncate(false).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fault) => {
            let message = format!("another gateway uses `{}` ({fault}): give each its own folder", folder.display());
            Err(io::Error::new(io::ErrorKind::ResourceBusy, message))
        }
    }
}
