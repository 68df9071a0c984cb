//! One readable line for each request. It names the operation, never the path as it came, the query or the caller's token.

use std::time::Duration;

use gateway::Judged;
use policy::Reason;
use policy::decision::Released;

/// What is said of a request once it is answered.
#[derive(Debug)]
pub(crate) struct Line {
    request_id: String,
    operation: String,
    verdict: &'static str,
    reason: Option<Reason>,
    bundle_version: Option<u64>,
    micros: u128,
    upstream_status: Option<u16>,
    upstream_ms: Option<u128>,
    lookups: usize,
    lookups_ms: u128,
}

impl Line {
    pub(crate) fn of(judged: &Judged) -> Self {
        Self {
            request_id: judged.request_id().to_string(),
            operation: judged.operation().unwrap_or_else(|| "(not an operation of the Service)".to_owned()),
            verdict: if judged.decision().permits() { "permit" } else { "deny" },
            reason: judged.decision().reason(),
            bundle_version: judged.bundle_version(),
            micros: judged.elapsed().as_micros(),
            upstream_status: None,
            upstream_ms: None,
            lookups: 0,
            lookups_ms: 0,
        }
    }

    pub(crate) const fn upstream(&mut self, status: Option<u16>, took: Duration) {
        self.upstream_status = status;
        self.upstream_ms = Some(took.as_millis());
    }

    pub(crate) const fn lookups(&mut self, count: usize, took: Duration) {
        self.lookups = count;
        self.lookups_ms = took.as_millis();
    }

    pub(crate) fn write(&self, released: &Released, took: Duration) {
        let reason = released.reason.or(self.reason).map_or("", Reason::as_str);
        tracing::info!(
            request_id = %self.request_id,
            bundle_version = self.bundle_version,
            upstream_status = self.upstream_status,
            upstream_ms = self.upstream_ms.and_then(|ms| u64::try_from(ms).ok()),
            lookups = self.lookups,
            lookups_ms = u64::try_from(self.lookups_ms).ok(),
            decision_us = u64::try_from(self.micros).ok(),
            duration_ms = u64::try_from(took.as_millis()).ok(),
            "{} {} {} {reason}", self.verdict, released.status, self.operation,
        );
    }
}
