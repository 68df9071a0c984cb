//! URLs read again: percent-decoding, paths, queries, and references ("Normalise").
//!
//! Invariant: everything is decoded once; what could be decoded twice is refused.

/// Decodes `%xx` once; none for a bad escape or for bytes that are no UTF-8.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if plus_is_space => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a decoded text still holds a `%xx`.
fn still_encoded(text: &str) -> bool {
    text.split('%').skip(1).any(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

/// The decoded segments of a path; none if it is malformed.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    path.split('/').map(segment).collect()
}

fn segment(raw: &str) -> Option<String> {
    let text = decode(raw, false)?;
    let forbidden = |char: char| char.is_control() || matches!(char, '%' | '/' | '?' | '#' | '\\' | ';');
    let ok = !text.is_empty() && text != "." && text != ".." && !text.chars().any(forbidden);
    ok.then_some(text)
}

/// The decoded pairs of a query or form; none if it is malformed.
pub(crate) fn pairs(raw: &str) -> Option<Vec<(String, String)>> {
    if raw.contains([';', '#']) {
        return None;
    }
    raw.split('&').filter(|piece| !piece.is_empty()).map(pair).collect()
}

fn pair(piece: &str) -> Option<(String, String)> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    let (name, value) = (decode(name, true)?, decode(value, true)?);
    let bad_name = name.is_empty() || !name.is_ascii() || name.contains(['[', ']']);
    let bad = |text: &str| text.chars().any(char::is_control) || still_encoded(text);
    (!bad_name && !bad(&name) && !bad(&value)).then_some((name, value))
}

/// Encodes one segment of a path.
pub(crate) fn encode_segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// A path of these segments.
pub(crate) fn path_of(segments: &[String]) -> String {
    if segments.is_empty() {
        return "/".to_owned();
    }
    segments.iter().map(|segment| format!("/{}", encode_segment(segment))).collect()
}

/// An absolute URL, taken apart.
pub(crate) struct Absolute<'a> {
    /// `https`.
    pub(crate) scheme: String,
    /// Host in lower case, with its port unless that is the scheme's own.
    pub(crate) authority: String,
    /// From the first slash on.
    pub(crate) rest: &'a str,
}

/// Takes an absolute `http` or `https` URL apart; none for any other, and for one with user information.
pub(crate) fn absolute(url: &str) -> Option<Absolute<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at(end);
    if (scheme != "http" && scheme != "https") || host.contains('@') || host.is_empty() {
        return None;
    }
    let authority = canonical_authority(&scheme, host);
    Some(Absolute { scheme, authority, rest })
}

/// A host in lower case, without the scheme's own port.
pub(crate) fn canonical_authority(scheme: &str, host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let port = if scheme == "https" { ":443" } else { ":80" };
    host.strip_suffix(port).map(str::to_owned).unwrap_or(host)
}

/// Splits a search value at its bare commas; `\,` stays one value. The escapes are left in.
pub(crate) fn values(text: &str) -> Vec<String> {
    split_bare(text, ',')
}

/// Splits at a bare mark, one that no backslash escapes.
pub(crate) fn split_bare(text: &str, mark: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for char in text.chars() {
        if char == mark && !escaped {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(char);
        }
        escaped = char == '\\' && !escaped;
    }
    parts
}

/// Takes the escapes of a search value out.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some(next) if matches!(next, ',' | '|' | '$' | '\\') => out.push(next),
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}
