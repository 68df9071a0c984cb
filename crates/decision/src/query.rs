//! Phase 5: what each parameter does, whether the rules let it, and the query that goes upstream.
//!
//! Invariant: the query is rebuilt from what was understood; whatever is unknown is left out or
//! refused. What a rule needs is added last, to be ANDed, and never replaces what the client asked.

mod class;
mod include;
mod join;
mod narrow;
mod ownership;
mod shape;

use policy::decision::{Obligation, Phase};
use policy::facts::TypeFacts;
use policy::operation::Operation;
use policy::reason::Reason;

use crate::Engine;
use crate::denial::Denial;
use crate::judge::Trace;
use crate::normalise::{Call, Parameter};
use crate::rules::Rules;
use crate::upstream::encode;

use class::Class;
use shape::Shape;

/// A search that was permitted, as far as its answer is checked by it.
#[derive(Debug)]
pub(crate) struct Search {
    /// The type that is searched.
    pub(crate) resource_type: String,
    /// Whether the answer may hold what no rule covers, though the query was narrowed.
    pub(crate) inexact: bool,
    /// Elements that were asked for only to decide, to be taken out again.
    pub(crate) added: Vec<String>,
    /// Whether resources come with a part of their elements.
    pub(crate) partial: bool,
    /// The types that includes may bring in.
    pub(crate) included: Vec<String>,
    /// The types that reverse includes may bring in.
    pub(crate) reverse: Vec<String>,
    /// The search itself, below the base, for the answer's `self`.
    pub(crate) link: String,
}

impl Search {
    /// Whether a resource of this type may be in the answer.
    pub(crate) fn may_hold(&self, name: &str) -> bool {
        let others = self.included.iter().chain(&self.reverse);
        self.resource_type == name || others.into_iter().any(|one| one == name)
    }

    /// Whether anything but matches may be in the answer.
    pub(crate) fn has_includes(&self) -> bool {
        !self.included.is_empty() || !self.reverse.is_empty()
    }
}

/// A search, ready to go upstream.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) query: String,
    pub(crate) form: Option<String>,
    pub(crate) search: Search,
    /// The places of the rules that permit it.
    pub(crate) permitting: Vec<usize>,
}

/// What a read or a create may say in its query: shape only.
#[derive(Debug)]
pub(crate) struct Shaped {
    pub(crate) query: String,
    pub(crate) added: Vec<String>,
    pub(crate) partial: bool,
}

/// The rules that permit a search, and what they make of it.
#[derive(Debug, Default)]
struct Permits {
    /// The places of the rules, in the token's order.
    rules: Vec<usize>,
    /// What `patient/` rules make of it.
    own: Option<Permit>,
    /// What all other rules make of it.
    other: Option<Permit>,
}

/// What a rule makes of a search that it permits.
#[derive(Debug, Default)]
struct Permit {
    /// The ownership parameters that the client proved.
    proven: Vec<String>,
    /// What the hops of joins need.
    hops: Vec<(String, String)>,
}

/// Everything that the parameters of one search are judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'s, 'a> {
    pub(crate) engine: &'a Engine,
    /// The facts of the type that is searched.
    pub(crate) facts: &'a TypeFacts,
    pub(crate) rules: &'s Rules<'a>,
    /// The absolute URL that means this server.
    pub(crate) home: &'s str,
}

/// The query of an operation outside FHIR: what the document declares for it.
pub(crate) fn declared(call: &Call<'_>, operation: &Operation, trace: &mut Trace) -> Result<String, Denial> {
    let mut kept = Vec::new();
    for one in call.parameters.iter().filter(|one| !one.form) {
        if operation.query.iter().any(|name| **name == *one.name) {
            kept.push((&*one.name, &*one.value));
        } else if one.name.starts_with('_') || operation.query.iter().any(|name| name.eq_ignore_ascii_case(&one.name)) {
            return Err(Denial::new(Phase::Query, Reason::UnknownParameter));
        } else {
            drop_parameter(&one.name, trace);
        }
    }
    Ok(encode(kept.into_iter()))
}

/// The query of a path that needs no token; of a `public` one, only what shapes its answer.
///
/// No page of another's search comes out of it: some upstreams serve pages at any path that names one.
pub(crate) fn open(engine: &Engine, call: &Call<'_>, public: bool, trace: &mut Trace) -> Result<String, Denial> {
    let mut kept = Vec::new();
    for one in call.parameters.iter().filter(|one| !one.form) {
        if engine.is_fhir() && class::is_paging(&one.name) {
            return Err(class::refused());
        }
        if !public || one.name == "mode" || shape::is_shape(&one.name) {
            kept.push((&*one.name, &*one.value));
        } else {
            drop_parameter(&one.name, trace);
        }
    }
    Ok(encode(kept.into_iter()))
}

/// The query of a read or a create.
pub(crate) fn shape_only(
    engine: &Engine,
    call: &Call<'_>,
    resource_type: &str,
    rules: &Rules<'_>,
    trace: &mut Trace,
) -> Result<Shaped, Denial> {
    let mut shape = Shape::default();
    for one in &call.parameters {
        if shape::is_shape(&one.name) {
            shape.add(one, trace)?;
        } else if one.name.starts_with('_') || shape::differs_in_case(&one.name) {
            return Err(class::unknown());
        } else {
            drop_parameter(&one.name, trace);
        }
    }
    if shape.counts_only() {
        return Err(class::refused());
    }
    trace.ignored.push("meta.security".to_owned());
    let facts = engine.facts(resource_type).ok_or(Denial::new(Phase::Query, Reason::Internal))?;
    let added = shape.need(engine, rules, &[facts], trace);
    let pairs = shape.pairs();
    let query = encode(pairs.iter().map(|(name, value)| (*name, &**value)));
    Ok(Shaped { query, added, partial: shape.is_partial() })
}

