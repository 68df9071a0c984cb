//! A strict reader of JSON (RFC 8259) that keeps where every value stands in the text.
//!
//! Invariant: a value's `raw` text is exactly what was read, so whatever is released is released
//! byte for byte. Nothing is read leniently: one document, valid grammar, bounded depth. An object
//! that has a name twice is marked, up to the root, because two readers may see two values in it.
//! A document becomes one flat list, and a [`Value`] is a place in it.

mod lex;
mod tape;
mod text;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use lex::Lexer;
use tape::{Builder, Node};
pub(crate) use text::quote;

/// The deepest nesting that is read; FHIR resources stay under 20.
pub(crate) const MAX_DEPTH: usize = 64;
/// The most values and names in one document that is read whole, 96 MB of them; an entry of a Bundle is such a document.
pub(crate) const MAX_NODES: usize = 6_000_000;
/// The longest text that is read, so that a place in it fits four bytes.
pub(crate) const MAX_TEXT: usize = i32::MAX as usize;

/// The text is not one JSON document, or is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidJson {
    /// Not the grammar.
    Malformed,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// More than [`MAX_NODES`] values, or longer than [`MAX_TEXT`].
    TooMany,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, left as text: `1.00` stays `1.00`.
    Number,
    /// A string.
    String,
    /// A list.
    Array,
    /// An object.
    Object,
}

/// Reads documents one after the other into the same memory.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    nodes: Vec<Node>,
}

/// One document that was read.
#[derive(Debug)]
pub(crate) struct Document<'d> {
    text: &'d str,
    nodes: Vec<Node>,
}

/// One value: a place in a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'d> {
    text: &'d str,
    nodes: &'d [Node],
    place: usize,
    node: Node,
}

/// One member of an object.
#[derive(Clone, Debug)]
pub(crate) struct Member<'d> {
    /// Its name, unescaped.
    pub(crate) name: Cow<'d, str>,
    /// Name, colon and value as they stand in the text.
    pub(crate) raw: &'d str,
    /// Its value.
    pub(crate) value: Value<'d>,
}

impl Reader {
    /// Reads one document.
    pub(crate) fn read<'d>(&'d mut self, text: &'d str) -> Result<Value<'d>, InvalidJson> {
        read(text, &mut self.nodes)?;
        Value::of(text, &self.nodes)
    }

    /// Reads the value that begins at a place of the text, within as many containers, and goes past it.
    ///
    /// Its ranges are those of the whole text, which is at most [`MAX_TEXT`] long.
    pub(crate) fn read_at<'d>(
        &'d mut self,
        text: &'d str,
        at: &mut usize,
        depth: usize,
    ) -> Result<Value<'d>, InvalidJson> {
        self.nodes.clear();
        let mut builder = Builder { text, lexer: Lexer::new(text, *at), nodes: &mut self.nodes };
        builder.value(depth)?;
        *at = builder.lexer.at;
        Value::of(text, &self.nodes)
    }
}

impl<'d> Document<'d> {
    /// Reads one document.
    pub(crate) fn read(text: &'d str) -> Result<Self, InvalidJson> {
        let mut nodes = Vec::with_capacity(text.len() / 16);
        read(text, &mut nodes)?;
        Ok(Self { text, nodes })
    }

    /// Reads one document of bytes; none if it is no JSON, or no UTF-8.
    pub(crate) fn of(bytes: &'d [u8]) -> Option<Self> {
        Self::read(std::str::from_utf8(bytes).ok()?).ok()
    }

    /// Its value.
    pub(crate) fn root(&self) -> Value<'_> {
        // What was read has a node.
        Value::of(self.text, &self.nodes).unwrap_or(Value { text: "", nodes: &[], place: 0, node: Node::NOTHING })
    }
}

fn read(text: &str, nodes: &mut Vec<Node>) -> Result<(), InvalidJson> {
    if text.len() > MAX_TEXT {
        return Err(InvalidJson::TooMany);
    }
    nodes.clear();
    let mut builder = Builder { text, lexer: Lexer::new(text, 0), nodes };
    builder.lexer.space();
    builder.value(0)?;
    builder.lexer.space();
    if builder.lexer.is_done() { Ok(()) } else { Err(InvalidJson::Malformed) }
}

