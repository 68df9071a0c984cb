//! A strict reader of JSON (RFC 8259) that sees what `serde_json` hides: a key that stands twice.
//!
//! Invariant: whatever is read keeps the limit of depth; every object with a repeated key is reported by its place.

use serde_json::{Map, Number, Value};

/// The deepest nesting that is read.
pub(crate) const MAX_DEPTH: usize = 64;

/// What was read.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The value; of a repeated key the last one.
    pub(crate) value: Value,
    /// The places of the objects in which a key stands twice, outermost first.
    pub(crate) repeats: Vec<Vec<String>>,
}

/// Why it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no JSON.
    Malformed,
    /// It is nested too deep.
    TooDeep,
}

/// Reads one JSON text.
pub(crate) fn read(bytes: &[u8]) -> Result<Document, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::Malformed)?;
    let mut reader = Reader { rest: text, place: Vec::new(), repeats: Vec::new() };
    let value = reader.value(0)?;
    reader.space();
    if reader.rest.is_empty() { Ok(Document { value, repeats: reader.repeats }) } else { Err(Fault::Malformed) }
}

struct Reader<'a> {
    rest: &'a str,
    place: Vec<String>,
    repeats: Vec<Vec<String>>,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, mark: &str) -> bool {
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        self.space();
        match self.rest.chars().next() {
            Some('{') if depth >= MAX_DEPTH => Err(Fault::TooDeep),
            Some('[') if depth >= MAX_DEPTH => Err(Fault::TooDeep),
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => self.string().map(Value::String),
            Some('t') if self.take("true") => Ok(Value::Bool(true)),
            Some('f') if self.take("false") => Ok(Value::Bool(false)),
            Some('n') if self.take("null") => Ok(Value::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        self.take("{");
        let mut map = Map::new();
        self.space();
        if self.take("}") {
            return Ok(Value::Object(map));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            if !self.take(":") {
                return Err(Fault::Malformed);
            }
            self.place.push(key.clone());
            let value = self.value(depth + 1)?;
            self.place.pop();
            if map.insert(key, value).is_some() {
                self.repeats.push(self.place.clone());
            }
            self.space();
            if self.take("}") {
                return Ok(Value::Object(map));
            }
            if !self.take(",") {
                return Err(Fault::Malformed);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        self.take("[");
        let mut list = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Value::Array(list));
        }
        loop {
            self.place.push(list.len().to_string());
            let value = self.value(depth + 1)?;
            self.place.pop();
            list.push(value);
            self.space();
            if self.take("]") {
                return Ok(Value::Array(list));
            }
            if !self.take(",") {
                return Err(Fault::Malformed);
            }
        }
    }

    /// Finds the closing quote, and leaves escapes and surrogates to `serde_json`.
    fn string(&mut self) -> Result<String, Fault> {
        if !self.rest.starts_with('"') {
            return Err(Fault::Malformed);
        }
        let mut escaped = false;
        for (index, char) in self.rest.char_indices().skip(1) {
            match char {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    let (text, rest) = self.rest.split_at(index + 1);
                    self.rest = rest;
                    return serde_json::from_str(text).map_err(|_| Fault::Malformed);
                }
                char if char.is_control() && (char as u32) < 0x20 => return Err(Fault::Malformed),
                _ => {}
            }
        }
        Err(Fault::Malformed)
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let end = self.rest.find(|char: char| !matches!(char, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        serde_json::from_str::<Number>(text).map(Value::Number).map_err(|_| Fault::Malformed)
    }
}

/// Whether somewhere a key differs only in its case from another key of the same object, or from a name that decisions read.
pub(crate) fn has_confusing_key(value: &Value, known: &[String]) -> bool {
    match value {
        Value::Object(map) => {
            let names: Vec<&String> = map.keys().collect();
            let confusing = |key: &String| {
                names.iter().copied().chain(known).any(|other| other != key && other.eq_ignore_ascii_case(key))
            };
            names.iter().any(|key| !key.is_ascii() || confusing(key))
                || map.values().any(|value| has_confusing_key(value, known))
        }
        Value::Array(list) => list.iter().any(|value| has_confusing_key(value, known)),
        _ => false,
    }
}

/// Whether something in a resource could be read in two ways: its keys, or a reference that is neither text nor a Reference.
pub(crate) fn has_two_readings(value: &Value, known: &[String]) -> bool {
    let odd = |object: &&Value| object.get("reference").is_some_and(|one| !one.is_string() && !one.is_object());
    has_confusing_key(value, known) || objects(value).iter().any(odd)
}

/// The values at a path of property names; lists on the way, and at its end, are walked through.
pub(crate) fn at<'a>(value: &'a Value, path: &[String]) -> Vec<&'a Value> {
    match (value, path.split_first()) {
        (Value::Array(list), _) => list.iter().flat_map(|value| at(value, path)).collect(),
        (value, None) => vec![value],
        (Value::Object(map), Some((name, rest))) => map.get(name).map(|value| at(value, rest)).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The text of a property.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// Every object in it, outermost first.
pub(crate) fn objects(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(map) => std::iter::once(value).chain(map.values().flat_map(objects)).collect(),
        Value::Array(list) => list.iter().flat_map(objects).collect(),
        _ => Vec::new(),
    }
}
