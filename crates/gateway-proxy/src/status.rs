//! The operator's own listener: whether the gateway lives, whether it can decide, and its metrics.

use std::sync::Arc;

use actix_web::http::header::ContentType;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use gateway::Gateway;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::metrics;

pub(crate) struct Own {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) metrics: PrometheusHandle,
}

pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(livez).service(readyz).service(show_metrics);
}

#[get("/livez")]
async fn livez() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

#[get("/readyz")]
async fn readyz(own: Data<Own>) -> HttpResponse {
    let version = own.gateway.bundles().current().map(|snapshot| snapshot.manifest().version);
    let ready = own.gateway.ready();
    let state = match (version, ready) {
        (None, _) => "no bundle yet",
        (Some(_), true) => "active",
        (Some(_), false) => "stale",
    };
    let body = json!({ "state": state, "bundle_version": version });
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

#[get("/metrics")]
async fn show_metrics(own: Data<Own>) -> HttpResponse {
    metrics::read(&own.gateway);
    own.metrics.run_upkeep();
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(own.metrics.render())
}
