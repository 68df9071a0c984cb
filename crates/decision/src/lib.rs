//! The policy decision point: one bundle and one request in, one decision out.
//!
//! Invariant: a decision is a pure function. It reads no clock, no network and no global state, it
//! cannot fail, and anything that it does not recognise it denies. The phases of a decision are one
//! file or folder each: `normalise` (1), `token` (2), `judge` (3, and the order of all), `rules` (4), `query`
//! (5), `body` (6), `batch` (7), `respond` (9).

mod admit;
mod answer;
mod arena;
mod base;
mod batch;
mod body;
mod condition;
mod cover;
mod decide;
mod denial;
mod engine;
mod fields;
mod json;
mod judge;
mod labels;
mod normalise;
mod patch;
mod query;
mod reference;
mod respond;
mod routes;
mod rules;
mod stored;
mod tags;
mod token;
mod upstream;

pub use answer::refuse;
pub use arena::Arena;
pub use decide::{decide, stale_or_absent};
pub use engine::{Engine, permits_operation};
pub use normalise::{MAX_BODY_BYTES, MAX_BUNDLE_BYTES};
pub use respond::{Answer, Outcome, respond};
pub use rules::Grants;
