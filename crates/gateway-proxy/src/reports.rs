//! What the gateway tells the control plane of itself: at once when something changed, and now and then that nothing did.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::control_plane::ControlPlane;
use crate::metrics;

/// How often an unchanged state is told again.
const REPEAT_AFTER: Duration = Duration::from_secs(30);

/// What the gateway runs, and what it refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) bundle_version: Option<u64>,
    pub(crate) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Active,
    Refused,
    Stale,
}

#[derive(Serialize)]
struct Sent<'a> {
    #[serde(flatten)]
    report: &'a Report,
    arc_version: &'static str,
}

pub(crate) struct Reports {
    control_plane: Arc<ControlPlane>,
    version: &'static str,
    last: Option<(Report, Instant)>,
}

impl Reports {
    pub(crate) const fn new(control_plane: Arc<ControlPlane>, version: &'static str) -> Self {
        Self { control_plane, version, last: None }
    }

    /// Tells the report if it is news, or was told long ago.
    pub(crate) async fn tell(&mut self, report: Report) {
        if self.last.as_ref().is_some_and(|(told, at)| *told == report && at.elapsed() < REPEAT_AFTER) {
            return;
        }
        let Ok(body) = serde_json::to_vec(&Sent { report: &report, arc_version: self.version }) else { return };
        match self.control_plane.report(body).await {
            Ok(()) => self.last = Some((report, Instant::now())),
            Err(fault) => {
                metrics::control_plane_failed("report");
                tracing::debug!(%fault, "the report was not taken");
            }
        }
    }
}
