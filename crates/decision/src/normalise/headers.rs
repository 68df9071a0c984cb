//! The headers that decide whether a request can be read in one way: credentials, framing, authority, overrides.

use policy::decision::Phase;
use policy::reason::Reason;
use policy::request::{Header, Request};

use super::Parameter;
use super::path::Target;
use crate::Engine;
use crate::denial::Denial;

/// Headers that would make a server take another method.
const METHOD_HEADERS: &[&str] = &["x-http-method-override", "x-http-method", "x-method-override"];
/// Parameters that would.
const METHOD_PARAMETERS: &[&str] =
    &["_method", "_httpmethod", "x-http-method-override", "x-http-method", "x-method-override"];

/// The values of a header, in order.
pub(super) fn all<'a>(headers: &'a [Header<'a>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name == name).map(|header| header.value)
}

/// Control characters and invalid UTF-8 are refused anywhere, also in headers that go no further.
pub(super) fn check(_: &Engine, request: &Request<'_>, _: &Target<'_>) -> Result<(), Denial> {
    let clean = |header: &Header<'_>| {
        let value = std::str::from_utf8(header.value)
            .is_ok_and(|value| !value.chars().any(|char| char.is_control() && char != '\t'));
        value && !header.name.is_empty() && header.name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if request.headers.iter().all(clean) { Ok(()) } else { Err(Denial::new(Phase::Normalise, Reason::MalformedUrl)) }
}

/// One credential at most, and only in `Authorization` (RFC 6750 section 2).
pub(super) fn credentials<'p>(
    request: &Request<'_>,
    mut parameters: impl Iterator<Item = &'p Parameter<'p>>,
) -> Result<(), Denial> {
    let count = all(request.headers, "authorization").count();
    let outside = parameters.any(|one| one.name.eq_ignore_ascii_case("access_token"));
    match (count, outside) {
        (0 | 1, false) => Ok(()),
        (0, true) => Err(Denial::new(Phase::Normalise, Reason::MalformedQuery)),
        _ => Err(Denial::new(Phase::Normalise, Reason::TwoCredentials)),
    }
}

/// One length, and no other framing beside it (RFC 9112 section 6.3).
pub(super) fn framing(request: &Request<'_>) -> Result<(), Denial> {
    let lengths = all(request.headers, "content-length").count();
    let encoded = all(request.headers, "transfer-encoding").next().is_some();
    if lengths > 1 || (lengths == 1 && encoded) {
        return Err(Denial::new(Phase::Normalise, Reason::MalformedBody));
    }
    Ok(())
}

/// The authority, wherever the request names it, is the Service's own.
pub(super) fn host(engine: &Engine, request: &Request<'_>, target: &Target<'_>) -> Result<(), Denial> {
    let mut hosts = all(request.headers, "host");
    let (first, second) = (hosts.next(), hosts.next());
    let own = |authority: &str| engine.base.has_authority(authority);
    let named = first.is_some() || target.authority.is_some();
    let fits = first.is_none_or(|host| std::str::from_utf8(host).is_ok_and(own)) && target.authority.is_none_or(own);
    if named && fits && second.is_none() { Ok(()) } else { Err(Denial::new(Phase::Normalise, Reason::MalformedUrl)) }
}

/// The method on the wire is the method.
pub(super) fn overrides<'p>(
    request: &Request<'_>,
    mut parameters: impl Iterator<Item = &'p Parameter<'p>>,
) -> Result<(), Denial> {
    let header = request.headers.iter().any(|header| {
        let same = |name: &&str| name.len() == header.name.len() && name.bytes().eq(header.name.bytes().map(dashed));
        METHOD_HEADERS.iter().any(same)
    });
    if header || parameters.any(|one| METHOD_PARAMETERS.iter().any(|name| one.name.eq_ignore_ascii_case(name))) {
        return Err(Denial::new(Phase::Normalise, Reason::MethodOverride));
    }
    Ok(())
}

/// Some servers read `_` in a header's name as `-`.
const fn dashed(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}
