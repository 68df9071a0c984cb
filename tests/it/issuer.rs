//! The issuer over HTTP.

mod assume;
mod token;
