//! The decision point as its users see it: tables of behaviour, attacks, properties.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that cannot do its work fails the test"
)]

mod agreed;
mod answers;
mod attacks;
mod batch;
mod batch_laws;
mod check;
mod compare;
mod corpus;
mod drive;
mod equality;
mod explain;
mod export;
mod fuzzed;
mod generated;
mod laws;
mod properties;
mod servers;
