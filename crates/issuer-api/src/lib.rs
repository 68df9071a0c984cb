//! issuer-api

use utoipa_actix_web::service_config::ServiceConfig as Operations;

/// Every operation, for the server and for its OpenAPI document.
pub fn operations(_config: &mut Operations<'_>) {}
