//! Shape parameters: which elements of the answer, how many, in what form.

use bumpalo::collections::Vec as List;
use policy::decision::{Obligation, Phase};
use policy::facts::{ElementPath, Standing};
use policy::letters::Letters;
use policy::reason::Reason;

use super::Pair;
use super::class::refused;
use crate::Engine;
use crate::arena::Arena;
use crate::denial::Denial;
use crate::engine::Place;
use crate::judge::Trace;
use crate::normalise::Parameter;
use crate::rules::{Grants, Rule};
use crate::upstream::Query;

/// The parameters that shape an answer, wherever they stand.
const NAMES: &[&str] =
    &["_contained", "_containedType", "_count", "_elements", "_format", "_pretty", "_summary", "_total"];
/// The largest `_count`, in digits; upstreams have limits of their own.
const MAX_COUNT_DIGITS: usize = 6;
/// Elements that every answer has, whatever was asked for.
const ALWAYS: &[&str] = &["resourceType", "id", "meta"];

/// The shape that a client asks for.
#[derive(Debug)]
pub(crate) struct Shape<'a> {
    arena: &'a Arena,
    elements: Option<List<'a, &'a str>>,
    summary: Option<&'a str>,
    count: Option<&'a str>,
    total: Option<&'a str>,
    format: bool,
    pretty: Option<&'a str>,
}

pub(crate) fn is_shape(name: &str) -> bool {
    name.starts_with('_') && NAMES.contains(&name)
}

/// Whether a name is one of a shape parameter's, but for its case.
pub(crate) fn differs_in_case(name: &str) -> bool {
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn malformed() -> Denial {
    Denial::new(Phase::Query, Reason::MalformedQuery)
}

impl<'a> Shape<'a> {
    pub(crate) const fn new(arena: &'a Arena) -> Self {
        Self { arena, elements: None, summary: None, count: None, total: None, format: false, pretty: None }
    }

    /// Reads one shape parameter; two that differ are at odds.
    pub(crate) fn add(&mut self, one: &Parameter<'a>, trace: &mut Trace<'a>) -> Result<(), Denial> {
        trace.ignored.push(one.name.into());
        let value = one.value;
        if value.is_empty() {
            trace.obligations.push(Obligation::DropQuery(one.name.into()));
            return Ok(());
        }
        match one.name {
            "_elements" => self.add_elements(value),
            "_format" => {
                // Its value was checked in phase 1; it goes upstream in one form.
                self.format = true;
                if value != "json" {
                    trace.obligations.push(Obligation::SetQuery("_format".into(), "json".into()));
                }
                Ok(())
            }
            "_summary" => match value {
                "text" => Err(refused()),
                "true" | "data" | "false" | "count" => set(&mut self.summary, value),
                _ => Err(malformed()),
            },
            "_count" => {
                let number = value.len() <= MAX_COUNT_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
                if number { set(&mut self.count, value) } else { Err(malformed()) }
            }
            "_total" if matches!(value, "none" | "estimate" | "accurate") => set(&mut self.total, value),
            "_pretty" if matches!(value, "true" | "false") => set(&mut self.pretty, value),
            "_total" | "_pretty" => Err(malformed()),
            // `_contained`: resources without an owner of their own.
            _ => Err(refused()),
        }
    }

    #[inline(never)]
    fn add_elements(&mut self, value: &'a str) -> Result<(), Denial> {
        let elements = self.elements.get_or_insert_with(|| self.arena.list());
        for name in value.split(',') {
            // One element, no path: what the answer is decided by stands in whole elements.
            let named = name.starts_with(|first: char| first.is_ascii_alphabetic());
            if !named || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(malformed());
            }
            if !elements.contains(&name) {
                elements.push(name);
            }
        }
        Ok(())
    }

    /// Whether it asks for a count, beside or instead of resources.
    pub(crate) fn counts(&self) -> bool {
        self.total.is_some() || self.counts_only()
    }

    /// Whether it asks for a count instead of resources.
    pub(crate) fn counts_only(&self) -> bool {
        self.summary == Some("count") || self.count.is_some_and(|count| count.bytes().all(|digit| digit == b'0'))
    }

    /// Whether resources will lack elements.
    pub(crate) fn is_partial(&self) -> bool {
        self.elements.is_some() || matches!(self.summary, Some("true" | "count"))
    }

    /// Adds the elements that the answer is decided by; those that the client did not ask for.
    pub(crate) fn need(
        &mut self,
        engine: &'a Engine,
        grants: &'a Grants,
        places: impl Iterator<Item = Place>,
        trace: &mut Trace<'a>,
    ) -> &'a [&'a str] {
        let Some(elements) = &mut self.elements else { return &[] };
        let mut added = self.arena.list();
        for place in places {
            for name in needed(engine, grants, place) {
                if !ALWAYS.contains(&name) && !elements.contains(&name) && !added.contains(&name) {
                    added.push(name);
                }
            }
        }
        elements.extend_from_slice(&added);
        // Tags and labels stand there; an upstream gives it unasked, but need not give all of it.
        let marked = engine.tags_bind || engine.enforces_labels();
        let whole = marked && !elements.contains(&"meta");
        if whole {
            elements.push("meta");
        }
        if whole || !added.is_empty() {
            let value = joined(self.arena, elements);
            trace.obligations.push(Obligation::SetQuery("_elements".into(), value.into()));
        }
        added.into_bump_slice()
    }

    /// The query of nothing else.
    pub(crate) fn query(&self, arena: &'a Arena) -> &'a str {
        let mut query = Query::new(0, arena);
        self.pairs(|pair| query.add_plain(pair));
        query.finish()
    }

    /// The parameters, in one form; no byte of them has to be escaped.
    pub(crate) fn pairs(&self, mut add: impl FnMut(Pair<'a>)) {
        let elements = self.elements.as_ref().map(|elements| joined(self.arena, elements));
        let named = [
            ("_elements", elements),
            ("_summary", self.summary),
            ("_count", self.count),
            ("_total", self.total),
            ("_format", self.format.then_some("json")),
            ("_pretty", self.pretty),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                add((name, value));
            }
        }
    }
}

