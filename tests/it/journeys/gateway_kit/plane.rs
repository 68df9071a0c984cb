//! A control plane that serves what a test gives it, and keeps what it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use policy::audit::{DecisionRecord, Entry, OutcomeRecord, Record};
use policy::bundle::Parts;
use serde_json::{Value, json};
use testkit::bundles::Published;
use testkit::jws::SigningKey;

use super::{now, serve};

/// What the control plane serves, and what it was told.
pub(crate) struct Plane {
    pub(crate) key: SigningKey,
    pub(crate) head: Option<String>,
    pub(crate) bundle: Option<(String, Vec<u8>)>,
    /// Heads are signed anew with each request for this version.
    pub(crate) published: Option<Published>,
    pub(crate) down: bool,
    /// Whether shipments are stored.
    pub(crate) takes_audit: bool,
    /// By (boot, seq), as the text that was shipped.
    pub(crate) entries: BTreeMap<(u64, u64), Entry>,
    pub(crate) deliveries: usize,
    pub(crate) reports: Vec<Value>,
    pub(crate) bundle_pulls: usize,
}

#[derive(Clone)]
pub(crate) struct ControlPlane {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Plane>>,
}

impl ControlPlane {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(Plane {
            key: SigningKey::ed25519("b1"),
            head: None,
            bundle: None,
            published: None,
            down: false,
            takes_audit: true,
            entries: BTreeMap::new(),
            deliveries: 0,
            reports: Vec::new(),
            bundle_pulls: 0,
        }));
        let address = serve(Data::from(Arc::clone(&state)), |config| {
            config
                .route("/v1/gateway/head", web::get().to(head))
                .route("/v1/gateway/bundle", web::get().to(bundle))
                .route("/v1/gateway/audit", web::post().to(audit))
                .route("/v1/gateway/reports", web::post().to(reports));
        });
        Self { address, state }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Plane> {
        self.state.lock().unwrap()
    }

    /// Publishes the next version of the policy.
    pub(crate) fn publish(&self, parts: Parts) -> Published {
        let mut state = self.lock();
        let version = state.published.as_ref().map_or(1, |published| published.manifest.version + 1);
        let published = Published::new(parts, version, state.published.as_ref(), now());
        let etag = format!("\"{}-{version}\"", published.manifest.digest);
        state.bundle = Some((etag, published.wire(&state.key)));
        state.published = Some(published.clone());
        published
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().entries.values().cloned().collect()
    }

    pub(crate) fn decisions(&self) -> Vec<DecisionRecord> {
        decisions(&self.entries())
    }
}

pub(crate) fn decisions(entries: &[Entry]) -> Vec<DecisionRecord> {
    let decision = |entry: &Entry| match &entry.record {
        Record::Decision(decision) => Some((**decision).clone()),
        Record::Outcome(_) | Record::Gap { .. } => None,
    };
    entries.iter().filter_map(decision).collect()
}

pub(crate) fn outcomes(entries: &[Entry]) -> Vec<OutcomeRecord> {
    let outcome = |entry: &Entry| match &entry.record {
        Record::Outcome(outcome) => Some(outcome.clone()),
        Record::Decision(_) | Record::Gap { .. } => None,
    };
    entries.iter().filter_map(outcome).collect()
}

fn known(request: &HttpRequest) -> bool {
    request.headers().get("authorization").is_some_and(|value| value == "Bearer fw_gateway_test")
}

async fn head(request: HttpRequest, state: Data<Mutex<Plane>>) -> HttpResponse {
    let state = state.lock().unwrap();
    if state.down || !known(&request) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let fresh = || state.published.as_ref().map(|published| published.signed_head(&state.key, now()));
    match state.head.clone().or_else(fresh) {
        Some(head) => HttpResponse::Ok().content_type("application/jose").body(head),
        None => HttpResponse::NotFound().finish(),
    }
}

async fn bundle(request: HttpRequest, state: Data<Mutex<Plane>>) -> HttpResponse {
    let mut state = state.lock().unwrap();
    if state.down || !known(&request) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    state.bundle_pulls += 1;
    let Some((etag, bytes)) = state.bundle.clone() else { return HttpResponse::NotFound().finish() };
    if request.headers().get("if-none-match").is_some_and(|held| held.as_bytes() == etag.as_bytes()) {
        return HttpResponse::NotModified().finish();
    }
    HttpResponse::Ok().insert_header(("etag", etag)).body(bytes)
}

async fn audit(body: Bytes, state: Data<Mutex<Plane>>) -> HttpResponse {
    let mut state = state.lock().unwrap();
    if state.down || !state.takes_audit {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let entries: Vec<Entry> = serde_json::from_value(body["entries"].clone()).unwrap();
    assert!((1..=500).contains(&entries.len()));
    state.deliveries += 1;
    let last = entries.last().map(|entry| json!({"boot": entry.boot, "seq": entry.seq}));
    for entry in entries {
        state.entries.insert((entry.boot, entry.seq), entry);
    }
    HttpResponse::Ok().json(last)
}

async fn reports(body: Bytes, state: Data<Mutex<Plane>>) -> HttpResponse {
    let mut state = state.lock().unwrap();
    state.reports.push(serde_json::from_slice(&body).unwrap());
    HttpResponse::NoContent().finish()
}
