//! A gateway as its own process, between a control plane that serves what a test signs and an upstream that says what it saw.

mod api;
mod client;
mod clinic;
mod plane;
mod process;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};

pub(crate) use api::{Upstream, patient};
pub(crate) use client::{Got, ask, get, send};
pub(crate) use clinic::{claims, clinic};
pub(crate) use plane::{ControlPlane, decisions, outcomes};
pub(crate) use process::{ArcProxy, World, arc, spooled};

/// The Service's own base, as clients know it; its `Host` is what they send.
pub(crate) const BASE: &str = "https://api.example/fhir";
pub(crate) const HOST: &str = "api.example";
const PATIENCE: Duration = Duration::from_secs(20);

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a test is a door")]
pub(crate) fn now() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Waits until it is so; the test fails if it never is.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "it never came to be that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Serves on a free port until the test ends.
fn serve<T: Send + Sync + 'static>(state: Data<T>, routes: fn(&mut web::ServiceConfig)) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                App::new().app_data(state.clone()).app_data(web::PayloadConfig::new(16 * 1024 * 1024)).configure(routes)
            });
            let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
            tell.send(server.addrs()[0]).unwrap();
            server.run().await.unwrap();
        });
    });
    told.recv().unwrap()
}
