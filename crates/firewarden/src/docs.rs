//! `/docs`: Swagger UI out of the binary; nothing is fetched from elsewhere.

use std::sync::{Arc, OnceLock};

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::web::{Path, ServiceConfig};
use actix_web::{HttpResponse, get};
use utoipa_swagger_ui::Config;
use web::problem::Problem;

/// Scripts from here only; Swagger UI sets styles inline, and its icons are data.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[get("/docs")]
async fn docs_root() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}

#[get("/docs/{file:.*}")]
async fn docs(file: Path<String>) -> Result<HttpResponse, Problem> {
    static CONFIG: OnceLock<Arc<Config<'static>>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| Arc::new(Config::from("/openapi.json").try_it_out_enabled(true)));
    match utoipa_swagger_ui::serve(&file, Arc::clone(config)) {
        Ok(Some(asset)) => Ok(HttpResponse::Ok()
            .content_type(asset.content_type)
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((CACHE_CONTROL, "public, max-age=3600"))
            .body(asset.bytes.into_owned())),
        Ok(None) => Err(Problem::not_found()),
        Err(_) => Err(Problem::internal()),
    }
}

/// Adds the pages.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(docs_root).service(docs);
}
