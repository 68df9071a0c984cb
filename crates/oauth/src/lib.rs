//! OAuth 2.0 and SMART as functions over loaded data: what a caller may be given, and why not.
//!
//! Invariant: nothing here reads a clock, a database or a network. What is granted only narrows what
//! is held: no function returns a permission that its caller did not have.

pub mod assume;
pub mod ceiling;
pub mod claims;
pub mod error;
pub mod token;

pub use error::{ErrorCode, TokenError};
