//! Narrowing: what is added so that the upstream answers with what the rules cover.

use bumpalo::collections::Vec as List;
use policy::decision::Phase;
use policy::facts::Standing;
use policy::letters::Letters;
use policy::reason::Reason;
use policy::scope::Constraint;
use policy::settings::SearchWithoutContext;

use super::class::{Class, Modifier};
use super::permits::{Permit, Permits};
use super::{Pair, Scene, ownership};
use crate::denial::Denial;
use crate::engine::{Kind, Known};
use crate::normalise::{MAX_ALTERNATIVES, alternatives};
use crate::rules::Rule;

/// What is added to a query.
#[derive(Debug)]
pub(super) struct Narrowed<'a> {
    /// Parameters, to be ANDed, in order.
    pub(super) added: List<'a, Pair<'a>>,
    /// Whether the answer may hold more than the rules cover.
    pub(super) inexact: bool,
    /// Whether the client's own proofs are said again, in one form, by what is added.
    restated: bool,
}

impl Narrowed<'_> {
    /// Whether a client's parameter is left out because what is added says the same.
    pub(super) fn replaces(&self, class: &Class<'_>) -> bool {
        self.restated && matches!(class, Class::Ownership { modifier: Modifier::Plain, .. })
    }
}

/// Whether a `patient/` rule can permit a search that does not name the patient, as the Service's setting says.
pub(super) fn required(scene: &Scene<'_>, permit: &Permit<'_>) -> Result<(), Denial> {
    if !permit.proven.is_empty() || scene.is_all(Standing::Shared) {
        return Ok(());
    }
    match scene.engine.settings().search_without_context {
        SearchWithoutContext::Deny => Err(Denial::new(Phase::Query, Reason::OtherPatient)),
        // Several types are narrowed by what they have in common, or not at all.
        SearchWithoutContext::Narrow if scene.is_several() && !scene.in_compartment && narrowing(scene).is_none() => {
            Err(Denial::new(Phase::Query, Reason::ParameterDenied))
        }
        SearchWithoutContext::Narrow | SearchWithoutContext::Check => Ok(()),
    }
}

/// The parameter that narrows the search; of several types, one that each of them has but for the shared.
fn narrowing<'a>(scene: &Scene<'a>) -> Option<&'a str> {
    let kind = scene.engine.kind(*scene.places.first()?)?;
    if !scene.is_several() {
        return kind.narrowing.as_deref();
    }
    if scene.in_compartment {
        return None;
    }
    let owned = || {
        let kinds = scene.places.iter().filter_map(|place| scene.engine.kind(*place));
        kinds.filter(|kind| kind.standing != Standing::Shared)
    };
    let in_all = |name: &&str| owned().all(|kind| kind.known(name).is_some_and(Known::is_owner));
    let names = || owned().next().into_iter().flat_map(Kind::owner_names).filter(in_all);
    names().find(|name| *name == "patient").or_else(|| names().min())
}

/// What all permitting rules share, as parameters.
pub(super) fn narrow<'a>(scene: &Scene<'a>, permits: &Permits<'a>) -> Narrowed<'a> {
    let rules = || permits.rules.iter().filter_map(|index| scene.grants.list.get(usize::from(*index)));
    let mut narrowed = Narrowed { added: scene.arena.list_of(4), inexact: false, restated: false };
    let several = scene.is_several();
    // Of several types a rule may give only some: then it does not say that nothing has to be added.
    let gives_all = |rule: &Rule| {
        !several
            || rule.names(scene.engine, scene.index)
            || scene.places.iter().all(|place| rule.gives_at(*place, Letters::SEARCH))
    };
    let free = |rule: &&Rule| rule.is_unconstrained() && gives_all(rule);
    if rules().any(|rule| free(&rule)) {
        narrowed.added.extend(permits.other.iter().flat_map(|permit| permit.hops.iter().copied()));
        narrowed.inexact = scene.in_compartment
            || rules().filter(free).all(|rule| rule.is_tagged(scene.engine))
            || scene.grants.is_cleared_below_all(scene.engine);
        return narrowed;
    }
    match (&permits.own, &permits.other) {
        (Some(own), None) => {
            narrowed.added.extend_from_slice(&own.hops);
            owner(scene, own, &mut narrowed);
        }
        (None, Some(other)) => narrowed.added.extend_from_slice(&other.hops),
        (Some(own), Some(other)) => {
            // One AND cannot say "this patient's, or those".
            narrowed.inexact = true;
            narrowed.added.extend(own.hops.iter().filter(|hop| other.hops.contains(hop)).copied());
        }
        (None, None) => {}
    }
    if several {
        narrowed.inexact |= rules().any(|rule| !rule.constraints.is_empty());
    } else {
        granular(scene, &permits.rules, &mut narrowed);
    }
    narrowed.inexact |=
        rules().any(|rule| rule.is_tagged(scene.engine)) || scene.grants.is_cleared_below_all(scene.engine);
    narrowed
}

