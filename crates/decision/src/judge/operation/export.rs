//! `$export`: the kick-off of a bulk export, by `system/` rules with the letters of all that comes back (D13, D50).
//!
//! Invariant: a type that no plain rule gives whole is asked for only through filters that carry all that one of its
//! rules asks. A filter is read as a search is, and goes upstream as it came: what could not be read is refused.

use policy::decision::{Obligation, Phase};
use policy::letters::Letters;
use policy::operation::Interaction;
use policy::reason::Reason;
use policy::scope::Constraint;

use super::parameters::{self, Given};
use crate::denial::Denial;
use crate::engine::Place;
use crate::judge::search::Breadth;
use crate::judge::{Export, Halt, Plan, Planned, Scene, Trace};
use crate::normalise::{MAX_PARAMETERS, Parameter, alternatives, over_limits, tokenise};
use crate::query::{self, class};
use crate::rules::{Asked, Group, Rule, Several, fitting_all};
use crate::upstream::{self, Sends};

/// The parameters that it has.
const NAMES: &[&str] = &["_outputFormat", "_since", "_type", "_typeFilter"];
/// Of these, the one that may stand more than once.
pub(super) const REPEATED: &str = "_typeFilter";
/// The ways to say the one format of its files (Bulk Data 2.0, "Query Parameters").
const FORMATS: &[&str] = &["application/fhir+ndjson", "application/ndjson", "ndjson"];
/// What has to be given on what is exported.
pub(crate) fn letters() -> Letters {
    Letters::READ | Letters::SEARCH
}

/// A `_typeFilter`, read.
struct Filter<'a> {
    place: Place,
    parameters: &'a [Parameter<'a>],
}

