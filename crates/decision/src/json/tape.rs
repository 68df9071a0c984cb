//! The flat list that a document becomes: one node for each value and each name, in the order of the text.
//!
//! Invariant: a container's node comes before what it holds and knows where that ends; a name comes
//! right before its value. A name that an object has twice is found here, by what the names say.

use super::lex::Lexer;
use super::text::unescape;
use super::{InvalidJson, Kind, MAX_DEPTH, MAX_NODES};

/// Up to this many names are compared pair by pair; more are sorted, so that the cost stays bounded.
const FEW: u32 = 16;

/// One value or name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Where its text begins.
    pub(super) at: u32,
    /// Where its text ends.
    pub(super) end: u32,
    /// The place of the node after it and all within it.
    pub(super) next: u32,
    /// What it is.
    pub(super) kind: Kind,
    /// A string: whether it has an escape. An object: whether it has a name twice.
    pub(super) marked: bool,
    /// Whether it, or a value within it, is an object that has a name twice.
    pub(super) ambiguous: bool,
}

/// Appends the nodes of a text.
pub(super) struct Builder<'t, 'n> {
    pub(super) text: &'t str,
    pub(super) lexer: Lexer<'t>,
    pub(super) nodes: &'n mut Vec<Node>,
}

/// The names of one object, as far as they were read.
struct Seen {
    /// The object's node.
    object: usize,
    /// One bit for each name, by its first bytes and its length.
    bits: u64,
    count: u32,
    /// Whether pairs were not compared: too many names, or escapes in them.
    open: bool,
    twice: bool,
}

impl Builder<'_, '_> {
    /// Appends the value that begins here; whether it is ambiguous.
    pub(super) fn value(&mut self, depth: usize) -> Result<bool, InvalidJson> {
        let from = self.lexer.at;
        let kind = match self.lexer.peek() {
            Some(b'"') => {
                let escaped = self.lexer.string()?;
                return self.leaf(from, Kind::String, escaped).map(|()| false);
            }
            Some(b'{') => return self.object(depth),
            Some(b'[') => return self.array(depth),
            Some(b't') => self.lexer.literal("true").map(|()| Kind::Bool(true))?,
            Some(b'f') => self.lexer.literal("false").map(|()| Kind::Bool(false))?,
            Some(b'n') => self.lexer.literal("null").map(|()| Kind::Null)?,
            _ => self.lexer.number().map(|()| Kind::Number)?,
        };
        self.leaf(from, kind, false).map(|()| false)
    }

    fn object(&mut self, depth: usize) -> Result<bool, InvalidJson> {
        let object = self.open(Kind::Object, depth)?;
        let mut ambiguous = false;
        let mut seen = Seen { object, bits: 0, count: 0, open: false, twice: false };
        if self.lexer.peek() == Some(b'}') {
            self.lexer.at += 1;
        } else {
            loop {
                self.lexer.space();
                self.name(&mut seen)?;
                self.lexer.space();
                self.lexer.take(b':')?;
                self.lexer.space();
                ambiguous |= self.value(depth + 1)?;
                if !self.lexer.more(b'}')? {
                    break;
                }
            }
        }
        let twice = seen.twice || (seen.open && self.sorted_repeats(object));
        self.close(object, twice, ambiguous || twice);
        Ok(ambiguous || twice)
    }

    fn array(&mut self, depth: usize) -> Result<bool, InvalidJson> {
        let array = self.open(Kind::Array, depth)?;
        let mut ambiguous = false;
        if self.lexer.peek() == Some(b']') {
            self.lexer.at += 1;
        } else {
            loop {
                self.lexer.space();
                ambiguous |= self.value(depth + 1)?;
                if !self.lexer.more(b']')? {
                    break;
                }
            }
        }
        self.close(array, false, ambiguous);
        Ok(ambiguous)
    }

