//! Whether a resource satisfies one criterion.
//!
//! Invariant: values of one criterion are alternatives, criteria are all required; `:not` and `:missing`
//! read the same elements as the plain parameter.

use policy::facts::ParameterKind as Kind;
use serde_json::Value;

use fhir::SearchParameterDef;

use crate::answer::Fault;
use crate::resource::Resource;
use crate::store::{Key, instant};

use super::World;
use super::chain;
use super::parameters::{Term, definition, is_known_kind, unescape};
use super::values;

/// A longer chain is refused.
const MAX_HOPS: usize = 8;

pub(super) fn satisfies(world: &World<'_>, resource: &Resource, term: &Term) -> Result<bool, Fault> {
    within(world, resource, term, MAX_HOPS)
}

/// Whether the resource satisfies the criterion, with so many hops left.
pub(super) fn within(world: &World<'_>, resource: &Resource, term: &Term, hops: usize) -> Result<bool, Fault> {
    world.spend()?;
    let hops = hops.checked_sub(1).ok_or_else(|| Fault::invalid("the chain is too long"))?;
    if term.name == "_has" {
        return chain::has(world, resource, term, hops);
    }
    let Some(def) = definition(world.mind, &resource.kind, &term.name) else {
        // known to another of the types that are searched
        return Ok(world.mind.ignores_unknown);
    };
    if let Some(rest) = &term.chain {
        return chain::chained(world, resource, (def, term, rest), hops);
    }
    if def.paths.is_empty() {
        return Ok(anywhere(resource, term));
    }
    // a record that came without `meta.lastUpdated` was written all the same
    let written_at;
    let elements = if def.name == "_lastUpdated" {
        written_at = Value::from(instant(world.store.written_at(resource)));
        vec![&written_at]
    } else {
        elements(world, resource, def)
    };
    match term.modifier.as_deref() {
        Some("missing") => Ok(elements.is_empty() == (term.values.first().map(String::as_str) == Some("true"))),
        Some("not") if def.kind == Kind::Token => Ok(!any(world, def, term, &elements)?),
        modifier if !supports(world, def, modifier) && world.mind.ignores_unknown => Ok(true),
        _ => any(world, def, term, &elements),
    }
}

/// `_content` and `_text`: all words of the resource.
fn anywhere(resource: &Resource, term: &Term) -> bool {
    let text = resource.text.get().to_lowercase();
    term.values.iter().any(|wanted| text.contains(&unescape(wanted).to_lowercase()))
}

/// The values that a parameter reads of a resource.
pub(super) fn elements<'a>(world: &World<'_>, resource: &'a Resource, def: &SearchParameterDef) -> Vec<&'a Value> {
    let at_path = |path: &fhir::PathDef| {
        let only = path.only;
        let counts =
            move |value: &&Value| only.is_none_or(|only| target(world, value).is_some_and(|(kind, _)| kind == only));
        resource.at(path.elements).into_iter().filter(counts).collect::<Vec<_>>()
    };
    def.paths.iter().flat_map(at_path).collect()
}

/// What a reference, canonical or URI names here.
pub(super) fn target(world: &World<'_>, value: &Value) -> Option<Key> {
    world.local(value.get("reference").unwrap_or(value).as_str()?)
}

fn supports(world: &World<'_>, def: &SearchParameterDef, modifier: Option<&str>) -> bool {
    match (def.kind, modifier) {
        (_, None)
        | (Kind::String, Some("exact" | "contains"))
        | (Kind::Token, Some("not" | "text"))
        | (Kind::Uri, Some("above" | "below"))
        | (Kind::Reference, Some("identifier")) => true,
        (Kind::Reference, Some(kind)) => is_known_kind(world.mind, kind).is_some(),
        _ => false,
    }
}

fn any(world: &World<'_>, def: &SearchParameterDef, term: &Term, elements: &[&Value]) -> Result<bool, Fault> {
    let modifier = term.modifier.as_deref();
    if !supports(world, def, modifier) {
        let modifier = modifier.unwrap_or_default();
        return Err(Fault::not_supported(format!("`{}` has no modifier `:{modifier}`", term.name)));
    }
    for wanted in &term.values {
        if def.kind == Kind::Composite && values::composite(elements, wanted) {
            return Ok(true);
        }
        for element in elements {
            world.spend()?;
            if equals(world, def, (modifier, wanted), element)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn equals(
    world: &World<'_>,
    def: &SearchParameterDef,
    (modifier, wanted): (Option<&str>, &str),
    element: &Value,
) -> Result<bool, Fault> {
    Ok(match (def.kind, modifier) {
        (Kind::String, _) => values::string(element, wanted, modifier),
        (Kind::Token, Some("text")) => values::token_text(element, wanted),
        (Kind::Token | Kind::Special, _) => values::token(element, wanted),
        (Kind::Date, _) => values::date(element, wanted)?,
        (Kind::Number, _) => values::number(element, wanted)?,
        (Kind::Quantity, _) => values::quantity(element, wanted)?,
        (Kind::Uri, _) => values::uri(element, wanted, modifier),
        (Kind::Reference, Some("identifier")) => {
            element.get("identifier").is_some_and(|identifier| values::token(identifier, wanted))
        }
        (Kind::Reference, only) => reference(world, def, element, (&unescape(wanted), only)),
        (Kind::Composite, _) => false,
    })
}

fn reference(
    world: &World<'_>,
    def: &SearchParameterDef,
    element: &Value,
    (wanted, only): (&str, Option<&str>),
) -> bool {
    let Some(text) = element.get("reference").unwrap_or(element).as_str() else { return false };
    if !wanted.is_empty() && text == wanted && only.is_none() {
        return true;
    }
    let Some((kind, id)) = world.local(text) else { return false };
    if !def.targets.is_empty() && !def.targets.contains(&kind.as_str()) {
        return false;
    }
    if only.and_then(|only| is_known_kind(world.mind, only)).is_some_and(|only| only != kind) {
        return false;
    }
    // a version that is asked for is that version, not the resource
    let versioned = wanted.contains("/_history/") && !world.mind.any_base;
    match world.local(wanted).filter(|_| !versioned) {
        Some(asked) => asked == (kind, id),
        None => wanted == id,
    }
}
