//! A strict reader of JSON (RFC 8259) that keeps where every value stands in the text.
//!
//! Invariant: a value's `raw` text is exactly what was read, so whatever is released is released
//! byte for byte. Nothing is read leniently: one document, valid grammar, bounded depth. An object
//! that has a name twice is marked, up to the root, because two readers may see two values in it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The deepest nesting that is read; FHIR resources stay under 20.
pub(crate) const MAX_DEPTH: usize = 64;

/// The text is not one JSON document, or is nested too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidJson {
    /// Not the grammar.
    Malformed,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

/// One value and the text it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Value<'a> {
    /// Its text, without the white space around it.
    pub(crate) raw: &'a str,
    /// What it is.
    pub(crate) kind: Kind<'a>,
    /// Whether it, or a value within it, is an object that has a name twice.
    pub(crate) ambiguous: bool,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, left as text: `1.00` stays `1.00`.
    Number,
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<Value<'a>>),
    /// An object, in the order of its text.
    Object(Vec<Member<'a>>),
}

/// One member of an object.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    /// Its name, unescaped.
    pub(crate) name: Cow<'a, str>,
    /// Name, colon and value as they stand in the text.
    pub(crate) raw: &'a str,
    /// Its value.
    pub(crate) value: Value<'a>,
}

impl<'a> Value<'a> {
    /// The members of an object, in order; none of anything else.
    pub(crate) fn members(&self) -> &[Member<'a>] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    /// The first member of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.members().iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// The elements of a list; none of anything else.
    pub(crate) fn elements(&self) -> &[Value<'a>] {
        match &self.kind {
            Kind::Array(elements) => elements,
            _ => &[],
        }
    }

    /// The text of a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of the string member of that name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Whether it is an object.
    pub(crate) const fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Object(_))
    }

    /// Whether the object itself, whatever lies within, has a name twice.
    pub(crate) fn repeats_a_name(&self) -> bool {
        repeats(self.members())
    }
}

/// Reads one document.
pub(crate) fn parse(text: &str) -> Result<Value<'_>, InvalidJson> {
    let mut reader = Reader { text, at: 0 };
    reader.space();
    let value = reader.value(0)?;
    reader.space();
    if reader.at == text.len() { Ok(value) } else { Err(InvalidJson::Malformed) }
}

/// Whether the text nests deeper than [`MAX_DEPTH`], without reading its grammar.
pub(crate) fn too_deep(text: &[u8]) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

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

