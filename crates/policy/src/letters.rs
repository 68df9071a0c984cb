//! The letters of a SMART v2 scope: a set of create, read, update, delete and search.

use std::fmt::{self, Write as _};

/// A set of `c r u d s`; it may be empty only as the result of set operations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Letters(u8);

impl Letters {
    /// No letter.
    pub const NONE: Self = Self(0);
    /// `c`: create.
    pub const CREATE: Self = Self(1);
    /// `r`: read, vread and the history of one instance.
    pub const READ: Self = Self(2);
    /// `u`: update and patch.
    pub const UPDATE: Self = Self(4);
    /// `d`: delete.
    pub const DELETE: Self = Self(8);
    /// `s`: search, and the history of a type.
    pub const SEARCH: Self = Self(16);
    /// `cruds`.
    pub const ALL: Self = Self(31);

    const ORDER: [(char, Self); 5] =
        [('c', Self::CREATE), ('r', Self::READ), ('u', Self::UPDATE), ('d', Self::DELETE), ('s', Self::SEARCH)];

    /// Reads the suffix of a v2 scope: a non-empty subset of `cruds`, in that order, none twice.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut letters = text.chars().peekable();
        letters.peek()?;
        let mut set = Self::NONE;
        for (letter, one) in Self::ORDER {
            if letters.next_if_eq(&letter).is_some() {
                set = set | one;
            }
        }
        letters.next().is_none().then_some(set)
    }

    /// The set of these bits (`c` lowest), as bundles carry it.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits <= Self::ALL.0 { Some(Self(bits)) } else { None }
    }

    /// The bits of this set, `c` lowest.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every letter of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set has no letter.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The single letters of this set, in the order `cruds`.
    pub fn each(self) -> impl Iterator<Item = Self> {
        Self::ORDER.into_iter().map(|(_, one)| one).filter(move |one| self.contains(*one))
    }
}

impl std::ops::BitOr for Letters {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitAnd for Letters {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for Letters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::ORDER.iter().filter(|(_, one)| self.contains(*one)).try_for_each(|(letter, _)| out.write_char(*letter))
    }
}

impl fmt::Debug for Letters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Letters({self})")
    }
}

impl<C> minicbor::Encode<C> for Letters {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.u8(self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Letters {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_bits(decoder.u8()?).ok_or_else(|| minicbor::decode::Error::message("letters are at most 31"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_in_order_and_only_once() {
        assert_eq!(Letters::parse("rs"), Some(Letters::READ | Letters::SEARCH));
        assert_eq!(Letters::parse("cruds"), Some(Letters::ALL));
        for text in ["", "sr", "rr", "x", "rsx", "R", "cruds ", "r s"] {
            assert_eq!(Letters::parse(text), None, "{text}");
        }
    }
}