/// A search of one type.
pub(crate) fn search(
    scene: &Scene<'_, '_>,
    call: &Call<'_>,
    operation: &Operation,
    fitting: &[usize],
    trace: &mut Trace,
) -> Result<Planned, Denial> {
    let Scene { engine, facts, rules, .. } = *scene;
    let mut shape = Shape::default();
    let mut includes = include::Includes::default();
    let mut judged: Vec<(&Parameter<'_>, Class<'_>)> = Vec::with_capacity(call.parameters.len());
    for one in &call.parameters {
        match class::of(engine, facts, operation, one)? {
            Class::Unknown | Class::Empty => drop_parameter(&one.name, trace),
            Class::Shape => shape.add(one, trace)?,
            Class::Include { reverse, iterate } => includes.add(scene, one, reverse, iterate)?,
            class => judged.push((one, class)),
        }
    }
    let permits = Permits::of(scene, &judged, fitting)?;
    let narrowed = narrow::narrow(scene, &permits);
    if narrowed.inexact && shape.counts() {
        return Err(class::refused());
    }
    let kept = includes.decide(scene, trace)?;
    let involved: Vec<&TypeFacts> =
        std::iter::once(facts).chain(kept.types().filter_map(|name| engine.facts(name))).collect();
    let added = shape.need(engine, rules, &involved, trace);

    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (one, class) in &judged {
        if narrowed.replaces(class) {
            continue;
        }
        note(&one.name, class, trace);
        pairs.push((&one.name, &one.value));
    }
    let shaped = shape.pairs();
    pairs.extend(kept.pairs.iter().map(|(name, value)| (*name, value.as_str())));
    pairs.extend(shaped.iter().map(|(name, value)| (*name, &**value)));
    for (name, value) in &narrowed.added {
        trace.used.push(name.clone());
        trace.obligations.push(Obligation::AddQuery(name.clone().into(), value.clone().into()));
        pairs.push((name, value));
    }
    trace.ignored.push("meta.security".to_owned());
    let query = encode(pairs.into_iter());
    let search = Search {
        resource_type: facts.name.to_string(),
        inexact: narrowed.inexact,
        added,
        partial: shape.is_partial(),
        included: kept.included,
        reverse: kept.reverse,
        link: query.clone(),
    };
    // A search by POST has one place for its parameters, whichever the client used.
    let (query, form) = if call.form { (String::new(), Some(query)) } else { (query, None) };
    Ok(Planned { query, form, search, permitting: permits.rules })
}

impl Permits {
    /// Judges the parameters for each rule by itself; of the denials, the one that got furthest.
    ///
    /// Only its context makes one rule's judgement differ from another's, so there are two at most.
    fn of<'a>(
        scene: &Scene<'_, 'a>,
        judged: &[(&Parameter<'_>, Class<'a>)],
        fitting: &[usize],
    ) -> Result<Self, Denial> {
        let reach = join::Reach::default();
        let (mut own, mut other) = (None, None);
        let mut permits = Self::default();
        let mut furthest: Option<Denial> = None;
        for index in fitting {
            let Some(rule) = scene.rules.list.get(*index) else { continue };
            let outcome = if rule.is_patient() { &mut own } else { &mut other };
            match outcome.get_or_insert_with(|| permit(scene, &reach, rule.is_patient(), judged)) {
                Ok(_) => permits.rules.push(*index),
                Err(denial) if furthest.is_none_or(|known| denial.step > known.step) => furthest = Some(*denial),
                Err(_) => {}
            }
        }
        if permits.rules.is_empty() {
            return Err(furthest.unwrap_or(Denial::new(Phase::Query, Reason::Internal)));
        }
        permits.own = own.and_then(Result::ok);
        permits.other = other.and_then(Result::ok);
        Ok(permits)
    }
}

/// What the rules of one kind, those limited to the patient or those that are not, make of a search.
fn permit<'a>(
    scene: &Scene<'_, 'a>,
    reach: &join::Reach<'a>,
    patient: bool,
    judged: &[(&Parameter<'_>, Class<'a>)],
) -> Result<Permit, Denial> {
    let mut permit = Permit::default();
    for (place, (one, class)) in judged.iter().enumerate() {
        let step = u8::try_from(place + 1).unwrap_or(u8::MAX - 1).min(u8::MAX - 1);
        let outcome = match class {
            Class::Ownership { parameter, modifier } if patient => {
                ownership::prove(scene, parameter, *modifier, &one.value).map(|proven| {
                    if proven {
                        permit.proven.push((*parameter.name).to_owned());
                    }
                })
            }
            Class::Join => join::check(scene, reach, patient, one, &mut permit.hops),
            _ => Ok(()),
        };
        outcome.map_err(|denial| denial.at(step))?;
    }
    if patient {
        narrow::required(scene, &permit).map_err(|denial| denial.at(u8::MAX))?;
    }
    Ok(permit)
}

/// Writes down what a parameter was to the decision.
fn note(name: &str, class: &Class<'_>, trace: &mut Trace) {
    let list = if matches!(class, Class::Sort) { &mut trace.ignored } else { &mut trace.used };
    list.push(name.to_owned());
}

fn drop_parameter(name: &str, trace: &mut Trace) {
    trace.ignored.push(name.to_owned());
    trace.obligations.push(Obligation::DropQuery(name.to_owned().into()));
}
