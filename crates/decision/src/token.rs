//! Phase 2: whose request this is, and the few that need nobody's.

use policy::decision::Phase;
use policy::operation::Method;
use policy::reason::Reason;
use policy::request::Request;

use crate::Engine;
use crate::denial::Denial;
use crate::normalise::Call;
use crate::rules::Grants;

/// How a request goes on after its credentials were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Answered by the gateway itself: `OPTIONS`.
    Local,
    /// What the standards open to everybody: `metadata`, `.well-known/*`.
    Public,
    /// A path that the Service opens to everybody.
    Excluded,
    /// Without credentials, in development.
    Development,
    /// By a caller whose credentials count.
    Caller,
}

/// Lets in who may go on.
pub(crate) fn enter(engine: &Engine, request: &Request<'_>, call: &Call<'_>, grants: &Grants) -> Result<Entry, Denial> {
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
    match grants.refusal {
        None => Ok(Entry::Caller),
        Some(Reason::NoToken) if is_development(engine, request.now) && plain && call.path.is_some() => {
            Ok(Entry::Development)
        }
        // Nothing was learnt about the credentials: the caller may come again with the same.
        Some(Reason::Internal) => Err(Denial::new(Phase::Token, Reason::Internal).with_status(503)),
        Some(reason @ Reason::TwoCredentials) => Err(Denial::new(Phase::Token, reason)),
        Some(reason) => Err(Denial::new(Phase::Token, reason).with_status(401)),
    }
}

/// With both kinds of credential the key has to hold what the request needs, before the token is asked (D30).
pub(crate) fn holds_resource(engine: &Engine, call: &Call<'_>, grants: &Grants) -> Result<(), Denial> {
    let Some(access) = grants.basic else { return Ok(()) };
    if !access.read && !access.write {
        return Err(Denial::new(Phase::Rules, Reason::NoPermission));
    }
    match call.operation(engine) {
        Some((_, operation)) if !access.allows(operation) => Err(Denial::new(Phase::Rules, Reason::NoRule)),
        _ => Ok(()),
    }
}

/// Whether requests without credentials are let in now (I41); never in a production Service.
fn is_development(engine: &Engine, now: i64) -> bool {
    let settings = engine.settings();
    !settings.production && settings.unauthenticated_until.is_some_and(|until| now < until)
}

fn is_public(engine: &Engine, call: &Call<'_>) -> bool {
    let path = call.segments();
    let public = match path {
        [only] => engine.is_fhir() && *only == "metadata",
        [first, _, ..] => *first == ".well-known",
        [] => false,
    };
    public && call.method == Some(Method::Get)
}
