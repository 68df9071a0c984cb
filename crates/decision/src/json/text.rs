//! Strings: from their text to what they say, and back.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Writes a string as JSON, quotes included.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{20}'.. => out.push(char),
            // Writing to a String cannot fail.
            control => drop(write!(out, "\\u{:04x}", u32::from(control))),
        }
    }
    out.push('"');
}

/// What a string says, given what stands between its quotes; its grammar was checked before.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    let mut parts = raw.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut high = None;
    while let Some(part) = parts.next() {
        let (escape, rest) = part.split_at_checked(1).unwrap_or_default();
        let plain = match escape {
            // Two backslashes in a row: nothing lies between them, and what follows the second is plain.
            "" => {
                out.push('\\');
                out.push_str(parts.next().unwrap_or_default());
                continue;
            }
            "u" => {
                let (digits, rest) = rest.split_at_checked(4).unwrap_or_default();
                let code = u32::from_str_radix(digits, 16).unwrap_or_default();
                match (high.take(), code) {
                    (_, 0xD800..=0xDBFF) => high = Some(code - 0xD800),
                    (Some(high), low) => out.extend(char::from_u32(0x1_0000 + (high << 10) + (low & 0x3FF))),
                    (None, code) => out.extend(char::from_u32(code)),
                }
                rest
            }
            escape => {
                out.push_str(match escape {
                    "b" => "\u{8}",
                    "f" => "\u{c}",
                    "n" => "\n",
                    "r" => "\r",
                    "t" => "\t",
                    itself => itself,
                });
                rest
            }
        };
        out.push_str(plain);
    }
    Cow::Owned(out)
}
