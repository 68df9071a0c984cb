//! Whether one element's value is what one search value asks for.
//!
//! Invariant: a value that is not of the parameter's kind matches nothing; a search value that cannot be read
//! is a fault only where FHIR gives it a syntax (dates, numbers).

use serde_json::Value;

use crate::answer::Fault;

use super::dates::{Interval, prefix};
use super::parameters::{split, unescape};

/// Deeper than this no value is looked into.
const MAX_DEPTH: usize = 8;

/// `code`, `system|code`, `|code` or `system|` against a code, Coding, CodeableConcept, Identifier or ContactPoint.
pub(super) fn token(element: &Value, wanted: &str) -> bool {
    if let Some(codings) = element.get("coding").and_then(Value::as_array) {
        return codings.iter().any(|coding| token_of_one(coding, wanted));
    }
    token_of_one(element, wanted)
}

fn token_of_one(element: &Value, wanted: &str) -> bool {
    let field = |name| element.get(name).and_then(Value::as_str);
    let own = match element {
        Value::String(text) => text.clone(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        _ => field("code").or_else(|| field("value")).unwrap_or_default().to_owned(),
    };
    let parts: Vec<String> = split(wanted, '|').iter().map(|part| unescape(part)).collect();
    match parts.as_slice() {
        [code] => !own.is_empty() && own == *code,
        [system, code] if code.is_empty() => field("system") == Some(system),
        [system, code] => own == *code && (element.is_string() || field("system").unwrap_or_default() == system),
        _ => false,
    }
}

/// `:text`: the words that stand beside a code.
pub(super) fn token_text(element: &Value, wanted: &str) -> bool {
    let wanted = unescape(wanted).to_lowercase();
    let codings = element.get("coding").and_then(Value::as_array).into_iter().flatten();
    let displays = codings.filter_map(|coding| coding.get("display"));
    let texts = ["text", "display"].iter().filter_map(|name| element.get(*name)).chain(displays);
    texts.filter_map(Value::as_str).any(|text| text.to_lowercase().starts_with(&wanted))
}

/// A text, or any text in a HumanName or Address.
pub(super) fn string(element: &Value, wanted: &str, modifier: Option<&str>) -> bool {
    let wanted = unescape(wanted);
    let mut found = false;
    each_text(element, MAX_DEPTH, &mut |own| {
        found |= match modifier {
            Some("exact") => own == wanted,
            Some(_) => own.to_lowercase().contains(&wanted.to_lowercase()),
            None => own.to_lowercase().starts_with(&wanted.to_lowercase()),
        }
    });
    found
}

/// Calls `visit` with every text in a value.
pub(super) fn each_text(value: &Value, depth: usize, visit: &mut impl FnMut(&str)) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, depth, visit)),
        Value::Object(members) => members.values().for_each(|member| each_text(member, depth, visit)),
        _ => {}
    }
}

pub(super) fn date(element: &Value, wanted: &str) -> Result<bool, Fault> {
    if Interval::of_text(prefix(wanted).1).is_none() {
        return Err(Fault::invalid(format!("`{wanted}` is no date")));
    }
    Ok(Interval::of_element(element).into_iter().any(|own| own.fits(wanted) == Some(true)))
}

pub(super) fn number(element: &Value, wanted: &str) -> Result<bool, Fault> {
    let (prefix, text) = prefix(wanted);
    let asked: f64 = text.parse().map_err(|_| Fault::invalid(format!("`{wanted}` is no number")))?;
    let Some(own) = element.as_f64() else { return Ok(false) };
    let margin = if prefix == "ap" { asked.abs() * 0.1 } else { half_of_last_digit(text) };
    let equal = (own - asked).abs() <= margin;
    Ok(match prefix {
        "ne" => !equal,
        "gt" | "sa" => own > asked,
        "ge" => own >= asked,
        "lt" | "eb" => own < asked,
        "le" => own <= asked,
        _ => equal,
    })
}

/// FHIR's precision: `5.40` is 5.395 to 5.405.
fn half_of_last_digit(text: &str) -> f64 {
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len().min(15));
    0.5 * 0.1_f64.powi(i32::try_from(decimals).unwrap_or(0))
}

/// `value`, `value|system|code` or `value||unit` against a Quantity, or a bound of a Range.
pub(super) fn quantity(element: &Value, wanted: &str) -> Result<bool, Fault> {
    let parts: Vec<String> = split(wanted, '|').iter().map(|part| unescape(part)).collect();
    let part = |index: usize| parts.get(index).map(String::as_str).unwrap_or_default();
    for one in [Some(element), element.get("low"), element.get("high")].into_iter().flatten() {
        let field = |name| one.get(name).and_then(Value::as_str).unwrap_or_default();
        let unit = part(2).is_empty() || [field("code"), field("unit"), field("currency")].contains(&part(2));
        let system = part(1).is_empty() || field("system") == part(1);
        let value = one.get("value").map_or(Ok(false), |value| number(value, part(0)))?;
        if unit && system && value {
            return Ok(true);
        }
    }
    number(&Value::Null, part(0))
}

pub(super) fn uri(element: &Value, wanted: &str, modifier: Option<&str>) -> bool {
    let wanted = unescape(wanted);
    let Some(own) = element.as_str() else { return false };
    match modifier {
        Some("below") => own.starts_with(&wanted),
        Some(_) => wanted.starts_with(own),
        None => own == wanted,
    }
}

/// `a$b`: each part is matched by some element of the composite's components, whatever its kind.
pub(super) fn composite(elements: &[&Value], wanted: &str) -> bool {
    let holds = |part: &String| {
        elements.iter().any(|element| {
            token(element, part)
                || quantity(element, part) == Ok(true)
                || date(element, part) == Ok(true)
                || element.as_str().is_some_and(|own| own == unescape(part))
        })
    };
    split(wanted, '$').iter().all(holds)
}
