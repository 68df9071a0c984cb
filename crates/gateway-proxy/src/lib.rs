//! The reverse proxy: reads requests as they came, lets the gateway decide, and does what it says.
//!
//! Invariant: the only way to the upstream is [`upstream::Upstream`], which sends nothing but a
//! `Permitted` request, or a lookup of the decision point, whose answer goes to the decision point alone;
//! and no byte of an answer reaches a client before phase 9 has seen all of it, or, of a file of an export, all of its line.

pub mod control_plane;
mod files;
mod inbound;
mod log;
mod lookups;
pub mod metrics;
mod pieces;
mod proxy;
mod reports;
mod shipping;
mod status;
mod updates;
pub mod upstream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::Data;
use actix_web::{App, HttpServer, web};
use gateway::Gateway;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use control_plane::ControlPlane;
use reports::Reports;
use upstream::Upstream;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests that are under way may take once the gateway was told to stop.
const STOP_SECONDS: u64 = 15;
/// Connections at a time, of one worker: each may hold one request's body.
const MAX_CONNECTIONS: usize = 4_096;

/// Where a gateway listens, and how often it asks for news.
#[derive(Clone, Debug)]
pub struct Options {
    /// For clients.
    pub listen: SocketAddr,
    /// For the operator's own probes: never to be reached by clients.
    pub status_listen: SocketAddr,
    /// How often the head is pulled.
    pub poll_interval: Duration,
    /// What this program is, for reports.
    pub version: &'static str,
}

/// A gateway that accepts requests.
pub struct Running {
    /// Where clients reach it.
    pub address: SocketAddr,
    /// Where its operator does.
    pub status_address: SocketAddr,
    proxy: Server,
    status: Server,
    background: Background,
}

struct Background {
    gateway: Arc<Gateway>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Binds both listeners and starts to pull bundles and to ship the audit.
///
/// It needs the actix runtime; requests are answered once [`Running::until_stopped`] is awaited.
pub fn start(
    gateway: Gateway,
    upstream: Upstream,
    control_plane: ControlPlane,
    metrics: PrometheusHandle,
    options: &Options,
) -> io::Result<Running> {
    let gateway = Arc::new(gateway);
    let proxy = Data::new(proxy::Proxy { gateway: Arc::clone(&gateway), upstream });
    let proxy = HttpServer::new(move || App::new().app_data(proxy.clone()).default_service(web::to(proxy::handle)))
        .client_request_timeout(HEAD_TIMEOUT)
        .max_connections(MAX_CONNECTIONS)
        .shutdown_timeout(STOP_SECONDS)
        .server_hostname("gateway")
        .bind(options.listen)?;
    let own = Data::new(status::Own { gateway: Arc::clone(&gateway), metrics });
    let status = HttpServer::new(move || App::new().app_data(own.clone()).configure(status::routes))
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals()
        .bind(options.status_listen)?;
    let first = |addresses: Vec<SocketAddr>| addresses.into_iter().next().ok_or_else(|| io::Error::other("no address"));
    let (address, status_address) = (first(proxy.addrs())?, first(status.addrs())?);
    let background = Background::start(gateway, control_plane, options);
    Ok(Running { address, status_address, proxy: proxy.run(), status: status.run(), background })
}

impl Running {
    /// What stops it in order: requests under way are answered first.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.proxy.handle()
    }

    /// Serves until it is told to stop (SIGINT, SIGTERM), then ships what it can and syncs the audit.
    pub async fn until_stopped(self) -> io::Result<()> {
        let status = self.status.handle();
        let serving = tokio::spawn(self.status);
        let served = self.proxy.await;
        self.background.stop().await;
        status.stop(false).await;
        serving.abort();
        served
    }
}

impl Background {
    fn start(gateway: Arc<Gateway>, control_plane: ControlPlane, options: &Options) -> Self {
        let (stop, stopped) = watch::channel(false);
        let control_plane = Arc::new(control_plane);
        let reports = Reports::new(Arc::clone(&control_plane), options.version);
        let updates = updates::run(
            Arc::clone(&gateway),
            Arc::clone(&control_plane),
            reports,
            options.poll_interval,
            stopped.clone(),
        );
        let shipping = shipping::run(Arc::clone(&gateway), control_plane, stopped);
        Self { gateway, stop, tasks: vec![tokio::spawn(updates), tokio::spawn(shipping)] }
    }

    async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        if let Err(fault) = self.gateway.spool().sync() {
            tracing::error!(%fault, "the audit could not be synced to the disk");
        }
    }
}
