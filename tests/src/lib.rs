//! Holds the integration tests in `it/`; there is nothing to link.
