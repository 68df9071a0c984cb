//! Searches: of a type, of a compartment, of the whole system.

use policy::decision::Phase;
use policy::letters::Letters;
use policy::operation::Interaction;
use policy::reason::Reason;

use super::{Plan, Planned, Scene, Trace, internal};
use crate::denial::Denial;
use crate::engine::Place;
use crate::normalise::alternatives;
use crate::query;
use crate::rules::{Asked, Group, Several, fitting, fitting_all};
use crate::upstream::{self, Sends};

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breadth {
    /// One type.
    Type,
    /// The whole system, or what `_type` names of it.
    System,
    /// The whole of a compartment, or what `_type` names of it.
    Compartment,
}

impl<'a> Scene<'_, 'a> {
    pub(super) fn search(&self, interaction: Interaction, trace: &mut Trace<'a>) -> Result<Planned<'a>, Denial> {
        let asked = Asked {
            operation: self.index,
            interaction: Some(interaction),
            place: self.target.place,
            letters: Letters::SEARCH,
            path_patient: self.target.path_patient,
        };
        let named = if self.target.place.is_none() { self.named_types()? } else { None };
        let fitting = if self.target.place.is_some() {
            fitting(self.engine, self.grants, &asked, self.arena)?
        } else {
            let several = Several { asked, types: named };
            fitting_all(self.engine, self.grants, &several, &[Group::Own, Group::Others], self.arena)?
        };
        self.async_only_for_systems(fitting)?;
        trace.phase = Phase::Query;
        let places: &[Place] = match (self.target.place, named) {
            (Some(place), _) => self.arena.copied(&[place]),
            (None, Some(named)) => named,
            (None, None) => self.every_place(),
        };
        let breadth = match (self.target.place, interaction) {
            (Some(_), _) => Breadth::Type,
            (None, Interaction::SearchCompartment) => Breadth::Compartment,
            (None, _) => Breadth::System,
        };
        let scene = self.searching(places, breadth)?;
        let admit = |rules: &'a [u16], trace: &mut Trace<'a>| self.tags(rules, None, trace);
        let query::Planned { query, form, search, permitting } =
            query::search(&scene, self.call, fitting, trace, admit)?;
        let sends = Sends { query, form, ..Sends::default() };
        let upstream = upstream::fhir(self.request, self.call, self.operation, sends, self.arena, trace);
        Ok(Planned { plan: Plan::Search(search), permitting, upstream })
    }

    /// A search of these types, as far as phase 5 is concerned.
    pub(super) fn searching(&self, places: &'a [Place], breadth: Breadth) -> Result<query::Scene<'a>, Denial> {
        let facts = places.first().and_then(|place| self.engine.facts_at(*place)).ok_or_else(internal)?;
        Ok(query::Scene {
            engine: self.engine,
            places,
            facts,
            grants: self.grants,
            home: self.home,
            arena: self.arena,
            operation: self.operation,
            in_compartment: breadth == Breadth::Compartment,
            types_named: breadth != Breadth::Type,
            index: self.index,
        })
    }

    /// The types that `_type` names (D2); none if it names none.
    pub(super) fn named_types(&self) -> Result<Option<&'a [Place]>, Denial> {
        let mut places = self.arena.list();
        let lists = || self.call.parameters.iter().filter(|one| one.name == "_type" && !one.value.is_empty());
        // Two lists would both have to hold, or the one or the other: nobody says which (D2).
        if lists().count() > 1 {
            return Err(Denial::new(Phase::Rules, Reason::MalformedQuery));
        }
        for one in lists() {
            for name in alternatives(one.value) {
                let malformed = Denial::new(Phase::Rules, Reason::MalformedQuery);
                let place = self.engine.place(name).ok_or(malformed)?;
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        let places: &[Place] = places.into_bump_slice();
        Ok((!places.is_empty()).then_some(places))
    }
}
