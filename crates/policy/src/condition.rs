//! The `where` of a role, parsed: what must be true of tags and request beside the role's operations.
//!
//! Invariant: a condition holds at most [`MAX_COMPARISONS`] comparisons, nested at most [`MAX_DEPTH`] deep, so
//! evaluating one is bounded; decoding checks it too.

use minicbor::{Decode, Encode};

/// The most comparisons in one condition; the longest in use has under ten.
pub const MAX_COMPARISONS: usize = 100;
/// The deepest nesting of parentheses and `NOT`.
pub const MAX_DEPTH: usize = 16;

/// A condition: `OR` over `AND` over `NOT` over comparisons.
///
/// An operand that is missing, or is no text, makes the *whole* condition false, wherever it stands: under `NOT`
/// and `!=` too ("Tags and where").
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Condition {
    /// One of these holds; never empty.
    #[n(0)]
    Any(#[n(0)] Vec<Condition>),
    /// Each of these holds; never empty.
    #[n(1)]
    All(#[n(0)] Vec<Condition>),
    /// This does not hold.
    #[n(2)]
    Not(#[n(0)] Box<Condition>),
    /// One comparison.
    #[n(3)]
    Compare(#[n(0)] Comparison),
}

/// `ref = v`, `ref != v` or `ref IN (v, …)`; a list on the left matches by any of its values.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Comparison {
    /// The left side.
    #[n(0)]
    pub operand: Operand,
    /// Whether it is `!=`.
    #[n(1)]
    pub negated: bool,
    /// The right side: one value for `=` and `!=`, any number from one up for `IN`; compared literally.
    #[n(2)]
    pub values: Vec<Box<str>>,
}

/// What a comparison looks at.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Operand {
    /// `$resourceTags:key`.
    #[n(0)]
    ResourceTag(#[n(0)] Box<str>),
    /// `$principalTags:key`.
    #[n(1)]
    PrincipalTag(#[n(0)] Box<str>),
    /// `$request:path.of.field`: an element of the JSON body; where there is no body, the query parameter of that name.
    #[n(2)]
    Request(#[n(0)] Vec<Box<str>>),
}

impl Condition {
    /// Whether it keeps the limits of its size, and no list in it is empty.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.count(MAX_DEPTH).is_some_and(|count| count <= MAX_COMPARISONS)
    }

    /// Whether it looks at the tags of the resource, so that only the resource can tell.
    #[must_use]
    pub fn reads_resource(&self) -> bool {
        match self {
            Self::Any(list) | Self::All(list) => list.iter().any(Self::reads_resource),
            Self::Not(inner) => inner.reads_resource(),
            Self::Compare(comparison) => matches!(comparison.operand, Operand::ResourceTag(_)),
        }
    }

    fn count(&self, depth: usize) -> Option<usize> {
        let depth = depth.checked_sub(1)?;
        match self {
            Self::Any(list) | Self::All(list) if list.is_empty() => None,
            Self::Any(list) | Self::All(list) => list.iter().try_fold(0, |sum, one| Some(sum + one.count(depth)?)),
            Self::Not(inner) => inner.count(depth),
            Self::Compare(comparison) => (!comparison.values.is_empty()).then_some(1),
        }
    }
}
