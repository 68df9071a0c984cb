//! The memory of one request: what a decision builds lies here, and is given up all at once.
//!
//! Invariant: nothing in an arena owns memory elsewhere, so giving it up needs no destructor. One that is
//! used again after [`Arena::reset`] makes no allocation, once it has grown to the size of the requests it sees.

use std::borrow::Cow;
use std::fmt;

use bumpalo::Bump;
use bumpalo::collections::{String as Text, Vec as List};

/// What an arena begins with: more than nearly every request takes.
const FIRST_BYTES: usize = 4 * 1024;
/// What an arena keeps between requests at most; a larger one gives its memory back.
const MAX_KEPT_BYTES: usize = 256 * 1024;

/// The memory of one request.
pub struct Arena(Bump);

impl Default for Arena {
    fn default() -> Self {
        Self(Bump::with_capacity(FIRST_BYTES))
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Arena").field("bytes", &self.0.allocated_bytes()).finish()
    }
}

impl Arena {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for the next request.
    pub fn reset(&mut self) {
        if self.0.allocated_bytes() > MAX_KEPT_BYTES {
            *self = Self::default();
        } else {
            self.0.reset();
        }
    }

    pub(crate) fn text(&self, text: &str) -> &str {
        self.0.alloc_str(text)
    }

    pub(crate) fn list<T>(&self) -> List<'_, T> {
        List::new_in(&self.0)
    }

    pub(crate) fn list_of<T>(&self, capacity: usize) -> List<'_, T> {
        List::with_capacity_in(capacity, &self.0)
    }

    pub(crate) fn builder(&self, capacity: usize) -> Text<'_> {
        Text::with_capacity_in(capacity, &self.0)
    }

    /// These parts in one.
    pub(crate) fn join(&self, parts: &[&str]) -> &str {
        let mut text = self.builder(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            text.push_str(part);
        }
        text.into_bump_str()
    }

    pub(crate) fn copied<T: Copy>(&self, list: &[T]) -> &[T] {
        self.0.alloc_slice_copy(list)
    }

    /// A value that owns nothing outside the arena.
    pub(crate) fn one<T>(&self, value: T) -> &T {
        self.0.alloc(value)
    }

    /// The same text, in the arena if it is not borrowed already.
    pub(crate) fn cow<'a>(&'a self, text: Cow<'a, str>) -> &'a str {
        match text {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => self.text(&text),
        }
    }
}
