//! What would have to change for another answer.
//!
//! Invariant: whatever is proposed here was tried: the phases were asked again with it.

use policy::Reason;
use policy::claims::Claims;
use policy::decision::{Phase, Verdict};
use policy::operation::{Interaction, Operation};
use policy::request::{Caller, Request};
use policy::scope::{Context, Scope, Types, Word, words};

use super::{End, Why};
use crate::normalise::{MAX_BODY_BYTES, MAX_BUNDLE_BYTES, MAX_PARAMETERS, MAX_QUERY_BYTES};
use crate::rules::{Grants, ceiling_of};

/// The step that a reason usually needs, as a sentence.
pub(super) fn usual(reason: Reason) -> String {
    sentence(reason.remedy().mend)
}

/// The steps to another answer; none for what is not denied.
pub(super) fn steps(why: &Why<'_, '_>) -> Vec<String> {
    let Verdict::Deny { reason, .. } = why.decision.verdict else { return Vec::new() };
    let mut steps = vec![usual(reason)];
    steps.extend(match reason {
        Reason::NoRule
        | Reason::NoPermission
        | Reason::NoPatientContext
        | Reason::OtherPatient
        | Reason::OperationDenied
        | Reason::ConditionalDenied
            if why.decision.phase == Phase::Rules =>
        {
            wider(why)
        }
        Reason::MethodNotAllowed => methods(why),
        Reason::TooLarge => vec![format!(
            "A query may have {MAX_QUERY_BYTES} bytes and {MAX_PARAMETERS} parameters, a body {MAX_BODY_BYTES} bytes, a batch {MAX_BUNDLE_BYTES}."
        )],
        Reason::EntryDenied => entries(why),
        _ => Vec::new(),
    });
    steps.extend(without_culprits(why));
    steps
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

fn methods(why: &Why<'_, '_>) -> Vec<String> {
    let names: Vec<&str> = why.subject.methods.iter().map(|method| method.as_str()).collect();
    if names.is_empty() { Vec::new() } else { vec![format!("The path has {}.", names.join(", "))] }
}

fn entries(why: &Why<'_, '_>) -> Vec<String> {
    let denied = why.decision.entries.iter().enumerate().filter_map(|(index, entry)| match entry.verdict {
        Verdict::Deny { reason, .. } => Some(format!("Entry {index}: {}", usual(reason))),
        Verdict::Permit | Verdict::Undecided => None,
    });
    denied.collect()
}

/// The scopes that would fit, and the role; each was tried beside what the token has.
fn wider(why: &Why<'_, '_>) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let candidates = candidates(why);
    let claims = match &why.request.caller {
        Caller::Verified(claims, _) | Caller::Both(claims, _, _) => Some(*claims),
        Caller::Missing | Caller::Refused(_) | Caller::Basic(_) => None,
    };
    let mut fits = false;
    for candidate in claims.into_iter().flat_map(|claims| candidates.iter().map(move |scope| (claims, scope))) {
        let end = with_scope(why, candidate.0, candidate.1);
        if matches!(&end, End::Deny(denial, _) if denial.phase <= Phase::Rules) {
            continue;
        }
        fits = true;
        said.push(format!("With `{}` in the token, {}.", candidate.1, end.says()));
    }
    let ceiling = ceiling_of(why.engine, &why.request.caller);
    if !fits && claims.is_some() && !candidates.is_empty() && ceiling != "none" {
        let names: Vec<String> = candidates.iter().map(|scope| format!("`{scope}`")).collect();
        said.push(format!(
            "The partner's ceiling gives none of {}: the Subscription has to grow first.",
            names.join(", ")
        ));
    }
    said.extend(by_role(why, claims));
    said
}

/// A role of the Service's own would do, where the token has no SMART scope.
fn by_role(why: &Why<'_, '_>, claims: Option<&Claims>) -> Option<String> {
    let code = why.subject.code;
    let smart = claims
        .and_then(|claims| claims.scope.as_deref())
        .is_some_and(|scope| words(scope).any(|word| matches!(word, Word::Resource(_) | Word::Invalid(..))));
    let open = why.subject.interaction != Some(Interaction::Batch) && !matches!(code, Some("graphql" | "export"));
    let key = why.subject.operation.map(Operation::key).filter(|_| open && claims.is_some())?;
    let other_patient = matches!(why.decision.reason(), Some(Reason::OtherPatient));
    match (smart, why.subject.interaction) {
        _ if other_patient => None,
        (false, _) => Some(format!("A role that lists `{key}` would fit, too.")),
        (true, Some(Interaction::Operation)) => {
            Some(format!("A scope of the Service's own (`__…`) that lists `{key}` would fit."))
        }
        (true, _) => None,
    }
}

