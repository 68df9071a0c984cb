//! All integration tests: one package, one binary.

mod layers;
