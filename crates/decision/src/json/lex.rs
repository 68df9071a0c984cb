//! The grammar of JSON (RFC 8259), over bytes that are known to be UTF-8: it goes past a token, or refuses it.
//!
//! Invariant: nothing is copied or kept here. Strings are looked at eight bytes at a time, which is
//! exact for the first byte that ends a run, and only that byte is used.

use super::InvalidJson;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;
const SPACES: u64 = 0x20 * ONES;

/// A place in a text.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'t> {
    bytes: &'t [u8],
    /// Where it stands.
    pub(crate) at: usize,
}

impl<'t> Lexer<'t> {
    /// At this place of the text.
    pub(crate) const fn new(text: &'t str, at: usize) -> Self {
        Self { bytes: text.as_bytes(), at }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether nothing is left.
    pub(crate) const fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Goes past white space.
    #[inline]
    pub(crate) fn space(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.more_space();
        }
    }

    /// Indented text has runs of blanks.
    fn more_space(&mut self) {
        loop {
            while self.word(self.at) == Some(SPACES) {
                self.at += 8;
            }
            match self.peek() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                _ => return,
            }
        }
    }

    /// Goes past this byte.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> Result<(), InvalidJson> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(InvalidJson::Malformed)
        }
    }

    /// Goes past a comma (`true`) or the closing byte (`false`).
    #[inline]
    pub(crate) fn more(&mut self, close: u8) -> Result<bool, InvalidJson> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => self.take(close).map(|()| false),
        }
    }

    /// Goes past a literal.
    pub(crate) fn literal(&mut self, literal: &str) -> Result<(), InvalidJson> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(literal.as_bytes())) {
            self.at += literal.len();
            Ok(())
        } else {
            Err(InvalidJson::Malformed)
        }
    }

    /// Eight bytes from a place on, the first in the lowest bits.
    #[inline]
    pub(super) fn word(&self, at: usize) -> Option<u64> {
        self.bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
    }

    /// Goes past a string, quotes included; whether it has an escape.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<bool, InvalidJson> {
        self.take(b'"')?;
        let mut escaped = false;
        loop {
            while let Some(word) = self.word(self.at) {
                let stops = stops(word);
                if stops != 0 {
                    self.at += (stops.trailing_zeros() >> 3) as usize;
                    break;
                }
                self.at += 8;
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(InvalidJson::Malformed),
            }
        }
    }

    fn escape(&mut self) -> Result<(), InvalidJson> {
        self.at += 1;
        let escape = self.peek().ok_or(InvalidJson::Malformed)?;
        self.at += 1;
        match escape {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => self.unicode(),
            _ => Err(InvalidJson::Malformed),
        }
    }

    /// A `\u` escape, its low half included; a half alone is refused.
    fn unicode(&mut self) -> Result<(), InvalidJson> {
        match self.hex()? {
            0xD800..=0xDBFF => {
                self.literal("\\u")?;
                if (0xDC00..=0xDFFF).contains(&self.hex()?) { Ok(()) } else { Err(InvalidJson::Malformed) }
            }
            0xDC00..=0xDFFF => Err(InvalidJson::Malformed),
            _ => Ok(()),
        }
    }

    fn hex(&mut self) -> Result<u32, InvalidJson> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(InvalidJson::Malformed)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, digit| {
            char::from(*digit).to_digit(16).map(|value| code << 4 | value).ok_or(InvalidJson::Malformed)
        })
    }

    /// Goes past a number.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<(), InvalidJson> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(InvalidJson::Malformed),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), InvalidJson> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(InvalidJson::Malformed) }
    }
}

/// The high bit of the first byte that is a quote, a backslash or a control character; zero if none is.
///
/// Subtracting borrows into the next byte only from a byte that is itself a hit, so the lowest bit is right.
const fn stops(word: u64) -> u64 {
    // Exchanging 0x20 and 0x22 makes the quote one with the control characters: below 0x21.
    let quote_or_control = (word ^ (0x02 * ONES)).wrapping_sub(0x21 * ONES);
    let backslash = (word ^ (0x5c * ONES)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !word & HIGH
}
