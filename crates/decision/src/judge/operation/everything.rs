//! `$everything`: a whole chart, by the letters of what may come back (I36 to I39, D10).

use policy::decision::Phase;
use policy::letters::Letters;
use policy::operation::Interaction;
use policy::settings::Uncovered;

use super::parameters::{self, Given};
use crate::denial::Denial;
use crate::engine::Place;
use crate::judge::{Halt, Plan, Planned, Scene, Trace};
use crate::query::Search;
use crate::rules::{Asked, Group, Rule, Several, fitting_all};
use crate::upstream::{self, Sends};

/// The parameters that it has.
const NAMES: &[&str] = &["_count", "_since", "_type", "end", "start"];

impl<'a> Scene<'_, 'a> {
    pub(super) fn everything(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let given = Given::read(self.request.body, NAMES);
        let types = self.types_of_everything(&given)?;
        let asked = Asked {
            operation: self.index,
            interaction: Some(Interaction::Operation),
            place: None,
            letters: Letters::READ | Letters::SEARCH,
            path_patient: self.target.path_patient,
        };
        // On the type it would be everybody's, and no parameter narrows it.
        let groups: &[Group] = if self.target.id.is_some() { &[Group::Own, Group::Others] } else { &[Group::Others] };
        let several = Several { asked, types };
        let fitting = fitting_all(self.engine, self.grants, &several, groups, self.arena)?;
        self.async_only_for_systems(fitting)?;
        trace.phase = Phase::Query;
        let fitting = self.within_fields(fitting, false, trace)?;
        let query = self.everything_query(trace)?;
        trace.phase = Phase::Body;
        given.is_well_formed()?;
        let permitting = self.tags_of_request(fitting, trace)?;
        if self.target.id.is_some() {
            self.instance_of_everything(permitting, trace)?;
        }
        let media = (!self.request.body.is_empty()).then_some("application/fhir+json");
        let sends = Sends { query, media, ..Sends::default() };
        let upstream = upstream::fhir(self.request, self.call, self.operation, sends, self.arena, trace);
        let places = types.unwrap_or_else(|| self.every_place());
        let mut names = self.arena.list_of(places.len());
        names.extend(places.iter().filter_map(|place| self.engine.facts_at(*place)).map(|facts| facts.name.as_str()));
        let reject = self.engine.settings().everything == Uncovered::Reject;
        let search = Search {
            types: names.into_bump_slice(),
            inexact: true,
            added: &[],
            partial: false,
            included: &[],
            reverse: &[],
            link: query,
            letters: Letters::READ,
            uncovered: if reject { Uncovered::Reject } else { Uncovered::Filter },
        };
        Ok(Planned { plan: Plan::Search(search), permitting, upstream })
    }

    /// The types that query and body name, alike; none: all.
    fn types_of_everything(&self, given: &Given<'_>) -> Result<Option<&'a [Place]>, Denial> {
        let mut places = self.arena.list();
        places.extend_from_slice(self.named_types()?.unwrap_or_default());
        for name in given.values("_type").flat_map(parameters::names) {
            let place = self.engine.place(name).ok_or(parameters::malformed_type())?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let places: &[Place] = places.into_bump_slice();
        Ok((!places.is_empty()).then_some(places))
    }

    fn everything_query(&self, trace: &mut Trace<'a>) -> Result<&'a str, Denial> {
        self.own_parameters(NAMES, |one| !one.value.is_empty(), trace)
    }

    /// The instance has to be covered: by the path, where that is the context Patient; by a rule that asks for
    /// nothing; else by what is stored.
    fn instance_of_everything(&self, permitting: &'a [u16], trace: &mut Trace<'a>) -> Result<(), Halt> {
        let place = self.place()?;
        let opens = |rule: &Rule| rule.names(self.engine, self.index) || rule.gives_at(place, Letters::READ);
        let plain = |rule: &Rule| rule.is_plain(self.engine, self.index) && opens(rule);
        let bound = |rule: &Rule| {
            rule.is_patient()
                && !rule.is_tagged(self.engine)
                && !self.engine.enforces_labels()
                && self.target.path_patient.is_some()
        };
        if self.rules(permitting).any(|rule| plain(rule) || bound(rule)) {
            return Ok(());
        }
        let mut readers = self.arena.list();
        let reads = |(rule, _): &(&Rule, u16)| rule.gives_at(place, Letters::READ);
        readers.extend(self.grants.list.iter().zip(0_u16..).filter(reads).map(|(_, index)| index));
        self.covering_now(readers.into_bump_slice(), place, trace).map(|_| ())
    }
}
