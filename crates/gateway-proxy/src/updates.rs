//! Pulling: the head every few seconds, the bundle when the head names another one.

use std::sync::Arc;
use std::time::Duration;

use gateway::Gateway;
use gateway::bundles::{Fresh, Heard, Refused};
use tokio::sync::watch;

use crate::control_plane::{ControlPlane, Failed};
use crate::metrics;
use crate::reports::{Report, Reports, State};

/// Failing polls are spaced out up to this many intervals.
const LONGEST_BACKOFF: u32 = 6;

/// Why a poll brought no confirmation of the bundle in force.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Failed(#[from] Failed),
    #[error("{what} was refused: {reason}")]
    Refused { what: &'static str, reason: Refused },
    #[error("the control plane names a newer bundle and does not hand it out")]
    Withheld,
    #[error("a fault in the gateway itself")]
    Lost,
}

/// Polls until it is told to stop.
pub(crate) async fn run(
    gateway: Arc<Gateway>,
    control_plane: Arc<ControlPlane>,
    mut reports: Reports,
    interval: Duration,
    mut stopped: watch::Receiver<bool>,
) {
    let mut failures: u32 = 0;
    let mut last_said = None;
    while !*stopped.borrow() {
        let polled = poll(&gateway, &control_plane).await;
        failures = if polled.is_ok() { 0 } else { failures.saturating_add(1) };
        say(&gateway, polled.as_ref().err(), &mut last_said);
        reports.tell(report(&gateway, polled.as_ref().err())).await;
        let pause = jittered(interval.saturating_mul(failures.clamp(1, LONGEST_BACKOFF)));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopped.changed() => {}
        }
    }
}

async fn poll(gateway: &Arc<Gateway>, control_plane: &ControlPlane) -> Result<(), Fault> {
    let text = control_plane.head().await.inspect_err(|_| metrics::control_plane_failed("head"))?;
    let Heard::Behind(fresh) = hear(gateway, text).await? else { return Ok(()) };
    let in_force = gateway.bundles().current();
    let pulled = control_plane.bundle(in_force.as_ref().map(|snapshot| snapshot.manifest())).await;
    let bytes = pulled.inspect_err(|_| metrics::control_plane_failed("bundle"))?.ok_or(Fault::Withheld)?;
    accept(gateway, bytes, fresh).await
}

async fn hear(gateway: &Arc<Gateway>, head: String) -> Result<Heard, Fault> {
    let gateway = Arc::clone(gateway);
    let answer = tokio::task::spawn_blocking(move || gateway.bundles().hear(&head, gateway.clock().now())).await;
    answer.map_err(|_| Fault::Lost)?.map_err(|reason| Fault::Refused { what: "the head", reason })
}

async fn accept(gateway: &Arc<Gateway>, bytes: Vec<u8>, fresh: Fresh) -> Result<(), Fault> {
    let gateway = Arc::clone(gateway);
    let accept = move || gateway.bundles().accept(&bytes, &fresh, gateway.clock().now());
    let accepted = tokio::task::spawn_blocking(accept).await.map_err(|_| Fault::Lost)?;
    let snapshot = accepted.map_err(|reason| Fault::Refused { what: "the bundle", reason })?;
    tracing::info!(bundle_version = snapshot.manifest().version, "runs bundle {}", snapshot.manifest().version);
    Ok(())
}

/// Says what went wrong once, and once more when it is right again.
fn say(gateway: &Gateway, fault: Option<&Fault>, last_said: &mut Option<String>) {
    if matches!(fault, Some(Fault::Refused { .. })) {
        metrics::refused();
    }
    let said = fault.map(ToString::to_string);
    if said == *last_said {
        return;
    }
    let version = gateway.bundles().current().map(|snapshot| snapshot.manifest().version);
    match (&said, version) {
        (Some(fault), Some(version)) => tracing::warn!(%fault, "goes on with bundle {version}"),
        (Some(fault), None) => tracing::warn!(%fault, "has no bundle yet, and denies everything"),
        (None, _) => tracing::info!("the control plane confirms the bundle again"),
    }
    *last_said = said;
}

fn report(gateway: &Gateway, fault: Option<&Fault>) -> Report {
    let bundle_version = gateway.bundles().current().map(|snapshot| snapshot.manifest().version);
    let state = match fault {
        Some(Fault::Refused { .. }) => State::Refused,
        _ if gateway.ready() => State::Active,
        _ => State::Stale,
    };
    Report { bundle_version, state, error: fault.map(ToString::to_string) }
}

/// The pause, up to a fifth longer, so that gateways started together do not ask together.
fn jittered(pause: Duration) -> Duration {
    let share = gateway::clock::random::<1>().map_or(0, |[byte]| u32::from(byte));
    pause.saturating_add(pause.saturating_mul(share) / 1_280)
}
