//! What properties are tried with: Services, records, callers, requests and an upstream's answers.
//!
//! Invariant: everything is drawn by one strategy of proptest, prints as what a person could type, and shrinks to less
//! of itself. Most of it is well formed and permitted by somebody: `coverage` fails if it is not.

pub(crate) mod answer;
pub(crate) mod bodies;
pub(crate) mod caller;
pub(crate) mod query;
pub(crate) mod records;
pub(crate) mod request;
pub(crate) mod service;
pub(crate) mod world;
