//! The door of the administration API: convert, run, show.
//!
//! Invariant: handlers hold no rule of their own; who may ask stands in the type of the caller, what may be done in
//! the use case, and every refusal gets its status in [`failure`].

mod audit;
mod enrolled;
mod events;
pub mod failure;
pub mod forms;
mod gateway;
mod gateways;
mod invitations;
mod keys;
mod pages;
pub mod roles;
pub mod services;
mod sessions;
mod signup;
mod subscriptions;
mod trust;
mod versions;

use actix_web::web::{Data, ServiceConfig};
use admin::bundles::Heads;
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
    partners(config);
    gateways(config);
}

/// Partners: invited by the owner, with keys and subscriptions of their own.
fn partners(config: &mut Operations<'_>) {
    config.service(invitations::create_invitation).service(invitations::list_invitations);
    config.service(invitations::revoke_invitation).service(invitations::resend_invitation);
    config.service(invitations::accept_invitation).service(trust::get_trust).service(trust::put_trust);
    config.service(subscriptions::list_partners).service(subscriptions::get_partner);
    config.service(subscriptions::update_partner).service(subscriptions::list_subscriptions);
    config.service(subscriptions::get_subscription).service(subscriptions::list_offered_roles);
    config.service(keys::create_key).service(keys::list_keys).service(keys::get_key).service(keys::delete_key);
    config.service(keys::list_key_roles).service(keys::put_key_roles);
}

/// Gateways, for those who enrol them and for themselves, and the audit that they write.
fn gateways(config: &mut Operations<'_>) {
    config.app_data(Data::new(Heads::default()));
    config.service(gateways::enrol_gateway).service(gateways::list_gateways).service(gateways::delete_gateway);
    config.service(gateway::gateway_head).service(gateway::gateway_bundle);
    config.service(gateway::ship_audit).service(gateway::report_gateway);
    config.service(audit::list_audit).service(audit::search_audit).service(audit::list_own_audit);
}

/// The pages that people open from their mail.
pub fn pages(config: &mut ServiceConfig) {
    pages::routes(config);
}

/// What use cases need to know of this server.
#[must_use]
pub fn platform(state: &web::State) -> admin::Platform<'_> {
    admin::Platform { sealer: &state.sealer, public_url: &state.public_url }
}
