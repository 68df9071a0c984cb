//! What tests share: keys that sign anything, well formed or not, and bundles made by hand.
//!
//! Development only; a helper that cannot do its work panics, which fails the test.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::missing_panics_doc)]

pub mod bundles;
pub mod jws;
