//! The slow, obvious interpreter of the semantics of decisions, to compare the engine with. Development only.
//!
//! Invariant: it shares types and the FHIR fact tables with the engine, and nothing else. It reads the
//! OpenAPI document, scopes, `where` and URLs again, its own way.

#![allow(
    clippy::format_collect,
    clippy::let_and_return,
    clippy::match_same_arms,
    clippy::needless_pass_by_value,
    clippy::similar_names,
    clippy::single_match_else,
    clippy::too_many_lines,
    clippy::type_complexity,
    clippy::unused_self,
    reason = "it is held beside the page: every step reads alike, and each case stands by name"
)]

mod answer;
mod call;
mod condition;
mod constraint;
mod coverage;
mod decide;
mod denial;
mod document;
mod facts;
mod fields;
mod json;
mod membership;
mod patch;
mod phase1_normalise;
mod phase2_token;
mod phase3_operation;
mod phase4_rules;
mod phase5_other;
mod phase5_query;
mod phase6_body;
mod phase7_batch;
mod phase8_tags;
mod phase9_bundle;
mod phase9_response;
mod query_includes;
mod query_joins;
mod readings;
mod rules;
mod scope;
mod service;
mod tags;
#[cfg(test)]
mod tests;
mod union;
mod url;

pub use answer::{Answer, Next, Response, Sent, SentBody, Upstream};
pub use service::{Role, Service, Subscription};

/// The interpreter of one Service.
#[derive(Clone, Debug)]
pub struct Interpreter {
    service: Service,
    operations: Vec<document::Operation>,
    /// The resource types of the Service, sorted.
    types: Vec<String>,
}
