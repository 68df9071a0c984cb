//! Narrowing: what is added so that the upstream answers with what the rules cover.

use policy::decision::Phase;
use policy::facts::Standing;
use policy::reason::Reason;
use policy::scope::Constraint;
use policy::settings::SearchWithoutContext;

use super::class::{Class, Modifier};
use super::{Permit, Permits, Scene, ownership};
use crate::denial::Denial;
use crate::normalise::{MAX_ALTERNATIVES, alternatives};
use crate::rules::Rule;

/// What is added to a query.
#[derive(Debug, Default)]
pub(super) struct Narrowed {
    /// Parameters, to be ANDed, in order.
    pub(super) added: Vec<(String, String)>,
    /// Whether the answer may hold more than the rules cover.
    pub(super) inexact: bool,
    /// Whether the client's own proofs are said again, in one form, by what is added.
    restated: bool,
}

impl Narrowed {
    /// Whether a client's parameter is left out because what is added says the same.
    pub(super) fn replaces(&self, class: &Class<'_>) -> bool {
        self.restated && matches!(class, Class::Ownership { modifier: Modifier::Plain, .. })
    }
}

/// Whether a `patient/` rule can permit a search that does not name the patient, as the Service's setting says.
pub(super) fn required(scene: &Scene<'_, '_>, permit: &Permit) -> Result<(), Denial> {
    let deny = scene.engine.settings().search_without_context == SearchWithoutContext::Deny;
    let free = scene.facts.standing == Standing::Shared;
    if deny && permit.proven.is_empty() && !free {
        return Err(Denial::new(Phase::Query, Reason::OtherPatient));
    }
    Ok(())
}

/// What all permitting rules share, as parameters.
pub(super) fn narrow(scene: &Scene<'_, '_>, permits: &Permits) -> Narrowed {
    let rules: Vec<&Rule<'_>> = permits.rules.iter().filter_map(|index| scene.rules.list.get(*index)).collect();
    let mut narrowed = Narrowed::default();
    if rules.iter().any(|rule| rule.is_unconstrained()) {
        narrowed.added = permits.other.iter().flat_map(|permit| permit.hops.clone()).collect();
        return narrowed;
    }
    match (&permits.own, &permits.other) {
        (Some(own), None) => {
            narrowed.added.clone_from(&own.hops);
            owner(scene, own, &mut narrowed);
        }
        (None, Some(other)) => narrowed.added.clone_from(&other.hops),
        (Some(own), Some(other)) => {
            // One AND cannot say "this patient's, or those".
            narrowed.inexact = true;
            narrowed.added = own.hops.iter().filter(|hop| other.hops.contains(hop)).cloned().collect();
        }
        (None, None) => {}
    }
    granular(&rules, &mut narrowed);
    narrowed
}

/// One ownership parameter with a typed value: the client's own if it was proven, else the type's.
fn owner(scene: &Scene<'_, '_>, permit: &Permit, narrowed: &mut Narrowed) {
    let Some(patient) = scene.rules.patient else {
        narrowed.inexact = true;
        return;
    };
    if scene.facts.standing == Standing::Shared {
        return;
    }
    // Whoever else is named in a Group, List or Person, no parameter can tell.
    narrowed.inexact = scene.facts.standing == Standing::NamesPatients;
    let mut names: Vec<&str> = Vec::new();
    for name in &permit.proven {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let check = scene.engine.settings().search_without_context == SearchWithoutContext::Check;
    if names.is_empty() && !check {
        names.extend(ownership::narrowing(scene.engine, scene.facts));
    }
    narrowed.inexact |= names.is_empty();
    narrowed.restated = !names.is_empty();
    for name in names {
        let tie = (name.to_owned(), ownership::value(name, patient));
        if !narrowed.added.contains(&tie) {
            narrowed.added.push(tie);
        }
    }
}

/// The constraints that all rules share, and one OR list where they differ in the values of one parameter.
fn granular(rules: &[&Rule<'_>], narrowed: &mut Narrowed) {
    let Some((first, rest)) = rules.split_first() else { return };
    let in_all = |constraint: &&Constraint| rest.iter().all(|rule| rule.constraints.contains(constraint));
    let shared: Vec<&Constraint> = first.constraints.iter().filter(in_all).collect();
    let own: Vec<Vec<&Constraint>> = rules
        .iter()
        .map(|rule| rule.constraints.iter().filter(|constraint| !shared.contains(constraint)).collect())
        .collect();
    for constraint in &shared {
        narrowed.added.push(((*constraint.name).to_owned(), (*constraint.value).to_owned()));
    }
    // A rule that asks for no more than what all share covers whatever the others cover.
    if own.iter().any(Vec::is_empty) {
        return;
    }
    match one_list(&own) {
        Some(list) => narrowed.added.push(list),
        None => narrowed.inexact = true,
    }
}

/// The OR list of rules that differ in the values of one parameter only.
fn one_list(own: &[Vec<&Constraint>]) -> Option<(String, String)> {
    let name = &own.first()?.first()?.name;
    let mut values: Vec<&str> = Vec::new();
    for constraints in own {
        let [only] = &**constraints else { return None };
        if only.name != *name {
            return None;
        }
        for value in alternatives(&only.value) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if values.len() > MAX_ALTERNATIVES {
            return None;
        }
    }
    Some(((**name).to_owned(), values.join(",")))
}
