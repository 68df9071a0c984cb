//! Query and search form, as parameters that are decoded once.

use std::borrow::Cow;

use bumpalo::collections::Vec as List;
use percent_encoding::percent_decode_str;
use policy::decision::Phase;
use policy::reason::Reason;

use super::{MAX_ALTERNATIVES, MAX_HOPS, MAX_INCLUDES, MAX_PARAMETERS};
use crate::arena::Arena;
use crate::denial::Denial;

/// One parameter, decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter<'a> {
    /// Its name, modifiers and chains included.
    pub(crate) name: &'a str,
    /// Its value; empty when there was none.
    pub(crate) value: &'a str,
    /// Whether it came in the body.
    pub(crate) form: bool,
}

/// Reads a query, or a form, into `out`.
pub(crate) fn tokenise<'a>(
    text: &'a str,
    form: bool,
    arena: &'a Arena,
    out: &mut List<'a, Parameter<'a>>,
) -> Result<(), Denial> {
    if text.contains([';', '#']) {
        return Err(malformed());
    }
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (decode(name, arena)?, decode(value, arena)?);
        if name.is_empty() || !name.is_ascii() || name.contains(['[', ']']) {
            return Err(malformed());
        }
        // One more than may be there tells enough; all are read, so that the same fault is found first.
        if out.len() <= MAX_PARAMETERS {
            out.push(Parameter { name, value, form });
        }
    }
    Ok(())
}

pub(crate) fn malformed() -> Denial {
    Denial::new(Phase::Normalise, Reason::MalformedQuery)
}

/// Decodes once; what still looks encoded afterwards, or was not an escape to begin with, is refused.
fn decode<'a>(raw: &'a str, arena: &'a Arena) -> Result<&'a str, Denial> {
    if raw.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b'%' && byte != b'+') {
        return Ok(raw);
    }
    let text = if raw.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        let valid = |(at, _)| is_escape(raw.as_bytes(), at);
        if !raw.bytes().enumerate().filter(|(_, byte)| *byte == b'%').all(valid) {
            return Err(malformed());
        }
        let spaced = raw.replace('+', " ");
        arena.text(&percent_decode_str(&spaced).decode_utf8().map_err(|_| malformed())?)
    } else {
        raw
    };
    let encoded = |(at, byte)| byte == b'%' && is_escape(text.as_bytes(), at);
    if text.chars().any(char::is_control) || text.bytes().enumerate().any(encoded) {
        return Err(malformed());
    }
    Ok(text)
}

/// Whether two hexadecimal digits follow the byte at `at`.
fn is_escape(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// Whether a search is over one of the limits that only its parameters show.
pub(crate) fn over_limits(parameters: &[Parameter<'_>]) -> bool {
    let mut includes = 0;
    for one in parameters {
        includes += usize::from(one.name.starts_with("_include") || one.name.starts_with("_revinclude"));
        if one.name.len() > MAX_HOPS
            && one.name.bytes().filter(|byte| *byte == b'.').count() + one.name.matches("_has:").count() > MAX_HOPS
        {
            return true;
        }
        if one.value.len() >= MAX_ALTERNATIVES && alternatives(one.value).count() > MAX_ALTERNATIVES {
            return true;
        }
    }
    includes > MAX_INCLUDES
}

/// The values of an OR list: split at the commas that no backslash stands before.
pub(crate) fn alternatives(value: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    value.split(move |char: char| {
        let splits = char == ',' && !escaped;
        escaped = char == '\\' && !escaped;
        splits
    })
}

/// A value without the escapes of search (`\,` `\|` `\$` `\\`).
pub(crate) fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(char) = chars.next() {
        match chars.next_if(|next| char == '\\' && matches!(next, ',' | '|' | '$' | '\\')) {
            Some(literal) => out.push(literal),
            None => out.push(char),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_or_list_is_split_at_bare_commas_only() {
        let split = |text: &'static str| alternatives(text).collect::<Vec<_>>();
        assert_eq!(split("a,b\\,c,d\\\\,e"), ["a", "b\\,c", "d\\\\", "e"]);
        assert_eq!(split(""), [""]);
        assert_eq!(unescape("b\\,c\\\\\\x"), "b,c\\\\x");
    }
}
