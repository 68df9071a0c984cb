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
    pub(super) host: &'a str,
    pub(super) authorizations: u32,
    /// How many `Authorization` fields have the scheme Basic.
    pub(super) basics: u32,
    pub(super) lengths: u32,
    pub(super) encoded: bool,
    pub(super) overrides: bool,
    pub(super) accepts: bool,
    pub(super) content_types: u32,
    pub(super) content_type: &'a str,
    /// Whether the body is coded (`Content-Encoding`, but for `identity`).
    pub(super) coded: bool,
    pub(super) prefers: bool,
    /// Whether a field stands there that never goes upstream with a read, and changes its answer.
    pub(crate) preconditions: bool,
    /// `If-Match`, the first.
    pub(crate) if_match: Option<&'a str>,
    /// `If-None-Match`, the first.
    pub(crate) if_none_match: Option<&'a str>,
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
            let value = text(header.value);
            head.clean &= value.is_some() && is_name(header.name);
            head.note(header.name, value.unwrap_or_default());
        }
        head
    }

    fn note(&mut self, name: &str, value: &'a str) {
        match name {
            "host" => {
                self.hosts += 1;
                self.host = value;
            }
            "authorization" => {
                self.authorizations += 1;
                let scheme = value.split(' ').next().unwrap_or_default();
                self.basics += u32::from(scheme.eq_ignore_ascii_case("basic"));
            }
            "content-length" => self.lengths += 1,
            "transfer-encoding" => self.encoded = true,
            "accept" => self.accepts = true,
            "content-type" => {
                self.content_types += 1;
                if self.content_types == 1 {
                    self.content_type = value;
                }
            }
            "content-encoding" => self.coded |= !value.trim_ascii().eq_ignore_ascii_case("identity"),
            "prefer" => self.prefers = true,
            "if-match" => {
                self.conditions += u32::from(self.if_match.is_some());
                self.preconditions = true;
                self.if_match.get_or_insert(value);
            }
            "if-none-match" => {
                self.preconditions = true;
                self.if_none_match.get_or_insert(value);
            }
            "if-modified-since" | "range" => self.preconditions = true,
            "if-none-exist" => {
                self.conditions += u32::from(self.if_none_exist.is_some());
                self.if_none_exist.get_or_insert(value);
            }
            "x-security-context" => self.security_context = true,
            _ if name.starts_with('x') => {
                let same = |known: &&str| known.len() == name.len() && known.bytes().eq(name.bytes().map(dashed));
                self.overrides |= METHOD_HEADERS.iter().any(same);
            }
            _ => {}
        }
    }
}

/// The value, if it is UTF-8 without control characters but the tab.
fn text(value: &[u8]) -> Option<&str> {
    // The plain case is one pass that the compiler turns into vectors.
    if value.iter().fold(true, |plain, byte| plain & (0x20..0x7f).contains(byte)) {
        return std::str::from_utf8(value).ok();
    }
    let value = std::str::from_utf8(value).ok()?;
    (!value.chars().any(|char| char.is_control() && char != '\t')).then_some(value)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

const fn dashed(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}
