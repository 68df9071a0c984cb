//! All integration tests: one package, one binary.

mod docs;
mod journeys;
mod layers;