/// Whether more than the owner's parameter decides on a resource of that standing.
const fn needs_more(standing: Standing) -> bool {
    matches!(standing, Standing::NamesPatients | Standing::Provenance | Standing::Binary | Standing::Undecidable)
}

/// One ownership parameter with a typed value: the client's own if it was proven, else the type's.
fn owner<'a>(scene: &Scene<'a>, permit: &Permit<'a>, narrowed: &mut Narrowed<'a>) {
    if scene.grants.patient.is_none() {
        narrowed.inexact = true;
        return;
    }
    if scene.is_all(Standing::Shared) {
        return;
    }
    // The path of a whole compartment is the narrowing (D4).
    // Whoever else is named in a Group, List or Person, no parameter can tell.
    narrowed.inexact = scene.in_compartment || scene.is_any(needs_more);
    let check = scene.engine.settings().search_without_context == SearchWithoutContext::Check;
    let own = if permit.proven.is_empty() && !check && !scene.in_compartment { narrowing(scene) } else { None };
    let names = permit.proven.iter().copied().chain(own);
    for name in names {
        let tie = (name, ownership::value(name, scene.grants));
        if !narrowed.added.contains(&tie) {
            narrowed.added.push(tie);
        }
        narrowed.restated = true;
    }
    narrowed.inexact |= !narrowed.restated;
}

/// The constraints that all rules share, and one OR list where they differ in the values of one parameter.
fn granular<'a>(scene: &Scene<'a>, places: &[u16], narrowed: &mut Narrowed<'a>) {
    let rules = || places.iter().filter_map(|index| scene.grants.list.get(usize::from(*index)));
    if rules().all(|rule| rule.constraints.is_empty()) {
        return;
    }
    let Some(first) = rules().next() else { return };
    let in_all = |constraint: &&Constraint| rules().skip(1).all(|rule| rule.constraints.contains(constraint));
    let shared: Vec<&'a Constraint> = first.constraints.iter().filter(in_all).collect();
    let own: Vec<Vec<&'a Constraint>> = rules()
        .map(|rule| rule.constraints.iter().filter(|constraint| !shared.contains(constraint)).collect())
        .collect();
    for constraint in &shared {
        narrowed.added.push((&constraint.name, &constraint.value));
    }
    // A rule that asks for no more than what all share covers whatever the others cover.
    if own.iter().any(Vec::is_empty) {
        return;
    }
    match one_list(scene, &own) {
        Some(list) => narrowed.added.push(list),
        None => narrowed.inexact = true,
    }
}

/// The OR list of rules that differ in the values of one parameter only.
fn one_list<'a>(scene: &Scene<'a>, own: &[Vec<&'a Constraint>]) -> Option<Pair<'a>> {
    let name: &'a str = &own.first()?.first()?.name;
    let mut values: Vec<&str> = Vec::new();
    for constraints in own {
        let [only] = &**constraints else { return None };
        if *only.name != *name {
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
    Some((name, scene.arena.text(&values.join(","))))
}
