//! Reads of one instance: as it is, as it was, and through all its versions.

use policy::decision::{Obligation, Phase};
use policy::facts::Standing;
use policy::letters::Letters;
use policy::operation::Interaction;
use policy::reason::Reason;
use policy::settings::Shared;

use super::{Halt, History, Instance, Plan, Planned, Scene, Trace, internal};
use crate::condition;
use crate::cover::{self, Eyes, Subject};
use crate::denial::Denial;
use crate::engine::Place;
use crate::json::{Document, Value};
use crate::query;
use crate::reference;
use crate::rules::{Asked, Rule, fitting};
use crate::stored::{self, Current};
use crate::upstream::{self, Sends};

/// The elements of a Patient that open what they refer to (D66): those that R4 gives it for that.
const REFERRING: &[&[&str]] = &[&["generalPractitioner"], &["managingOrganization"], &["contact", "organization"]];

impl<'a> Scene<'_, 'a> {
    pub(super) fn read(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let place = self.place()?;
        let fitting = match self.fitting_read(Interaction::Read) {
            Ok(fitting) => fitting,
            Err(denial) => match self.referenced(trace)? {
                Some(rules) => return self.shaped_read(place, rules, true, trace),
                None => return Err(denial.into()),
            },
        };
        self.async_only_for_systems(fitting)?;
        let mut planned = self.shaped_read(place, fitting, false, trace)?;
        if self.call.in_transaction {
            // The upstream fails the whole for what is not there, so the whole has to fail for what is not to be seen.
            planned.permitting = self.covering_now(planned.permitting, place, trace)?;
        }
        Ok(planned)
    }

    /// One version: decided on itself, and on what is stored now (D5).
    pub(super) fn vread(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let place = self.place()?;
        let fitting = self.fitting_read(Interaction::Vread)?;
        self.async_only_for_systems(fitting)?;
        let mut planned = self.shaped_read(place, fitting, false, trace)?;
        planned.permitting = self.covering_now(planned.permitting, place, trace)?;
        if let Plan::Read(instance) = &mut planned.plan {
            // `/T/id/_history/v`
            instance.version = self.call.segments().last().copied();
        }
        Ok(planned)
    }

    /// All versions of one instance.
    pub(super) fn history(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let place = self.place()?;
        let fitting = self.fitting_read(Interaction::HistoryInstance)?;
        self.async_only_for_systems(fitting)?;
        trace.phase = Phase::Query;
        let fitting = self.within_fields(fitting, false, trace)?;
        let shaped = query::history(self.engine, self.call, (&[place], false), self.grants, self.arena, trace)?;
        let fitting = self.tags_of_request(fitting, trace)?;
        let plain = self.rules(fitting).any(|rule| rule.is_plain(self.engine, self.index));
        let permitting = self.covering_now(fitting, place, trace)?;
        let sends = Sends { query: shaped.query, ..Sends::default() };
        let upstream = upstream::fhir(self.request, self.call, self.operation, sends, self.arena, trace);
        let history = History {
            instance: self.target.resource_type.zip(self.target.id),
            types: self.arena.copied(&[place]),
            letters: Letters::READ,
            added: shaped.added,
            partial: shaped.partial,
            exact: plain,
            current_is_covered: true,
            link: shaped.query,
        };
        Ok(Planned { plan: Plan::History(history), permitting, upstream })
    }

    fn fitting_read(&self, interaction: Interaction) -> Result<&'a [u16], Denial> {
        let asked = Asked {
            operation: self.index,
            interaction: Some(interaction),
            place: self.target.place,
            letters: Letters::READ,
            path_patient: self.target.path_patient,
        };
        fitting(self.engine, self.grants, &asked, self.arena)
    }

    fn shaped_read(
        &self,
        place: Place,
        fitting: &'a [u16],
        referenced: bool,
        trace: &mut Trace<'a>,
    ) -> Result<Planned<'a>, Halt> {
        let (Some(resource_type), Some(id)) = (self.target.resource_type, self.target.id) else {
            return Err(internal().into());
        };
        trace.phase = Phase::Query;
        let fitting = self.within_fields(fitting, false, trace)?;
        let shaped = query::shape_only(self.engine, self.call, &[place], self.grants, self.arena, trace)?;
        let permitting = self.tags_of_request(fitting, trace)?;
        let sends = Sends { query: shaped.query, ..Sends::default() };
        let upstream = upstream::fhir(self.request, self.call, self.operation, sends, self.arena, trace);
        let instance =
            Instance { resource_type, id, version: None, added: shaped.added, partial: shaped.partial, referenced };
        Ok(Planned { plan: Plan::Read(instance), permitting, upstream })
    }

    /// Phase 8 over a request that has no body, or whose body is what `$request` reads.
    pub(super) fn tags_of_request(&self, fitting: &'a [u16], trace: &mut Trace<'a>) -> Result<&'a [u16], Denial> {
        let body = self.body_for_conditions();
        self.tags(fitting, body.as_ref().map(Document::root), trace)
    }

    /// Of these rules those that cover what is stored now under the path's id; a plain one needs no look (D5).
    pub(super) fn covering_now(
        &self,
        permitting: &'a [u16],
        place: Place,
        trace: &mut Trace<'a>,
    ) -> Result<&'a [u16], Halt> {
        if self.rules(permitting).any(|rule| rule.is_plain(self.engine, self.index)) {
            return Ok(permitting);
        }
        let (Some(name), Some(id)) = (self.target.resource_type, self.target.id) else { return Err(internal().into()) };
        let lookup = stored::of_instance(self.target.prefix, name, id, self.arena);
        trace.obligations.push(Obligation::CheckExisting(name.into()));
        // What is stored is looked at by the rules of answers (phase 9), though before there is one.
        trace.phase = Phase::Response;
        let Current::There(stored) = stored::current(self.request, lookup, trace.phase)? else {
            return Err(self.hidden(Reason::NotFound, trace).into());
        };
        let document = Document::of(stored.body);
        let eyes = self.eyes_on_stored(self.asked_by_query());
        let subject = document.as_ref().and_then(|document| self.stored((place, name, id), document.root(), eyes));
        let covering = subject.map(|subject| {
            let mut left = self.arena.list_of(permitting.len());
            left.extend(permitting.iter().copied().filter(|index| {
                let rule = self.grants.list.get(usize::from(*index));
                rule.is_some_and(|rule| subject.is_covered_by(rule))
            }));
            left.into_bump_slice()
        });
        match covering {
            Some(left) if !left.is_empty() => Ok(left),
            _ => Err(self.hidden(Reason::ExistingNotCovered, trace).into()),
        }
    }

    /// What is stored under that type and id, for rules to be asked about; none if it is something else.
    pub(super) fn stored<'s>(
        &'s self,
        (place, name, id): (Place, &str, &str),
        resource: Value<'s>,
        eyes: Eyes<'s>,
    ) -> Option<Subject<'s>> {
        let facts = self.engine.facts_at(place).filter(|_| cover::is_instance(&resource, name, id))?;
        Some(Subject::new(self.engine, facts, resource, eyes))
    }

    /// What `$request` of a `where` reads, of a request without a body.
    pub(super) fn asked_by_query(&self) -> condition::Asked<'a> {
        condition::Asked::Query(self.call.parameters)
    }

    /// How the references of what is stored count; `asked` is what `$request` reads.
    pub(super) fn eyes_on_stored<'e>(&'e self, asked: condition::Asked<'e>) -> Eyes<'e> {
        let party = self.party(asked);
        Eyes { bases: &self.bases, patient: self.grants.patient.as_deref(), party, kept: &[], partial: false }
    }

    /// The denial of what is stored and not to be told: it looks as if nothing were there, unless the Service says otherwise.
    pub(super) fn hidden(&self, reason: Reason, trace: &Trace<'_>) -> Denial {
        if self.engine.settings().hide_existence || reason == Reason::NotFound {
            return Denial::new(trace.phase, Reason::NotFound);
        }
        Denial::new(trace.phase, reason)
    }

    /// The rules that let the context Patient open a shared resource that it refers to (D6, I26); none where that does
    /// not come into question.
    fn referenced(&self, trace: &mut Trace<'a>) -> Result<Option<&'a [u16]>, Halt> {
        let shared = self.target.place.and_then(|place| self.engine.kind(place));
        let Some(patient_place) = self.engine.place("Patient") else { return Ok(None) };
        let (Some(patient), Some(name), Some(id)) =
            (self.grants.patient.as_deref(), self.target.resource_type, self.target.id)
        else {
            return Ok(None);
        };
        let opens = |rule: &Rule| rule.is_patient() && rule.gives_at(patient_place, Letters::READ);
        let possible = shared.is_some_and(|kind| kind.standing == Standing::Shared)
            && self.engine.settings().shared != Shared::Scope
            && self.grants.list.iter().any(opens);
        if !possible {
            return Ok(None);
        }
        let no_rule = Denial::new(Phase::Rules, Reason::NoRule);
        let lookup = stored::of_instance(self.target.prefix, "Patient", patient, self.arena);
        trace.obligations.push(Obligation::CheckExisting("Patient".into()));
        let Current::There(stored) = stored::current(self.request, lookup, trace.phase)? else {
            return Err(no_rule.into());
        };
        let document = Document::of(stored.body);
        let Some(document) = document else { return Err(no_rule.into()) };
        let resource = document.root();
        let mut refers = false;
        let wanted = format!("{name}/{id}");
        let mut look =
            |element: Value<'_>| refers |= reference::instance(element, &self.bases).as_ref() == Some(&wanted);
        for path in REFERRING {
            let path: Vec<Box<str>> = path.iter().map(|name| (*name).into()).collect();
            cover::each_at(resource, &path, &mut look);
        }
        let eyes = self.eyes_on_stored(self.asked_by_query());
        let subject = self.stored((patient_place, "Patient", patient), resource, eyes);
        let covers = |rule: &Rule| opens(rule) && subject.as_ref().is_some_and(|subject| subject.is_covered_by(rule));
        let mut rules = self.arena.list_of(2);
        rules.extend(self.grants.list.iter().zip(0_u16..).filter(|(rule, _)| covers(rule)).map(|(_, index)| index));
        if refers && !rules.is_empty() {
            return Ok(Some(rules.into_bump_slice()));
        }
        Err(no_rule.into())
    }
}
