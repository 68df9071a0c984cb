//! The door of the administration API: convert, run, show.
//!
//! Invariant: handlers hold no rule of their own; who may ask stands in the type of the caller, what may be done in
//! the use case, and every refusal gets its status in [`failure`].

pub mod failure;
pub mod forms;
mod sessions;
mod signup;

use actix_web::web::ServiceConfig;
use utoipa_actix_web::service_config::ServiceConfig as Operations;

pub use failure::Failure;

/// Every operation, for the server and for its OpenAPI document.
pub fn operations(config: &mut Operations<'_>) {
    config.service(signup::sign_up).service(signup::confirm_sign_up);
    config.service(sessions::log_in).service(sessions::log_out).service(sessions::get_account);
}

/// The pages that people open from their mail.
pub fn pages(_config: &mut ServiceConfig) {}
