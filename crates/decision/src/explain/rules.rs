//! Every rule of the caller, with what it makes of the request.

use policy::Reason;
use policy::decision::{Phase, Verdict};
use policy::explanation::{Rule as Told, RuleOutcome, WithoutEffect};
use policy::operation::Interaction;
use policy::request::Caller;
use policy::role::Field;
use policy::scope::Context;

use super::{End, Why};
use crate::rules::{self, Focus, Grants, Rule};

/// More rules than these are told without being tried one by one; tokens in use have under a hundred.
const MAX_TRIED: usize = 256;

/// What a rule makes of the request: the outcome, the phase and reason of a refusal, and why.
type Found = (RuleOutcome, Option<Phase>, Option<Reason>, String);

/// Every rule, in the token's order; those that wait for a patient last.
pub(super) fn told(why: &Why<'_, '_>) -> Vec<Told> {
    let Why { engine, grants, .. } = *why;
    let end = End::of(engine, why.request, grants);
    let mut focus = Focus::new(grants);
    let tried = grants
        .list
        .iter()
        .enumerate()
        .map(|(index, rule)| rule_told(why, rule, found(why, &end, &mut focus, index, rule)));
    let mut all: Vec<Told> = tried.collect();
    all.extend(grants.waiting.iter().map(|rule| {
        let waits = "it would count if the token named a patient".to_owned();
        rule_told(why, rule, (RuleOutcome::Waits, None, None, waits))
    }));
    all
}

fn rule_told(why: &Why<'_, '_>, rule: &Rule, (outcome, phase, reason, says): Found) -> Told {
    let Why { engine, subject, .. } = *why;
    let lists = subject.index.into_iter().flat_map(|index| rule.fields(engine, index));
    let fields: Vec<String> = lists.flat_map(|list| list.iter().map(field)).collect();
    Told {
        name: rule.name.to_string(),
        title: rule.title(engine).map(str::to_owned),
        source: rule.kind(),
        context: rule.context.map(Context::as_str),
        gives: rule.said(engine),
        constraints: rule.constraints.iter().map(|one| format!("{}={}", one.name, one.value)).collect(),
        within: rule.bounds(engine),
        condition: rule.conditions(engine).next().is_some(),
        fields: (!fields.is_empty()).then_some(fields),
        outcome,
        phase: phase.map(Phase::as_str),
        reason,
        says,
    }
}

fn field(field: &Field) -> String {
    format!("{}{}", field.path.join("."), if field.prefix { "*" } else { "" })
}

fn found(why: &Why<'_, '_>, end: &End, focus: &mut Focus<'_>, index: usize, rule: &Rule) -> Found {
    let not_asked = |says: &str| (RuleOutcome::NotAsked, None, None, says.to_owned());
    let Why { decision, subject, .. } = *why;
    if why.request.stale || subject.index.is_none() {
        return not_asked("the decision did not come to the rules");
    }
    if subject.interaction == Some(Interaction::Batch) {
        return not_asked("each entry of the batch asks for its own");
    }
    let permits = |permitting: &[u16]| permitting.iter().any(|place| usize::from(*place) == index);
    if let (End::Permit(permitting), Verdict::Permit) = (end, decision.verdict)
        && permits(permitting)
    {
        return (RuleOutcome::Permits, None, None, permitted(why, rule));
    }
    let misfit = misfit(why, rule);
    let refuses = |(reason, says): (Reason, String)| (RuleOutcome::Refuses, Some(Phase::Rules), Some(reason), says);
    if index >= MAX_TRIED {
        let untried = || not_asked("it was not tried: the token has too many rules");
        return misfit.map_or_else(untried, refuses);
    }
    let alone = focus.on(index, |grants| End::of(why.engine, why.request, grants));
    match (alone, misfit, end) {
        // Why it does not fit says more than that it does not.
        (Some(End::Deny(denial, _)), Some((_, says)), _) if denial.phase == Phase::Rules => {
            refuses((denial.reason, says))
        }
        // Of several types the bystanders of its group were judged with it.
        (Some(End::Deny(denial, names)), misfit, _) if misfit.is_none() || !subject.several => {
            refused(denial.phase, denial.reason, &names)
        }
        (_, Some(misfit), _) => refuses(misfit),
        (Some(End::Lookup(_)), None, End::Lookup(_)) => {
            (RuleOutcome::Undecided, None, None, "what is stored has to be looked at first".to_owned())
        }
        // What the request came to counts.
        (_, None, End::Deny(denial, names)) => refused(denial.phase, denial.reason, names),
        (_, None, End::Lookup(phase)) => refused(*phase, Reason::NoRule, &[]),
        (_, None, End::Permit(_)) => {
            let says = "another rule permits it, and this one does not by itself".to_owned();
            refuses((Reason::NoRule, says))
        }
    }
}

fn refused(phase: Phase, reason: Reason, names: &[String]) -> Found {
    let says = reason.remedy().says;
    let says = if reason == Reason::FieldDenied && !names.is_empty() {
        format!("{says}: {}", names.join(", "))
    } else {
        says.to_owned()
    };
    (RuleOutcome::Refuses, Some(phase), Some(reason), says)
}

/// What holds of the answer by a rule that permits.
fn permitted(why: &Why<'_, '_>, rule: &Rule) -> String {
    let mut bounds: Vec<&str> = Vec::new();
    if rule.is_patient() {
        bounds.push("the context patient");
    }
    if !rule.constraints.is_empty() {
        bounds.push("its constraints");
    }
    if rule.is_tagged(why.engine) {
        bounds.push("matching tags");
    }
    if bounds.is_empty() {
        "it permits it".to_owned()
    } else {
        format!("it permits it, within {}", bounds.join(" and "))
    }
}

/// Why a rule does not fit in phase 4.
fn misfit(why: &Why<'_, '_>, rule: &Rule) -> Option<(Reason, String)> {
    let Why { engine, grants, subject, .. } = *why;
    let asked = subject.asked()?;
    if subject.several {
        let touches = Grants::touches(engine, rule, asked.operation, asked.letters, subject.types());
        let all = if subject.types().is_some() { "none of the types asked" } else { "not every type (`*`)" };
        return (!touches).then(|| (Reason::NoRule, format!("it gives `{}` on {all}", asked.letters)));
    }
    match (subject.interaction, subject.code) {
        (Some(Interaction::Operation), Some("export")) => None,
        (Some(Interaction::Operation), _) => (!rule.names(engine, asked.operation)).then(|| {
            (Reason::OperationDenied, "letters never give this operation, and it does not list it".to_owned())
        }),
        _ => rule.misfit(engine, &asked, grants.patient.as_deref()),
    }
}

/// What the token says beside its rules.
pub(super) fn without_effect(why: &Why<'_, '_>) -> Vec<WithoutEffect> {
    let (Caller::Verified(claims, issuer) | Caller::Both(claims, issuer, _)) = why.request.caller else {
        return Vec::new();
    };
    let left = rules::without_effect(why.engine, claims, issuer, why.grants);
    left.into_iter().map(|(name, says)| WithoutEffect { name, says }).collect()
}
