//! What a parameter does: the classes of phase 5.

use policy::decision::Phase;
use policy::facts::{ParameterKind, SearchParameter, Standing, TypeFacts};
use policy::operation::Operation;
use policy::reason::Reason;
use policy::text::TypeName;

use super::{ownership, shape};
use crate::Engine;
use crate::denial::Denial;
use crate::normalise::{Parameter, alternatives};

/// Parameters that leave the search language: expressions, stored queries, lists, and pages of the upstream.
const ESCAPES: &[&str] =
    &["$graphql", "_cascade", "_filter", "_getpages", "_getpagesoffset", "_graph", "_list", "_query", "ct"];
/// Of these, the pages: some upstreams serve them at whatever path they stand.
const PAGING: &[&str] = &["_getpages", "_getpagesoffset", "ct"];
/// Predicates on all of a resource's text.
const ALL_TEXT: &[&str] = &["_content", "_text"];

/// What one parameter does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Class<'a> {
    /// Nobody defines it: it is left out.
    Unknown,
    /// It has no value: it says nothing.
    Empty,
    /// It names the owner of what is searched.
    Ownership {
        /// The parameter.
        parameter: &'a SearchParameter,
        /// What follows its colon.
        modifier: Modifier,
    },
    /// It compares an element.
    Predicate,
    /// It orders the answer.
    Sort,
    /// It looks through references.
    Join,
    /// It brings in other resources.
    Include {
        /// `_revinclude`.
        reverse: bool,
        /// `:iterate`.
        iterate: bool,
    },
    /// It shapes the answer.
    Shape,
}

/// What follows the colon of an ownership parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modifier {
    /// Nothing, or `:Patient`.
    Plain,
    /// `:not`.
    Not,
    /// `:missing`, `:identifier`: no proof.
    NoProof,
    /// Another type than Patient.
    OtherType,
    /// Any other.
    Other,
}

pub(super) fn unknown() -> Denial {
    Denial::new(Phase::Query, Reason::UnknownParameter)
}

pub(super) fn refused() -> Denial {
    Denial::new(Phase::Query, Reason::ParameterDenied)
}

/// Whether a parameter names a page of the upstream, whatever modifier it bears.
pub(super) fn is_paging(name: &str) -> bool {
    PAGING.contains(&name.split([':', '.']).next().unwrap_or(name))
}

/// The class of a parameter of a search on a type; the denials are those that no rule could change.
pub(super) fn of<'a>(
    engine: &'a Engine,
    facts: &'a TypeFacts,
    operation: &Operation,
    one: &Parameter<'_>,
) -> Result<Class<'a>, Denial> {
    let name = &*one.name;
    let code = name.split([':', '.']).next().unwrap_or(name);
    let modifier = name.get(code.len()..).unwrap_or_default();
    if ESCAPES.contains(&code) {
        return Err(refused());
    }
    if ALL_TEXT.contains(&code) {
        // Until masks and labels are decided, nobody can tell what such a predicate would tell.
        return Err(Denial::new(Phase::Query, Reason::NotBuilt));
    }
    match code {
        "_include" | "_revinclude" => {
            let iterate = match modifier {
                "" => false,
                ":iterate" => true,
                _ => return Err(unknown()),
            };
            return Ok(Class::Include { reverse: code == "_revinclude", iterate });
        }
        "_sort" if modifier.is_empty() => return sort(engine, facts, &one.value),
        "_has" => return Ok(Class::Join),
        _ if shape::is_shape(name) => return Ok(Class::Shape),
        _ => {}
    }
    if let Some(parameter) = engine.parameter(facts, code) {
        let class = known(engine, facts, parameter, modifier)?;
        return Ok(if one.value.is_empty() { Class::Empty } else { class });
    }
    if operation.query.iter().any(|declared| **declared == *name) {
        return Ok(Class::Predicate);
    }
    if code.starts_with('_') || differs_in_case(engine, facts, operation, code) {
        return Err(unknown());
    }
    Ok(Class::Unknown)
}

