//! JSON Pointers (RFC 6901): where in a document an operation of a JSON Patch works.
//!
//! Invariant: a pointer has at most [`MAX_DEPTH`] tokens, already unescaped. Whether a token is a name or an index
//! is known only where it is used: `0` may be either.

use std::borrow::Cow;

use crate::json::MAX_DEPTH;

/// The longest index that is read: no list of a bounded document is longer.
const MAX_INDEX_DIGITS: usize = 8;

/// A parsed pointer; no tokens is the whole document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    tokens: Vec<Box<str>>,
}

impl Pointer {
    /// Reads `""` or `/token/token`, with `~0` for `~` and `~1` for `/`; nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self { tokens: Vec::new() });
        }
        let tokens: Option<Vec<Box<str>>> =
            text.strip_prefix('/')?.split('/').map(|token| unescape(token).map(Into::into)).collect();
        tokens.filter(|tokens| tokens.len() <= MAX_DEPTH).map(|tokens| Self { tokens })
    }

    /// Its tokens, outermost first.
    pub(super) fn tokens(&self) -> &[Box<str>] {
        &self.tokens
    }

    /// The parent's tokens and the last one; none for the whole document.
    pub(super) fn split(&self) -> Option<(&[Box<str>], &str)> {
        self.tokens.split_last().map(|(last, parents)| (parents, &**last))
    }

    /// Whether it points at what lies below the other, which it is not itself.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        self.tokens.len() > other.tokens.len() && self.tokens.starts_with(&other.tokens)
    }

    /// The names on the way. An index is dropped, because lists are walked through; the first token is always a name.
    pub(super) fn names(&self) -> Vec<&str> {
        let all = self.tokens.iter().map(|token| &**token).enumerate();
        all.filter(|(place, token)| *place == 0 || !is_of_a_list(token)).map(|(_, token)| token).collect()
    }
}

/// Whether a token may be an index, or the end of a list.
pub(super) fn is_of_a_list(token: &str) -> bool {
    token == "-" || index(token).is_some()
}

/// The index that a token says: digits without a leading zero.
pub(super) fn index(token: &str) -> Option<usize> {
    let digits =
        !token.is_empty() && token.len() <= MAX_INDEX_DIGITS && token.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (token == "0" || !token.starts_with('0')) { token.parse().ok() } else { None }
}

fn unescape(token: &str) -> Option<Cow<'_, str>> {
    let mut parts = token.split('~');
    let first = parts.next()?;
    if first.len() == token.len() {
        return Some(Cow::Borrowed(token));
    }
    parts
        .try_fold(first.to_owned(), |mut out, part| {
            let (plain, rest) = match part.as_bytes().first() {
                Some(b'0') => ('~', part.get(1..)?),
                Some(b'1') => ('/', part.get(1..)?),
                _ => return None,
            };
            out.push(plain);
            out.push_str(rest);
            Some(out)
        })
        .map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(text: &str) -> Option<Vec<String>> {
        Pointer::parse(text).map(|pointer| pointer.tokens.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn rfc6901_section_5_examples() {
        let examples: &[(&str, &[&str])] = &[
            ("", &[]),
            ("/foo", &["foo"]),
            ("/foo/0", &["foo", "0"]),
            ("/", &[""]),
            ("/a~1b", &["a/b"]),
            ("/c%d", &["c%d"]),
            ("/m~0n", &["m~n"]),
            ("/~01", &["~1"]),
            ("/ /-", &[" ", "-"]),
        ];
        for (text, expected) in examples {
            assert_eq!(tokens(text).unwrap(), *expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["a", "a/b", "/a~", "/a~2", "/~", "#/a", " /a"] {
            assert_eq!(tokens(text), None, "{text}");
        }
        assert!(tokens(&"/a".repeat(MAX_DEPTH)).is_some());
        assert!(tokens(&"/a".repeat(MAX_DEPTH + 1)).is_none());
    }

    #[test]
    fn an_index_has_no_leading_zero_and_no_sign() {
        assert_eq!(["0", "7", "10"].map(index), [Some(0), Some(7), Some(10)]);
        for text in ["", "00", "01", "-1", "+1", "1e0", "1.0", "-", "a", "999999999", "\u{661}"] {
            assert_eq!(index(text), None, "{text}");
        }
    }

    #[test]
    fn d28_the_names_of_a_pointer_leave_indexes_out() {
        let names = |text: &str| Pointer::parse(text).unwrap().names().join(".");
        assert_eq!(names("/name/0/given/-"), "name.given");
        assert_eq!(names("/0/a"), "0.a");
        assert_eq!(names(""), "");
    }

    #[test]
    fn below_means_truly_below_and_by_whole_tokens() {
        let below = |one: &str, other: &str| Pointer::parse(one).unwrap().is_below(&Pointer::parse(other).unwrap());
        assert!(below("/a/b", "/a") && below("/a", ""));
        assert!(!below("/a", "/a") && !below("/ab", "/a") && !below("/a", "/a/b"));
    }

    proptest! {
        #[test]
        fn every_name_can_be_pointed_at(names in prop::collection::vec(any::<String>(), 0..5)) {
            let escaped = names.iter().map(|name| name.replace('~', "~0").replace('/', "~1"));
            let text: String = escaped.flat_map(|name| ["/".to_owned(), name]).collect();
            prop_assert_eq!(tokens(&text), Some(names));
        }
    }
}