impl<'a> Scene<'_, 'a> {
    pub(super) fn export(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        if !self.grants.any {
            return Err(Denial::new(Phase::Rules, Reason::NoPermission).into());
        }
        let given = Given::read(self.request.body, NAMES);
        given.is_readable()?;
        let types = self.types_of_export(&given)?;
        let asked = Asked {
            operation: self.index,
            interaction: Some(Interaction::Operation),
            place: None,
            letters: letters(),
            path_patient: None,
        };
        let several = Several { asked, types };
        let fitting = fitting_all(self.engine, self.grants, &several, &[Group::Systems], self.arena)?;
        let level = self.level_of_export()?;
        self.async_only_for_systems(fitting)?;
        trace.phase = Phase::Query;
        let query = self.export_query(&given, trace)?;
        let places = types.unwrap_or_else(|| self.every_place());
        self.filters_carry(&given, types, places)?;
        trace.phase = Phase::Body;
        let permitting = self.tags_of_request(fitting, trace)?;
        if let (Some(group), Some(_)) = (level, self.target.id) {
            self.covering_now(self.systems_on(group), group, trace)?;
        }
        let media = (!self.request.body.is_empty()).then_some("application/fhir+json");
        let headers = &[("prefer", "respond-async")];
        trace.obligations.push(Obligation::SetHeader("prefer".into(), "respond-async".into()));
        let sends = Sends { query, media, headers, ..Sends::default() };
        let upstream = upstream::fhir(self.request, self.call, self.operation, sends, self.arena, trace);
        Ok(Planned {
            plan: Plan::Export(Export { operation: self.index, types: places, link: query }),
            permitting,
            upstream,
        })
    }

    /// The types that query or body names, in one list; none: all.
    fn types_of_export(&self, given: &Given<'_>) -> Result<Option<&'a [Place]>, Denial> {
        let mut lists = values(self.call.parameters, given, "_type").filter(|list| !list.is_empty());
        let Some(list) = lists.next() else { return Ok(None) };
        if lists.next().is_some() {
            return Err(parameters::malformed_type());
        }
        let mut places = self.arena.list();
        for name in alternatives(list) {
            let place = self.engine.place(name).ok_or(parameters::malformed_type())?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(Some(places.into_bump_slice()))
    }

    /// Whether the rules give what the level of the export goes by; the type of its instance, if it has one.
    fn level_of_export(&self) -> Result<Option<Place>, Denial> {
        let level: &[&str] = match self.target.resource_type {
            None => return Ok(None),
            Some("Patient") if self.target.id.is_none() => &["Patient"],
            Some("Group") if self.target.id.is_some() => &["Group", "Patient"],
            Some(_) => &[],
        };
        let given = |name: &&str| self.engine.place(name).is_some_and(|place| !self.systems_on(place).is_empty());
        // An export of any other level is none that FHIR defines: nobody can tell what it goes by.
        if level.is_empty() || !level.iter().all(given) {
            return Err(Denial::new(Phase::Rules, Reason::NoRule));
        }
        Ok(self.target.place)
    }

    /// The rules by which a type may be exported.
    fn systems_on(&self, place: Place) -> &'a [u16] {
        let mut found = self.arena.list();
        let gives = |rule: &Rule| rule.exports(self.engine, self.index) && rule.gives_at(place, letters());
        found.extend(self.grants.list.iter().zip(0_u16..).filter(|(rule, _)| gives(rule)).map(|(_, index)| index));
        found.into_bump_slice()
    }

    fn export_query(&self, given: &Given<'_>, trace: &mut Trace<'a>) -> Result<&'a str, Denial> {
        let malformed = Denial::new(Phase::Query, Reason::MalformedQuery);
        if given.has_unknown_names() {
            return Err(class::unknown());
        }
        let format = |one: &str| FORMATS.contains(&one);
        if !values(self.call.parameters, given, "_outputFormat").all(format) {
            return Err(Denial::new(Phase::Query, Reason::NotAcceptable));
        }
        for name in NAMES.iter().filter(|name| **name != REPEATED) {
            if values(self.call.parameters, given, name).filter(|value| !value.is_empty()).count() > 1 {
                return Err(malformed);
            }
        }
        self.own_parameters(NAMES, |one| !one.value.is_empty() || one.name == REPEATED, trace)
    }

    /// Whether every type that is limited is asked for by filters that say so.
    fn filters_carry(&self, given: &Given<'_>, types: Option<&[Place]>, places: &[Place]) -> Result<(), Denial> {
        let mut filters: Vec<Filter<'a>> = Vec::new();
        for text in values(self.call.parameters, given, REPEATED) {
            filters.push(self.filter(self.arena.text(text), types)?);
        }
        for place in places {
            let rules = || self.rules(self.systems_on(*place));
            let whole = rules().any(|rule| rule.is_plain(self.engine, self.index));
            // Where no type is named, the rule that fits gives each; a type that it does not give is left out of the files.
            if whole || (types.is_none() && rules().next().is_none()) {
                continue;
            }
            let own = || filters.iter().filter(|filter| filter.place == *place);
            let carries = |filter: &Filter<'_>| rules().any(|rule| filter.has_all(&rule.constraints));
            if own().next().is_none() || !own().all(carries) {
                return Err(Denial::new(Phase::Query, Reason::NoRule));
            }
        }
        Ok(())
    }

    /// Reads a filter as a search of its type, of predicates only.
    fn filter(&self, text: &'a str, types: Option<&[Place]>) -> Result<Filter<'a>, Denial> {
        let malformed = Denial::new(Phase::Query, Reason::MalformedQuery);
        let (name, query) = text.split_once('?').filter(|(_, query)| !query.contains('?')).ok_or(malformed)?;
        let place = self.engine.place(name).ok_or(malformed)?;
        if types.is_some_and(|types| !types.contains(&place)) {
            return Err(malformed);
        }
        let mut parameters = self.arena.list();
        tokenise(query, false, self.arena, &mut parameters).map_err(|_| malformed)?;
        if parameters.len() > MAX_PARAMETERS || over_limits(&parameters) {
            return Err(Denial::new(Phase::Query, Reason::TooLarge).with_status(414));
        }
        let parameters: &'a [Parameter<'a>] = parameters.into_bump_slice();
        let scene = self.searching(self.arena.copied(&[place]), Breadth::Type)?;
        let hides = |rule: &Rule| rule.is_tagged(self.engine) || self.grants.is_cleared_below_all(self.engine);
        let blind = self.rules(self.systems_on(place)).all(hides);
        for one in parameters {
            query::is_predicate(&scene, one)?;
            // What is hidden from the caller could still be probed (D27).
            if blind && matches!(one.name.split(':').next(), Some("_tag" | "_security")) {
                return Err(class::refused());
            }
        }
        Ok(Filter { place, parameters })
    }
}

impl Filter<'_> {
    /// Whether each of these is one of its parameters, word for word.
    fn has_all(&self, constraints: &[Constraint]) -> bool {
        let has =
            |one: &Constraint| self.parameters.iter().any(|own| *own.name == *one.name && *own.value == *one.value);
        constraints.iter().all(has)
    }
}

/// The values of a parameter in the query, then in the body.
fn values<'v>(query: &'v [Parameter<'_>], given: &'v Given<'_>, name: &'v str) -> impl Iterator<Item = &'v str> {
    query.iter().filter(move |one| one.name == name).map(|one| one.value).chain(given.values(name))
}
