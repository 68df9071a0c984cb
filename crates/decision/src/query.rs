//! Phase 5: what each parameter does, whether the rules let it, and the query that goes upstream.
//!
//! Invariant: the query is rebuilt from what was understood; whatever is unknown is left out or
//! refused. What a rule needs is added last, to be ANDed, and never replaces what the client asked.

pub(crate) mod class;
pub(crate) mod conditional;
mod include;
mod join;
mod narrow;
pub(crate) mod ownership;
mod permits;
pub(crate) mod shape;

use bumpalo::collections::Vec as List;
use policy::decision::{Obligation, Phase};
use policy::facts::{SearchParameter, Standing, TypeFacts};
use policy::letters::Letters;
use policy::operation::Operation;
use policy::reason::Reason;
use policy::settings::Uncovered;

use crate::Engine;
use crate::arena::Arena;
use crate::denial::Denial;
use crate::engine::Place;
use crate::judge::Trace;
use crate::normalise::{Call, Parameter};
use crate::rules::Grants;
use crate::upstream::{Query, encode};

use class::Class;
use permits::Permits;
use shape::Shape;

/// What narrowing, and what has to be escaped, mostly take in a query.
const ROOM_TO_NARROW: usize = 64;

/// A parameter that goes upstream.
pub(crate) type Pair<'a> = (&'a str, &'a str);

/// A search that was permitted, as far as its answer is checked by it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search<'a> {
    /// The types that are searched.
    pub(crate) types: &'a [&'a str],
    /// Whether the answer may hold what no rule covers, though the query was narrowed.
    pub(crate) inexact: bool,
    /// Elements that were asked for only to decide, to be taken out again.
    pub(crate) added: &'a [&'a str],
    /// Whether resources come with a part of their elements.
    pub(crate) partial: bool,
    /// The types that includes may bring in.
    pub(crate) included: &'a [&'a str],
    /// The types that reverse includes may bring in.
    pub(crate) reverse: &'a [&'a str],
    /// The search itself, below the base, for the answer's `self`.
    pub(crate) link: &'a str,
    /// What covers a match.
    pub(crate) letters: Letters,
    /// What happens to what no rule covers.
    pub(crate) uncovered: Uncovered,
}

impl Search<'_> {
    /// Whether anything but matches may be in the answer.
    pub(crate) const fn has_includes(&self) -> bool {
        !self.included.is_empty() || !self.reverse.is_empty()
    }

    /// Whether resources of that type may be in the answer.
    pub(crate) fn may_hold(&self, name: &str) -> bool {
        [self.types, self.included, self.reverse].iter().any(|list| list.contains(&name))
    }

    /// Whether an include may bring in resources of that type.
    pub(crate) fn may_include(&self, name: &str) -> bool {
        [self.included, self.reverse].iter().any(|list| list.contains(&name))
    }

    /// Whether it is a whole chart: then each entry is read for itself, whatever its mode is (D10).
    pub(crate) fn is_chart(&self) -> bool {
        self.letters == Letters::READ
    }

    /// Whether resources of that type are searched for.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        self.types.contains(&name)
    }
}

/// A search, ready to go upstream.
#[derive(Debug)]
pub(crate) struct Planned<'a> {
    pub(crate) query: &'a str,
    pub(crate) form: Option<&'a str>,
    pub(crate) search: Search<'a>,
    /// The places of the rules that permit it.
    pub(crate) permitting: &'a [u16],
}

/// What a read or a create may say in its query: shape only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shaped<'a> {
    pub(crate) query: &'a str,
    pub(crate) added: &'a [&'a str],
    pub(crate) partial: bool,
}

/// Everything that the parameters of one search are judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) engine: &'a Engine,
    /// The types that are searched; never empty.
    pub(crate) places: &'a [Place],
    /// The facts of the first.
    pub(crate) facts: &'a TypeFacts,
    pub(crate) grants: &'a Grants,
    /// The absolute URL that means this server.
    pub(crate) home: &'a str,
    pub(crate) arena: &'a Arena,
    pub(crate) operation: &'a Operation,
    /// Whether the path is a whole compartment, which narrows by itself (D4).
    pub(crate) in_compartment: bool,
    /// Whether `_type` names the types that are searched (D2).
    pub(crate) types_named: bool,
    /// The operation's index, by which lists of fields are found.
    pub(crate) index: u32,
}

