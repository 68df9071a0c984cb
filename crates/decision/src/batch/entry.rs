//! One entry, decided as the request that it is: phase 1, then phases 3 to 8 under the rules of the batch's caller.
//!
//! Invariant: nothing of the batch's own request but the caller, and what was fetched, gets into an entry. The reading of
//! an entry is the one of every other request: its URL goes through phase 1 as a request target does.

use policy::decision::{Action, Decision, Phase, Verdict};
use policy::operation::{Interaction, Method};
use policy::reason::Reason;
use policy::request::{Header, Request};

use super::read::{Bundle, Entry, malformed};
use super::{Item, Kind, Permitted};
use crate::arena::Arena;
use crate::body::Sibling;
use crate::decide::{permit, stop};
use crate::denial::Denial;
use crate::judge::{Halt, Judged, Scene, Trace, judge_call};
use crate::normalise;

/// The media type of an entry's resource.
const RESOURCE: &str = "application/fhir+json";
/// What a Binary that stands for a patch holds: a form that cannot be checked in its place.
const OCTETS: &str = "application/octet-stream";

/// An entry that was decided.
#[derive(Debug)]
pub(super) struct Decided<'a> {
    pub(super) decision: Decision<'a>,
    /// What it goes on with.
    pub(super) permitted: Option<Box<Permitted<'a>>>,
}

impl<'a> Decided<'a> {
    /// What its answer needs, and what the audit does.
    pub(super) fn split(self) -> (Item<'a>, Decision<'a>) {
        let item = match (self.permitted, self.decision.verdict) {
            (Some(permitted), _) => Item::Permitted(permitted),
            (None, Verdict::Deny { status, reason }) => Item::Denied { status, reason },
            (None, Verdict::Permit | Verdict::Undecided) => Item::Denied { status: 500, reason: Reason::Internal },
        };
        (item, self.decision)
    }
}

/// Decides an entry of a Bundle that was sent to the path `own`; a denial is one of the whole Bundle.
pub(super) fn decide<'a>(
    scene: &Scene<'_, 'a>,
    own: &str,
    entry: &Entry<'a>,
    (kind, siblings): (Kind, &'a [Sibling<'a>]),
) -> Result<Decided<'a>, Denial> {
    let request = request(scene, own, entry);
    let mut trace = Trace::new(scene.arena);
    let judged = match judge(scene, &request, (kind, siblings), &mut trace)? {
        Ok(judged) => judged,
        Err(halt) => return Ok(Decided { decision: stop(halt, &request, trace), permitted: None }),
    };
    // A body that replaces the entry's resource has no place in it.
    let upstream = judged.upstream.as_ref().filter(|upstream| upstream.body.is_none());
    let Some(upstream) = upstream.cloned() else {
        let halt = Denial::new(Phase::Batch, Reason::Internal).into();
        return Ok(Decided { decision: stop(halt, &request, trace), permitted: None });
    };
    let decision = permit(&judged, Action::Forward(upstream), trace, scene.arena);
    Ok(Decided { decision, permitted: Some(Box::new(Permitted { request, judged })) })
}

/// The phases of an entry; phase 2 was the batch's, but for what its Basic credentials hold (D29, D30).
fn judge<'a>(
    scene: &Scene<'_, 'a>,
    request: &Request<'a>,
    (kind, siblings): (Kind, &'a [Sibling<'a>]),
    trace: &mut Trace<'a>,
) -> Result<Result<Judged<'a>, Halt>, Denial> {
    let mut call = match normalise::read(scene.engine, request, scene.arena) {
        Ok(call) => call,
        Err(denial) => return Ok(Err(denial.into())),
    };
    let fhir = call.operation(scene.engine).and_then(|(_, operation)| operation.fhir.as_ref());
    if fhir.is_some_and(|fhir| fhir.interaction == Interaction::Batch) {
        return Err(malformed());
    }
    trace.phase = Phase::Operation;
    call.siblings = siblings;
    call.in_transaction = kind == Kind::Transaction;
    Ok(judge_call(scene.engine, request, &call, scene.grants, scene.arena, trace))
}

/// What the `urn:`s of a transaction stand for (D33): what its entries create or replace. An entry that would do anything
/// else to its resource, or writes another type than its URL names, gives its `urn:` no meaning.
pub(super) fn siblings<'a>(bundle: &Bundle<'a>, arena: &'a Arena) -> &'a [Sibling<'a>] {
    let mut siblings = arena.list();
    if bundle.kind == Kind::Transaction {
        let named = bundle.entries.iter().filter(|entry| matches!(entry.method, Method::Post | Method::Put));
        siblings.extend(named.filter_map(|entry| {
            let url = entry.full_url.filter(|url| url.starts_with("urn:"))?;
            let resource_type = entry.resource_type?;
            let own = entry.url.split(['/', '?']).next() == Some(resource_type);
            let is_new = entry.method == Method::Post && entry.if_none_exist.is_none();
            own.then_some(Sibling { url, resource_type, is_new })
        }));
    }
    siblings.into_bump_slice()
}

/// The request that an entry is.
fn request<'a>(scene: &Scene<'_, 'a>, own: &str, entry: &Entry<'a>) -> Request<'a> {
    let arena = scene.arena;
    let mut headers = arena.list_of(3);
    let media = if entry.resource_type == Some("Binary") && entry.method == Method::Patch { OCTETS } else { RESOURCE };
    let writes = matches!(entry.method, Method::Post | Method::Put | Method::Patch);
    let fields = [
        ("content-type", (writes || entry.resource.is_some()).then_some(media)),
        ("if-match", entry.if_match),
        ("if-none-exist", entry.if_none_exist),
    ];
    for (name, value) in fields {
        headers.extend(value.map(|value| Header { name, value: value.as_bytes() }));
    }
    Request {
        method: entry.method.as_str(),
        target: arena.join(&[&scene.engine.base.url, own, "/", entry.url]),
        headers: headers.into_bump_slice(),
        body: entry.resource.unwrap_or_default().as_bytes(),
        ..*scene.request
    }
}
