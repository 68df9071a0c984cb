//! The headers that decide whether a request can be read in one way: credentials, framing, authority, overrides.

use policy::decision::Phase;
use policy::reason::Reason;

use super::Parameter;
use super::head::Head;
use super::path::Target;
use crate::Engine;
use crate::denial::Denial;

/// Parameters that would make a server take another method.
const METHOD_PARAMETERS: &[&str] =
    &["_method", "_httpmethod", "x-http-method-override", "x-http-method", "x-method-override"];

/// Control characters and invalid UTF-8 are refused anywhere, also in headers that go no further.
pub(super) fn check(head: &Head<'_>) -> Result<(), Denial> {
    if head.clean { Ok(()) } else { Err(Denial::new(Phase::Normalise, Reason::MalformedUrl)) }
}

/// One credential at most, and only in `Authorization` (RFC 6750 section 2); one of each kind where Basic is on.
pub(super) fn credentials(engine: &Engine, head: &Head<'_>, parameters: [&[Parameter<'_>]; 2]) -> Result<(), Denial> {
    let names = |one: &Parameter<'_>| one.name.eq_ignore_ascii_case("access_token");
    let outside = parameters.iter().any(|list| list.iter().any(names));
    let both = head.authorizations == 2 && head.basics == 1 && engine.settings().basic.is_some();
    match (head.authorizations, outside) {
        (0 | 1, false) => Ok(()),
        (2, false) if both => Ok(()),
        (0, true) => Err(Denial::new(Phase::Normalise, Reason::MalformedQuery)),
        _ => Err(Denial::new(Phase::Normalise, Reason::TwoCredentials)),
    }
}

/// One length, and no other framing beside it (RFC 9112 section 6.3).
pub(super) fn framing(head: &Head<'_>) -> Result<(), Denial> {
    if head.lengths > 1 || (head.lengths == 1 && head.encoded) {
        return Err(Denial::new(Phase::Normalise, Reason::MalformedBody));
    }
    Ok(())
}

/// The authority, wherever the request names it, is the Service's own.
pub(super) fn host(engine: &Engine, head: &Head<'_>, target: &Target<'_>) -> Result<(), Denial> {
    let own = |authority: &[u8]| engine.base.has_authority(authority);
    let named = head.hosts > 0 || target.authority.is_some();
    let fits =
        (head.hosts == 0 || own(head.host)) && target.authority.is_none_or(|authority| own(authority.as_bytes()));
    if named && fits && head.hosts < 2 { Ok(()) } else { Err(Denial::new(Phase::Normalise, Reason::MalformedUrl)) }
}

/// The method on the wire is the method.
pub(super) fn overrides(head: &Head<'_>, parameters: [&[Parameter<'_>]; 2]) -> Result<(), Denial> {
    let names = |one: &Parameter<'_>| {
        // The shortest is `_method`.
        matches!(one.name.as_bytes(), [b'_' | b'x' | b'X', _, _, _, _, _, _, ..])
            && METHOD_PARAMETERS.iter().any(|name| one.name.eq_ignore_ascii_case(name))
    };
    if head.overrides || parameters.iter().any(|list| list.iter().any(names)) {
        return Err(Denial::new(Phase::Normalise, Reason::MethodOverride));
    }
    Ok(())
}