impl<'a> Scene<'a> {
    /// Whether more than one type is searched.
    pub(crate) const fn is_several(&self) -> bool {
        self.places.len() > 1
    }

    /// Whether a code is a parameter of the one type that is searched and names no owner, so that it only compares an element.
    pub(crate) fn compares(&self, code: &str) -> bool {
        let [place] = self.places else { return false };
        self.engine.kind(*place).and_then(|kind| kind.known(code)).is_some_and(|known| !known.is_owner())
    }

    /// A search parameter that every type searched has, with the same kind, and whether it names the owner on each (D3).
    pub(crate) fn parameter(&self, code: &str) -> Option<(&'a SearchParameter, bool)> {
        let (first, rest) = self.places.split_first()?;
        let (parameter, mut owner) = self.engine.parameter_at(*first, code)?;
        for place in rest {
            let (other, owns) = self.engine.parameter_at(*place, code)?;
            if other.kind != parameter.kind {
                return None;
            }
            owner &= owns;
        }
        Some((parameter, owner))
    }

    /// Whether a type searched has such a standing.
    pub(crate) fn is_any(&self, such: impl Fn(Standing) -> bool) -> bool {
        self.places.iter().any(|place| self.engine.kind(*place).is_some_and(|kind| such(kind.standing)))
    }

    /// The names of the types that are searched.
    fn names(&self) -> &'a [&'a str] {
        let name = |facts: &'a TypeFacts| facts.name.as_str();
        if !self.is_several() {
            return self.arena.copied(&[name(self.facts)]);
        }
        let mut names = self.arena.list_of(self.places.len());
        names.extend(self.places.iter().filter_map(|place| self.engine.facts_at(*place)).map(name));
        names.into_bump_slice()
    }

    /// Whether every type searched has that standing.
    pub(crate) fn is_all(&self, standing: Standing) -> bool {
        self.places.iter().all(|place| self.engine.kind(*place).is_some_and(|kind| kind.standing == standing))
    }
}

/// The query of an operation outside FHIR: what the document declares for it.
pub(crate) fn declared<'a>(
    call: &Call<'a>,
    operation: &Operation,
    arena: &'a Arena,
    trace: &mut Trace<'a>,
) -> Result<&'a str, Denial> {
    let mut kept = arena.list_of(call.parameters.len());
    for one in call.parameters.iter().filter(|one| !one.form) {
        if operation.query.iter().any(|name| **name == *one.name) {
            trace.used.push(one.name.into());
            kept.push((one.name, one.value));
        } else if one.name.starts_with('_') || operation.query.iter().any(|name| name.eq_ignore_ascii_case(one.name)) {
            return Err(Denial::new(Phase::Query, Reason::UnknownParameter));
        } else {
            drop_parameter(one.name, trace);
        }
    }
    Ok(encode(&kept, arena))
}

/// The query of a path that needs no token; of a `public` one, only what shapes its answer.
///
/// No page of another's search comes out of it: some upstreams serve pages at any path that names one.
pub(crate) fn open<'a>(
    engine: &Engine,
    call: &Call<'a>,
    public: bool,
    arena: &'a Arena,
    trace: &mut Trace<'a>,
) -> Result<&'a str, Denial> {
    let mut kept = arena.list_of(call.parameters.len());
    for one in call.parameters.iter().filter(|one| !one.form) {
        if engine.is_fhir() && class::is_paging(one.name) {
            return Err(Denial::new(Phase::Token, Reason::ParameterDenied));
        }
        if !public || matches!(one.name, "mode" | "_format" | "_pretty") {
            kept.push((one.name, one.value));
        } else {
            drop_parameter(one.name, trace);
        }
    }
    Ok(encode(&kept, arena))
}

