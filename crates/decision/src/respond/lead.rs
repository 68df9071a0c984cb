//! What the released entries of a result lead to: includes and reverse includes, on and on.
//!
//! Invariant: an entry that is no match is released only if a released entry refers to it, or it to a
//! released one. A key or a reference is a place in the body; no text is copied for it, unless it has escapes.

use policy::facts::TypeFacts;

use crate::cover::each_reference;
use crate::json::Value;
use crate::reference::Reference;

/// A part of the body, or of what was written beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    from: u32,
    to: u32,
}

/// The texts that keys and references are made of.
#[derive(Debug)]
pub(super) struct Texts<'b> {
    body: &'b str,
    /// What had escapes; its places follow those of the body.
    beside: String,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It is released.
    Kept,
    /// It is released if a released entry refers to it, or it to a released entry, as these say.
    Led {
        /// An include may bring it in.
        include: bool,
        /// A reverse include may.
        reverse: bool,
    },
    /// It is decided when it is known what else is released.
    Last,
}

/// An entry that may be released, as far as it is remembered.
#[derive(Debug)]
pub(super) struct Found<'e> {
    /// The facts of its type.
    pub(super) facts: &'e TypeFacts,
    /// Its id.
    pub(super) id: Span,
    /// Where its resource stands.
    pub(super) resource: Span,
    /// Its score, if it has one.
    pub(super) score: Span,
    /// Its references, as places in [`Refers::all`].
    refers: Span,
    /// The runs of its text that are left, as places in a list of them; none if all of it is.
    pub(super) runs: Option<Span>,
    pub(super) way: Way,
    /// Whether it is a match.
    pub(super) matched: bool,
    /// Whether it is the context's own.
    pub(super) own: bool,
}

/// The references of the entries that may be released.
#[derive(Debug, Default)]
pub(super) struct Refers {
    all: Vec<Span>,
}

impl Span {
    pub(super) fn of(range: std::ops::Range<usize>) -> Self {
        // A body is at most half of what fits, and what is written beside it at most as long.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { from: place(range.start), to: place(range.end) }
    }

    pub(super) const fn range(self) -> std::ops::Range<usize> {
        self.from as usize..self.to as usize
    }

    pub(super) const fn is_empty(self) -> bool {
        self.from == self.to
    }
}

impl<'b> Texts<'b> {
    pub(super) const fn of(body: &'b str) -> Self {
        Self { body, beside: String::new() }
    }

    /// The text of a span.
    pub(super) fn get(&self, span: Span) -> &str {
        let Span { from, to } = span;
        let beside = |at: u32| (at as usize).checked_sub(self.body.len());
        match (beside(from), beside(to)) {
            (Some(from), Some(to)) => self.beside.get(from..to),
            _ => self.body.get(span.range()),
        }
        .unwrap_or_default()
    }

    /// Remembers a part of what a string says.
    pub(super) fn remember(&mut self, string: &Value<'_>, says: &str, part: std::ops::Range<usize>) -> Span {
        let raw = string.range();
        // Without escapes a string says what stands between its quotes.
        if says.len() + 2 == raw.len() {
            return Span::of(raw.start + 1 + part.start..raw.start + 1 + part.end);
        }
        let from = self.body.len() + self.beside.len();
        let part = says.get(part).unwrap_or_default();
        self.beside.push_str(part);
        Span::of(from..from + part.len())
    }
}

impl Refers {
    /// Remembers the references of a resource to the types that `matters` accepts.
    pub(super) fn add(
        &mut self,
        resource: &Value<'_>,
        bases: &[&str],
        texts: &mut Texts<'_>,
        matters: &dyn Fn(&str) -> bool,
    ) -> Span {
        let from = self.all.len();
        each_reference(*resource, &mut |element| {
            let Some(reference) = element.get("reference") else { return };
            let Some(text) = reference.as_str() else { return };
            let Reference::Local { resource_type, id, versioned } = Reference::read(&text, bases) else { return };
            if matters(resource_type) {
                let end = if versioned { text.rfind("/_history/").unwrap_or_default() } else { text.len() };
                let start = end.saturating_sub(resource_type.len() + 1 + id.len());
                let span = texts.remember(&reference, &text, start..end);
                self.all.push(span);
            }
        });
        Span::of(from..self.all.len())
    }

    fn of(&self, found: &Found<'_>) -> &[Span] {
        self.all.get(found.refers.range()).unwrap_or_default()
    }
}

impl<'e> Found<'e> {
    pub(super) const fn new(facts: &'e TypeFacts, id: Span, resource: Span, way: Way) -> Self {
        let none = Span { from: 0, to: 0 };
        Self { facts, id, resource, score: none, refers: none, runs: None, way, matched: false, own: false }
    }

    pub(super) fn with_refers(self, refers: Span) -> Self {
        Self { refers, ..self }
    }

    /// `Type/id`.
    pub(super) fn name(&self, texts: &Texts<'_>) -> String {
        format!("{}/{}", self.facts.name, texts.get(self.id))
    }

    pub(super) fn is_kept(&self) -> bool {
        self.way == Way::Kept
    }

    fn key<'t>(&self, texts: &'t Texts<'_>) -> (&'t str, &'t str)
    where
        'e: 't,
    {
        (self.facts.name.as_str(), texts.get(self.id))
    }
}

/// A type and id that leads to an entry, until it was followed.
struct Lead<'t> {
    key: (&'t str, &'t str),
    index: Option<usize>,
}

/// Keeps whatever a kept entry leads to.
pub(super) fn follow(found: &mut [Found<'_>], refers: &Refers, texts: &Texts<'_>) {
    let target = |span: &Span| texts.get(*span).split_once('/').unwrap_or_default();
    let (mut by_key, mut by_target) = (Vec::new(), Vec::new());
    for (index, one) in found.iter().enumerate() {
        let Way::Led { include, reverse } = one.way else { continue };
        if include {
            by_key.push(Lead { key: one.key(texts), index: Some(index) });
        }
        if reverse {
            by_target.extend(refers.of(one).iter().map(|span| Lead { key: target(span), index: Some(index) }));
        }
    }
    if by_key.is_empty() && by_target.is_empty() {
        return;
    }
    by_key.sort_unstable_by_key(|lead| lead.key);
    by_target.sort_unstable_by_key(|lead| lead.key);
    let mut open: Vec<usize> = (0..found.len()).filter(|index| found.get(*index).is_some_and(Found::is_kept)).collect();
    while let Some(index) = open.pop() {
        let Some(one) = found.get(index) else { continue };
        let (key, targets) = (one.key(texts), refers.of(one));
        release(&mut by_target, key, found, &mut open);
        for span in targets {
            release(&mut by_key, target(span), found, &mut open);
        }
    }
}

/// Keeps the entries that a key leads to; a key is followed once, what it leads to is kept from then on.
fn release(leads: &mut [Lead<'_>], key: (&str, &str), found: &mut [Found<'_>], open: &mut Vec<usize>) {
    let from = leads.partition_point(|lead| lead.key < key);
    for lead in leads.iter_mut().skip(from).take_while(|lead| lead.key == key) {
        let Some(index) = lead.index.take() else { return };
        if let Some(one) = found.get_mut(index).filter(|one| !one.is_kept()) {
            one.way = Way::Kept;
            open.push(index);
        }
    }
}