/// Few names are compared pair by pair; more are sorted, so that the cost stays bounded.
fn repeats(members: &[Member<'_>]) -> bool {
    if members.len() <= 12 {
        return members
            .iter()
            .enumerate()
            .any(|(index, member)| members.iter().take(index).any(|earlier| earlier.name == member.name));
    }
    let mut names: Vec<&str> = members.iter().map(|member| &*member.name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair.first() == pair.last())
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn slice(&self, from: usize) -> Result<&'a str, InvalidJson> {
        self.text.get(from..self.at).ok_or(InvalidJson::Malformed)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), InvalidJson> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(InvalidJson::Malformed)
        }
    }

    fn word(&mut self, word: &str) -> Result<(), InvalidJson> {
        word.bytes().try_for_each(|byte| self.take(byte))
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, InvalidJson> {
        let from = self.at;
        let (kind, ambiguous) = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => (Kind::String(self.string()?), false),
            Some(b't') => (self.word("true").map(|()| Kind::Bool(true))?, false),
            Some(b'f') => (self.word("false").map(|()| Kind::Bool(false))?, false),
            Some(b'n') => (self.word("null").map(|()| Kind::Null)?, false),
            _ => (self.number().map(|()| Kind::Number)?, false),
        };
        Ok(Value { raw: self.slice(from)?, kind, ambiguous })
    }

    fn object(&mut self, depth: usize) -> Result<(Kind<'a>, bool), InvalidJson> {
        let mut members = Vec::new();
        let mut ambiguous = false;
        self.open(b'{', depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok((Kind::Object(members), false));
        }
        loop {
            self.space();
            let from = self.at;
            let name = self.string()?;
            self.space();
            self.take(b':')?;
            self.space();
            let value = self.value(depth + 1)?;
            ambiguous |= value.ambiguous;
            members.push(Member { name, raw: self.slice(from)?, value });
            if !self.more(b'}')? {
                break;
            }
        }
        let ambiguous = ambiguous || repeats(&members);
        Ok((Kind::Object(members), ambiguous))
    }

    fn array(&mut self, depth: usize) -> Result<(Kind<'a>, bool), InvalidJson> {
        let mut elements = Vec::new();
        let mut ambiguous = false;
        self.open(b'[', depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok((Kind::Array(elements), false));
        }
        loop {
            self.space();
            let value = self.value(depth + 1)?;
            ambiguous |= value.ambiguous;
            elements.push(value);
            if !self.more(b']')? {
                break;
            }
        }
        Ok((Kind::Array(elements), ambiguous))
    }

    fn open(&mut self, byte: u8, depth: usize) -> Result<(), InvalidJson> {
        if depth >= MAX_DEPTH {
            return Err(InvalidJson::TooDeep);
        }
        self.take(byte)?;
        self.space();
        Ok(())
    }

    /// Goes past a comma (`true`) or the closing byte (`false`).
    fn more(&mut self, close: u8) -> Result<bool, InvalidJson> {
        self.space();
        if self.peek() == Some(b',') {
            self.at += 1;
            return Ok(true);
        }
        self.take(close).map(|()| false)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, InvalidJson> {
        self.take(b'"')?;
        let from = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let text = self.slice(from)?;
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped(from).map(Cow::Owned),
                Some(0x20..) => self.at += 1,
                _ => return Err(InvalidJson::Malformed),
            }
        }
    }

    /// Goes on with a string from its first escape.
    fn escaped(&mut self, from: usize) -> Result<String, InvalidJson> {
        let mut out = self.slice(from)?.to_owned();
        loop {
            let plain = self.at;
            while matches!(self.peek(), Some(0x20..=0x21 | 0x23..=0x5b | 0x5d..)) {
                self.at += 1;
            }
            out.push_str(self.slice(plain)?);
            if self.peek() == Some(b'"') {
                self.at += 1;
                return Ok(out);
            }
            self.take(b'\\')?;
            let escape = self.peek().ok_or(InvalidJson::Malformed)?;
            self.at += 1;
            out.push(match escape {
                b'"' => '"',
                b'\\' => '\\',
                b'/' => '/',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => self.unicode()?,
                _ => return Err(InvalidJson::Malformed),
            });
        }
    }

    /// A `\u` escape, its low half included; a half alone is refused.
    fn unicode(&mut self) -> Result<char, InvalidJson> {
        let first = self.hex()?;
        let code = match first {
            0xD800..=0xDBFF => {
                self.word("\\u")?;
                let low = self.hex()?;
                if !(0xDC00..=0xDFFF).contains(&low) {
                    return Err(InvalidJson::Malformed);
                }
                0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00)
            }
            other => other,
        };
        char::from_u32(code).ok_or(InvalidJson::Malformed)
    }

    fn hex(&mut self) -> Result<u32, InvalidJson> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(InvalidJson::Malformed)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidJson::Malformed);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| InvalidJson::Malformed)
    }

    fn number(&mut self) -> Result<(), InvalidJson> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_keeps_its_text() {
        let value = parse(" { \"a\" : 1.00 , \"b\\u0063\":[ true,null, \"x\\n\\ud83d\\ude00\" ]} ").unwrap();
        assert_eq!(value.get("a").unwrap().raw, "1.00");
        assert_eq!(value.members()[1].name, "bc");
        assert_eq!(value.members()[1].raw, "\"b\\u0063\":[ true,null, \"x\\n\\ud83d\\ude00\" ]");
        assert_eq!(value.get("bc").unwrap().elements()[2].as_str(), Some("x\n\u{1f600}"));
    }

    #[test]
    fn what_is_not_the_grammar_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "+1",
            ".5",
            "1e",
            "'a'",
            "{a:1}",
            "nul",
            "[1 2]",
            "{} {}",
            "\"\u{1}\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\u12g4\"",
            "NaN",
            "\u{feff}{}",
            "\"a",
        ] {
            assert_eq!(parse(text).unwrap_err(), InvalidJson::Malformed, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |count: usize| "[".repeat(count) + &"]".repeat(count);
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&deep(MAX_DEPTH + 1)).unwrap_err(), InvalidJson::TooDeep);
        assert_eq!(parse(&"[".repeat(1_000_000)).unwrap_err(), InvalidJson::TooDeep);
        assert!(too_deep(deep(MAX_DEPTH + 1).as_bytes()) && !too_deep(deep(MAX_DEPTH).as_bytes()));
        assert!(!too_deep(format!("[\"{}\"]", "[".repeat(100)).as_bytes()));
    }

    #[test]
    fn a_name_that_stands_twice_marks_all_around_it() {
        for text in [
            "{\"a\":1,\"a\":2}",
            "[{\"x\":{\"a\":1,\"\\u0061\":1}}]",
            "{\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0,\"a\":0,\"b\":0,\"c\":0,\"1\":0}",
        ] {
            assert!(parse(text).unwrap().ambiguous, "{text}");
        }
        assert!(!parse("[{\"a\":1},{\"a\":1}]").unwrap().ambiguous);
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads_and_nothing_else(text in "[\\[\\]{}:,\"a1\\\\u0e.\\-+tfn \n]{0,24}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match (parse(&text), theirs) {
                (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
                // A number too large for a float is still the grammar.
                (Ok(_), Err(fault)) => prop_assert!(fault.to_string().contains("number out of range"), "{text} {fault}"),
                (Err(fault), Ok(_)) => prop_assert!(false, "{text} {fault:?}"),
            }
        }

        #[test]
        fn what_was_quoted_reads_back(text in any::<String>()) {
            let mut out = String::new();
            quote(&text, &mut out);
            let value = parse(&out).unwrap();
            prop_assert_eq!(value.as_str(), Some(&*text));
        }
    }
}