/// The query of a read or a create.
pub(crate) fn shape_only<'a>(
    engine: &'a Engine,
    call: &Call<'a>,
    places: &[Place],
    grants: &'a Grants,
    arena: &'a Arena,
    trace: &mut Trace<'a>,
) -> Result<Shaped<'a>, Denial> {
    let mut shape = Shape::new(arena);
    for one in call.parameters {
        if shape::is_shape(one.name) {
            shape.add(one, trace)?;
        } else if class::is_escape(one.name) {
            return Err(class::refused());
        } else if one.name.starts_with('_') || shape::differs_in_case(one.name) {
            return Err(class::unknown());
        } else {
            drop_parameter(one.name, trace);
        }
    }
    if shape.counts() {
        return Err(class::refused());
    }
    note_labels(engine, trace);
    let added = shape.need(engine, grants, places.iter().copied(), trace);
    Ok(Shaped { query: shape.query(arena), added, partial: shape.is_partial() })
}

/// The query of a batch: the form of its answer. Whatever else would shape answers was not asked of any entry, so it must
/// not reach an upstream that would apply it to them.
pub(crate) fn of_batch<'a>(call: &Call<'a>, arena: &'a Arena, trace: &mut Trace<'a>) -> Result<&'a str, Denial> {
    let (mut kept, mut dropped) = (Shape::new(arena), Shape::new(arena));
    for one in call.parameters {
        match one.name {
            "_format" | "_pretty" => kept.add(one, trace)?,
            name if shape::is_shape(name) => {
                dropped.add(one, trace)?;
                trace.obligations.push(Obligation::DropQuery(name.into()));
            }
            name if class::is_escape(name) => return Err(class::refused()),
            name if name.starts_with('_') || shape::differs_in_case(name) => return Err(class::unknown()),
            name => drop_parameter(name, trace),
        }
    }
    if dropped.counts() {
        return Err(class::refused());
    }
    Ok(kept.query(arena))
}

/// The query of a history: shape, `_since` and `_at` (D7); counts are not told (D45).
pub(crate) fn history<'a>(
    engine: &'a Engine,
    call: &Call<'a>,
    (places, types_named): (&[Place], bool),
    grants: &'a Grants,
    arena: &'a Arena,
    trace: &mut Trace<'a>,
) -> Result<Shaped<'a>, Denial> {
    let mut shape = Shape::new(arena);
    let mut kept = arena.list_of(2);
    for one in call.parameters {
        match one.name {
            "_since" | "_at" if kept.iter().any(|(known, _)| *known == one.name) && !one.value.is_empty() => {
                return Err(Denial::new(Phase::Query, Reason::MalformedQuery));
            }
            "_since" | "_at" if !one.value.is_empty() => {
                trace.used.push(one.name.into());
                kept.push((one.name, one.value));
            }
            // Its types were read before the rules were asked.
            "_type" if !one.value.is_empty() && types_named => {
                trace.used.push(one.name.into());
                kept.push((one.name, one.value));
            }
            "_type" if types_named => drop_parameter(one.name, trace),
            "_since" | "_at" => drop_parameter(one.name, trace),
            name if shape::is_shape(name) => shape.add(one, trace)?,
            name if class::is_escape(name) => return Err(class::refused()),
            name if name.starts_with('_') || shape::differs_in_case(name) => return Err(class::unknown()),
            name => drop_parameter(name, trace),
        }
    }
    if shape.counts() {
        return Err(class::refused());
    }
    note_labels(engine, trace);
    let added = shape.need(engine, grants, places.iter().copied(), trace);
    shape.pairs(|pair| kept.push(pair));
    Ok(Shaped { query: encode(&kept, arena), added, partial: shape.is_partial() })
}

