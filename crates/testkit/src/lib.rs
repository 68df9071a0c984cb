//! What tests of several crates share: keys that sign anything, well formed or not, bundles made by
//! hand, a fixture EHR with its callers and records, and tables in Markdown.
//!
//! Development only; a helper that cannot do its work panics, which fails the test. Nothing here
//! decides anything, so the same tables run on the engine, on a reference and through a gateway.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::missing_panics_doc)]

pub mod bundles;
pub mod call;
pub mod ehr;
pub mod jws;
pub mod markdown;
pub mod records;
pub mod token;
