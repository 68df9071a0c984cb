//! JSON Patch (RFC 6902): `add`, `remove`, `replace`, `move`, `copy` and `test`.
//!
//! Invariant: a member that the RFC does not know is ignored, as it says, unless it is one that it knows written in
//! another case, which a lenient upstream might read. The whole document may be replaced or tested, never removed.

use super::equality;
use super::pointer::Pointer;
use super::tree::Node;
use super::{MAX_OPERATIONS, MAX_RESULT_BYTES, PatchFault, documents, part, read as read_document, written};
use crate::json::{Document, Value};

/// The members that an operation may have.
const MEMBERS: &[&str] = &["op", "path", "value", "from"];

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Operation<'t> {
    path: Pointer,
    action: Action<'t>,
}

#[derive(Clone, Debug)]
enum Action<'t> {
    Add(&'t str),
    Remove,
    Replace(&'t str),
    Move(Pointer),
    Copy(Pointer),
    Test(&'t str),
}

impl Operation<'_> {
    /// See [`super::Patch::touched`].
    pub(super) fn touched(&self) -> impl Iterator<Item = Vec<&str>> {
        self.pointers().map(Pointer::names)
    }

    fn pointers(&self) -> impl Iterator<Item = &Pointer> {
        let from = match &self.action {
            Action::Move(from) | Action::Copy(from) => Some(from),
            Action::Add(_) | Action::Remove | Action::Replace(_) | Action::Test(_) => None,
        };
        from.into_iter().chain([&self.path])
    }

    /// Whether it is a `test`.
    pub(super) const fn is_test(&self) -> bool {
        matches!(self.action, Action::Test(_))
    }

    /// The value that it brings in.
    pub(super) const fn brings(&self) -> Option<&str> {
        match self.action {
            Action::Add(value) | Action::Replace(value) => Some(value),
            Action::Remove | Action::Move(_) | Action::Copy(_) | Action::Test(_) => None,
        }
    }

    const fn value(&self) -> Option<&str> {
        match self.action {
            Action::Add(value) | Action::Replace(value) | Action::Test(value) => Some(value),
            Action::Remove | Action::Move(_) | Action::Copy(_) => None,
        }
    }
}

/// Reads a list of operations.
pub(super) fn read(text: &str) -> Result<Vec<Operation<'_>>, PatchFault> {
    let document = read_document(text)?;
    let root = document.root();
    if !root.is_array() {
        return Err(PatchFault::Malformed);
    }
    if root.elements().nth(MAX_OPERATIONS).is_some() {
        return Err(PatchFault::TooLarge);
    }
    root.elements().map(|element| operation(text, element)).collect()
}

fn operation<'t>(text: &'t str, object: Value<'_>) -> Result<Operation<'t>, PatchFault> {
    let disguised =
        |name: &str| !MEMBERS.contains(&name) && MEMBERS.iter().any(|known| known.eq_ignore_ascii_case(name));
    if object.members().any(|member| disguised(&member.name)) {
        return Err(PatchFault::Malformed);
    }
    let pointer = |name: &str| {
        let text = object.text(name).ok_or(PatchFault::Malformed)?;
        Pointer::parse(&text).ok_or(PatchFault::Malformed)
    };
    let value = || part(text, object.get("value").ok_or(PatchFault::Malformed)?);
    let path = pointer("path")?;
    let action = match &*object.text("op").ok_or(PatchFault::Malformed)? {
        "add" => Action::Add(value()?),
        "remove" => Action::Remove,
        "replace" => Action::Replace(value()?),
        "move" => Action::Move(pointer("from")?),
        "copy" => Action::Copy(pointer("from")?),
        "test" => Action::Test(value()?),
        _ => return Err(PatchFault::Malformed),
    };
    Ok(Operation { path, action })
}

/// The text after all operations, in their order; `by_names` refuses where an index is the name of a member.
pub(super) fn apply(stored: Value<'_>, operations: &[Operation<'_>], by_names: bool) -> Result<String, PatchFault> {
    let values = documents(operations.iter().map(Operation::value))?;
    let mut work = Work { root: Node::Kept(stored), copied: 0 };
    for (operation, value) in operations.iter().zip(&values) {
        if by_names && operation.pointers().any(|pointer| work.root.takes_an_index_for_a_name(pointer.tokens())) {
            return Err(PatchFault::Path);
        }
        work.step(operation, value.as_ref().map(Document::root))?;
    }
    Ok(written(&work.root))
}

struct Work<'d> {
    root: Node<'d>,
    /// How many bytes were copied so far: copies of copies could double without end.
    copied: usize,
}

impl<'d> Work<'d> {
    fn step(&mut self, operation: &Operation<'_>, value: Option<Value<'d>>) -> Result<(), PatchFault> {
        let path = &operation.path;
        let value = value.ok_or(PatchFault::Malformed);
        match &operation.action {
            Action::Add(_) => self.add(path, Node::Kept(value?)),
            Action::Remove => self.take(path).map(drop),
            Action::Replace(_) => {
                let new = Node::Kept(value?);
                new.fits_at(path.tokens().len())?;
                *self.root.at(path.tokens()).ok_or(PatchFault::Target)? = new;
                Ok(())
            }
            Action::Move(from) if path.is_below(from) => Err(PatchFault::Target),
            // Nothing moves, but it has to be there.
            Action::Move(from) if path == from => self.root.at(path.tokens()).map(drop).ok_or(PatchFault::Target),
            Action::Move(from) => {
                let node = self.take(from)?;
                self.add(path, node)
            }
            Action::Copy(from) => {
                let node = self.root.at(from.tokens()).ok_or(PatchFault::Target)?;
                self.copied = self.copied.saturating_add(node.bytes());
                if self.copied > MAX_RESULT_BYTES {
                    return Err(PatchFault::TooLarge);
                }
                let node = node.clone();
                self.add(path, node)
            }
            Action::Test(_) => {
                let found = self.root.at(path.tokens()).ok_or(PatchFault::Target)?;
                if equality::same(found, value?) { Ok(()) } else { Err(PatchFault::Test) }
            }
        }
    }

    fn add(&mut self, path: &Pointer, node: Node<'d>) -> Result<(), PatchFault> {
        node.fits_at(path.tokens().len())?;
        match path.split() {
            None => self.root = node,
            Some((parents, last)) => self.root.at(parents).ok_or(PatchFault::Target)?.put(last, node)?,
        }
        Ok(())
    }

    fn take(&mut self, path: &Pointer) -> Result<Node<'d>, PatchFault> {
        let (parents, last) = path.split().ok_or(PatchFault::Target)?;
        self.root.at(parents).ok_or(PatchFault::Target)?.take(last)
    }
}
