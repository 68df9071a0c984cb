//! The decision itself: the phases' outcome, as the record that is enforced and audited.

use std::borrow::Cow;

use bumpalo::collections::Vec as List;
use policy::decision::{Action, Decision, Lookup, Names, Obligation, Phase, Verdict};
use policy::reason::Reason;
use policy::request::Request;

use crate::Engine;
use crate::arena::Arena;
use crate::denial::Denial;
use crate::judge::{Halt, Judged, Plan, Trace, judge};
use crate::rules::Grants;

/// The most lookups that one request asks for: each entry of a batch, and what it refers to.
pub(crate) const MAX_LOOKUPS: usize = 600;

/// Decides one request of a caller with these grants.
///
/// Deny is an answer, never an error; the same engine, request and grants always give the same decision. Grants of
/// another engine give nothing that this one would not, but may give less: make them anew with each bundle.
#[must_use]
pub fn decide<'a>(engine: &'a Engine, request: &Request<'a>, grants: &'a Grants, arena: &'a Arena) -> Decision<'a> {
    if request.stale {
        return stale_or_absent();
    }
    let mut trace = Trace::new(arena);
    match judge(engine, request, grants, arena, &mut trace) {
        Ok(ref mut judged) => match action(judged) {
            Some(action) => permit(judged, action, trace, arena),
            None => deny(Denial::new(Phase::Query, Reason::Internal), trace),
        },
        Err(halt) => stop(halt, request, trace),
    }
}

/// The decision of a gateway that has no bundle, or whose bundle is older than its Service allows.
#[must_use]
pub const fn stale_or_absent<'a>() -> Decision<'a> {
    Decision::bare(Verdict::Deny { status: 503, reason: Reason::BundleStale }, Phase::Normalise)
}

/// What the gateway does for a permitted request; none if nobody can tell.
fn action<'a>(judged: &mut Judged<'a>) -> Option<Action<'a>> {
    match (&mut judged.plan, judged.upstream.take()) {
        (Plan::Local, _) => Some(Action::Answer(204)),
        (_, Some(upstream)) => Some(Action::Forward(upstream)),
        (Plan::Batch(batch), None) => Some(Action::Reply(200, std::mem::take(&mut batch.reply).into())),
        (_, None) => None,
    }
}

pub(crate) fn permit<'a>(
    judged: &Judged<'a>,
    action: Action<'a>,
    mut trace: Trace<'a>,
    arena: &'a Arena,
) -> Decision<'a> {
    if judged.is_checked() && matches!(action, Action::Forward(_)) {
        trace.obligations.push(Obligation::CheckResponse);
    }
    let does = Does { action, rules: names(judged, arena), note: judged.note };
    record(Verdict::Permit, does, trace)
}

fn names<'a>(judged: &Judged<'a>, arena: &'a Arena) -> Names<'a> {
    let mut rules: List<'a, Cow<'a, str>> = arena.list_of(judged.permitting.len());
    for rule in judged.permitting.iter().filter_map(|index| judged.grants.list.get(usize::from(*index))) {
        if !rules.iter().any(|known| **known == *rule.name) {
            rules.push(Cow::Borrowed(&*rule.name));
        }
    }
    Cow::Borrowed(rules.into_bump_slice())
}

pub(crate) fn stop<'a>(halt: Halt, request: &Request<'_>, trace: Trace<'a>) -> Decision<'a> {
    match halt {
        Halt::Deny(denial) => deny(denial, trace),
        Halt::Lookup(lookups) => look_up(lookups, request, trace),
    }
}

/// Asks for what is stored, as far as the gateway can look and the request has not asked before.
fn look_up<'a>(lookups: Vec<Lookup>, request: &Request<'_>, trace: Trace<'a>) -> Decision<'a> {
    let phase = trace.phase;
    if !request.capabilities.lookup {
        return deny(Denial::new(phase, Reason::ObligationUnsupported), trace);
    }
    if lookups.is_empty() || lookups.len() > MAX_LOOKUPS {
        return deny(Denial::new(phase, Reason::ResponseUnreadable), trace);
    }
    let trace = Trace { obligations: List::new_in(trace.obligations.bump()), ..trace };
    record(Verdict::Undecided, Does { action: Action::Lookup(Cow::Owned(lookups)), ..Does::nothing() }, trace)
}

fn deny(denial: Denial, trace: Trace<'_>) -> Decision<'_> {
    let Denial { phase, status, reason, .. } = denial;
    // What would have been done is no obligation of a denial.
    let trace = Trace { obligations: List::new_in(trace.obligations.bump()), phase, ..trace };
    record(Verdict::Deny { status, reason }, Does::nothing(), trace)
}

/// What a decision does, and by which rules.
struct Does<'a> {
    action: Action<'a>,
    rules: Names<'a>,
    note: Option<Reason>,
}

impl Does<'_> {
    const fn nothing() -> Self {
        Self { action: Action::None, rules: Cow::Borrowed(&[]), note: None }
    }
}

fn record<'a>(verdict: Verdict, does: Does<'a>, trace: Trace<'a>) -> Decision<'a> {
    Decision {
        verdict,
        phase: trace.phase,
        note: does.note,
        action: does.action,
        operation: trace.operation,
        interaction: trace.interaction,
        resource_type: trace.resource_type.map(Cow::Borrowed),
        resource_id: trace.resource_id.map(Cow::Borrowed),
        rules: does.rules,
        obligations: Cow::Borrowed(trace.obligations.into_bump_slice()),
        related: Cow::Borrowed(trace.related.into_bump_slice()),
        fields_used: sorted(trace.used),
        fields_ignored: sorted(trace.ignored),
        entries: Cow::Owned(trace.entries),
    }
}

fn sorted<'a>(mut names: List<'a, Cow<'a, str>>) -> Names<'a> {
    if names.len() > 1 {
        // Most differ in their first letters, so comparing byte by byte is soon done.
        names.sort_unstable_by(|one, other| one.bytes().cmp(other.bytes()));
        names.dedup();
    }
    Cow::Borrowed(names.into_bump_slice())
}
