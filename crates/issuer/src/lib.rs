//! The issuer: keys become short tokens, and tokens become sessions of assumed roles.
//!
//! Invariant: every token is made from the state of its transaction. Whatever was deleted, suspended or revoked by then
//! gives no token; and a token never holds more than its key.

pub mod assume;
pub mod error;
pub mod jwks;
pub mod token;
mod verify;

pub use error::Error;
pub use oauth::token::Request;
pub use oauth::{ErrorCode, TokenError};

/// The `typ` of an access token (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
