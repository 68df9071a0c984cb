//! The tree that a patch works on: what no operation reaches stays the text that was read.
//!
//! Invariant: no object has a name twice, and nothing is nested deeper than [`MAX_DEPTH`], so every walk is bounded.
//! Only what lies on the way to a change is opened; all else is written as it came (`1.00` stays `1.00`).

use std::borrow::Cow;

use super::PatchFault;
use super::pointer;
use crate::json::{self, Kind, MAX_DEPTH, Value};

/// A value of the tree.
#[derive(Clone, Debug)]
pub(super) enum Node<'d> {
    /// As it was read.
    Kept(Value<'d>),
    /// A list that was opened.
    Array(Vec<Node<'d>>),
    /// An object that was opened.
    Object(Vec<Entry<'d>>),
}

/// One member of an opened object.
#[derive(Clone, Debug)]
pub(super) struct Entry<'d> {
    /// Its name, unescaped.
    pub(super) name: Cow<'d, str>,
    /// Name and colon as they are written.
    lead: Cow<'d, str>,
    /// Its value.
    pub(super) node: Node<'d>,
}

impl<'d> Entry<'d> {
    /// A new member.
    pub(super) fn new(name: &str, node: Node<'d>) -> Self {
        let mut lead = String::with_capacity(name.len() + 3);
        json::quote(name, &mut lead);
        lead.push(':');
        Self { name: Cow::Owned(name.to_owned()), lead: Cow::Owned(lead), node }
    }
}

impl<'d> Node<'d> {
    /// Opens one level of it.
    pub(super) fn open(&mut self) -> &mut Self {
        if let Self::Kept(value) = *self {
            match value.kind() {
                Kind::Array => *self = Self::Array(value.elements().map(Self::Kept).collect()),
                Kind::Object => {
                    let entries = value.members().map(|member| {
                        let lead = member.raw.strip_suffix(member.value.raw()).unwrap_or_default();
                        Entry { name: member.name, lead: Cow::Borrowed(lead), node: Self::Kept(member.value) }
                    });
                    *self = Self::Object(entries.collect());
                }
                Kind::Null | Kind::Bool(_) | Kind::Number | Kind::String => {}
            }
        }
        self
    }

    /// The members of an object, opened; none of anything else.
    pub(super) fn entries(&mut self) -> Option<&mut Vec<Entry<'d>>> {
        match self.open() {
            Self::Object(entries) => Some(entries),
            Self::Array(_) | Self::Kept(_) => None,
        }
    }

    /// The elements of a list, opened; none of anything else.
    pub(super) fn elements(&mut self) -> Option<&mut Vec<Node<'d>>> {
        match self.open() {
            Self::Array(elements) => Some(elements),
            Self::Object(_) | Self::Kept(_) => None,
        }
    }

    /// What the tokens point at.
    pub(super) fn at(&mut self, tokens: &[Box<str>]) -> Option<&mut Self> {
        tokens.iter().try_fold(self, |node, token| match node.open() {
            Self::Object(entries) => {
                entries.iter_mut().find(|entry| entry.name == **token).map(|entry| &mut entry.node)
            }
            Self::Array(elements) => elements.get_mut(pointer::index(token)?),
            Self::Kept(_) => None,
        })
    }

    /// Whether a token below the first, which [`Pointer::names`](super::pointer::Pointer::names) leaves out as an index,
    /// is the name of a member here.
    pub(super) fn takes_an_index_for_a_name(&mut self, tokens: &[Box<str>]) -> bool {
        let mut parents = tokens.iter().enumerate().skip(1).filter(|(_, token)| pointer::is_of_a_list(token));
        parents.any(|(place, _)| {
            let parent = tokens.get(..place).and_then(|parents| self.at(parents));
            parent.is_some_and(|parent| matches!(parent.open(), Self::Object(_)))
        })
    }

    /// Puts a value under the token: a member, in place of one of that name, or an element before that index.
    pub(super) fn put(&mut self, token: &str, node: Self) -> Result<(), PatchFault> {
        match self.open() {
            Self::Object(entries) => match entries.iter_mut().find(|entry| entry.name == token) {
                Some(entry) => entry.node = node,
                None => entries.push(Entry::new(token, node)),
            },
            Self::Array(elements) => {
                let index = if token == "-" { Some(elements.len()) } else { pointer::index(token) };
                match index {
                    Some(index) if index <= elements.len() => elements.insert(index, node),
                    _ => return Err(PatchFault::Target),
                }
            }
            Self::Kept(_) => return Err(PatchFault::Target),
        }
        Ok(())
    }

    /// Takes what stands under the token out of it.
    pub(super) fn take(&mut self, token: &str) -> Result<Self, PatchFault> {
        match self.open() {
            Self::Object(entries) => {
                let place = entries.iter().position(|entry| entry.name == token).ok_or(PatchFault::Target)?;
                Ok(entries.remove(place).node)
            }
            Self::Array(elements) => match pointer::index(token) {
                Some(index) if index < elements.len() => Ok(elements.remove(index)),
                _ => Err(PatchFault::Target),
            },
            Self::Kept(_) => Err(PatchFault::Target),
        }
    }

    /// Whether the value may stand that deep.
    pub(super) fn fits_at(&self, depth: usize) -> Result<(), PatchFault> {
        if depth + self.depth() <= MAX_DEPTH { Ok(()) } else { Err(PatchFault::TooLarge) }
    }

    /// Its text.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Kept(value) => out.push_str(value.raw()),
            Self::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(entries) => {
                out.push('{');
                for (index, entry) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&entry.lead);
                    entry.node.write(out);
                }
                out.push('}');
            }
        }
    }

    /// About how many bytes its text has.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Kept(value) => value.raw().len(),
            Self::Array(elements) => elements.iter().map(|element| element.bytes() + 1).sum::<usize>() + 2,
            Self::Object(entries) => {
                entries.iter().map(|entry| entry.lead.len() + entry.node.bytes() + 1).sum::<usize>() + 2
            }
        }
    }

    /// How many lists and objects it nests, itself included.
    fn depth(&self) -> usize {
        match self {
            Self::Kept(value) => nesting(value.raw()),
            Self::Array(elements) => 1 + elements.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(entries) => 1 + entries.iter().map(|entry| entry.node.depth()).max().unwrap_or(0),
        }
    }
}

fn nesting(raw: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in raw.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    #[test]
    fn what_was_not_opened_is_written_as_it_came() {
        let document = Document::read(r#"{ "a" : 1.00 , "b\u0063" :[ 1 , {"x" : null} ], "d":{} }"#).unwrap();
        let mut root = Node::Kept(document.root());
        root.put("d", Node::Kept(document.root().get("a").unwrap())).unwrap();
        let mut out = String::new();
        root.write(&mut out);
        assert_eq!(out, r#"{"a" : 1.00,"b\u0063" :[ 1 , {"x" : null} ],"d":1.00}"#);
    }

    #[test]
    fn depth_counts_lists_and_objects_and_not_what_is_quoted() {
        assert_eq!(["1", "\"[[\\\"[\"", "[]", "{\"a\":[{}]}", "[[],[[]]]"].map(nesting), [0, 0, 1, 3, 3]);
    }
}
