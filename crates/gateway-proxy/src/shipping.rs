//! Shipping the audit: batch after batch, oldest first, each again until it is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use gateway::Gateway;
use gateway::audit::Batch;
use tokio::sync::watch;

use crate::control_plane::ControlPlane;
use crate::metrics;

/// How long an entry waits for others to be shipped with.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a gateway that stops goes on shipping; what is left is shipped at the next start.
const LAST_SHIPMENT: Duration = Duration::from_secs(3);

/// Ships until it is told to stop, and then once more.
pub(crate) async fn run(gateway: Arc<Gateway>, control_plane: Arc<ControlPlane>, mut stopped: watch::Receiver<bool>) {
    let mut pause = PAUSE;
    while !*stopped.borrow() {
        pause = match ship_all(&gateway, &control_plane).await {
            Ok(()) => PAUSE,
            Err(fault) => {
                if pause == PAUSE {
                    tracing::warn!(%fault, "the audit cannot be shipped; it is kept here");
                }
                metrics::control_plane_failed("audit");
                LONGEST_PAUSE.min(pause * 2)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopped.changed() => {}
        }
    }
    let _ = tokio::time::timeout(LAST_SHIPMENT, ship_all(&gateway, &control_plane)).await;
}

async fn ship_all(gateway: &Arc<Gateway>, control_plane: &ControlPlane) -> Result<(), String> {
    while let Some(mut batch) = next(gateway).await? {
        let stored = control_plane.audit(std::mem::take(&mut batch.body)).await.map_err(|fault| fault.to_string())?;
        let gateway = Arc::clone(gateway);
        let acknowledge = move || gateway.spool().acknowledge(&batch, stored.boot, stored.seq);
        if blocking(acknowledge).await? == 0 {
            return Err("the control plane stored nothing of a batch".to_owned());
        }
    }
    Ok(())
}

async fn next(gateway: &Arc<Gateway>) -> Result<Option<Batch>, String> {
    let gateway = Arc::clone(gateway);
    blocking(move || gateway.spool().next_batch()).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| "a fault in the gateway itself".to_owned())?;
    done.map_err(|fault| format!("the spool: {fault}"))
}
