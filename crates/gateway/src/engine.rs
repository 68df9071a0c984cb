//! The one place where the gateway asks the decision point.

use policy::decision::{Decision, Lookup, Released};
use policy::request::Request;

pub(crate) use decision::Engine;
pub use decision::{Answer, MAX_BUNDLE_BYTES};

/// What phase 9 made of an answer.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The client may have this.
    Release(Released),
    /// Only what is stored can tell: fetch these, and ask again about the same answer.
    #[cfg_attr(not(test), expect(dead_code, reason = "the decision point of today asks for nothing in phase 9"))]
    Lookup(Vec<Lookup>),
}

/// Decides one request.
pub(crate) fn decide(engine: &Engine, request: &Request<'_>) -> Decision<'static> {
    decision::decide(engine, request).into_owned()
}

/// Phase 9, for an answer to a request that was permitted by this decision.
pub(crate) fn respond(
    engine: &Engine,
    request: &Request<'_>,
    decision: &Decision<'_>,
    answer: &Answer<'_>,
    seal: &mut dyn FnMut(&str) -> Option<String>,
) -> Outcome {
    Outcome::Release(decision::respond(engine, request, decision, answer, seal))
}

/// The closed answer for a denial.
pub(crate) fn refuse(engine: Option<&Engine>, decision: &Decision<'_>) -> Released {
    decision::refuse(engine, decision)
}

/// The decision of a gateway without a bundle that may still decide.
pub(crate) fn stale_or_absent() -> Decision<'static> {
    decision::stale_or_absent()
}
