//! The audit at the gateway: made from the decision, on disk before anything is forwarded, shipped until acknowledged.
//!
//! Invariant: an entry is in the spool before the request that it is about goes on, and leaves the
//! spool only when the control plane has said that it is stored.

pub mod record;
mod recovery;
mod segment;
mod shipment;
pub mod spool;

pub use recovery::Recovered;
pub use shipment::Batch;
pub use spool::{Full, Level, Options, Room, Said, Spool};

#[cfg(test)]
mod tests;
