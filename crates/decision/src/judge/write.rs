//! Writes: what goes in, and what it would do to what is stored (phase 6).
//!
//! Invariant: a write is decided for each rule by itself, and one rule has to cover all of it: what is stored, and what
//! it becomes. A write over what was looked at is tied to that version, so nothing changes in between.

mod attachments;
mod conditional;
mod create;
mod delete;
mod existing;
mod patch;
mod update;

use policy::decision::{Obligation, Phase, Upstream};
use policy::letters::Letters;
use policy::operation::Interaction;
use policy::reason::Reason;

use super::{Halt, Plan, Planned, Scene, Trace, internal};
use crate::body::{self, Reader, State};
use crate::condition;
use crate::denial::Denial;
use crate::engine::Place;
use crate::fields;
use crate::json::Value;
use crate::rules::{Asked, Rule, fitting};
use crate::upstream::{self, Sends};

/// FHIR's JSON.
const RESOURCE: &str = "application/fhir+json";

/// What a write is tied to.
#[derive(Clone, Copy, Debug)]
enum Tie<'a> {
    /// Nothing: its rule covers whatever is stored.
    None,
    /// The version that was looked at.
    Version(&'a str),
    /// That nothing is stored.
    Absence,
}

/// A write that rules permit.
#[derive(Clone, Copy, Debug)]
struct Permitted<'a> {
    rules: &'a [u16],
    tie: Tie<'a>,
}

/// What is written, for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'a> {
    pub(crate) resource_type: &'a str,
    /// The instance, where the path names it.
    pub(crate) id: Option<&'a str>,
    /// Whether nothing is there afterwards.
    pub(crate) deletes: bool,
    /// Whether the answer comes with a part of its elements.
    pub(crate) partial: bool,
}

impl<'a> Scene<'_, 'a> {
    /// The rules that fit a write with these letters.
    fn fitting_write(&self, interaction: Interaction, letters: Letters) -> Result<&'a [u16], Denial> {
        let asked = Asked {
            operation: self.index,
            interaction: Some(interaction),
            place: self.target.place,
            letters,
            path_patient: self.target.path_patient,
        };
        let fitting = fitting(self.engine, self.grants, &asked, self.arena)?;
        self.async_only_for_systems(fitting)?;
        Ok(fitting)
    }

    /// What the body of this write is read by.
    fn reader(&self, place: Place) -> Result<Reader<'a>, Denial> {
        let facts = self.engine.facts_at(place).ok_or_else(internal)?;
        Ok(Reader { engine: self.engine, facts, grants: self.grants })
    }

    /// What the write would store, for rules to be asked about.
    fn state<'w>(&'w self, reader: Reader<'w>, resource: Value<'w>, asked: condition::Asked<'w>) -> State<'w> {
        let place = body::Place { home: self.home, party: self.party(asked), siblings: self.call.siblings };
        State::new(reader, resource, place)
    }

    /// Judges a write by each rule: one that permits is enough; else what has to be looked at first; else the denial of the rule
    /// that got furthest, the first on a tie.
    fn by_each_rule(
        &self,
        fitting: &[u16],
        trace: &mut Trace<'a>,
        mut judge: impl FnMut(&'a Rule, &mut Trace<'a>) -> Result<Tie<'a>, Halt>,
    ) -> Result<Permitted<'a>, Halt> {
        let mut rules = self.arena.list_of(fitting.len());
        let mut tie = None;
        let mut lookups = Vec::new();
        let mut furthest: Option<Denial> = None;
        let known = trace.used.len();
        for index in fitting {
            let Some(rule) = self.grants.list.get(usize::from(*index)) else { continue };
            match judge(rule, trace) {
                Ok(Tie::None) => {
                    rules.push(*index);
                    tie = Some(Tie::None);
                }
                Ok(own) => {
                    rules.push(*index);
                    tie = tie.or(Some(own));
                }
                Err(Halt::Lookup(more)) => lookups.extend(more),
                Err(Halt::Deny(denial)) if furthest.is_none_or(|known| denial.phase > known.phase) => {
                    furthest = Some(denial);
                }
                Err(Halt::Deny(_)) => {}
            }
        }
        if let Some(tie) = tie {
            // Where another rule permits, nobody's list decided.
            trace.used.truncate(known);
            return Ok(Permitted { rules: rules.into_bump_slice(), tie });
        }
        if lookups.is_empty() {
            return Err(furthest.unwrap_or_else(internal).into());
        }
        lookups.sort_unstable();
        lookups.dedup();
        Err(Halt::Lookup(lookups))
    }

    /// Whether a rule's list of fields lets a body pass (D28).
    fn body_within(&self, rule: &Rule, body: Value<'_>, trace: &mut Trace<'a>) -> Result<(), Denial> {
        let outside = rule.fields(self.engine, self.index).find_map(|list| fields::outside(list, body));
        self.no_field(outside, trace)
    }

    /// The denial of a field that a list leaves out, if there is one.
    fn no_field(&self, outside: Option<String>, trace: &mut Trace<'a>) -> Result<(), Denial> {
        let Some(name) = outside else { return Ok(()) };
        trace.used.push(self.arena.text(&name).into());
        Err(Denial::new(Phase::Body, Reason::FieldDenied))
    }

    /// Sends a permitted write, tied to what was looked at.
    fn send(
        &self,
        permitted: Permitted<'a>,
        sends: Sends<'a>,
        (deletes, partial): (bool, bool),
        trace: &mut Trace<'a>,
    ) -> Result<Planned<'a>, Halt> {
        let resource_type = self.target.resource_type.ok_or_else(internal)?;
        let own = self.call.head.if_match;
        let mut headers = self.arena.list_of(sends.headers.len() + 2);
        headers.extend_from_slice(sends.headers);
        let mut set = |name: &'static str, value: &'a str, trace: &mut Trace<'a>| {
            trace.obligations.push(Obligation::CheckExisting(resource_type.into()));
            trace.obligations.push(Obligation::SetHeader(name.into(), value.into()));
            headers.push((name, value));
        };
        // A client's own that differs from what was looked at is answered after the verdict.
        let changed = Denial::new(Phase::Body, Reason::ChangedMeanwhile).with_status(412);
        match permitted.tie {
            Tie::Version(version) if own.is_none_or(|own| own == version) => set("if-match", version, trace),
            Tie::Version(_) => return Err(changed.into()),
            Tie::Absence => set("if-none-match", "*", trace),
            Tie::None => headers.extend(own.map(|own| ("if-match", own))),
        }
        headers.extend(self.preference(permitted.rules, trace));
        let sends = Sends { headers: headers.into_bump_slice(), ..sends };
        let upstream: Upstream<'a> = upstream::fhir(self.request, self.call, self.operation, sends, self.arena, trace);
        let plan = Plan::Write(Written { resource_type, id: self.target.id, deletes, partial });
        Ok(Planned { plan, permitting: permitted.rules, upstream })
    }

    /// What a write prefers: nothing comes back to a caller whose rules do not let it read (D19).
    fn preference(&self, permitting: &[u16], trace: &mut Trace<'a>) -> Option<(&'static str, &'a str)> {
        let reads = |rule: &Rule| self.target.place.is_some_and(|place| rule.gives_at(place, Letters::READ));
        let own = self.call.prefer.returns;
        let value = if self.rules(permitting).any(reads) { own? } else { "minimal" };
        let header = self.arena.join(&["return=", value]);
        if own != Some(value) {
            trace.obligations.push(Obligation::SetHeader("prefer".into(), header.into()));
        }
        Some(("prefer", header))
    }
}
