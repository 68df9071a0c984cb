//! What administrators do: one plain function for each wish, over one transaction.
//!
//! Invariant: every change writes its [`domain::AdminEvent`] in the same transaction, and whatever changes decisions
//! publishes a bundle there too.

pub mod error;
pub mod letter;
pub mod password;
pub mod secret;
pub mod sessions;
pub mod signup;

pub use error::{Error, Fault};