#[inline(never)]
fn joined<'a>(arena: &'a Arena, names: &[&str]) -> &'a str {
    let mut text = arena.builder(names.iter().map(|name| name.len() + 1).sum());
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(name);
    }
    text.into_bump_str()
}

fn set<'a>(slot: &mut Option<&'a str>, value: &'a str) -> Result<(), Denial> {
    match slot {
        Some(known) if *known != value => Err(malformed()),
        _ => {
            *slot = Some(value);
            Ok(())
        }
    }
}

/// The outermost elements that tell whether a resource of this type is covered.
#[inline(never)]
fn needed<'e>(engine: &'e Engine, grants: &Grants, place: Place) -> Vec<&'e str> {
    let Some((kind, facts)) = engine.kind(place).zip(engine.facts_at(place)) else { return Vec::new() };
    let free = |letters| grants.list.iter().any(|rule| rule.is_unconstrained() && rule.gives_at(place, letters));
    if free(Letters::READ) && free(Letters::SEARCH) {
        return Vec::new();
    }
    let owner: &[_] = match facts.standing {
        Standing::Compartment | Standing::PatientElement => &kind.owners,
        _ => &[],
    };
    let constrained = grants.list.iter().flat_map(|rule| rule.constraints.iter());
    let granular =
        constrained.filter_map(|constraint| engine.parameter(facts, &constraint.name)).flat_map(|one| &one.paths);
    // Whether a Patient lies within, too, is asked of every resource that a `patient/` rule is to open.
    let extra: &[&str] = match facts.standing {
        Standing::Binary => &["securityContext"],
        _ if !grants.list.iter().any(Rule::is_patient) => &[],
        _ => &["contained"],
    };
    let first = |path: &'e ElementPath| path.elements.first().map(|element| &**element);
    owner.iter().filter_map(first).chain(extra.iter().copied()).chain(granular.filter_map(first)).collect()
}
