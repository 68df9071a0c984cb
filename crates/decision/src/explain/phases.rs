//! The nine phases with their outcomes, in words.

use policy::Reason;
use policy::decision::{Action, Obligation, Phase, Verdict};
use policy::explanation::{Outcome, Rule, RuleOutcome, Step};
use policy::operation::{Interaction, Operation};
use policy::request::Caller;

use super::Why;

/// Each phase, in order.
pub(super) fn told(why: &Why<'_, '_>, rules: &[Rule]) -> Vec<Step> {
    Phase::ALL.into_iter().map(|phase| step(why, rules, phase)).collect()
}

fn step(why: &Why<'_, '_>, rules: &[Rule], phase: Phase) -> Step {
    let outcome = outcome(why, phase);
    let says = match outcome {
        Outcome::Deny => why.decision.reason().map_or("it is refused", |reason| reason.remedy().says).to_owned(),
        Outcome::NotReached => "the request did not get here".to_owned(),
        Outcome::Lookup => "what is stored has to be looked at".to_owned(),
        Outcome::Nothing => nothing(why, phase).to_owned(),
        Outcome::Continue | Outcome::Ahead => went_on(why, rules, phase),
    };
    Step { phase: phase.as_str(), outcome, says }
}

fn outcome(why: &Why<'_, '_>, phase: Phase) -> Outcome {
    let decision = why.decision;
    match decision.verdict {
        Verdict::Deny { .. } if phase == decision.phase => Outcome::Deny,
        Verdict::Undecided if phase == decision.phase => Outcome::Lookup,
        Verdict::Deny { .. } | Verdict::Undecided if phase > decision.phase => Outcome::NotReached,
        _ if has_nothing(why, phase) => Outcome::Nothing,
        _ if phase == Phase::Response => Outcome::Ahead,
        _ => Outcome::Continue,
    }
}

/// Whether there is nothing for a phase to decide in this request.
fn has_nothing(why: &Why<'_, '_>, phase: Phase) -> bool {
    let decision = why.decision;
    let open = decision.operation.is_none();
    let batch = decision.interaction == Some(Interaction::Batch);
    match phase {
        Phase::Normalise | Phase::Token => false,
        Phase::Operation | Phase::Rules => open,
        Phase::Query => open && matches!(decision.action, Action::Answer(_)),
        Phase::Body => open || batch || !has_body(why),
        Phase::Batch => !batch,
        Phase::Tags => open || batch || !binds(why),
        Phase::Response => !decision.obligations.contains(&Obligation::CheckResponse),
    }
}

/// Whether a body is decided on.
fn has_body(why: &Why<'_, '_>) -> bool {
    !why.request.body.is_empty() && !why.subject.form
}

/// Whether tags, a `where` or labels bind anything.
fn binds(why: &Why<'_, '_>) -> bool {
    why.engine.tags_bind || why.engine.enforces_labels() || why.grants.has_conditions(why.engine)
}

const fn nothing(why: &Why<'_, '_>, phase: Phase) -> &'static str {
    match phase {
        Phase::Operation | Phase::Rules => "the path is open, no rule is asked",
        Phase::Query => "the gateway answers by itself",
        Phase::Body => "there is no body to decide on",
        Phase::Batch => "it is no batch",
        Phase::Tags => "no tag, `where` or label binds",
        Phase::Response if matches!(why.decision.action, Action::Forward(_)) => "the answer is passed on as it is",
        _ => "nothing is forwarded",
    }
}

fn went_on(why: &Why<'_, '_>, rules: &[Rule], phase: Phase) -> String {
    let decision = why.decision;
    match phase {
        Phase::Normalise => read(why),
        Phase::Token => token(why),
        Phase::Operation => operation(why),
        Phase::Rules => {
            let past = |rule: &&Rule| rule.outcome != RuleOutcome::Waits && rule.phase != Some(Phase::Rules.as_str());
            let fit = if decision.interaction == Some(Interaction::Batch) {
                rules.len()
            } else {
                rules.iter().filter(past).count()
            };
            format!("{fit} of {} fit", count(rules.len(), "rule"))
        }
        Phase::Query => query(why),
        Phase::Body => "the body is one that the rules let pass".to_owned(),
        Phase::Batch => {
            let permitted = decision.entries.iter().filter(|entry| entry.permits()).count();
            format!("{permitted} of {} permitted", count(decision.entries.len(), "entry"))
        }
        Phase::Tags => "tags, conditions and labels let it pass, as far as the request tells".to_owned(),
        Phase::Response => "the answer is checked before any of it is released".to_owned(),
    }
}

fn read(why: &Why<'_, '_>) -> String {
    let method = why.subject.method.map_or("it", |method| method.as_str());
    format!("read as {method} with {}", count(why.subject.parameters.len(), "parameter"))
}

fn token(why: &Why<'_, '_>) -> String {
    let decision = why.decision;
    if decision.operation.is_none() && decision.permits() {
        return match (decision.note, &decision.action) {
            (Some(Reason::DevMode), _) => "nobody's request, let in by the development mode",
            (_, Action::Answer(_)) => "`OPTIONS` is answered for everybody",
            _ => "the path is open to everybody",
        }
        .to_owned();
    }
    match why.request.caller {
        Caller::Verified(..) => "the token counts",
        Caller::Basic(_) => "the Basic credentials count",
        Caller::Both(..) => "the token and the Basic credentials count",
        Caller::Missing | Caller::Refused(_) => "the path is open to everybody",
    }
    .to_owned()
}

fn operation(why: &Why<'_, '_>) -> String {
    let Some(key) = why.subject.operation.map(Operation::key) else {
        return "the Service has the operation".to_owned();
    };
    let what = [why.decision.interaction.map(Interaction::as_str), why.decision.resource_type.as_deref()];
    let what: Vec<&str> = what.into_iter().flatten().collect();
    if what.is_empty() { key } else { format!("{key}, {}", what.join(" ")) }
}

fn query(why: &Why<'_, '_>) -> String {
    let decision = why.decision;
    let names = |found: &dyn Fn(&Obligation<'_>) -> Option<String>| {
        decision.obligations.iter().filter_map(found).collect::<Vec<_>>().join(", ")
    };
    let added = names(&|one| match one {
        Obligation::AddQuery(name, _) => Some(name.to_string()),
        _ => None,
    });
    let dropped = names(&|one| match one {
        Obligation::DropQuery(name) => Some(name.to_string()),
        _ => None,
    });
    let parts = [("adds", added), ("leaves out", dropped)];
    let said: Vec<String> =
        parts.iter().filter(|(_, names)| !names.is_empty()).map(|(verb, names)| format!("{verb} {names}")).collect();
    if said.is_empty() { "nothing is added or left out".to_owned() } else { said.join("; ") }
}

fn count(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}
