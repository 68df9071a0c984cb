//! Where in a JSON text a parser stopped, as a JSON pointer (RFC 6901).
//!
//! The parser gives a line and a column; this walks the text to that place and remembers the way.

/// One step of the way.
enum Step {
    Key(String),
    Index(usize),
}

/// An open container: what stands in it now.
enum Open {
    Object { key: Option<String>, expect_key: bool },
    Array { index: usize },
}

/// The pointer of the token that ends at (or just before) this 1-based line and column.
///
/// The text may be broken after that place; a text that is broken before it gives the last good place.
#[must_use]
pub fn at(text: &[u8], line: usize, column: usize) -> String {
    let end = offset(text, line, column);
    let mut open: Vec<Open> = Vec::new();
    let mut place: Vec<Step> = Vec::new();
    let mut position = 0;
    while position < end {
        let Some(byte) = text.get(position) else { break };
        match byte {
            b'{' => {
                place = path(&open);
                open.push(Open::Object { key: None, expect_key: true });
            }
            b'[' => {
                place = path(&open);
                open.push(Open::Array { index: 0 });
            }
            b'}' | b']' => {
                open.pop();
                place = path(&open);
            }
            b',' => match open.last_mut() {
                Some(Open::Object { expect_key, .. }) => *expect_key = true,
                Some(Open::Array { index }) => *index += 1,
                None => {}
            },
            b'"' => {
                let close = string_end(text, position);
                if let Some(Open::Object { key, expect_key: expect @ true }) = open.last_mut() {
                    let literal = text.get(position..close).unwrap_or_default();
                    *key = serde_json::from_slice(literal).ok();
                    *expect = false;
                }
                place = path(&open);
                position = close;
                continue;
            }
            byte if byte.is_ascii_whitespace() || *byte == b':' => {}
            _ => place = path(&open),
        }
        position += 1;
    }
    render(&place)
}

/// The number of bytes before the place; a column counts bytes, as in serde_json.
fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    before.saturating_add(column).min(text.len())
}

/// The position after the string that opens at `start`.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut position = start + 1;
    while let Some(byte) = text.get(position) {
        match byte {
            b'\\' => position += 2,
            b'"' => return position + 1,
            _ => position += 1,
        }
    }
    text.len()
}

fn path(open: &[Open]) -> Vec<Step> {
    open.iter()
        .filter_map(|container| match container {
            Open::Object { key, .. } => key.clone().map(Step::Key),
            Open::Array { index } => Some(Step::Index(*index)),
        })
        .collect()
}

fn render(place: &[Step]) -> String {
    place.iter().fold(String::new(), |mut out, step| {
        out.push('/');
        match step {
            Step::Key(key) => out.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => out.push_str(&index.to_string()),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its shape counts")]
    struct Inner {
        name: String,
        list: Vec<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its shape counts")]
    struct Outer {
        inner: Vec<Inner>,
        #[serde(default)]
        other: Option<u8>,
    }

    fn check(text: &str, pointer: &str) {
        let error = serde_json::from_str::<Outer>(text).unwrap_err();
        assert_eq!(at(text.as_bytes(), error.line(), error.column()), pointer, "{text}: {error}");
    }

    #[test]
    fn a_fault_is_named_by_its_place() {
        check(r#"{"inner": [], "extra": 1}"#, "/extra");
        check(r#"{"inner": [{"name": "a", "list": [1], "a/b~c": 1}]}"#, "/inner/0/a~1b~0c");
        check("{\"inner\": [\n {\"name\": \"a\", \"list\": [1, 2]},\n {\"name\": 7, \"list\": []}]}", "/inner/1/name");
        check(r#"{"inner": [{"name": "a", "list": [1, 300]}]}"#, "/inner/0/list/1");
        check(r#"{"inner": [{"name": "a"}]}"#, "/inner/0");
        check(r#"{"inner": {}}"#, "/inner");
        check(r#"{"inner": [], "inner": []}"#, "/inner");
        check(r#"{"other": 1}"#, "");
        check("", "");
        check(r#"{"inner": [], "other": "x\"y,{["}"#, "/other");
    }
}
