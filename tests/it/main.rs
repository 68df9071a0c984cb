//! All integration tests: one package, one binary.
