//! Query and search form, as parameters that are decoded once.

use std::borrow::Cow;

use bumpalo::collections::Vec as List;
use percent_encoding::percent_decode_str;
use policy::decision::Phase;
use policy::reason::Reason;

use super::{MAX_ALTERNATIVES, MAX_HOPS, MAX_INCLUDES, MAX_PARAMETERS};
use crate::arena::Arena;
use crate::bytes::Kinds;
use crate::denial::Denial;

/// What makes a text mean another, or nothing.
const SPECIAL: Kinds = Kinds::CODED.with(Kinds::FOREIGN);

/// One parameter, decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter<'a> {
    /// Its name, modifiers and chains included.
    pub(crate) name: &'a str,
    /// Its value; empty when there was none.
    pub(crate) value: &'a str,
    /// Whether it came in the body.
    pub(crate) form: bool,
    /// Whether its name is a code and nothing more: no modifier, no chain.
    is_bare: bool,
    /// Name and value as they came, where they go upstream in the very same form.
    pub(crate) sent: Option<&'a str>,
}

impl<'a> Parameter<'a> {
    #[cfg(test)]
    pub(crate) fn of(name: &'a str, value: &'a str) -> Self {
        Self { name, value, form: false, is_bare: !Kinds::among(name.as_bytes()).any(Kinds::END), sent: None }
    }

    /// The code that its name begins with, and what follows it: a modifier, a chain, or nothing.
    pub(crate) fn code(&self) -> (&'a str, &'a str) {
        if self.is_bare {
            return (self.name, "");
        }
        let end = self.name.bytes().position(|byte| Kinds::of(byte).any(Kinds::END));
        end.and_then(|end| self.name.split_at_checked(end)).unwrap_or((self.name, ""))
    }
}

/// Reads a query, or a form, into `out`.
///
/// One pass over its bytes tells where each name and value ends, and which of them have to be looked at again.
pub(crate) fn tokenise<'a>(
    text: &'a str,
    form: bool,
    arena: &'a Arena,
    out: &mut List<'a, Parameter<'a>>,
) -> Result<(), Denial> {
    let mut rest = text;
    while !rest.is_empty() {
        let (end, of_name) = Kinds::until(rest, Kinds::AND.with(Kinds::EQUALS));
        let (name, after) = rest.split_at_checked(end).ok_or_else(malformed)?;
        let (value, of_value) = match after.strip_prefix('=') {
            Some(after) => {
                let (end, of_value) = Kinds::until(after, Kinds::AND);
                (after.get(..end), of_value)
            }
            None => (None, Kinds::NONE),
        };
        let end = end + value.map_or(0, |value| value.len() + 1);
        let (whole, after) = rest.split_at_checked(end).ok_or_else(malformed)?;
        rest = after.get(1..).unwrap_or_default();
        if whole.is_empty() {
            continue;
        }
        let is_sent_so = value.is_some() && !of_name.any(Kinds::NOT_NAME) && !of_value.any(Kinds::NOT_VALUE);
        let (name, of_name) = if of_name.any(SPECIAL) { decode(name, of_name, arena)? } else { (name, of_name) };
        let value = value.unwrap_or_default();
        let (value, _) = if of_value.any(SPECIAL) { decode(value, of_value, arena)? } else { (value, of_value) };
        if name.is_empty() || of_name.any(Kinds::WIDE.with(Kinds::BRACKET)) {
            return Err(malformed());
        }
        // One more than may be there tells enough; all are read, so that the same fault is found first.
        if out.len() <= MAX_PARAMETERS {
            let is_bare = !of_name.any(Kinds::END);
            out.push(Parameter { name, value, form, is_bare, sent: is_sent_so.then_some(whole) });
        }
    }
    Ok(())
}

pub(crate) fn malformed() -> Denial {
    Denial::new(Phase::Normalise, Reason::MalformedQuery)
}

/// Decodes once; what still looks encoded afterwards, or was not an escape to begin with, is refused.
#[inline(never)]
fn decode<'a>(raw: &'a str, kinds: Kinds, arena: &'a Arena) -> Result<(&'a str, Kinds), Denial> {
    if kinds.any(Kinds::FOREIGN) {
        return Err(malformed());
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
    Ok((text, Kinds::among(text.as_bytes())))
}

/// Whether two hexadecimal digits follow the byte at `at`.
fn is_escape(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// Whether a search is over one of the limits that only its parameters show.
pub(crate) fn over_limits(parameters: &[Parameter<'_>]) -> bool {
    let mut includes = 0;
    for one in parameters {
        let includes_some = |name: &str| name.starts_with("_include") || name.starts_with("_revinclude");
        includes += usize::from(one.name.starts_with('_') && includes_some(one.name));
        if !one.is_bare
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
    let mut left = Some(value);
    std::iter::from_fn(move || {
        let text = left?;
        let mut escaped = false;
        let comma = text.bytes().position(|byte| {
            let splits = byte == b',' && !escaped;
            escaped = byte == b'\\' && !escaped;
            splits
        });
        let (one, rest) = comma.and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
        left = rest.get(1..);
        Some(one)
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

    fn read(text: &str) -> Option<String> {
        let arena = Arena::new();
        let mut out = arena.list();
        tokenise(arena.text(text), false, &arena, &mut out).ok()?;
        let said: Vec<String> = out.iter().map(|one| format!("{}|{}|{:?};", one.name, one.value, one.code())).collect();
        Some(said.concat())
    }

    #[test]
    fn a_query_is_split_first_and_decoded_once_afterwards() {
        for (text, expected) in [
            ("", Some("")),
            ("&&", Some("")),
            ("a=b&c", Some(r#"a|b|("a", "");c||("c", "");"#)),
            ("a=b=c&d=", Some(r#"a|b=c|("a", "");d||("d", "");"#)),
            ("a:b.c=1&d.e", Some(r#"a:b.c|1|("a", ":b.c");d.e||("d", ".e");"#)),
            ("a%3Ab=%26+%2B", Some(r#"a:b|& +|("a", ":b");"#)),
            ("a=%C3%A9&b=\u{e9}", Some("a|\u{e9}|(\"a\", \"\");b|\u{e9}|(\"b\", \"\");")),
            ("a=%25", Some(r#"a|%|("a", "");"#)),
            ("=b", None),
            ("a;b", None),
            ("a=b;c", None),
            ("a=#", None),
            ("a=%2541", None),
            ("a=%4", None),
            ("a=%zz", None),
            ("a=%00", None),
            ("a=\u{7f}", None),
            ("a=%ff", None),
            ("a[0]=1", None),
            ("a%5b=1", None),
            ("\u{e9}=1", None),
            ("%C3%A9=1", None),
        ] {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_or_list_is_split_at_bare_commas_only() {
        let split = |text: &'static str| alternatives(text).collect::<Vec<_>>();
        assert_eq!(split("a,b\\,c,d\\\\,e"), ["a", "b\\,c", "d\\\\", "e"]);
        assert_eq!(split(""), [""]);
        assert_eq!(split(",é,"), ["", "é", ""]);
        assert_eq!(unescape("b\\,c\\\\\\x"), "b,c\\\\x");
    }
}
