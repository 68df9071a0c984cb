//! Which credentials a request sends, before any of them is looked into.
//!
//! Invariant: one credential of a kind at most, both kinds only where Basic is on, each in a field `Authorization` of its own.

use policy::Reason;
use policy::claims::MAX_TOKEN_BYTES;
use policy::request::Header;

/// The longest Basic credentials that are read; real ones have 176 characters.
const MAX_BASIC_BYTES: usize = 512;

/// The credentials of a request, as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent<'a> {
    /// None.
    Nothing,
    /// An access token.
    Token(&'a str),
    /// Basic credentials, in base64.
    Basic(&'a str),
    /// One of each.
    Both(&'a str, &'a str),
}

/// Reads `Authorization`; the scheme is exactly `Bearer` or, where it is on, `Basic`.
pub(super) fn sent<'a>(headers: &[Header<'a>], basic: bool) -> Result<Sent<'a>, Reason> {
    let mut found = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("authorization"));
    match (found.next(), found.next(), found.next()) {
        (None, ..) => Ok(Sent::Nothing),
        (Some(one), None, _) => bounded(read(one, basic)),
        (Some(one), Some(other), None) if basic => match (read(one, basic), read(other, basic)) {
            (Some(Sent::Token(token)), Some(Sent::Basic(basic)))
            | (Some(Sent::Basic(basic)), Some(Sent::Token(token))) => bounded(Some(Sent::Both(token, basic))),
            _ => Err(Reason::TwoCredentials),
        },
        _ => Err(Reason::TwoCredentials),
    }
}

fn read<'a>(header: &Header<'a>, basic: bool) -> Option<Sent<'a>> {
    let value = std::str::from_utf8(header.value).ok()?;
    match value.split_once(' ')? {
        ("Bearer", token) => Some(Sent::Token(token)),
        ("Basic", credentials) if basic => Some(Sent::Basic(credentials)),
        _ => None,
    }
}

fn bounded(sent: Option<Sent<'_>>) -> Result<Sent<'_>, Reason> {
    let token = |text: &str| (1..=MAX_TOKEN_BYTES).contains(&text.len());
    let credentials = |text: &str| (1..=MAX_BASIC_BYTES).contains(&text.len());
    let fits = match sent {
        None => false,
        Some(Sent::Nothing) => true,
        Some(Sent::Token(text)) => token(text),
        Some(Sent::Basic(text)) => credentials(text),
        Some(Sent::Both(one, other)) => token(one) && credentials(other),
    };
    sent.filter(|_| fits).ok_or(Reason::MalformedToken)
}
