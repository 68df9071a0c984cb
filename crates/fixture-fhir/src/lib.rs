//! A FHIR R4 server for tests: the upstream that stands behind the decision point, as plain functions.
//!
//! Development only. Invariant: the answer follows from the records, the requests so far and the
//! [`Mind`]; there is no clock and no randomness, every loop is bounded, and no request makes it panic.
//! It authorises nothing: whoever asks is answered, which is what a decision point has to reckon with.

mod answer;
mod batch;
mod conditional;
mod export;
mod generate;
mod history;
mod interactions;
mod json;
mod metadata;
mod mind;
mod operations;
mod patch;
mod request;
mod resource;
mod routes;
mod search;
mod server;
mod shape;
mod store;
mod transaction;

pub use answer::Served;
pub use generate::{BASE, CONFIDENTIALITY, MRN, TENANT, generate};
pub use mind::Mind;
pub use resource::Record;
pub use server::Server;
