//! Scopes read again: the words of a `scope` text ("Rules").
//!
//! Invariant: a word with any fault gives nothing at all; nothing is dropped out of a scope to save the rest.

use policy::facts::ParameterKind;
use policy::letters::Letters;

use crate::facts::is_type_name;
use crate::{Interpreter, url};

/// Whose data a rule reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    Patient,
    User,
    System,
}

/// One SMART resource scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) context: Context,
    /// None: `*`.
    pub(crate) resource_type: Option<String>,
    pub(crate) letters: Letters,
    pub(crate) constraints: Vec<(String, String)>,
}

/// What a word of the claim is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Resource(Scope),
    Extension(String),
    /// It begins like a resource scope, and gives nothing.
    Invalid,
    Other,
}

/// Reads one word.
pub(crate) fn word(interpreter: &Interpreter, text: &str) -> Word {
    if text.starts_with("__") {
        return Word::Extension(text.to_owned());
    }
    let Some((context, rest)) = text.split_once('/') else { return Word::Other };
    let context = match context {
        "patient" => Context::Patient,
        "user" => Context::User,
        "system" => Context::System,
        _ => return Word::Other,
    };
    match resource(interpreter, context, text, rest) {
        Some(scope) => Word::Resource(scope),
        None => Word::Invalid,
    }
}

/// The longest scope, and the most parts of one.
const MAX_BYTES: usize = 2_048;
const MAX_PARTS: usize = 20;

fn resource(interpreter: &Interpreter, context: Context, text: &str, rest: &str) -> Option<Scope> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let (target, query) = rest.split_once('?').map_or((rest, None), |(target, query)| (target, Some(query)));
    let (name, letters) = target.split_once('.')?;
    let resource_type = match name {
        "*" => None,
        name if is_type_name(name) => Some(name.to_owned()),
        _ => return None,
    };
    let letters = match (letters, query) {
        ("read", None) => Letters::READ | Letters::SEARCH,
        ("write", None) => Letters::CREATE | Letters::UPDATE | Letters::DELETE,
        ("*", None) => Letters::ALL,
        (letters, _) => in_order(letters)?,
    };
    let mut constraints = Vec::new();
    if let Some(query) = query {
        for part in query.split('&') {
            let (name, value) = part.split_once('=')?;
            if value.contains('=') {
                return None;
            }
            let (name, value) = (url::decode(name, false)?, url::decode(value, false)?);
            if !comparable(interpreter, resource_type.as_deref(), &name, &value) {
                return None;
            }
            constraints.push((name, value));
        }
    }
    if constraints.len() > MAX_PARTS {
        return None;
    }
    constraints.sort();
    constraints.dedup();
    Some(Scope { context, resource_type, letters, constraints })
}

/// A subset of `cruds`, in that order, not empty, none twice.
fn in_order(text: &str) -> Option<Letters> {
    let one = |letter: char| match letter {
        'c' => Some((0, Letters::CREATE)),
        'r' => Some((1, Letters::READ)),
        'u' => Some((2, Letters::UPDATE)),
        'd' => Some((3, Letters::DELETE)),
        's' => Some((4, Letters::SEARCH)),
        _ => None,
    };
    let letters: Vec<(i32, Letters)> = text.chars().map(one).collect::<Option<_>>()?;
    let sorted = letters.is_sorted_by(|one, next| one.0 < next.0);
    (sorted && !letters.is_empty()).then(|| letters.iter().fold(Letters::NONE, |all, one| all | one.1))
}

/// Whether a granular part can be compared on the resource itself.
fn comparable(interpreter: &Interpreter, resource_type: Option<&str>, name: &str, value: &str) -> bool {
    let clean = |text: &str| !text.is_empty() && !text.chars().any(|char| char.is_control() || char.is_whitespace());
    if !clean(name) || !clean(value) || url::values(value).iter().any(|one| matches!(&**one, "" | "|")) {
        return false;
    }
    // Outside FHIR there is nothing to compare with, and nothing that it gives.
    if !interpreter.is_fhir() {
        return true;
    }
    let parameter = match resource_type {
        Some(known) => interpreter.parameter(known, name),
        None => interpreter.common(name),
    };
    parameter.is_some_and(|one| {
        matches!(one.kind, ParameterKind::Token | ParameterKind::Reference | ParameterKind::Uri)
            && !one.paths.is_empty()
    })
}