    fn open(&mut self, kind: Kind, depth: usize) -> Result<usize, InvalidJson> {
        if depth >= MAX_DEPTH {
            return Err(InvalidJson::TooDeep);
        }
        let place = self.nodes.len();
        self.leaf(self.lexer.at, kind, false)?;
        self.lexer.at += 1;
        self.lexer.space();
        Ok(place)
    }

    fn close(&mut self, place: usize, marked: bool, ambiguous: bool) {
        let (end, next) = (small(self.lexer.at), small(self.nodes.len()));
        if let Some(node) = self.nodes.get_mut(place) {
            *node = Node { end, next, marked, ambiguous, ..*node };
        }
    }

    #[inline]
    fn leaf(&mut self, from: usize, kind: Kind, marked: bool) -> Result<(), InvalidJson> {
        let place = self.nodes.len();
        if place >= MAX_NODES {
            return Err(InvalidJson::TooMany);
        }
        let (at, end) = (small(from), small(self.lexer.at));
        self.nodes.push(Node { at, end, next: small(place + 1), kind, marked, ambiguous: false });
        Ok(())
    }

    /// Appends a name, and compares it with those that the object has already.
    #[inline]
    fn name(&mut self, seen: &mut Seen) -> Result<(), InvalidJson> {
        let from = self.lexer.at;
        let start = self.lexer.word(from + 1);
        let escaped = self.lexer.string()?;
        let length = self.lexer.at - from - 2;
        seen.count += 1;
        if escaped || seen.count > FEW {
            seen.open = true;
        } else {
            let bit = bit(start, length);
            if seen.bits & bit != 0 {
                let name = self.text.get(from..self.lexer.at);
                seen.twice |= self.names(seen.object).any(|(_, node)| node.raw(self.text) == name);
            }
            seen.bits |= bit;
        }
        self.leaf(from, Kind::String, escaped)
    }

    /// The names of an object, so far, and their places.
    fn names(&self, object: usize) -> impl Iterator<Item = (usize, Node)> {
        let mut place = object + 1;
        std::iter::from_fn(move || {
            let name = (place, *self.nodes.get(place)?);
            // The node after the name is its value.
            place = self.nodes.get(place + 1)?.next as usize;
            Some(name)
        })
    }

    fn sorted_repeats(&self, object: usize) -> bool {
        let mut names: Vec<_> =
            self.names(object).map(|(_, node)| node.string(self.text).unwrap_or_default()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair.first() == pair.last())
    }
}

impl Node {
    /// Where nothing was read.
    pub(super) const NOTHING: Self = Self { at: 0, end: 0, next: 0, kind: Kind::Null, marked: false, ambiguous: false };

    /// Its text.
    pub(super) fn raw<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.get(self.at as usize..self.end as usize)
    }

    /// What a string says.
    pub(super) fn string<'t>(&self, text: &'t str) -> Option<std::borrow::Cow<'t, str>> {
        let inner = text.get(self.at as usize + 1..(self.end as usize).checked_sub(1)?)?;
        Some(if self.marked { unescape(inner) } else { inner.into() })
    }

    /// Whether a string says this.
    pub(super) fn says(&self, text: &str, what: &str) -> bool {
        if self.marked {
            return self.string(text).is_some_and(|own| own == what);
        }
        text.as_bytes().get(self.at as usize + 1..(self.end as usize).saturating_sub(1)) == Some(what.as_bytes())
    }
}

/// One of 64 bits for a name; equal names have equal bits.
fn bit(start: Option<u64>, length: usize) -> u64 {
    // Near the end of the text there are no eight bytes to look at: the length has to do.
    let start = match (start, length) {
        (Some(word), 0..8) => word & ((1 << (8 * length)) - 1),
        (Some(word), _) => word,
        (None, _) => return u64::MAX,
    };
    let mixed = (start ^ length as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    1 << (mixed >> 58)
}

/// Texts and lists are bounded before they are read, so a place in them fits.
#[expect(clippy::cast_possible_truncation, reason = "MAX_TEXT and MAX_NODES bound every place")]
const fn small(place: usize) -> u32 {
    place as u32
}
