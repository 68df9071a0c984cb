//! All integration tests: one package, one binary.

mod admin;
mod docs;
mod harness;
mod journeys;
mod layers;
