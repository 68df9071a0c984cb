//! Phase 2: whose request this is, and the few that need nobody's.

use policy::bundle::Issuer;
use policy::claims::Claims;
use policy::decision::Phase;
use policy::operation::Method;
use policy::reason::Reason;
use policy::request::{Caller, Request};

use crate::Engine;
use crate::denial::Denial;
use crate::normalise::Call;

/// How a request goes on after its credentials were looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry<'a> {
    /// Answered by the gateway itself: `OPTIONS`.
    Local,
    /// What the standards open to everybody: `metadata`, `.well-known/*`.
    Public,
    /// A path that the Service opens to everybody.
    Excluded,
    /// By this caller.
    Caller(&'a Claims, &'a Issuer),
}

/// Lets in who may go on.
pub(crate) fn enter<'a>(engine: &Engine, request: &Request<'a>, call: &Call<'_>) -> Result<Entry<'a>, Denial> {
    if call.method == Some(Method::Options) {
        return Ok(Entry::Local);
    }
    if call.path.is_some() && is_public(engine, call) {
        return Ok(Entry::Public);
    }
    // A method that is forwarded as another, or echoes what the gateway adds, opens no path.
    let plain = call.method.is_some_and(|method| method != Method::Trace);
    if call.path.is_some() && plain && engine.is_excluded(call.segments()) {
        return Ok(Entry::Excluded);
    }
    match request.caller {
        Caller::Verified(claims, issuer) => Ok(Entry::Caller(claims, issuer)),
        Caller::Basic(_) | Caller::Both(..) => Err(Denial::new(Phase::Token, Reason::NotBuilt)),
        Caller::Missing => Err(Denial::new(Phase::Token, Reason::NoToken)),
        Caller::Refused(reason @ Reason::TwoCredentials) => Err(Denial::new(Phase::Token, reason)),
        Caller::Refused(reason) => Err(Denial::new(Phase::Token, reason).with_status(401)),
    }
}

fn is_public(engine: &Engine, call: &Call<'_>) -> bool {
    let path = call.segments();
    let public = match path {
        [only] => engine.is_fhir() && only == "metadata",
        [first, _, ..] => first == ".well-known",
        [] => false,
    };
    public && call.method == Some(Method::Get)
}
