//! The request target: its authority, its path as decoded segments, its query as it came.

use percent_encoding::percent_decode_str;
use policy::decision::Phase;
use policy::reason::Reason;

use crate::arena::Arena;
use crate::bytes::Kinds;
use crate::denial::Denial;

/// A request target, taken apart but not decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// The authority of an absolute target.
    pub(super) authority: Option<&'a str>,
    /// The path, with its leading slash.
    pub(super) path: &'a str,
    /// The query, without its question mark.
    pub(super) query: &'a str,
}

impl<'a> Target<'a> {
    /// Takes apart a target in origin form or absolute form (RFC 9112 section 3.2).
    ///
    /// Neither has a fragment: `#` is refused here in an authority, in a path with its segments, and in a query with its
    /// parameters.
    pub(super) fn split(target: &'a str) -> Result<Self, Denial> {
        let end = target.bytes().position(|byte| byte == b'?').unwrap_or(target.len());
        let (before, query) = target.split_at_checked(end).ok_or_else(malformed)?;
        let query = query.get(1..).unwrap_or_default();
        if before.starts_with('/') {
            return Ok(Self { authority: None, path: before, query });
        }
        let (scheme, rest) = before.split_once("://").ok_or_else(malformed)?;
        if target.contains('#') {
            return Err(malformed());
        }
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(malformed());
        }
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        Ok(Self { authority: Some(authority), path, query })
    }
}

/// A path, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segments<'a> {
    /// Its segments, decoded.
    pub(super) list: &'a [&'a str],
    /// All of it but a trailing slash, if encoding it anew would give the same.
    pub(super) plain: Option<&'a str>,
}

/// The segments of a path, each decoded once; one trailing slash is dropped.
pub(super) fn segments<'a>(path: &'a str, arena: &'a Arena) -> Result<Segments<'a>, Denial> {
    let rest = path.strip_prefix('/').ok_or_else(malformed)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        // `//` is an empty segment, not the root.
        return if path.len() > 1 { Err(malformed()) } else { Ok(Segments { list: &[], plain: Some("") }) };
    }
    let mut segments = arena.list_of(8);
    let mut all = Kinds::NONE;
    let mut left = Some(rest);
    while let Some(text) = left {
        let (end, kinds) = Kinds::until(text, Kinds::SLASH);
        let (raw, after) = text.split_at_checked(end).ok_or_else(malformed)?;
        segments.push(segment(raw, kinds, arena)?);
        all = all.with(kinds);
        left = after.get(1..);
    }
    let plain = if all.any(Kinds::UNSURE) { None } else { path.get(..=rest.len()) };
    Ok(Segments { list: segments.into_bump_slice(), plain })
}

fn segment<'a>(raw: &'a str, kinds: Kinds, arena: &'a Arena) -> Result<&'a str, Denial> {
    if !raw.is_empty() && !kinds.any(Kinds::UNSURE) {
        return Ok(raw);
    }
    let text = arena.cow(percent_decode_str(raw).decode_utf8().map_err(|_| malformed())?);
    let forbidden = |char: char| char.is_control() || matches!(char, '%' | '/' | '?' | '#' | '\\' | ';');
    if text.is_empty() || text == "." || text == ".." || text.chars().any(forbidden) {
        return Err(malformed());
    }
    Ok(text)
}

pub(super) fn malformed() -> Denial {
    Denial::new(Phase::Normalise, Reason::MalformedUrl)
}
