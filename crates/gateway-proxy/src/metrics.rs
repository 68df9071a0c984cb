//! What is counted. Every label comes from a closed list, so no client can make a new series.

use std::time::Duration;

use gateway::{Gateway, Judged};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use policy::Reason;
use policy::decision::Released;

/// Bounds of the histogram of decisions, in microseconds: a decision takes about one.
const DECISION_BUCKETS: [f64; 14] =
    [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 5_000.0, 20_000.0, 100_000.0];

/// Bounds of the histogram of lookups, in seconds: the upstream sets the pace.
const LOOKUP_BUCKETS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

/// Installs the recorder of this process; what it hands out renders `/metrics`.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let decision = Matcher::Full("arc_decision_microseconds".to_owned());
    let lookups = Matcher::Full("arc_lookup_seconds".to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(decision, &DECISION_BUCKETS)?
        .set_buckets_for_metric(lookups, &LOOKUP_BUCKETS)?
        .install_recorder()?;
    metrics::describe_histogram!(
        "arc_decision_microseconds",
        "how long a decision took, without reading the token and without lookups"
    );
    metrics::describe_histogram!(
        "arc_lookup_seconds",
        "how long the lookups of one request took, which are no part of its decision's time"
    );
    metrics::describe_counter!("arc_lookups_total", "resources that were looked up at the upstream to decide");
    metrics::describe_counter!(
        "arc_pages_read_on_total",
        "pages of the upstream that held nothing for the caller, so that the next one was read"
    );
    metrics::describe_counter!("arc_decisions_total", "decisions by effect and reason");
    metrics::describe_counter!("arc_answers_total", "answers to clients by status, and by why one was taken back");
    metrics::describe_counter!("arc_resources_total", "resources in answers: released, or dropped by phase 9");
    metrics::describe_counter!("arc_bundle_refused_total", "heads and bundles that were not taken");
    metrics::describe_counter!("arc_control_plane_failures_total", "requests to the control plane that failed");
    metrics::describe_gauge!("arc_bundle_version", "the version of the bundle in force; 0 without one");
    metrics::describe_gauge!("arc_bundle_unheard_seconds", "how long no head has confirmed the bundle in force");
    metrics::describe_gauge!("arc_audit_waiting_entries", "entries that wait to be acknowledged by the control plane");
    metrics::describe_gauge!("arc_audit_bytes", "bytes of the audit spool on disk");
    metrics::describe_gauge!("arc_audit_lost_entries", "entries lost since the start");
    Ok(handle)
}

pub(crate) fn decided(judged: &Judged) {
    let effect = if judged.decision().permits() { "permit" } else { "deny" };
    let reason = judged.decision().reason().map_or("", Reason::as_str);
    metrics::counter!("arc_decisions_total", "effect" => effect, "reason" => reason).increment(1);
    metrics::histogram!("arc_decision_microseconds").record(micros(judged.elapsed()));
}

pub(crate) fn answered(released: &Released) {
    let reason = released.reason.map_or("", Reason::as_str);
    metrics::counter!("arc_answers_total", "status" => status_class(released.status), "reason" => reason).increment(1);
    metrics::counter!("arc_resources_total", "verdict" => "released").increment(u64::from(released.released));
    metrics::counter!("arc_resources_total", "verdict" => "dropped").increment(u64::from(released.dropped));
}

/// What one request had looked up; nothing is counted where there was nothing.
pub(crate) fn looked_up(count: usize, took: Duration) {
    if count > 0 {
        metrics::counter!("arc_lookups_total").increment(u64::try_from(count).unwrap_or(u64::MAX));
        metrics::histogram!("arc_lookup_seconds").record(took.as_secs_f64());
    }
}

pub(crate) fn read_on() {
    metrics::counter!("arc_pages_read_on_total").increment(1);
}

pub(crate) fn refused() {
    metrics::counter!("arc_bundle_refused_total").increment(1);
}

pub(crate) fn control_plane_failed(what: &'static str) {
    metrics::counter!("arc_control_plane_failures_total", "request" => what).increment(1);
}

/// Sets what is read rather than counted, before it is rendered.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats; 52 bits of a version or a size are enough")]
pub(crate) fn read(gateway: &Gateway) {
    let version = gateway.bundles().current().map_or(0, |snapshot| snapshot.manifest().version);
    metrics::gauge!("arc_bundle_version").set(version as f64);
    if version > 0 {
        let unheard = gateway.bundles().unheard_for(gateway.clock().now().timestamp());
        metrics::gauge!("arc_bundle_unheard_seconds").set(unheard as f64);
    }
    let level = gateway.spool().level();
    metrics::gauge!("arc_audit_waiting_entries").set(level.waiting as f64);
    metrics::gauge!("arc_audit_bytes").set(level.bytes as f64);
    metrics::gauge!("arc_audit_lost_entries").set(level.lost as f64);
}

fn micros(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1_000_000.0
}

const fn status_class(status: u16) -> &'static str {
    match status {
        200..=299 => "2xx",
        300..=399 => "3xx",
        401 => "401",
        403 => "403",
        404 => "404",
        400..=499 => "4xx",
        502 => "502",
        503 => "503",
        _ => "5xx",
    }
}
