//! The administration API over HTTP.

mod documents;
mod requests;
mod roles;
mod services;
mod signup;
