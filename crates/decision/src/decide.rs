//! The decision itself: the phases' outcome, as the record that is enforced and audited.

use std::borrow::Cow;

use policy::decision::{Action, Decision, Names, Obligation, Phase, Verdict};
use policy::reason::Reason;
use policy::request::Request;

use crate::Engine;
use crate::denial::Denial;
use crate::judge::{Judged, Plan, Trace, judge};

/// Decides one request.
///
/// Deny is an answer, never an error; the same bundle and request always give the same decision.
#[must_use]
pub fn decide(engine: &Engine, request: &Request<'_>) -> Decision<'static> {
    if request.stale {
        return stale_or_absent();
    }
    let mut trace = Trace::default();
    match judge(engine, request, &mut trace) {
        Ok(judged) => permit(judged, trace),
        Err(denial) => deny(denial, trace),
    }
}

/// The decision of a gateway that has no bundle, or whose bundle is older than its Service allows.
#[must_use]
pub fn stale_or_absent() -> Decision<'static> {
    deny(Denial::new(Phase::Normalise, Reason::BundleStale), Trace::default())
}

fn permit(judged: Judged<'_>, mut trace: Trace) -> Decision<'static> {
    if judged.is_checked() {
        trace.obligations.push(Obligation::CheckResponse);
    }
    let action = match (&judged.plan, judged.upstream) {
        (Plan::Local, _) => Action::Answer(204),
        (_, Some(upstream)) => Action::Forward(upstream),
        (_, None) => return deny(Denial::new(Phase::Query, Reason::Internal), trace),
    };
    let mut rules: Vec<String> = Vec::new();
    for rule in judged.permitting.iter().filter_map(|index| judged.rules.list.get(*index)) {
        let name = rule.name();
        if !rules.contains(&name) {
            rules.push(name);
        }
    }
    Decision { rules: rules.into_iter().map(Cow::Owned).collect(), action, verdict: Verdict::Permit, ..record(trace) }
}

fn deny(denial: Denial, trace: Trace) -> Decision<'static> {
    let Denial { phase, status, reason, .. } = denial;
    // What would have been done is no obligation of a denial.
    let trace = Trace { obligations: Vec::new(), ..trace };
    Decision { phase, verdict: Verdict::Deny { status, reason }, ..record(trace) }
}

fn record(trace: Trace) -> Decision<'static> {
    Decision {
        operation: trace.operation,
        interaction: trace.interaction,
        resource_type: trace.resource_type.map(Cow::Owned),
        resource_id: trace.resource_id.map(Cow::Owned),
        obligations: trace.obligations.into(),
        related: trace.related.into(),
        fields_used: sorted(trace.used),
        fields_ignored: sorted(trace.ignored),
        ..Decision::bare(
            Verdict::Deny { status: 500, reason: Reason::Internal },
            trace.phase.unwrap_or(Phase::Normalise),
        )
    }
}

fn sorted(mut names: Vec<String>) -> Names<'static> {
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(Cow::Owned).collect()
}
