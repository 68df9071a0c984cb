//! The one place where the gateway asks the decision point.

use std::cell::RefCell;

use decision::Arena;
use policy::decision::{Decision, Released};
use policy::explanation::Explanation;
use policy::request::{Caller, Request};

use crate::bearer::Credential;
use crate::snapshot::Snapshot;

pub use decision::{Answer, MAX_BUNDLE_BYTES};
pub(crate) use decision::{Engine, ExportFile, Grants, Outcome, filter_lines, respond_to_cancel, respond_to_status};

thread_local! {
    /// The memory of a decision, used again by the next request of the thread.
    static ARENA: RefCell<Arena> = RefCell::default();
}

/// What a caller's credentials give in this bundle: of a token, what was worked out when it was verified.
pub(crate) fn with_grants<T>(snapshot: &Snapshot, credential: &Credential, work: impl FnOnce(&Grants) -> T) -> T {
    match (credential.caller(snapshot.bundle()), credential.verified()) {
        (Caller::Verified(..), Some(verified)) if verified.version == snapshot.manifest().version => {
            work(&verified.grants)
        }
        (caller, _) => work(&Grants::new(snapshot.engine(), &caller)),
    }
}

/// Decides one request of a caller with these grants.
pub(crate) fn decide(engine: &Engine, request: &Request<'_>, grants: &Grants) -> Decision<'static> {
    ARENA.with_borrow_mut(|arena| {
        let decision = decision::decide(engine, request, grants, arena).into_owned();
        // What a large request took is not kept until the next one comes.
        arena.reset();
        decision
    })
}

/// Explains the decision on one request, for a person who asks.
pub(crate) fn explain(engine: &Engine, request: &Request<'_>) -> Explanation {
    decision::explain(engine, request, &Grants::new(engine, &request.caller), &decision::Arena::new())
}

/// Phase 9, for an answer to a request that was permitted.
pub(crate) fn respond(
    engine: &Engine,
    request: &Request<'_>,
    grants: &Grants,
    answer: &Answer<'_>,
    seal: &mut dyn FnMut(&str) -> Option<String>,
) -> Outcome {
    decision::respond(engine, request, grants, answer, seal)
}

/// The closed answer for a denial.
pub(crate) fn refuse(engine: Option<&Engine>, decision: &Decision<'_>) -> Released {
    decision::refuse(engine, decision)
}

/// The decision of a gateway without a bundle that may still decide.
pub(crate) fn stale_or_absent() -> Decision<'static> {
    decision::stale_or_absent()
}
