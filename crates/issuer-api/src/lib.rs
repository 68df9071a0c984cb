//! The door of the issuer: tokens, sessions of assumed roles, and the public keys that verify them.
//!
//! Invariant: errors have the form of RFC 6749 section 5.2, no answer with a token is ever cached, and no token is logged.

mod assume;
mod jwks;
mod refusal;
mod token;

use utoipa_actix_web::service_config::ServiceConfig as Operations;

/// Every operation, for the server and for its OpenAPI document.
pub fn operations(config: &mut Operations<'_>) {
    config.service(token::exchange_key).service(assume::assume_role).service(jwks::token_keys);
}
