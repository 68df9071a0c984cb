//! The door of the administration API: convert, run, show.
//!
//! Invariant: handlers hold no rule of their own; who may ask stands in the type of the caller, what may be done in
//! the use case, and every refusal gets its status in [`failure`].

mod events;
pub mod failure;
pub mod forms;
pub mod roles;
pub mod services;
mod sessions;
mod signup;
mod versions;

use actix_web::web::ServiceConfig;
use utoipa_actix_web::service_config::ServiceConfig as Operations;

pub use failure::Failure;

/// Every operation, for the server and for its OpenAPI document.
pub fn operations(config: &mut Operations<'_>) {
    config.service(signup::sign_up).service(signup::confirm_sign_up);
    config.service(sessions::log_in).service(sessions::log_out).service(sessions::get_account);
    config.service(services::create_service).service(services::list_services).service(services::get_service);
    config.service(services::update_service).service(versions::list_versions).service(versions::create_version);
    config.service(roles::list_roles).service(roles::create_role).service(roles::get_role);
    config.service(roles::update_role).service(roles::delete_role).service(events::list_events);
}

/// The pages that people open from their mail.
pub fn pages(_config: &mut ServiceConfig) {}

/// What use cases need to know of this server.
#[must_use]
pub fn platform(state: &web::State) -> admin::Platform<'_> {
    admin::Platform { sealer: &state.sealer, public_url: &state.public_url }
}
