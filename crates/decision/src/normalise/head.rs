//! The header fields, gone through once: what each of the checks of phase 1 needs to know of them.

use policy::request::Header;

/// Headers that would make a server take another method; `_` counts as `-`, as some servers read it.
const METHOD_HEADERS: &[&str] = &["x-http-method-override", "x-http-method", "x-method-override"];

/// What the fields of a request say, before any of it was judged.
#[expect(clippy::struct_excessive_bools, reason = "each is a finding of its own")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head<'a> {
    /// Whether every name and value is free of control characters, and every value UTF-8.
    pub(super) clean: bool,
    pub(super) hosts: u32,
    pub(super) host: &'a [u8],
    pub(super) authorizations: u32,
    /// How many `Authorization` fields have the scheme Basic.
    pub(super) basics: u32,
    pub(super) lengths: u32,
    pub(super) encoded: bool,
    pub(super) overrides: bool,
    pub(super) accepts: u32,
    /// `Accept`, the last.
    pub(super) accept: &'a [u8],
    pub(super) content_types: u32,
    pub(super) content_type: &'a str,
    /// Whether the body is coded (`Content-Encoding`, but for `identity`).
    pub(super) coded: bool,
    pub(super) prefers: bool,
    /// Whether a field stands there that never goes upstream with a read, and changes its answer.
    pub(crate) preconditions: bool,
    /// `If-Match`, the first.
    pub(crate) if_match: Option<&'a str>,
    /// Whether a precondition stands there that goes upstream with nothing (D64).
    pub(super) of_reads: bool,
    /// `If-None-Exist`, the first.
    pub(crate) if_none_exist: Option<&'a str>,
    /// How many `If-Match` and `If-None-Exist` there are.
    pub(super) conditions: u32,
    /// `X-Security-Context`.
    pub(crate) security_context: bool,
}

impl<'a> Head<'a> {
    /// Goes through the fields.
    pub(super) fn read(headers: &[Header<'a>]) -> Self {
        let mut head = Self { clean: true, ..Self::default() };
        for header in headers {
            head.clean &= is_clean(header.value);
            head.note(header.name, header.value);
        }
        head
    }

    fn note(&mut self, name: &str, value: &'a [u8]) {
        match name {
            "host" => {
                self.hosts += 1;
                self.host = value;
            }
            "authorization" => {
                self.authorizations += 1;
                self.basics += u32::from(is_basic(value));
            }
            "content-length" => self.lengths += 1,
            "transfer-encoding" => self.encoded = true,
            "accept" => {
                self.accepts += 1;
                self.accept = value;
            }
            "content-type" => {
                self.content_types += 1;
                if self.content_types == 1 {
                    self.content_type = text(value);
                }
            }
            "content-encoding" => self.coded |= !value.trim_ascii().eq_ignore_ascii_case(b"identity"),
            "prefer" => self.prefers = true,
            "if-match" => {
                self.conditions += u32::from(self.if_match.is_some());
                self.preconditions = true;
                self.if_match.get_or_insert(text(value));
            }
            "if-none-match" | "if-modified-since" => {
                self.preconditions = true;
                self.of_reads = true;
            }
            "if-unmodified-since" => self.of_reads = true,
            "range" => self.preconditions = true,
            "if-none-exist" => {
                self.conditions += u32::from(self.if_none_exist.is_some());
                self.if_none_exist.get_or_insert(text(value));
            }
            "x-security-context" => self.security_context = true,
            _ => {
                self.clean &= is_name(name);
                let same = |known: &&str| known.len() == name.len() && known.bytes().eq(name.bytes().map(dashed));
                self.overrides |= name.starts_with('x') && METHOD_HEADERS.iter().any(same);
            }
        }
    }
}

/// Whether a value is UTF-8 without control characters but the tab.
fn is_clean(value: &[u8]) -> bool {
    // A token is long, and this is one pass that the compiler turns into vectors.
    if value.iter().fold(true, |plain, byte| plain & (0x20..0x7f).contains(byte)) {
        return true;
    }
    std::str::from_utf8(value).is_ok_and(|text| !text.chars().any(|char| char.is_control() && char != '\t'))
}

/// The value of a field as text; empty if it is not UTF-8, which is refused anyway.
fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or_default()
}

/// Whether credentials are of the scheme Basic.
fn is_basic(credentials: &[u8]) -> bool {
    let scheme = credentials.split(|byte| *byte == b' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"basic")
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

const fn dashed(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}
