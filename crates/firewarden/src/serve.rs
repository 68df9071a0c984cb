//! `firewarden serve`: starts the control plane with no set-up, and ends it without cutting a request.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::{Server, ServerHandle};
use actix_web::web::Data;
use store::{DatabaseUrl, Pool, PoolOptions, StoreError};
use tokio::task::JoinHandle;
use web::Clock;
use web::state::{Parts, State};

use crate::app::app;
use crate::config::{ConfigError, DataConfig, DatabaseConfig, HttpConfig, LogConfig, MailConfig, Settings};
use crate::logging::InvalidFilter;
use crate::mailer::{InvalidMailer, Mailer};
use crate::sealing_key::{self, KeyError};

/// Threads that may block, for each worker: the database's places, the passwords', and one to spare.
const BLOCKING_THREADS: usize = 12;
/// How long requests may go on after the signal to end.
const SHUTDOWN_SECONDS: u64 = 10;
/// A client that sends its headers slower than this is cut off.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection without a request is kept this long.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Connections at one time, for each worker; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 5_000;
/// How long a caller waits for a connection to the database.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Everything that `serve` reads.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where things are kept.
    pub data: DataConfig,
    /// How requests come in.
    pub http: HttpConfig,
    /// Where the database is.
    pub database: DatabaseConfig,
    /// How mail goes out.
    pub mail: MailConfig,
    /// What is logged.
    pub log: LogConfig,
}

impl ServeConfig {
    /// Reads it.
    pub fn from(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            data: DataConfig::from(settings),
            http: HttpConfig::from(settings)?,
            database: DatabaseConfig::from(settings)?,
            mail: MailConfig::from(settings),
            log: LogConfig::from(settings)?,
        })
    }
}

/// Why the server did not start; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log's filter.
    #[error(transparent)]
    Log(#[from] InvalidFilter),
    /// The sealing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database's URL.
    #[error("`database_url`: {0}")]
    Url(#[from] store::InvalidDatabaseUrl),
    /// The database.
    #[error("database: {0}")]
    Database(#[from] StoreError),
    /// The mail server's URL.
    #[error(transparent)]
    Mail(#[from] InvalidMailer),
    /// The data folder or the socket.
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

/// A server that accepts requests.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The base of its links.
    pub public_url: String,
    /// Its clock, so that a test can move it.
    pub clock: Clock,
    server: Server,
    handle: ServerHandle,
    mailer: JoinHandle<()>,
    metrics: JoinHandle<()>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Running {
    /// Serves until it is told to stop, then ends what runs beside it.
    pub async fn until_stopped(self) -> io::Result<()> {
        let ended = self.server.await;
        self.mailer.abort();
        self.metrics.abort();
        ended
    }

    /// Tells it to stop, from anywhere.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }
}

/// Starts the server: the data folder, the sealing key and the SQLite database are made if they are not there.
pub fn start(config: &ServeConfig, sealing_key: Option<String>) -> Result<Running, StartError> {
    web::metrics::recorder();
    let io_error = |what: &std::path::Path| {
        let what = what.display().to_string();
        move |error| StartError::Io(what, error)
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&config.data.dir).map_err(io_error(&config.data.dir))?;
    let sealer = sealing_key::sealer(sealing_key, &config.data.sealing_key_file)?;
    let url: DatabaseUrl = config.database.url.parse()?;
    let connections = config.database.connections;
    let options = PoolOptions { connections, acquire_timeout: ACQUIRE_TIMEOUT, kill_at: kill_at() };
    let pool = Pool::open(&url, &options)?;
    let mailer = Mailer::new(&config.mail, &config.data.dir.join("mail"))?;

    let listen = config.http.listen;
    let socket = bind(listen).map_err(|error| StartError::Io(format!("cannot listen on {listen}"), error))?;
    let address = socket.local_addr().map_err(|error| StartError::Io("the socket".into(), error))?;
    let public_url = config.http.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let clock = Clock::system();
    let state = State::new(Parts {
        pool,
        connections: connections as usize,
        sealer,
        clock: clock.clone(),
        quotas: config.http.quotas,
        public_url: public_url.clone(),
    });
    let state = Data::new(state.map_err(|error| KeyError::Key("derived".into(), error))?);

    let mailer = tokio::spawn(Arc::new(mailer).run(Data::clone(&state)));
    let metrics = tokio::spawn(upkeep());
    let server = HttpServer::new(move || app(Data::clone(&state)))
        .workers(config.http.workers)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(HEADERS_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .listen(socket)
        .map_err(|error| StartError::Io("the socket".into(), error))?
        .run();
    Ok(Running { address, public_url, clock, handle: server.handle(), server, mailer, metrics })
}

/// The named point at which a crash test wants this process to die.
#[cfg(debug_assertions)]
fn kill_at() -> Option<String> {
    std::env::var("FIREWARDEN_KILL_AT").ok()
}

/// A release build does not even read it.
#[cfg(not(debug_assertions))]
const fn kill_at() -> Option<String> {
    None
}

fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(listen)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Drains the histograms, which grow until somebody reads them.
async fn upkeep() {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        web::metrics::recorder().run_upkeep();
    }
}

/// Says where things are and what to do next, and `listening on` once it accepts.
pub fn announce(config: &ServeConfig, running: &Running) -> io::Result<()> {
    let url = &running.public_url;
    let data = fs::canonicalize(&config.data.dir).unwrap_or_else(|_| config.data.dir.clone());
    let mail = match &config.mail.smtp_url {
        Some(url) => crate::config::without_password(url),
        None => data.join("mail").display().to_string(),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "data        {}", data.display())?;
    writeln!(out, "sealing key {} (keep a copy: without it no secret opens)", config.data.sealing_key_file.display())?;
    writeln!(out, "database    {}", crate::config::without_password(&config.database.url))?;
    writeln!(out, "mail        {mail}")?;
    writeln!(out, "API         {url}/docs")?;
    writeln!(
        out,
        "next        curl {url}/v1/signup --json '{{\"email\":\"you@example.org\"}}'   then open the link in the mail"
    )?;
    writeln!(out, "listening on http://{}", running.address)?;
    out.flush()
}
