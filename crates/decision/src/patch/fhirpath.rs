//! FHIRPath Patch (R4): a Parameters resource with `operation`s of type, path, name, value, index, source, destination.
//!
//! What is read, and nothing else (D16):
//! - A path is `Type.element[0].element`. A list without an index means its only element.
//! - `name` is the JSON property, so a choice element is named with its type: `valueQuantity`. A name or a path without
//!   it is refused where the resource has the property with it, because the upstream may mean that one.
//! - `add` appends to a list that is there, or begins one of those that repeat in every type (`extension`, `meta.tag`).
//!   Else it makes a single element, and a single one is not added again, because only the upstream knows whether it
//!   repeats. `insert` at 0 begins a list.
//! - `value` is one `value[x]` of a type of R4, or parts for the elements of a backbone element, at any depth.
//! - A property whose `_property` is there as well is refused: the two are one element. So is a name that differs from
//!   a property only in case.
//!
//! Invariant: every part is known and stands once; an operation has the parts of its type, all and no other.

mod read;

use super::tree::{Entry, Node};
use super::{PatchFault, documents, written};
use crate::json::{Document, Value};

pub(super) use read::read;

/// The types of `value[x]` (R4, "Open Type Element").
const TYPES: &[&str] = &[
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "Base64Binary",
    "Boolean",
    "Canonical",
    "Code",
    "CodeableConcept",
    "Coding",
    "ContactDetail",
    "ContactPoint",
    "Contributor",
    "Count",
    "DataRequirement",
    "Date",
    "DateTime",
    "Decimal",
    "Distance",
    "Dosage",
    "Duration",
    "Expression",
    "HumanName",
    "Id",
    "Identifier",
    "Instant",
    "Integer",
    "Markdown",
    "Meta",
    "Money",
    "Oid",
    "ParameterDefinition",
    "Period",
    "PositiveInt",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "RelatedArtifact",
    "SampledData",
    "Signature",
    "String",
    "Time",
    "Timing",
    "TriggerDefinition",
    "UnsignedInt",
    "Uri",
    "Url",
    "UsageContext",
    "Uuid",
];

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Operation<'t> {
    path: Path,
    action: Action<'t>,
}

#[derive(Clone, Debug)]
enum Action<'t> {
    Add(Box<str>, std::borrow::Cow<'t, str>),
    Insert(usize, std::borrow::Cow<'t, str>),
    Delete,
    Replace(std::borrow::Cow<'t, str>),
    Move(usize, usize),
}

/// A path: a type, and the elements below it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Path {
    resource_type: Box<str>,
    steps: Vec<Step>,
}

/// One element of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    name: Box<str>,
    index: Option<usize>,
}

/// Where an element stands: the members of its parent, its place in them, and in the list if that is one.
struct Place<'n, 'd> {
    entries: &'n mut Vec<Entry<'d>>,
    member: usize,
    element: Option<usize>,
}

impl Operation<'_> {
    /// See [`super::Patch::touched`].
    pub(super) fn touched(&self) -> Vec<&str> {
        let steps = self.path.steps.iter().map(|step| &*step.name);
        let added = match &self.action {
            Action::Add(name, _) => Some(&**name),
            Action::Insert(..) | Action::Delete | Action::Replace(_) | Action::Move(..) => None,
        };
        steps.chain(added).collect()
    }

    /// The value that it brings in.
    pub(super) fn value(&self) -> Option<&str> {
        match &self.action {
            Action::Add(_, value) | Action::Insert(_, value) | Action::Replace(value) => Some(value),
            Action::Delete | Action::Move(..) => None,
        }
    }
}

/// The text after all operations, in their order.
pub(super) fn apply(stored: Value<'_>, operations: &[Operation<'_>]) -> Result<String, PatchFault> {
    let values = documents(operations.iter().map(Operation::value))?;
    let mut root = Node::Kept(stored);
    for (operation, value) in operations.iter().zip(&values) {
        step(&mut root, operation, value.as_ref().map(Document::root))?;
    }
    Ok(written(&root))
}

fn step<'d>(root: &mut Node<'d>, operation: &Operation<'_>, value: Option<Value<'d>>) -> Result<(), PatchFault> {
    let Path { resource_type, steps } = &operation.path;
    let is_type = |node: &Node<'_>| matches!(node, Node::Kept(value) if value.is_text(resource_type));
    if !root.entries().is_some_and(|entries| entries.iter().any(|one| one.name == "resourceType" && is_type(&one.node)))
    {
        return Err(PatchFault::Target);
    }
    let value = value.map(Node::Kept).ok_or(PatchFault::Malformed);
    // Lists count as a level of their own.
    let depth = 2 * steps.len();
    match &operation.action {
        Action::Delete => find(root, steps)?.map_or(Ok(()), Place::delete),
        Action::Replace(_) => {
            let node = value?;
            node.fits_at(depth)?;
            *find(root, steps)?.ok_or(PatchFault::Target)?.into_node()? = node;
            Ok(())
        }
        Action::Add(name, _) => {
            let node = value?;
            node.fits_at(depth + 2)?;
            let parent =
                if steps.is_empty() { root } else { find(root, steps)?.ok_or(PatchFault::Target)?.into_node()? };
            let entries = parent.entries().ok_or(PatchFault::Target)?;
            match member(entries, name)?.and_then(|place| entries.get_mut(place)) {
                None if repeats(steps, name) => entries.push(Entry::new(name, Node::Array(vec![node]))),
                None => entries.push(Entry::new(name, node)),
                Some(entry) => entry.node.elements().ok_or(PatchFault::Target)?.push(node),
            }
            Ok(())
        }
        Action::Insert(index, _) => {
            let node = value?;
            node.fits_at(depth)?;
            match list(root, steps)? {
                List::There(elements) if *index <= elements.len() => elements.insert(*index, node),
                List::Absent(entries, name) if *index == 0 => entries.push(Entry::new(name, Node::Array(vec![node]))),
                List::There(_) | List::Absent(..) => return Err(PatchFault::Target),
            }
            Ok(())
        }
        Action::Move(source, destination) => match list(root, steps)? {
            List::There(elements) if *source < elements.len() && *destination < elements.len() => {
                let node = elements.remove(*source);
                elements.insert(*destination, node);
                Ok(())
            }
            List::There(_) | List::Absent(..) => Err(PatchFault::Target),
        },
    }
}

