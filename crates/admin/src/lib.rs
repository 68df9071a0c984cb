//! What administrators do: one plain function for each wish, over one transaction.
//!
//! Invariant: every change writes its [`domain::AdminEvent`] in the same transaction, and whatever changes decisions
//! publishes a bundle there too.

pub mod audit;
pub mod bundles;
mod ceilings;
pub mod credential;
pub mod error;
pub mod events;
pub mod gateways;
pub mod invitations;
pub mod keys;
pub mod letter;
pub mod password;
pub mod platform;
pub mod revocations;
pub mod roles;
pub mod secret;
pub mod services;
pub mod sessions;
pub mod signing_keys;
pub mod signup;
pub mod subscriptions;
pub mod trusts;
pub mod versions;

pub use error::{Error, Fault};
pub use platform::Platform;
pub use policy_compiler::{Finding, Imported, ImportedType};
