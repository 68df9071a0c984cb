//! Paths, queries and forms that go upstream, encoded anew.
//!
//! Invariant: nothing stands in them that another reader could take for a separator.

use bumpalo::collections::String as Text;

use crate::arena::Arena;
use crate::bytes::Kinds;
use crate::normalise::Parameter;
use crate::query::Pair;

/// A query or form, as it is written.
#[derive(Debug)]
pub(crate) struct Query<'a>(Text<'a>);

impl<'a> Query<'a> {
    /// An empty one, with room for that many bytes.
    pub(crate) fn new(bytes: usize, arena: &'a Arena) -> Self {
        Self(arena.builder(bytes))
    }

    /// Adds a parameter.
    pub(crate) fn add(&mut self, (name, value): Pair<'_>) {
        self.separate();
        escape(name, Kinds::NOT_NAME, &mut self.0);
        self.0.push('=');
        escape(value, Kinds::NOT_VALUE, &mut self.0);
    }

    /// Adds a parameter in which every byte stands for itself.
    pub(crate) fn add_plain(&mut self, (name, value): Pair<'_>) {
        self.separate();
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(value);
    }

    /// Adds a parameter of the client; as it came, where encoding it anew would give the same.
    pub(crate) fn keep(&mut self, one: &Parameter<'_>) {
        match one.sent {
            Some(same) => {
                self.separate();
                self.0.push_str(same);
            }
            None => self.add((one.name, one.value)),
        }
    }

    pub(crate) fn finish(self) -> &'a str {
        self.0.into_bump_str()
    }

    fn separate(&mut self) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
    }
}

/// A query or form of these parameters.
pub(crate) fn encode<'a>(pairs: &[Pair<'_>], arena: &'a Arena) -> &'a str {
    if pairs.is_empty() {
        return "";
    }
    let mut query = Query::new(pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum(), arena);
    for pair in pairs {
        query.add(*pair);
    }
    query.finish()
}

/// The path below the base.
pub(crate) fn path<'a>(segments: &[&'a str], arena: &'a Arena) -> &'a str {
    if segments.is_empty() { "/" } else { encoded(segments, arena) }
}

/// Segments of a path, each with its slash before it.
pub(super) fn encoded<'a>(segments: &[&str], arena: &'a Arena) -> &'a str {
    let mut out = arena.builder(segments.iter().map(|segment| segment.len() + 1).sum());
    for segment in segments {
        out.push('/');
        escape(segment, Kinds::NOT_SEGMENT, &mut out);
    }
    out.into_bump_str()
}

/// Percent-encodes the bytes of these kinds, beyond ASCII always among them.
fn escape(text: &str, kinds: Kinds, out: &mut Text<'_>) {
    let mut rest = text;
    loop {
        let (end, _) = Kinds::until(rest, kinds);
        let (plain, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut chars = after.chars();
        let Some(char) = chars.next() else { return };
        for byte in char.encode_utf8(&mut [0; 4]).as_bytes() {
            out.push_str(percent_encoding::percent_encode_byte(*byte));
        }
        rest = chars.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded_anew_and_no_byte_of_it_is_lost() {
        let arena = Arena::new();
        for (pair, expected) in [
            (("a", ""), "a="),
            (("a:b.c", "x,y/$*-_~"), "a:b.c=x,y/$*-_~"),
            (("a", "b c&d=e"), "a=b%20c%26d%3De"),
            (("a", "é€"), "a=%C3%A9%E2%82%AC"),
            (("a", "xé"), "a=x%C3%A9"),
            (("a", "éx|y"), "a=%C3%A9x%7Cy"),
            (("a/b", "|"), "a%2Fb=%7C"),
        ] {
            assert_eq!(encode(&[pair], &arena), expected);
        }
        assert_eq!(encode(&[("a", "b"), ("c", "d")], &arena), "a=b&c=d");
        assert_eq!(path(&["a b", "é", "x:y"], &arena), "/a%20b/%C3%A9/x:y");
        assert_eq!(path(&[], &arena), "/");
    }
}
