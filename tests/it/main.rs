//! All integration tests: one package, one binary.

mod docs;
mod layers;
