//! A document as a tree of values that knows its places.
//!
//! Invariant: the tree is flat. Its nodes stand in one list in the order of the text, a container says where it
//! ends, and all texts lie in one string; so it costs 12 bytes a node and frees without recursion, however it nests.

mod read;
mod references;

pub(crate) use read::read;
pub(crate) use references::{References, Seen, check};

use crate::finding::clip;

/// The longest key that a pointer repeats, in characters.
const MAX_POINTER_KEY: usize = 200;

/// Where a text lies in the tree's string.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

/// One node. After a container come its children, those of a map as key and value in turn.
#[derive(Clone, Copy, Debug)]
enum Node {
    Null,
    Bool(bool),
    Number(Span),
    Text(Span),
    List { end: u32 },
    Map { end: u32 },
}

/// A whole document.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    text: String,
}

impl Tree {
    /// The outermost value.
    pub(crate) const fn root(&self) -> Cursor<'_> {
        Cursor { tree: self, id: 0 }
    }

    fn node(&self, id: u32) -> Node {
        self.nodes.get(id as usize).copied().unwrap_or(Node::Null)
    }

    fn span(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The text of a node that is a key.
    fn key(&self, id: u32) -> &str {
        match self.node(id) {
            Node::Text(span) => self.span(span),
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::List { .. } | Node::Map { .. } => "",
        }
    }

    /// The node after this one and all that is in it.
    fn after(&self, id: u32) -> u32 {
        match self.node(id) {
            Node::List { end } | Node::Map { end } => end.max(id + 1),
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => id + 1,
        }
    }

    /// The JSON pointer of a node; of a key, that of its value.
    fn pointer(&self, id: u32) -> String {
        let (mut out, mut here) = (String::new(), 0);
        while here < id {
            let step = match self.node(here) {
                Node::List { end } => Children { tree: self, next: here + 1, end }
                    .enumerate()
                    .find(|(_, child)| id < self.after(child.id))
                    .map(|(index, child)| (index.to_string(), child.id)),
                Node::Map { .. } => Cursor { tree: self, id: here }
                    .entries()
                    .find(|(_, value)| id < self.after(value.id))
                    .map(|(key, value)| (clip(key, MAX_POINTER_KEY), value.id)),
                Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => None,
            };
            let Some((name, child)) = step else { break };
            out.push('/');
            out.push_str(&name.replace('~', "~0").replace('/', "~1"));
            here = child;
        }
        out
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    Text(&'a str),
    List,
    Map,
}

impl Value<'_> {
    /// What to call it in a message.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List => "a list",
            Self::Map => "an object",
        }
    }
}

/// A value of a document, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    tree: &'a Tree,
    id: u32,
}

impl<'a> Cursor<'a> {
    /// The node's number: it names the place as long as the tree lives.
    pub(crate) const fn id(self) -> u32 {
        self.id
    }

    pub(crate) fn value(self) -> Value<'a> {
        match self.tree.node(self.id) {
            Node::Null => Value::Null,
            Node::Bool(value) => Value::Bool(value),
            Node::Number(span) => Value::Number(self.tree.span(span)),
            Node::Text(span) => Value::Text(self.tree.span(span)),
            Node::List { .. } => Value::List,
            Node::Map { .. } => Value::Map,
        }
    }

    /// Its text, if it is one.
    pub(crate) fn text(self) -> Option<&'a str> {
        match self.value() {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List | Value::Map => None,
        }
    }

    pub(crate) fn is_map(self) -> bool {
        self.value() == Value::Map
    }

    /// The value of that key; none also when this is not a map.
    pub(crate) fn get(self, key: &str) -> Option<Self> {
        self.entries().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Keys and values of a map, in the order of the text; of anything else none.
    pub(crate) fn entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        let tree = self.tree;
        let end = match tree.node(self.id) {
            Node::Map { end } => end,
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::List { .. } => 0,
        };
        let mut next = self.id + 1;
        std::iter::from_fn(move || {
            let key = next;
            (key + 1 < end).then(|| {
                next = tree.after(key + 1);
                (tree.key(key), Cursor { tree, id: key + 1 })
            })
        })
    }

    /// The elements of a list; of anything else none.
    pub(crate) fn elements(self) -> impl Iterator<Item = Self> {
        let end = match self.tree.node(self.id) {
            Node::List { end } => end,
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::Map { .. } => 0,
        };
        Children { tree: self.tree, next: self.id + 1, end }
    }

    /// How much the whole document holds, in bytes of texts and of nodes.
    pub(crate) fn weight(self) -> usize {
        self.tree.text.len().saturating_add(self.tree.nodes.len().saturating_mul(size_of::<Node>()))
    }

    /// Its JSON pointer.
    pub(crate) fn pointer(self) -> String {
        self.tree.pointer(self.id)
    }
}

struct Children<'a> {
    tree: &'a Tree,
    next: u32,
    end: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Cursor<'a>;

    fn next(&mut self) -> Option<Cursor<'a>> {
        let id = self.next;
        (id < self.end).then(|| {
            self.next = self.tree.after(id);
            Cursor { tree: self.tree, id }
        })
    }
}
