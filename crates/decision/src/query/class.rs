//! What a parameter does: the classes of phase 5.

use policy::decision::Phase;
use policy::facts::{ParameterKind, SearchParameter};
use policy::operation::Operation;
use policy::reason::Reason;
use policy::text::TypeName;

use super::{Scene, shape};
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
pub(crate) enum Class<'a> {
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
pub(crate) enum Modifier {
    /// Nothing, or `:Patient`.
    Plain,
    /// `:missing`, `:identifier`: no proof.
    NoProof,
    /// Another type than Patient.
    OtherType,
    /// Any other.
    Other,
}

pub(crate) fn unknown() -> Denial {
    Denial::new(Phase::Query, Reason::UnknownParameter)
}

pub(crate) fn refused() -> Denial {
    Denial::new(Phase::Query, Reason::ParameterDenied)
}

/// Whether a parameter names a page of the upstream, whatever modifier it bears.
pub(crate) fn is_paging(name: &str) -> bool {
    PAGING.contains(&name.split([':', '.']).next().unwrap_or(name))
}

/// Whether the upstream would fetch, or expand, what the client names, whoever defines the parameter.
fn expands(name: &str) -> bool {
    name.rsplit_once([':', '.']).is_some_and(|(before, last)| {
        matches!(last, "in" | "not-in") && name.as_bytes().get(before.len()) == Some(&b':')
    })
}

/// Whether a parameter leaves the search language, whatever modifier it bears.
pub(crate) fn is_escape(name: &str) -> bool {
    expands(name)
        || name.starts_with(['_', '$', 'c']) && ESCAPES.contains(&name.split([':', '.']).next().unwrap_or(name))
}

/// The class of a parameter of a search; the denials are those that no rule could change.
pub(super) fn of<'a>(scene: &Scene<'a>, one: &Parameter<'a>) -> Result<Class<'a>, Denial> {
    let Scene { operation, .. } = *scene;
    let name = one.name;
    let (code, modifier) = one.code();
    if !modifier.is_empty() && expands(name) {
        return Err(refused());
    }
    if matches!(code.as_bytes(), [b'_' | b'$', ..] | b"ct") {
        if let Some(class) = reserved(scene, one, code, modifier)? {
            return Ok(class);
        }
    } else if modifier.is_empty() && scene.compares(code) {
        // Nearly every parameter of a search: a code of the type's own, and no more.
        return Ok(if one.value.is_empty() { Class::Empty } else { Class::Predicate });
    } else if let Some((parameter, owner)) = scene.parameter(code) {
        return defined(parameter, owner, modifier, one.value);
    }
    if operation.query.iter().any(|declared| **declared == *name) {
        return Ok(Class::Predicate);
    }
    if code.starts_with('_') || differs_in_case(scene, operation, code) {
        return Err(unknown());
    }
    Ok(Class::Unknown)
}

/// The names that FHIR reserves.
fn reserved<'a>(
    scene: &Scene<'a>,
    one: &Parameter<'a>,
    code: &str,
    modifier: &str,
) -> Result<Option<Class<'a>>, Denial> {
    if ESCAPES.contains(&code) {
        return Err(refused());
    }
    match code {
        "_include" | "_revinclude" => {
            let iterate = match modifier {
                "" => false,
                ":iterate" => true,
                _ => return Err(unknown()),
            };
            return Ok(Some(Class::Include { reverse: code == "_revinclude", iterate }));
        }
        "_sort" if modifier.is_empty() => return sort(scene, one.value).map(Some),
        "_has" => return Ok(Some(if one.value.is_empty() { Class::Empty } else { Class::Join })),
        "_type" if scene.types_named && modifier.is_empty() => {
            return Ok(Some(if one.value.is_empty() { Class::Empty } else { Class::Predicate }));
        }
        "_language" if modifier.is_empty() => {
            return Ok(Some(if one.value.is_empty() { Class::Empty } else { Class::Predicate }));
        }
        // Until masks are decided, nobody can tell what such a predicate would tell (D36).
        "_content" | "_text" => return Err(Denial::new(Phase::Query, Reason::NotBuilt)),
        _ if shape::is_shape(one.name) => return Ok(Some(Class::Shape)),
        _ => {}
    }
    scene.parameter(code).map(|(parameter, owner)| defined(parameter, owner, modifier, one.value)).transpose()
}

