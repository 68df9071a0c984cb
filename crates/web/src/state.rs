//! What every handler of the control plane shares.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use domain::Random;
use store::seal::{SealError, Sealer};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;
use crate::cursor::Cursors;
use crate::limit::{Limits, Quotas};
use crate::once::InFlight;
use crate::problem::Problem;

/// Passwords hashed at the same time: each takes 19 MiB for a moment.
const MAX_PASSWORDS: usize = 2;
/// Documents read at the same time: one of 16 MiB takes some ten times that for a moment.
const MAX_IMPORTS: usize = 2;
/// How long a request waits for a place in the database or at the password hash before it is a 503.
pub const MAX_WAIT: Duration = Duration::from_secs(3);

/// The shared state of one server; made once, kept in `Data`.
pub struct State {
    /// The database.
    pub pool: store::Pool,
    /// Seals secrets at rest.
    pub sealer: Arc<Sealer>,
    /// Seals positions in lists.
    pub cursors: Cursors,
    /// Tells the time.
    pub clock: Clock,
    /// Gives ids and secrets.
    pub random: Random,
    /// Who may ask how often.
    pub limits: Limits,
    /// The base of every link and issuer, without a trailing slash; from the configuration, never from a request.
    pub public_url: String,
    /// Wakes the one who sends the mail; a handler calls it after a use case has posted a letter.
    pub mail_waits: Arc<Notify>,
    pub(crate) in_flight: Arc<InFlight>,
    database: Arc<Semaphore>,
    passwords: Arc<Semaphore>,
    imports: Arc<Semaphore>,
}

impl fmt::Debug for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("State").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// What a server is made of.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub pool: store::Pool,
    /// Connections of the pool: as many requests work in the database at once.
    pub connections: usize,
    /// The server's sealing key.
    pub sealer: Sealer,
    /// Tells the time.
    pub clock: Clock,
    /// Requests a minute.
    pub quotas: Quotas,
    /// The base of every link, without a trailing slash.
    pub public_url: String,
}

impl State {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Result<Self, SealError> {
        Ok(Self {
            pool: parts.pool,
            cursors: Cursors::new(&parts.sealer)?,
            sealer: Arc::new(parts.sealer),
            clock: parts.clock,
            random: system_random(),
            limits: Limits::new(parts.quotas),
            public_url: parts.public_url,
            mail_waits: Arc::new(Notify::new()),
            in_flight: Arc::default(),
            database: Arc::new(Semaphore::new(parts.connections)),
            passwords: Arc::new(Semaphore::new(MAX_PASSWORDS)),
            imports: Arc::new(Semaphore::new(MAX_IMPORTS)),
        })
    }

    /// A place in the database: as many as there are connections, so that no thread waits for one.
    pub(crate) async fn database_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        permit(&self.database).await
    }

    /// Runs what hashes a password, at most two at a time, off the async threads.
    pub async fn with_password<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        bounded(&self.passwords, work).await
    }

    /// Runs what reads a document, at most two at a time, off the async threads.
    pub async fn with_import<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        bounded(&self.imports, work).await
    }
}

async fn bounded<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let permit = permit(places).await?;
    let span = tracing::Span::current();
    let worked = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        span.in_scope(work)
    });
    worked.await.map_err(|_| Problem::internal())
}

async fn permit(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    match tokio::time::timeout(MAX_WAIT, Arc::clone(semaphore).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Problem::unavailable()),
    }
}

/// The system's randomness. Without it nothing may go on: an id or secret that can be guessed is worse than an end.
fn system_random() -> Random {
    Random::new(|bytes| {
        if rand::fill(bytes).is_err() {
            std::process::abort();
        }
    })
}
