//! `/livez`, `/readyz`, `/metrics`.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, get};

use crate::metrics::recorder;
use crate::problem::Problem;
use crate::state::State;
use crate::transact::{Failed, blocking};

/// The process answers.
#[get("/livez")]
async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// The database answers, and its schema is ours.
#[get("/readyz")]
async fn readyz(state: Data<State>) -> Result<HttpResponse, Problem> {
    match blocking(&state, store::Pool::ping).await {
        Ok(()) => Ok(HttpResponse::Ok().content_type("text/plain").body("ok\n")),
        Err(Failed::Door(problem)) => Err(problem),
        Err(Failed::UseCase(error)) => {
            tracing::warn!(%error, "not ready");
            Err(Problem::unavailable())
        }
    }
}

/// Counts and durations by route template; no path, no id, no name.
#[get("/metrics")]
async fn metrics() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; version=0.0.4")).body(recorder().render())
}

/// Adds the three.
pub fn routes(config: &mut ServiceConfig) {
    config.service(livez).service(readyz).service(metrics);
}
