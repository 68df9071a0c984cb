//! What the decision point is asked: one HTTP request as it came, and what the gateway knows of its caller.

use crate::basic::BasicKey;
use crate::bundle::Issuer;
use crate::claims::Claims;
use crate::decision::Lookup;
use crate::reason::Reason;

/// One header as it came; names in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name, in lower case.
    pub name: &'a str,
    /// The value, as bytes.
    pub value: &'a [u8],
}

/// What verification made of the request's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// There were none.
    Missing,
    /// They do not count; one of the reasons of phase 2.
    Refused(Reason),
    /// A token that verified, and the issuer whose key verified it.
    Verified(&'a Claims, &'a Issuer),
    /// Basic credentials whose secret is right.
    Basic(&'a BasicKey),
    /// Both kinds, both valid: the key has to hold the required resource, and the token's rules decide.
    Both(&'a Claims, &'a Issuer, &'a BasicKey),
}

/// Which obligations the gateway can carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Rebuild the query and the headers.
    pub rewrite: bool,
    /// Pass the answer to the decision point before it is released.
    pub check_response: bool,
    /// Fetch what is stored and have it decided on, before and after the request is forwarded.
    pub lookup: bool,
}

impl Capabilities {
    /// All that there are: what a proxy can do.
    pub const ALL: Self = Self { rewrite: true, check_response: true, lookup: true };
}

/// One request at a gateway. Nothing of it has been decoded or normalised.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method's token.
    pub method: &'a str,
    /// The request target as it came: path and query (origin form), or an absolute URL.
    pub target: &'a str,
    /// Every header, in order, `Host` among them; duplicates stay duplicates.
    pub headers: &'a [Header<'a>],
    /// The body; the gateway reads one byte past the limit, never more.
    pub body: &'a [u8],
    /// Who calls.
    pub caller: Caller<'a>,
    /// What the gateway can do with the answer.
    pub capabilities: Capabilities,
    /// Whether the bundle is older than the Service allows.
    pub stale: bool,
    /// Now, in seconds since 1970.
    pub now: i64,
    /// What the gateway fetched because an earlier answer to this very request asked for it; empty at first.
    pub stored: &'a [Stored<'a>],
    /// The upstream's own base URL, without a trailing slash: what is stored may name resources by it. Empty if unknown.
    pub upstream_base: &'a str,
}

/// What the upstream answered to a [`Lookup`].
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// What was asked.
    pub lookup: &'a Lookup,
    /// The status of the answer.
    pub status: u16,
    /// Its `ETag`.
    pub etag: Option<&'a str>,
    /// Its whole body.
    pub body: &'a [u8],
}
