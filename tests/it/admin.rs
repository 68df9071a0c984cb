//! The administration API over HTTP.

mod documents;
mod requests;
mod roles;
pub(crate) mod services;
mod signup;