fn known<'a>(
    engine: &'a Engine,
    facts: &'a TypeFacts,
    parameter: &'a SearchParameter,
    modifier: &str,
) -> Result<Class<'a>, Denial> {
    if modifier.contains('.') {
        return if parameter.kind == ParameterKind::Reference { Ok(Class::Join) } else { Err(unknown()) };
    }
    let modifier = modifier.strip_prefix(':');
    if modifier == Some("") {
        return Err(unknown());
    }
    check_modifier(parameter, modifier)?;
    let by_id = facts.standing == Standing::Patient && &*parameter.name == "_id";
    if !by_id && !ownership::is_owner(engine, facts, parameter) {
        return Ok(Class::Predicate);
    }
    let modifier = match modifier {
        None | Some("Patient") => Modifier::Plain,
        Some("not") => Modifier::Not,
        Some("missing" | "identifier") => Modifier::NoProof,
        Some(name) if TypeName::accepts(name) => Modifier::OtherType,
        Some(_) => Modifier::Other,
    };
    Ok(Class::Ownership { parameter, modifier })
}

/// Whether a parameter of this kind can have this modifier (R4 search.html, "Modifiers").
pub(super) fn check_modifier(parameter: &SearchParameter, modifier: Option<&str>) -> Result<(), Denial> {
    use ParameterKind as K;
    let Some(modifier) = modifier else { return Ok(()) };
    let fits = match (parameter.kind, modifier) {
        // The upstream would fetch, or expand, what the client names.
        (_, "in" | "not-in") => return Err(refused()),
        (_, "missing")
        | (K::String, "exact" | "contains")
        | (K::Token, "text" | "not" | "above" | "below" | "of-type")
        | (K::Reference, "identifier" | "above" | "below")
        | (K::Uri, "above" | "below") => true,
        // Refused in a patient's context, where it would say "any patient but".
        (K::Reference, "not") => parameter.owner,
        (K::Reference, name) => TypeName::accepts(name) && (parameter.targets.is_empty() || is_target(parameter, name)),
        _ => false,
    };
    if fits { Ok(()) } else { Err(unknown()) }
}

/// Whether a reference parameter can point at a type.
pub(super) fn is_target(parameter: &SearchParameter, name: &str) -> bool {
    targets(parameter).any(|target| target == name)
}

/// The types that a reference parameter can point at: what its elements allow, of what it declares.
pub(super) fn targets(parameter: &SearchParameter) -> impl Iterator<Item = &str> {
    let typed = !parameter.paths.is_empty() && parameter.paths.iter().all(|path| path.only.is_some());
    let allowed = move |name: &str| {
        !typed || parameter.paths.iter().any(|path| path.only.as_ref().is_some_and(|only| only.as_str() == name))
    };
    parameter.targets.iter().map(TypeName::as_str).filter(move |name| allowed(name))
}

fn sort<'a>(engine: &'a Engine, facts: &TypeFacts, value: &str) -> Result<Class<'a>, Denial> {
    if value.is_empty() {
        return Ok(Class::Empty);
    }
    let known = alternatives(value).all(|key| {
        let key = key.strip_prefix('-').unwrap_or(key);
        !ALL_TEXT.contains(&key) && engine.parameter(facts, key).is_some()
    });
    if known { Ok(Class::Sort) } else { Err(unknown()) }
}

fn differs_in_case(engine: &Engine, facts: &TypeFacts, operation: &Operation, code: &str) -> bool {
    let common = &engine.parts().common;
    let known = facts.parameters.iter().chain(common).map(|parameter| &*parameter.name);
    let declared = operation.query.iter().map(|name| &**name);
    known.chain(declared).any(|name| name.eq_ignore_ascii_case(code)) || shape::differs_in_case(code)
}