/// Whether the element is a list in every type of R4.
fn repeats(parents: &[Step], name: &str) -> bool {
    let in_meta = parents.last().is_some_and(|parent| &*parent.name == "meta");
    matches!(name, "extension" | "modifierExtension") || in_meta && matches!(name, "profile" | "security" | "tag")
}

/// The one element that the steps lead to; none if one of them is not there.
fn find<'n, 'd>(root: &'n mut Node<'d>, steps: &[Step]) -> Result<Option<Place<'n, 'd>>, PatchFault> {
    let (last, parents) = steps.split_last().ok_or(PatchFault::Path)?;
    let mut node = root;
    for step in parents {
        let Some(place) = down(node, step)? else { return Ok(None) };
        node = place.into_node()?;
    }
    down(node, last)
}

fn down<'n, 'd>(node: &'n mut Node<'d>, step: &Step) -> Result<Option<Place<'n, 'd>>, PatchFault> {
    let Some(entries) = node.entries() else { return Ok(None) };
    let Some(member) = member(entries, &step.name)? else { return Ok(None) };
    let Some(entry) = entries.get_mut(member) else { return Ok(None) };
    let element = match (entry.node.elements().map(|elements| elements.len()), step.index) {
        (None, None | Some(0)) => None,
        (None, Some(_)) | (Some(0), None) => return Ok(None),
        (Some(1), None) => Some(0),
        (Some(_), None) => return Err(PatchFault::Target),
        (Some(length), Some(index)) if index < length => Some(index),
        (Some(_), Some(_)) => return Ok(None),
    };
    Ok(Some(Place { entries, member, element }))
}

/// The place of a property; refused if the upstream may take the name for another one, or for two.
fn member(entries: &[Entry<'_>], name: &str) -> Result<Option<usize>, PatchFault> {
    let is_choice = |own: &str| own.strip_prefix(name).is_some_and(|rest| TYPES.contains(&rest));
    let is_half = |own: &str| own.strip_prefix('_').is_some_and(|rest| rest == name || is_choice(rest));
    let is_disguised = |own: &str| own != name && own.eq_ignore_ascii_case(name);
    if entries.iter().any(|entry| is_choice(&entry.name) || is_half(&entry.name) || is_disguised(&entry.name)) {
        return Err(PatchFault::Target);
    }
    Ok(entries.iter().position(|entry| entry.name == name))
}

/// What `insert` and `move` work on.
enum List<'n, 'd, 's> {
    /// A list that is there.
    There(&'n mut Vec<Node<'d>>),
    /// The members of the parent, and the name that is not among them.
    Absent(&'n mut Vec<Entry<'d>>, &'s str),
}

fn list<'n, 'd, 's>(root: &'n mut Node<'d>, steps: &'s [Step]) -> Result<List<'n, 'd, 's>, PatchFault> {
    let (last, parents) = steps.split_last().ok_or(PatchFault::Path)?;
    let parent = if parents.is_empty() { root } else { find(root, parents)?.ok_or(PatchFault::Target)?.into_node()? };
    let entries = parent.entries().ok_or(PatchFault::Target)?;
    match member(entries, &last.name)? {
        None => Ok(List::Absent(entries, &last.name)),
        Some(place) => {
            let entry = entries.get_mut(place).ok_or(PatchFault::Target)?;
            entry.node.elements().map(List::There).ok_or(PatchFault::Target)
        }
    }
}

impl<'n, 'd> Place<'n, 'd> {
    fn into_node(self) -> Result<&'n mut Node<'d>, PatchFault> {
        let node = &mut self.entries.get_mut(self.member).ok_or(PatchFault::Target)?.node;
        match self.element {
            None => Ok(node),
            Some(index) => node.elements().and_then(|elements| elements.get_mut(index)).ok_or(PatchFault::Target),
        }
    }

    /// Takes the element away, and the list with its last one: FHIR knows no empty list.
    fn delete(self) -> Result<(), PatchFault> {
        let entry = self.entries.get_mut(self.member).ok_or(PatchFault::Target)?;
        let is_empty = match (self.element, entry.node.elements()) {
            (Some(index), Some(elements)) if index < elements.len() => {
                elements.remove(index);
                elements.is_empty()
            }
            _ => true,
        };
        if is_empty {
            self.entries.remove(self.member);
        }
        Ok(())
    }
}