/// Scopes on just what is asked, the narrowest first.
fn candidates(why: &Why<'_, '_>) -> Vec<Scope> {
    let subject = why.subject;
    if subject.letters.is_empty() {
        return Vec::new();
    }
    let types: Vec<Types> = match (subject.several, subject.places.as_slice()) {
        (_, [place]) => why.engine.facts_at(*place).map(|facts| Types::One(facts.name.clone())).into_iter().collect(),
        (true, []) => vec![Types::All],
        // One scope for each of several types is more than one step; `*` says too much to propose.
        _ => Vec::new(),
    };
    let scope = |types: &Types| {
        let contexts = [Context::Patient, Context::User, Context::System];
        contexts.map(|context| Scope::new(context, types.clone(), subject.letters))
    };
    types.iter().flat_map(scope).flatten().collect()
}

fn with_scope(why: &Why<'_, '_>, claims: &Claims, scope: &Scope) -> End {
    let more = [claims.scope.as_deref().unwrap_or_default(), &scope.to_string()].join(" ");
    let claims = Claims { scope: Some(more), ..claims.clone() };
    let caller = match why.request.caller {
        Caller::Verified(_, issuer) => Caller::Verified(&claims, issuer),
        Caller::Both(_, issuer, key) => Caller::Both(&claims, issuer, key),
        other => other,
    };
    let grants = Grants::new(why.engine, &caller);
    End::of(why.engine, &Request { caller, ..*why.request }, &grants)
}

/// The parts of query and form, as they came, in the order of the parameters.
fn parts<'r>(why: &Why<'r, '_>) -> Vec<(bool, &'r str)> {
    let query = why.request.target.split_once('?').map_or("", |(_, query)| query);
    let form = if why.subject.form { std::str::from_utf8(why.request.body).unwrap_or_default() } else { "" };
    let split =
        |text: &'r str, form: bool| text.split('&').filter(|part| !part.is_empty()).map(move |part| (form, part));
    split(query, false).chain(split(form, true)).take(MAX_PARAMETERS + 1).collect()
}

/// How the request ends with only those of its parameters.
fn with_parts(why: &Why<'_, '_>, kept: &[(bool, &str)]) -> End {
    let joined =
        |form: bool| kept.iter().filter(|(own, _)| *own == form).map(|(_, part)| *part).collect::<Vec<_>>().join("&");
    let path = why.request.target.split('?').next().unwrap_or_default();
    let query = joined(false);
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let form = joined(true);
    let body = if why.subject.form { form.as_bytes() } else { why.request.body };
    End::of(why.engine, &Request { target: &target, body, ..*why.request }, why.grants)
}

/// The places of the parameters for each of which alone the request would be refused by the same reason.
pub(super) fn culprits(why: &Why<'_, '_>) -> Vec<usize> {
    let Verdict::Deny { reason, .. } = why.decision.verdict else { return Vec::new() };
    let (phase, parts) = (why.decision.phase, parts(why));
    let of_parameters = matches!(phase, Phase::Normalise | Phase::Query) || reason == Reason::FieldDenied;
    if !of_parameters || parts.is_empty() || why.request.stale {
        return Vec::new();
    }
    let same = |end: &End| matches!(end, End::Deny(denial, _) if (denial.phase, denial.reason) == (phase, reason));
    if same(&with_parts(why, &[])) {
        // It is refused whatever its parameters are.
        return Vec::new();
    }
    let alone = |part: &(bool, &str)| same(&with_parts(why, std::slice::from_ref(part)));
    parts.iter().enumerate().filter(|(_, part)| alone(part)).map(|(index, _)| index).collect()
}

fn without_culprits(why: &Why<'_, '_>) -> Option<String> {
    let culprits = culprits(why);
    if culprits.is_empty() {
        return None;
    }
    let name = |index: &usize| match why.subject.parameters.get(*index) {
        Some(one) => format!("`{}`", one.name),
        None => format!("parameter {}", index + 1),
    };
    let mut names: Vec<String> = culprits.iter().map(name).collect();
    names.dedup();
    let rest: Vec<(bool, &str)> = parts(why)
        .into_iter()
        .enumerate()
        .filter(|(index, _)| !culprits.contains(index))
        .map(|(_, part)| part)
        .collect();
    Some(format!("Without {}, {}.", names.join(" and "), with_parts(why, &rest).says()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_next_step_in_a_sentence() {
        for reason in Reason::ALL {
            let step = usual(*reason);
            assert!(step.ends_with('.') && !step.ends_with("..") && step.len() > 8, "{reason}: {step}");
            assert!(step.chars().next().is_some_and(|first| !first.is_lowercase()), "{reason}: {step}");
        }
    }
}
