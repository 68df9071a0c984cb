//! The slow, obvious interpreter of the semantics of decisions, to compare the engine with. Development only.
//!
//! Invariant: it shares types and the FHIR fact tables with the engine, and nothing else. It reads the
//! OpenAPI document, scopes, `where` and URLs again, its own way.

mod service;

pub use service::{Role, Service, Subscription};
