//! Granular constraints, compared on the resource itself (S04).
//!
//! Invariant: codes are compared letter by letter; what cannot be compared does not match.

use policy::facts::ParameterKind;
use serde_json::Value;

use crate::facts::Parameter;
use crate::membership::Named;
use crate::{Interpreter, json, url};

impl Interpreter {
    /// Whether a resource matches every `name=value`.
    pub(crate) fn matches(&self, resource: &Value, constraints: &[(String, String)], bases: &[String]) -> bool {
        let type_name = json::text(resource, "resourceType").unwrap_or_default();
        constraints.iter().all(|(name, value)| {
            let Some(parameter) = self.parameter(type_name, name) else { return false };
            url::values(value).iter().any(|wanted| one_matches(resource, &parameter, wanted, bases))
        })
    }
}

fn one_matches(resource: &Value, parameter: &Parameter, wanted: &str, bases: &[String]) -> bool {
    parameter.paths.iter().any(|(path, only)| {
        json::at(resource, path).into_iter().any(|found| match parameter.kind {
            ParameterKind::Token => token(found, wanted),
            ParameterKind::Uri => found.as_str() == Some(url::unescape(wanted).as_str()),
            ParameterKind::Reference => reference(found, parameter, only.as_deref(), &url::unescape(wanted), bases),
            _ => false,
        })
    })
}

/// A value as `code`, `system|code`, `|code` or `system|`.
fn token(found: &Value, wanted: &str) -> bool {
    let parts: Vec<String> = url::split_bare(wanted, '|').iter().map(|part| url::unescape(part)).collect();
    match found {
        Value::Object(map) => {
            if let Some(codings) = map.get("coding") {
                return codings.as_array().into_iter().flatten().any(|coding| pair(coding, "code", &parts));
            }
            pair(found, if map.contains_key("code") { "code" } else { "value" }, &parts)
        }
        Value::String(text) => parts.as_slice() == [text.clone()],
        Value::Bool(bool) => parts.as_slice() == [bool.to_string()],
        _ => false,
    }
}

fn pair(found: &Value, code: &str, parts: &[String]) -> bool {
    let (system, code) = (json::text(found, "system"), json::text(found, code));
    match parts {
        [wanted] => code == Some(wanted),
        [wanted_system, wanted] => {
            let system_ok = if wanted_system.is_empty() { system.is_none() } else { system == Some(wanted_system) };
            system_ok && (wanted.is_empty() && !wanted_system.is_empty() || code == Some(wanted))
        }
        _ => false,
    }
}

fn reference(found: &Value, parameter: &Parameter, only: Option<&str>, wanted: &str, bases: &[String]) -> bool {
    let Named::Instance(name, id) = Interpreter::named(found, bases) else { return false };
    if only.is_some_and(|only| only != name) {
        return false;
    }
    match crate::membership::literal(wanted, bases) {
        Named::Instance(wanted_name, wanted_id) => {
            !wanted.contains("/_history/") && name == wanted_name && id == wanted_id
        }
        _ => wanted == id && parameter.targets.iter().eq([&name]),
    }
}