impl<'d> Value<'d> {
    fn of(text: &'d str, nodes: &'d [Node]) -> Result<Self, InvalidJson> {
        Self::at(text, nodes, 0).ok_or(InvalidJson::Malformed)
    }

    fn at(text: &'d str, nodes: &'d [Node], place: usize) -> Option<Self> {
        Some(Self { text, nodes, place, node: *nodes.get(place)? })
    }

    /// What it is.
    pub(crate) const fn kind(&self) -> Kind {
        self.node.kind
    }

    /// Its text, without the white space around it.
    pub(crate) fn raw(&self) -> &'d str {
        self.node.raw(self.text).unwrap_or_default()
    }

    /// Where in the text it stands.
    pub(crate) const fn range(&self) -> Range<usize> {
        self.node.at as usize..self.node.end as usize
    }

    /// Whether it is an object.
    pub(crate) const fn is_object(&self) -> bool {
        matches!(self.node.kind, Kind::Object)
    }

    /// Whether it is a list.
    pub(crate) const fn is_array(&self) -> bool {
        matches!(self.node.kind, Kind::Array)
    }

    /// The members of an object, in order; none of anything else.
    pub(crate) fn members(&self) -> impl Iterator<Item = Member<'d>> + use<'d> {
        let text = self.text;
        self.pairs().map(move |(name, value)| Member {
            name: name.string(text).unwrap_or_default(),
            raw: text.get(name.at as usize..value.node.end as usize).unwrap_or_default(),
            value,
        })
    }

    /// The first member of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Self> {
        self.pairs().find(|(own, _)| own.says(self.text, name)).map(|(_, value)| value)
    }

    /// The elements of a list; none of anything else.
    pub(crate) fn elements(&self) -> impl Iterator<Item = Self> + use<'d> {
        self.children(Kind::Array)
    }

    /// What it holds directly: the values of an object, the elements of a list.
    pub(crate) fn values(&self) -> impl Iterator<Item = Self> + use<'d> {
        self.pairs().map(|(_, value)| value).chain(self.elements())
    }

    /// The text of a string; borrowed if it has no escape.
    pub(crate) fn as_str(&self) -> Option<Cow<'d, str>> {
        match self.node.kind {
            Kind::String => self.node.string(self.text),
            _ => None,
        }
    }

    /// The text of the string member of that name.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'d, str>> {
        self.get(name)?.as_str()
    }

    /// Whether it is a string that says this.
    pub(crate) fn is_text(&self, what: &str) -> bool {
        self.node.kind == Kind::String && self.node.says(self.text, what)
    }

    /// Whether the object itself, whatever lies within, has a name twice.
    pub(crate) fn repeats_a_name(&self) -> bool {
        self.is_object() && self.node.marked
    }

    /// Whether it, or a value within it, is an object that has a name twice.
    pub(crate) const fn is_ambiguous(&self) -> bool {
        self.node.ambiguous
    }

    /// Names and values of an object.
    fn pairs(&self) -> impl Iterator<Item = (Node, Self)> + use<'d> {
        let mut children = self.children(Kind::Object);
        std::iter::from_fn(move || Some((children.next()?.node, children.next()?)))
    }

    /// The nodes right below, if it is of that kind.
    fn children(&self, kind: Kind) -> impl Iterator<Item = Self> + use<'d> {
        let Self { text, nodes, place, node } = *self;
        let end = if node.kind == kind { node.next as usize } else { 0 };
        let mut place = place + 1;
        std::iter::from_fn(move || {
            let child = if place < end { Self::at(text, nodes, place)? } else { return None };
            place = child.node.next as usize;
            Some(child)
        })
    }
}

/// Whether the text nests deeper than [`MAX_DEPTH`], without reading its grammar.
pub(crate) fn too_deep(text: &[u8]) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests;
