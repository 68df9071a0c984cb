//! The administration API over HTTP.

mod audit;
mod documents;
mod gateways;
mod keys;
mod partners;
mod requests;
mod roles;
pub(crate) mod services;
mod signup;
