//! `arc` as a program of its own, asked over HTTP.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that cannot do its work fails the test"
)]

mod corpus;
mod gateway;
mod peers;
mod tokens;
mod wire;
