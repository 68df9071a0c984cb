//! What kinds of bytes a text has, found in one pass over it, so that no later check goes through it again.
//!
//! Invariant: a text whose set lacks a kind has no byte of that kind; what bytes beyond ASCII mean, only their decoding tells.

/// Kinds of bytes, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

impl Kinds {
    pub(crate) const NONE: Self = Self(0);
    /// `&`, between parameters.
    pub(crate) const AND: Self = Self(1);
    /// `=`, between a name and its value.
    pub(crate) const EQUALS: Self = Self(1 << 1);
    /// `;` and `#`, at which some readers split a query.
    pub(crate) const FOREIGN: Self = Self(1 << 2);
    /// What does not mean itself in a query: `%`, `+`, controls and whatever is beyond ASCII.
    pub(crate) const CODED: Self = Self(1 << 3);
    /// Beyond ASCII.
    pub(crate) const WIDE: Self = Self(1 << 4);
    /// `[` and `]`.
    pub(crate) const BRACKET: Self = Self(1 << 5);
    /// `:` and `.`, which end the code of a parameter.
    pub(crate) const END: Self = Self(1 << 6);
    /// What is escaped in the name of a parameter that goes upstream.
    pub(crate) const NOT_NAME: Self = Self(1 << 7);
    /// What is escaped in its value.
    pub(crate) const NOT_VALUE: Self = Self(1 << 8);
    /// What is escaped in a segment of a path.
    pub(crate) const NOT_SEGMENT: Self = Self(1 << 9);
    /// `/`, between segments.
    pub(crate) const SLASH: Self = Self(1 << 10);
    /// What has to be looked at before it counts as a segment; what has none of it is encoded to itself.
    pub(crate) const UNSURE: Self = Self(1 << 11);

    /// The kinds of one byte.
    pub(crate) fn of(byte: u8) -> Self {
        KINDS.get(usize::from(byte)).copied().unwrap_or(Self::NONE)
    }

    /// The kinds of all these bytes.
    pub(crate) fn among(bytes: &[u8]) -> Self {
        bytes.iter().fold(Self::NONE, |all, byte| all.with(Self::of(*byte)))
    }

    /// Where the first byte of these kinds stands, or the text ends; and the kinds of the bytes before.
    pub(crate) fn until(text: &str, stop: Self) -> (usize, Self) {
        let mut all = Self::NONE;
        for (at, byte) in text.bytes().enumerate() {
            let kinds = Self::of(byte);
            if kinds.any(stop) {
                return (at, all);
            }
            all = all.with(kinds);
        }
        (text.len(), all)
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of these is among them.
    pub(crate) const fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    const fn only_if(self, is: bool) -> Self {
        if is { self } else { Self::NONE }
    }
}

static KINDS: [Kinds; 256] = {
    let mut kinds = [Kinds::NONE; 256];
    let mut left: &mut [Kinds] = &mut kinds;
    let mut byte = 0_u8;
    while let Some((first, rest)) = left.split_first_mut() {
        *first = kinds_of(byte);
        left = rest;
        byte = byte.wrapping_add(1);
    }
    kinds
};

const fn kinds_of(byte: u8) -> Kinds {
    Kinds::NONE
        .with(Kinds::AND.only_if(byte == b'&'))
        .with(Kinds::EQUALS.only_if(byte == b'='))
        .with(Kinds::FOREIGN.only_if(matches!(byte, b';' | b'#')))
        .with(Kinds::CODED.only_if(matches!(byte, b'%' | b'+' | 0..=0x1f | 0x7f..)))
        .with(Kinds::WIDE.only_if(byte >= 0x80))
        .with(Kinds::BRACKET.only_if(matches!(byte, b'[' | b']')))
        .with(Kinds::END.only_if(matches!(byte, b':' | b'.')))
        .with(Kinds::NOT_NAME.only_if(!in_name(byte)))
        .with(Kinds::NOT_VALUE.only_if(!in_value(byte)))
        .with(Kinds::NOT_SEGMENT.only_if(!in_segment(byte)))
        .with(Kinds::SLASH.only_if(byte == b'/'))
        .with(Kinds::UNSURE.only_if(!is_plain_segment(byte)))
}

/// What stands in a path segment as it is, beside letters and digits (RFC 3986 section 3.3).
const fn in_segment(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'$' | b'@' | b':' | b'*' | b'!' | b'\'' | b'(' | b')')
        || matches!(byte, b'+' | b',' | b'=' | b'&')
}

/// Letters, digits and marks that stand for themselves in a segment: nearly every one has nothing else.
const fn is_plain_segment(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'$' | b'~')
}

/// What stands in the name of a parameter as it is.
const fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':')
}

/// What stands in the value of a parameter as it is.
const fn in_value(byte: u8) -> bool {
    in_name(byte) || matches!(byte, b',' | b'/' | b'$' | b'*')
}
