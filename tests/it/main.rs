//! All integration tests: one package, one binary.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is tests, also what stands outside a `#[test]`"
)]

mod admin;
mod docs;
mod harness;
mod issuer;
mod journeys;
mod layers;
mod openapi;
mod partnership;
mod postgres;
mod process;
mod unauthorized;
