//! The state of the control plane, on SQLite or PostgreSQL, from one set of queries.
//!
//! Invariant: a tenant's rows are read and written through a [`Tx`] of that tenant only. Every function
//! takes the account from the [`Tx`], never from an argument; on PostgreSQL forced row-level security
//! checks it once more. Time, ids and randomness are arguments.

pub mod accounts;
pub mod admin_events;
pub mod audit;
pub mod bundles;
mod connection;
pub mod directory;
mod error;
pub mod gateways;
pub mod idempotency;
pub mod invitations;
pub mod key_roles;
pub mod keys;
pub mod members;
mod migrations;
mod multi;
pub mod outbox;
mod page;
pub mod people;
mod pool;
pub mod revocations;
pub mod role_sessions;
pub mod roles;
mod schema;
pub mod seal;
pub mod services;
pub mod sessions;
pub mod signing_keys;
pub mod single_use;
pub mod spec_versions;
pub mod subscribed_services;
pub mod subscriptions;
mod tx;
mod types;

pub use connection::{DatabaseUrl, InvalidDatabaseUrl};
pub use error::StoreError;
pub use migrations::migrate;
pub use page::{Listed, MAX_PAGE, Page};
pub use pool::{Pool, PoolOptions};
pub use tx::Tx;