fn defined<'a>(parameter: &'a SearchParameter, owner: bool, modifier: &str, value: &str) -> Result<Class<'a>, Denial> {
    let class = classify(parameter, owner, modifier)?;
    if value.is_empty() {
        return Ok(Class::Empty);
    }
    if modifier == ":missing" && !matches!(value, "true" | "false") {
        return Err(Denial::new(Phase::Query, Reason::MalformedQuery));
    }
    Ok(class)
}

fn classify<'a>(parameter: &'a SearchParameter, owner: bool, modifier: &str) -> Result<Class<'a>, Denial> {
    if modifier.contains('.') {
        return if parameter.kind == ParameterKind::Reference { Ok(Class::Join) } else { Err(unknown()) };
    }
    let modifier = modifier.strip_prefix(':');
    if modifier == Some("") {
        return Err(unknown());
    }
    // It would say "any patient but".
    if owner && modifier == Some("not") {
        return Err(Denial::new(Phase::Query, Reason::MalformedQuery));
    }
    check_modifier(parameter, modifier)?;
    if !owner {
        return Ok(Class::Predicate);
    }
    let modifier = match modifier {
        None | Some("Patient") => Modifier::Plain,
        Some("missing" | "identifier") => Modifier::NoProof,
        Some(name) if TypeName::accepts(name) => Modifier::OtherType,
        Some(_) => Modifier::Other,
    };
    Ok(Class::Ownership { parameter, modifier })
}

/// Whether a parameter of this kind can have this modifier (R4 search.html, "Modifiers").
pub(crate) fn check_modifier(parameter: &SearchParameter, modifier: Option<&str>) -> Result<(), Denial> {
    use ParameterKind as K;
    let Some(modifier) = modifier else { return Ok(()) };
    let fits = match (parameter.kind, modifier) {
        // The upstream would fetch, or expand, what the client names.
        (_, "in" | "not-in") => return Err(refused()),
        (_, "missing")
        | (K::String, "exact" | "contains")
        | (K::Token, "text" | "not" | "above" | "below" | "of-type")
        | (K::Reference, "identifier")
        | (K::Uri, "above" | "below") => true,
        (K::Reference, name) => TypeName::accepts(name) && (parameter.targets.is_empty() || is_target(parameter, name)),
        _ => false,
    };
    if fits { Ok(()) } else { Err(unknown()) }
}

/// Whether a reference parameter can point at a type.
pub(crate) fn is_target(parameter: &SearchParameter, name: &str) -> bool {
    targets(parameter).any(|target| target == name)
}

/// The types that a reference parameter can point at: what its elements allow, of what it declares.
pub(crate) fn targets(parameter: &SearchParameter) -> impl Iterator<Item = &str> {
    let typed = !parameter.paths.is_empty() && parameter.paths.iter().all(|path| path.only.is_some());
    let allowed = move |name: &str| {
        !typed || parameter.paths.iter().any(|path| path.only.as_ref().is_some_and(|only| only.as_str() == name))
    };
    parameter.targets.iter().map(TypeName::as_str).filter(move |name| allowed(name))
}

fn sort<'a>(scene: &Scene<'a>, value: &str) -> Result<Class<'a>, Denial> {
    if value.is_empty() {
        return Ok(Class::Empty);
    }
    let keys = || alternatives(value).map(|key| key.strip_prefix('-').unwrap_or(key));
    if keys().any(|key| ALL_TEXT.contains(&key)) {
        return Err(Denial::new(Phase::Query, Reason::NotBuilt));
    }
    let known = keys().all(|key| scene.compares(key) || scene.parameter(key).is_some());
    if known { Ok(Class::Sort) } else { Err(unknown()) }
}

fn differs_in_case(scene: &Scene<'_>, operation: &Operation, code: &str) -> bool {
    let common = &scene.engine.parts().common;
    let of_types = scene.places.iter().filter_map(|place| scene.engine.facts_at(*place));
    let known = of_types.flat_map(|facts| &facts.parameters).chain(common).map(|parameter| &*parameter.name);
    let declared = operation.query.iter().map(|name| &**name);
    known.chain(declared).any(|name| name.eq_ignore_ascii_case(code)) || shape::differs_in_case(code)
}
