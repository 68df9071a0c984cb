//! Whether a resource satisfies one condition of a search.

use serde_json::Value;

use super::answers::Fault;
use super::dates::Interval;
use super::parameters::{self, Kind, Parameter};
use super::query::Term;
use super::records::Records;
use super::resource::Resource;

/// A chain longer than this is refused.
const MAX_HOPS: usize = 5;

/// Whether `resource` satisfies `term`.
pub(super) fn satisfies(records: &Records, resource: &Resource, term: &Term) -> Result<bool, Fault> {
    within(records, resource, term, MAX_HOPS)
}

fn within(records: &Records, resource: &Resource, term: &Term, hops: usize) -> Result<bool, Fault> {
    let hops = hops.checked_sub(1).ok_or_else(|| Fault::invalid("the chain is too long".to_owned()))?;
    if term.name == "_has" {
        return has(records, resource, term, hops);
    }
    let Some(parameter) = parameters::find(&resource.type_name, &term.name) else {
        return Ok(true); // lenient handling: what the server does not know it ignores
    };
    if let Some(chain) = &term.chain {
        return chained(records, resource, (parameter, term, chain), hops);
    }
    let elements: Vec<&Value> = parameter.paths.iter().flat_map(|path| resource.at(path)).collect();
    match term.modifier.as_deref() {
        Some("missing") => Ok(elements.is_empty() == (term.values.first().map(String::as_str) == Some("true"))),
        Some("not") if parameter.kind == Kind::Token => Ok(!any(records, parameter, term, &elements)?),
        _ => any(records, parameter, term, &elements),
    }
}

fn any(records: &Records, parameter: &Parameter, term: &Term, elements: &[&Value]) -> Result<bool, Fault> {
    for wanted in &term.values {
        for element in elements {
            if equals(records, (parameter, term), element, wanted)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn equals(
    records: &Records,
    (parameter, term): (&Parameter, &Term),
    element: &Value,
    wanted: &str,
) -> Result<bool, Fault> {
    let modifier = term.modifier.as_deref();
    match (parameter.kind, modifier) {
        (Kind::Text, None | Some("exact" | "contains")) => Ok(text(element, wanted, modifier)),
        (Kind::Token, None | Some("not")) => Ok(token(element, wanted)),
        (Kind::Date, None) => {
            let malformed = || Fault::invalid(format!("`{}` must be a date, not `{wanted}`", term.name));
            Interval::of_element(element).map_or(Ok(false), |own| own.fits(wanted).ok_or_else(malformed))
        }
        (Kind::Reference, Some("identifier")) => {
            Ok(element.get("identifier").is_some_and(|identifier| token(identifier, wanted)))
        }
        (Kind::Reference, type_name) => Ok(reference(records, parameter, element, (wanted, type_name))),
        (_, Some(other)) => Err(Fault::invalid(format!("`{}` has no modifier `:{other}`", term.name))),
    }
}

fn text(element: &Value, wanted: &str, modifier: Option<&str>) -> bool {
    let Some(own) = element.as_str() else { return false };
    match modifier {
        Some("exact") => own == wanted,
        Some(_) => own.to_lowercase().contains(&wanted.to_lowercase()),
        None => own.to_lowercase().starts_with(&wanted.to_lowercase()),
    }
}

/// Compares `code`, `system|code`, `|code` or `system|` with a code, Coding, CodeableConcept or Identifier.
fn token(element: &Value, wanted: &str) -> bool {
    if let Some(codings) = element.get("coding").and_then(Value::as_array) {
        return codings.iter().any(|coding| token(coding, wanted));
    }
    let field = |name| element.get(name).and_then(Value::as_str);
    let own = element.as_str().or_else(|| field("code")).or_else(|| field("value")).unwrap_or_default();
    match wanted.split_once('|') {
        None => own == wanted,
        Some((system, "")) => field("system") == Some(system),
        Some((system, code)) => own == code && field("system").unwrap_or_default() == system,
    }
}

fn reference(
    records: &Records,
    parameter: &Parameter,
    element: &Value,
    (wanted, type_name): (&str, Option<&str>),
) -> bool {
    let Some(text) = element.get("reference").and_then(Value::as_str) else { return false };
    let Some((own_type, own_id)) = records.local(text) else { return text == wanted };
    if !parameter.targets.is_empty() && !parameter.targets.contains(&own_type) {
        return false;
    }
    if type_name.is_some_and(|only| only != own_type) {
        return false;
    }
    records.local(wanted).map_or(wanted == own_id, |asked| asked == (own_type, own_id))
}

fn chained(
    records: &Records,
    resource: &Resource,
    (parameter, term, chain): (&Parameter, &Term, &str),
    hops: usize,
) -> Result<bool, Fault> {
    if parameter.kind != Kind::Reference {
        return Err(Fault::invalid(format!("`{}` is no reference, it cannot be chained", term.name)));
    }
    let mut next = Term::parse(chain, "");
    next.values.clone_from(&term.values);
    for target in records.targets(resource, parameter) {
        let typed = term.modifier.as_deref().is_none_or(|only| only == target.type_name);
        let defined = parameters::find(&target.type_name, &next.name).is_some();
        if typed && defined && within(records, target, &next, hops)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `_has:Observation:patient:code=x`: an Observation whose `patient` is this resource has that code.
fn has(records: &Records, resource: &Resource, term: &Term, hops: usize) -> Result<bool, Fault> {
    let malformed = || Fault::invalid("`_has` is written `_has:Type:parameter:parameter`".to_owned());
    let (type_name, rest) = term.modifier.as_deref().and_then(|rest| rest.split_once(':')).ok_or_else(malformed)?;
    let (by, rest) = rest.split_once(':').ok_or_else(malformed)?;
    let parameter = parameters::find(type_name, by).filter(|one| one.kind == Kind::Reference).ok_or_else(malformed)?;
    let mut next = Term::parse(rest, "");
    next.values.clone_from(&term.values);
    for other in records.of_type(type_name) {
        let points_here = records.targets(other, parameter).any(|target| target.reference() == resource.reference());
        if points_here && within(records, other, &next, hops)? {
            return Ok(true);
        }
    }
    Ok(false)
}
