//! What a request asks for, as phases 1 and 3 read it.

use policy::decision::{Decision, Obligation, Verdict};
use policy::explanation::{Asked, Fate, Parameter};
use policy::letters::Letters;
use policy::operation::{Interaction, Method, Operation};

use super::tables::Matters;
use super::{Why, next};
use crate::Engine;
use crate::arena::Arena;
use crate::engine::Place;
use crate::judge::Target;
use crate::normalise::{self, Call, alternatives};
use crate::rules::{self, Grants};

/// What a request is about.
#[derive(Debug, Default)]
pub(super) struct Subject<'a> {
    pub(super) method: Option<Method>,
    pub(super) operation: Option<&'a Operation>,
    pub(super) index: Option<u32>,
    pub(super) interaction: Option<Interaction>,
    /// The code of a `$operation`.
    pub(super) code: Option<&'a str>,
    /// The letters that it needs.
    pub(super) letters: Letters,
    pub(super) place: Option<Place>,
    pub(super) path_patient: Option<&'a str>,
    /// Whether it may be about several types: these, or all of them.
    pub(super) several: bool,
    /// The types that it names.
    pub(super) places: Vec<Place>,
    pub(super) parameters: &'a [normalise::Parameter<'a>],
    pub(super) form: bool,
    /// The methods that the path has.
    pub(super) methods: Vec<Method>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(engine: &'a Engine, call: Option<&Call<'a>>, decision: &Decision<'_>, arena: &'a Arena) -> Self {
        let Some(call) = call else { return Self::default() };
        let methods = call.operations.unwrap_or_default().iter().map(|(method, _)| *method).collect();
        let read =
            Self { method: call.method, parameters: call.parameters, form: call.form, methods, ..Self::default() };
        let Some((index, operation)) = call.operation(engine).filter(|_| decision.operation.is_some()) else {
            return read;
        };
        let Ok(target) = Target::of(engine, call, operation, arena) else { return read };
        let code = operation.fhir.as_ref().and_then(|fhir| fhir.code.as_deref());
        let several = target.interaction.is_some_and(|one| {
            target.place.is_none() && one != Interaction::Batch
                || one == Interaction::Operation && code == Some("everything")
        });
        let named: Vec<Place> = match target.place.filter(|_| !several) {
            Some(place) => vec![place],
            None => named(engine, call),
        };
        Self {
            operation: Some(operation),
            index: Some(index),
            interaction: target.interaction,
            code,
            letters: target.interaction.map_or(Letters::NONE, |one| letters(one, operation.method, code)),
            place: target.place,
            path_patient: target.path_patient,
            several,
            places: named,
            ..read
        }
    }

    /// The same, as phase 4 asks for rules.
    pub(super) fn asked(&self) -> Option<rules::Asked<'a>> {
        Some(rules::Asked {
            operation: self.index?,
            interaction: self.interaction,
            place: self.place,
            letters: self.letters,
            path_patient: self.path_patient,
        })
    }

    /// The types named, of a request that may name several; none: all.
    pub(super) fn types(&self) -> Option<&[Place]> {
        (!self.places.is_empty()).then_some(self.places.as_slice())
    }

    pub(super) fn matters<'m>(&'m self, engine: &'m Engine, grants: &'m Grants) -> Matters<'m> {
        let has = |found: &dyn Fn(&str) -> bool| self.parameters.iter().any(|one| found(one.name));
        Matters {
            engine,
            grants,
            interaction: self.interaction,
            everything: self.code == Some("everything"),
            joins: has(&|name| name.contains('.') || name.starts_with("_has:")),
            includes: has(&|name| name.starts_with("_include") || name.starts_with("_revinclude")),
            places: &self.places,
        }
    }
}

/// The types that `_type` names.
fn named(engine: &Engine, call: &Call<'_>) -> Vec<Place> {
    let values = call.parameters.iter().filter(|one| one.name == "_type").flat_map(|one| alternatives(one.value));
    let mut places: Vec<Place> = values.filter_map(|name| engine.place(name)).collect();
    places.dedup();
    places
}

/// The letters of the table of phase 4.
fn letters(interaction: Interaction, method: Method, code: Option<&str>) -> Letters {
    match (interaction, method, code) {
        (Interaction::Operation, _, Some("everything" | "export")) => Letters::READ | Letters::SEARCH,
        (Interaction::Conditional, Method::Delete, _) => Letters::DELETE | Letters::SEARCH,
        (Interaction::Conditional, Method::Put, _) => Letters::CREATE | Letters::UPDATE | Letters::SEARCH,
        (Interaction::Conditional, _, _) => Letters::UPDATE | Letters::SEARCH,
        _ => interaction.letters(),
    }
}

/// The request for the reader.
pub(super) fn told(why: &Why<'_, '_>) -> Asked {
    let Why { decision, subject, .. } = *why;
    let refused = next::culprits(why);
    let dropped = |name: &str| {
        decision.obligations.iter().any(|one| matches!(one, Obligation::DropQuery(dropped) if **dropped == *name))
    };
    let fate = |index: usize, name: &str| {
        if refused.contains(&index) {
            Fate::Refused
        } else if decision.verdict != Verdict::Permit {
            Fate::Undecided
        } else if dropped(name) {
            Fate::LeftOut
        } else if decision.fields_used.iter().any(|used| **used == *name) {
            Fate::Used
        } else {
            Fate::PassedOver
        }
    };
    let parameters = subject.parameters.iter().enumerate();
    Asked {
        method: subject.method.map(Method::as_str),
        operation: subject.operation.map(Operation::key),
        interaction: subject.interaction.map(Interaction::as_str),
        resource_type: decision.resource_type.as_ref().map(ToString::to_string),
        resource_id: decision.resource_id.as_ref().map(ToString::to_string),
        letters: subject.letters.to_string(),
        parameters: parameters
            .map(|(index, one)| Parameter { name: one.name.to_owned(), fate: fate(index, one.name) })
            .collect(),
    }
}
