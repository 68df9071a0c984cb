//! The Bundle of an answer, one entry at a time.
//!
//! Invariant: the whole body is read strictly, once: an entry is handed out before what follows it was
//! read, so nothing is released before [`Entries::envelope`] was reached. Only one entry is held as
//! more than a place in the body.

use std::ops::Range;

use crate::json::{Document, Lexer, MAX_TEXT, Reader, Value};

/// The most elements that a Bundle may have beside its entries; R4 knows 12, each with a `_` beside it.
const MAX_ELEMENTS: usize = 64;
/// The longest name of such an element, which is copied.
const MAX_NAME: usize = 64;

/// The body is not one Bundle in strict JSON, or its envelope has a name twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// A Bundle on its way through its text.
#[derive(Debug)]
pub(super) struct Entries<'b> {
    text: &'b str,
    lexer: Lexer<'b>,
    reader: Reader,
    next: Next,
    envelope: Envelope<'b>,
}

/// What the text has to go on with.
#[derive(Clone, Copy, Debug)]
enum Next {
    Bundle,
    Element,
    AfterElement,
    Entry,
    AfterEntry,
    Nothing,
}

/// What a Bundle says beside its entries.
#[derive(Debug)]
pub(super) struct Envelope<'b> {
    text: &'b str,
    elements: Vec<(String, Range<usize>)>,
}

/// One entry; its ranges are those of the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'e> {
    /// All of it, whatever it is.
    pub(super) value: Value<'e>,
}

impl<'b> Entries<'b> {
    /// Begins with a body.
    pub(super) fn of(body: &'b [u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= MAX_TEXT).ok_or(Unreadable)?;
        Ok(Self {
            text,
            lexer: Lexer::new(text, 0),
            reader: Reader::default(),
            next: Next::Bundle,
            envelope: Envelope { text, elements: Vec::new() },
        })
    }

    /// All of the body.
    pub(super) const fn text(&self) -> &'b str {
        self.text
    }

    /// The next entry; none after the end of the body was reached.
    pub(super) fn next_entry(&mut self) -> Result<Option<Entry<'_>>, Unreadable> {
        loop {
            self.next = match self.next {
                Next::Bundle => self.open()?,
                Next::Element => self.element()?,
                Next::AfterElement => {
                    if self.more(b'}')? {
                        Next::Element
                    } else {
                        self.end()?
                    }
                }
                Next::Entry => {
                    self.next = Next::AfterEntry;
                    self.lexer.space();
                    let value = self.reader.read_at(self.text, &mut self.lexer.at, 2).map_err(|_| Unreadable)?;
                    return Ok(Some(Entry { value }));
                }
                Next::AfterEntry => {
                    if self.more(b']')? {
                        Next::Entry
                    } else {
                        Next::AfterElement
                    }
                }
                Next::Nothing => return Ok(None),
            }
        }
    }

    /// Reads what was read before, by its range; the value's own ranges begin there.
    pub(super) fn again(&mut self, range: Range<usize>) -> Result<Value<'_>, Unreadable> {
        let text = self.text.get(range).ok_or(Unreadable)?;
        self.reader.read(text).map_err(|_| Unreadable)
    }

    /// What the Bundle says beside its entries, once all of it was read.
    pub(super) fn envelope(&mut self) -> Result<&Envelope<'b>, Unreadable> {
        while self.next_entry()?.is_some() {}
        Ok(&self.envelope)
    }

    fn open(&mut self) -> Result<Next, Unreadable> {
        self.lexer.space();
        self.lexer.take(b'{').map_err(|_| Unreadable)?;
        self.lexer.space();
        if self.lexer.peek() == Some(b'}') {
            self.lexer.at += 1;
            return self.end();
        }
        Ok(Next::Element)
    }

    fn element(&mut self) -> Result<Next, Unreadable> {
        self.lexer.space();
        if self.lexer.peek() != Some(b'"') || self.envelope.elements.len() >= MAX_ELEMENTS {
            return Err(Unreadable);
        }
        let name = self.reader.read_at(self.text, &mut self.lexer.at, 1).map_err(|_| Unreadable)?;
        let name = name.as_str().filter(|name| name.len() <= MAX_NAME).ok_or(Unreadable)?.into_owned();
        if self.envelope.elements.iter().any(|(known, _)| *known == name) {
            return Err(Unreadable);
        }
        self.lexer.space();
        self.lexer.take(b':').map_err(|_| Unreadable)?;
        self.lexer.space();
        let from = self.lexer.at;
        let next = if name == "entry" {
            self.lexer.take(b'[').map_err(|_| Unreadable)?;
            self.lexer.space();
            match self.lexer.peek() {
                Some(b']') => {
                    self.lexer.at += 1;
                    Next::AfterElement
                }
                _ => Next::Entry,
            }
        } else {
            self.reader.read_at(self.text, &mut self.lexer.at, 1).map_err(|_| Unreadable)?;
            Next::AfterElement
        };
        self.envelope.elements.push((name, from..self.lexer.at));
        Ok(next)
    }

    fn more(&mut self, close: u8) -> Result<bool, Unreadable> {
        self.lexer.more(close).map_err(|_| Unreadable)
    }

    fn end(&mut self) -> Result<Next, Unreadable> {
        self.lexer.space();
        if self.lexer.is_done() { Ok(Next::Nothing) } else { Err(Unreadable) }
    }
}

impl<'b> Envelope<'b> {
    /// The text of an element; never of `entry`.
    pub(super) fn raw(&self, name: &str) -> Option<&'b str> {
        let (_, range) = self.elements.iter().find(|(own, _)| own == name && name != "entry")?;
        self.text.get(range.clone())
    }

    /// An element, read again; never `entry`.
    pub(super) fn read(&self, name: &str) -> Option<Document<'b>> {
        Document::read(self.raw(name)?).ok()
    }

    /// Whether it is a Bundle of this type.
    pub(super) fn is_bundle(&self, of: &str) -> bool {
        let says = |name: &str, what: &str| self.read(name).is_some_and(|document| document.root().is_text(what));
        says("resourceType", "Bundle") && says("type", of)
    }
}

impl<'e> Entry<'e> {
    /// The resource.
    pub(super) fn resource(&self) -> Option<Value<'e>> {
        self.value.get("resource")
    }

    /// Whether the upstream calls it a match, or does not say what it is (`search.mode`).
    pub(super) fn is_match(&self) -> bool {
        self.value.get("search").and_then(|search| search.get("mode")).is_none_or(|own| own.is_text("match"))
    }

    /// `search.score`, whatever it is.
    pub(super) fn score(&self) -> Option<Value<'e>> {
        self.value.get("search")?.get("score")
    }
}