/// A search of one type, or of several that have these facts in common; `admit` is phase 8 over the rules that permit it: what
/// one would add that it refuses is not what goes upstream, nor tells a count.
pub(crate) fn search<'a>(
    scene: &Scene<'a>,
    call: &Call<'a>,
    fitting: &[u16],
    trace: &mut Trace<'a>,
    admit: impl FnOnce(&'a [u16], &mut Trace<'a>) -> Result<&'a [u16], Denial>,
) -> Result<Planned<'a>, Denial> {
    let Scene { engine, grants, arena, places, .. } = *scene;
    let mut shape = Shape::new(arena);
    let mut includes = include::Includes::default();
    let mut judged: List<'a, (&'a Parameter<'a>, Class<'a>)> = arena.list_of(call.parameters.len());
    for one in call.parameters {
        match class::of(scene, one)? {
            Class::Unknown | Class::Empty => drop_parameter(one.name, trace),
            Class::Shape => shape.add(one, trace)?,
            Class::Include { reverse, iterate } => includes.add(scene, one, reverse, iterate)?,
            class => judged.push((one, class)),
        }
    }
    let mut permits = Permits::of(scene, &judged, call.parameters, fitting, trace)?;
    let permitting = admit(arena.copied(&permits.rules), trace)?;
    if permitting.len() < permits.rules.len() {
        permits.keep(scene, permitting);
    }
    let narrowed = narrow::narrow(scene, &permits);
    if narrowed.inexact && shape.counts() {
        return Err(class::refused());
    }
    let kept = includes.decide(scene, trace)?;
    let brought = kept.included.iter().chain(&kept.reverse).filter_map(|name| engine.place(name));
    let added = shape.need(engine, grants, places.iter().copied().chain(brought), trace);

    let room = call.parameters.iter().map(|one| one.name.len() + one.value.len() + 2).sum::<usize>();
    let mut query = Query::new(room + ROOM_TO_NARROW, arena);
    for (one, class) in judged.iter().filter(|(_, class)| !narrowed.replaces(class)) {
        note(one.name, class, trace);
        query.keep(one);
    }
    kept.pairs.iter().for_each(|(name, value)| query.add((name, value)));
    shape.pairs(|pair| query.add_plain(pair));
    for (name, value) in &narrowed.added {
        trace.used.push((*name).into());
        trace.obligations.push(Obligation::AddQuery((*name).into(), (*value).into()));
        query.add((name, value));
    }
    note_labels(engine, trace);
    let query = query.finish();
    let texts = |names: &[String]| {
        let mut list = arena.list_of(names.len());
        list.extend(names.iter().map(|name| arena.text(name)));
        let texts: &[&str] = list.into_bump_slice();
        texts
    };
    let search = Search {
        types: scene.names(),
        inexact: narrowed.inexact,
        added,
        partial: shape.is_partial(),
        included: texts(&kept.included),
        reverse: texts(&kept.reverse),
        link: query,
        letters: Letters::SEARCH,
        uncovered: engine.settings().results,
    };
    // A search by POST has one place for its parameters, whichever the client used.
    let (query, form) = if call.form { ("", Some(query)) } else { (query, None) };
    Ok(Planned { query, form, search, permitting })
}

/// Whether a parameter of a `_typeFilter` compares an element of its type, and does nothing else (D13).
pub(crate) fn is_predicate<'a>(scene: &Scene<'a>, one: &Parameter<'a>) -> Result<(), Denial> {
    match class::of(scene, one)? {
        Class::Empty if conditional::is_no_predicate(one.name, false) => Err(class::refused()),
        Class::Predicate | Class::Ownership { .. } | Class::Empty => Ok(()),
        // A filter goes upstream as it came, so nothing of it can be left out.
        Class::Unknown => Err(class::unknown()),
        Class::Include { reverse, iterate } => include::form(scene, one, reverse, iterate).and(Err(class::refused())),
        Class::Sort | Class::Join | Class::Shape => Err(class::refused()),
    }
}

/// Labels that nobody looks at are passed over (K42).
pub(crate) fn note_labels(engine: &Engine, trace: &mut Trace<'_>) {
    if !engine.enforces_labels() {
        trace.ignored.push("meta.security".into());
    }
}

/// Writes down what a parameter was to the decision.
fn note<'a>(name: &'a str, class: &Class<'_>, trace: &mut Trace<'a>) {
    let list = if matches!(class, Class::Sort) { &mut trace.ignored } else { &mut trace.used };
    list.push(name.into());
}

pub(crate) fn drop_parameter<'a>(name: &'a str, trace: &mut Trace<'a>) {
    trace.ignored.push(name.into());
    trace.obligations.push(Obligation::DropQuery(name.into()));
}
