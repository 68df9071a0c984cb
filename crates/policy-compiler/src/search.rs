//! Which query parameters of a search are R4's, and which a document adds.
//!
//! Invariant: a parameter of the document's own never takes a name that R4 gives a meaning, in whatever case, nor one
//! that reads as a chain or a modifier; so it can pass for no parameter that is checked.

use std::collections::BTreeSet;

use policy::text::TypeName;

use crate::document::Cursor;
use crate::finding::{Findings, quote, says};
use crate::imported::ImportedType;

/// The longest name of an own parameter, in bytes (FHIR's codes stay under 50).
const MAX_NAME: usize = 64;
/// The most names that one finding lists.
const MAX_LISTED: usize = 8;
/// What R4 defines beside search parameters: they shape, join or expand.
const CONTROL: [&str; 27] = [
    "_at",
    "_contained",
    "_containedType",
    "_count",
    "_elements",
    "_filter",
    "_format",
    "_graph",
    "_has",
    "_include",
    "_language",
    "_list",
    "_outputFormat",
    "_pretty",
    "_query",
    "_revinclude",
    "_score",
    "_since",
    "_sort",
    "_summary",
    "_total",
    "_type",
    "_typeFilter",
    "_id",
    "_cascade",
    "_offset",
    "_page",
];

/// Where a token must never stand (RFC 6750 section 2.3), whatever a document says.
const TOKEN: &str = "access_token";

/// What a declared query parameter of a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    /// R4 defines it, maybe with a modifier or a chain behind it.
    Known,
    /// The document's own.
    Own,
    /// It cannot be told from something else, so the Service has it not.
    Unusable,
}

/// What a parameter is on searches of a type; without a type, on those of every type.
pub(crate) fn declared(type_name: Option<&TypeName>, name: &str) -> Declared {
    let (base, plain) = match name.split_once([':', '.']) {
        Some((base, _)) => (base, false),
        None => (name, true),
    };
    let tables = fhir::r4();
    let known = || {
        let own = type_name.into_iter().flat_map(|name| tables.parameters(name.as_str()));
        own.chain(tables.common_parameters()).map(|parameter| parameter.name).chain(CONTROL)
    };
    if known().any(|known| known == base) {
        return Declared::Known;
    }
    if known().any(|known| known.eq_ignore_ascii_case(base))
        || !plain
        || !is_code(base)
        || base.eq_ignore_ascii_case(TOKEN)
    {
        return Declared::Unusable;
    }
    Declared::Own
}

/// Letters, digits, `-` and `_`, a letter first: `_` is R4's own to give.
fn is_code(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The names of a type's search parameters: R4's, and those of the document's own.
pub(crate) fn defined(served: &ImportedType) -> impl Iterator<Item = &str> {
    let own = served.search_parameters.iter().map(String::as_str);
    let own = own.filter(|name| declared(Some(&served.name), name) == Declared::Own);
    fhir::r4().parameters(served.name.as_str()).map(|parameter| parameter.name).chain(own)
}

/// What every search has beside its type's parameters: the common ones, and what shapes, joins or expands.
pub(crate) fn common() -> impl Iterator<Item = &'static str> {
    fhir::r4().common_parameters().map(|parameter| parameter.name).chain(CONTROL)
}

/// Says which of a type's declared parameters R4 has not.
pub(crate) fn report(
    type_name: Option<&TypeName>,
    names: &BTreeSet<Box<str>>,
    at: Cursor<'_>,
    findings: &mut Findings,
) {
    let on = type_name.map_or_else(|| "every type".to_owned(), |name| quote(name.as_str()));
    let of = |kind| {
        let found: Vec<_> =
            names.iter().filter(|name| declared(type_name, name) == kind).map(|name| quote(name)).collect();
        let more = found.len().saturating_sub(MAX_LISTED);
        let list = found.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{list} and {more} more") } else { list }
    };
    let own = of(Declared::Own);
    if !own.is_empty() {
        let message = format!("search parameters of {on} that R4 does not define, taken as the API's own: {own}");
        let fix = "nothing to do; they are known by name only, so they neither prove a patient nor carry a chain";
        findings.info(|| at.pointer(), says("own_search_parameter", message, fix));
    }
    let unusable = of(Declared::Unusable);
    if !unusable.is_empty() {
        let message = format!(
            "query parameters of {on} that cannot be told from R4's or are no parameter names, and do not count: {unusable}"
        );
        let fix = "name the API's own parameters with letters, digits and `-`, a letter first, unlike any of R4's";
        findings.warning(|| at.pointer(), says("unusable_search_parameter", message, fix));
    }
}
