//! The decision point as its users see it: tables of behaviour, attacks, properties.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that cannot do its work fails the test"
)]

mod answers;
mod attacks;
mod batch;
mod batch_laws;
mod check;
mod corpus;
mod explain;
mod export;
mod fuzzed;
mod laws;
