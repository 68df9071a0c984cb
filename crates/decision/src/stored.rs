//! What is stored, as far as the gateway has fetched it for this request.
//!
//! Invariant: what has not been fetched is asked for, never guessed; an answer that is neither the resource nor its
//! absence is a denial.

use policy::decision::{Lookup, Phase};
use policy::reason::Reason;
use policy::request::{Request, Stored};

use crate::arena::Arena;
use crate::denial::Denial;
use crate::judge::Halt;
use crate::upstream;

/// What is stored under one id now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Current<'a> {
    /// This.
    There(Stored<'a>),
    /// Nothing, or no more.
    Missing,
}

/// The lookup of one instance; `prefix` stands before FHIR's own part of the path, encoded.
pub(crate) fn of_instance(prefix: &str, resource_type: &str, id: &str, arena: &Arena) -> Lookup {
    let path = upstream::path(&[resource_type, id], arena);
    Lookup { path: format!("{prefix}{path}"), query: String::new() }
}

/// What came for a lookup; none if it was not fetched yet.
pub(crate) fn fetched<'a>(stored: &'a [Stored<'a>], lookup: &Lookup) -> Option<Stored<'a>> {
    stored.iter().find(|stored| *stored.lookup == *lookup).copied()
}

/// What is stored under one id, or the lookup that has to come first.
pub(crate) fn current<'a>(request: &Request<'a>, lookup: Lookup, phase: Phase) -> Result<Current<'a>, Halt> {
    let Some(stored) = fetched(request.stored, &lookup) else { return Err(Halt::Lookup(vec![lookup])) };
    match stored.status {
        200 => Ok(Current::There(stored)),
        404 | 410 => Ok(Current::Missing),
        _ => Err(Denial::new(phase, Reason::ResponseUnreadable).into()),
    }
}
