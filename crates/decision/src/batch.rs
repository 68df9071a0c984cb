//! Phase 7: a batch or transaction, each entry of it decided as if it came alone (D32 to D35).
//!
//! Invariant: an entry is decided on what is stored before any of them was carried out: nothing that the bundle itself
//! would write justifies another entry. What goes upstream is written anew from what was decided, so an entry that the
//! upstream would read in another way never reaches it.

mod entry;
mod read;
mod write;

use std::borrow::Cow;

use policy::decision::{Action, Decision, Lookup, Names, Obligation, Phase, Upstream, Verdict};
use policy::operation::Interaction;
use policy::reason::Reason;
use policy::request::Request;

use crate::denial::Denial;
use crate::judge::{Halt, Judged, Plan, Scene, Trace};
use crate::query;
use crate::upstream::{self, Sends};

use entry::Decided;

pub(crate) use write::refusal;

/// The most entries.
pub(crate) const MAX_ENTRIES: usize = 500;

/// A batch or transaction that goes on, and all that its answer is checked by.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) kind: Kind,
    /// The entries, in order.
    pub(crate) entries: Vec<Item<'a>>,
    /// The answer of our own, where nothing is forwarded.
    pub(crate) reply: String,
}

/// What a Bundle of requests is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Each entry for itself.
    Batch,
    /// All of them or none.
    Transaction,
}

/// What became of an entry.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// It is forwarded.
    Permitted(Box<Permitted<'a>>),
    /// It is answered in its place.
    Denied { status: u16, reason: Reason },
}

/// An entry that is forwarded: the request that it is, and what that came to.
#[derive(Debug)]
pub(crate) struct Permitted<'a> {
    pub(crate) request: Request<'a>,
    pub(crate) judged: Judged<'a>,
}

impl Kind {
    /// The `type` of its Bundle.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Transaction => "transaction",
        }
    }

    /// The `type` of the Bundle that answers it.
    pub(crate) const fn response(self) -> &'static str {
        match self {
            Self::Batch => "batch-response",
            Self::Transaction => "transaction-response",
        }
    }
}

/// What a batch comes to: its plan, the rules that permitted entries, and what goes upstream.
pub(crate) type Planned<'a> = (Plan<'a>, &'a [u16], Option<Upstream<'a>>);

/// Decides a batch, and all of its entries.
pub(crate) fn judge<'a>(scene: &Scene<'_, 'a>, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
    let grants = scene.grants;
    if !grants.any {
        return Err(Denial::new(Phase::Rules, Reason::NoPermission).into());
    }
    if grants.list.is_empty() && grants.waiting.is_empty() {
        return Err(Denial::new(Phase::Rules, Reason::NoRule).into());
    }
    let mut every = scene.arena.list_of(grants.list.len());
    every.extend(grants.list.iter().zip(0_u16..).map(|(_, place)| place));
    scene.async_only_for_systems(&every)?;
    trace.phase = Phase::Query;
    let query = query::of_batch(scene.call, scene.arena, trace)?;
    trace.phase = Phase::Batch;
    let own = match scene.call.segments() {
        [] => "",
        segments => upstream::path(segments, scene.arena),
    };
    let bundle = read::read(scene.request.body, &scene.engine.base, own, scene.arena)?;
    let mut decided = Vec::with_capacity(bundle.entries.len());
    let siblings = entry::siblings(&bundle, scene.arena);
    for entry in &bundle.entries {
        decided.push(without_export(entry::decide(scene, own, entry, (bundle.kind, siblings))?));
    }
    if writes_twice(&decided) {
        return Err(read::malformed().into());
    }
    ask(&decided)?;
    trace.obligations.push(Obligation::PerEntry);
    let refused = decided.iter().find_map(|one| match one.decision.verdict {
        Verdict::Deny { status, .. } => Some(status),
        Verdict::Permit | Verdict::Undecided => None,
    });
    let (text, forwarded) = write::bundle(bundle.kind, own, &bundle.entries, &decided, scene.engine);
    let (entries, decisions): (Vec<_>, Vec<_>) = decided.into_iter().map(Decided::split).unzip();
    trace.entries = decisions;
    if let (Kind::Transaction, Some(status)) = (bundle.kind, refused) {
        return Err(Denial::new(Phase::Batch, Reason::EntryDenied).with_status(status).into());
    }
    let mut batch = Batch { kind: bundle.kind, entries, reply: String::new() };
    let permitting = permitting(scene, &batch.entries);
    if forwarded == 0 {
        batch.reply = write::reply(scene.engine, &batch);
        return Ok((Plan::Batch(batch), permitting, None));
    }
    // It is of the writes among the entries.
    let mut headers = scene.arena.list();
    headers.extend(scene.call.prefer.returns.map(|own| ("prefer", scene.arena.join(&["return=", own]))));
    let sends =
        Sends { query, media: Some("application/fhir+json"), headers: headers.into_bump_slice(), ..Sends::default() };
    let upstream = upstream::fhir(scene.request, scene.call, scene.operation, sends, scene.arena, trace);
    Ok((Plan::Batch(batch), permitting, Some(Upstream { body: Some(text.into()), ..upstream })))
}

/// An export answers later and elsewhere, which no entry can: none is kicked off in a batch (D51).
fn without_export(decided: Decided<'_>) -> Decided<'_> {
    let exports = |permitted: &Permitted<'_>| matches!(permitted.judged.plan, Plan::Export(_));
    if !decided.permitted.as_deref().is_some_and(exports) {
        return decided;
    }
    let decision = Decision {
        verdict: Verdict::Deny { status: 403, reason: Reason::OperationDenied },
        phase: Phase::Batch,
        action: Action::None,
        rules: Names::Borrowed(&[]),
        obligations: Cow::Borrowed(&[]),
        ..decided.decision
    };
    Decided { decision, permitted: None }
}

/// Whether two entries write one instance (R4 http.html, "transaction"): each was decided on what is stored, and nobody
/// decided on what both make of it (D63).
fn writes_twice(decided: &[Decided<'_>]) -> bool {
    let writes = |one: &Decided<'_>| {
        matches!(one.decision.interaction, Some(Interaction::Update | Interaction::Patch | Interaction::Delete))
    };
    let named = decided.iter().filter(|one| writes(one)).filter_map(|one| {
        let decision = &one.decision;
        decision.resource_type.as_deref().zip(decision.resource_id.as_deref())
    });
    let mut named: Vec<_> = named.collect();
    named.sort_unstable();
    named.windows(2).any(|pair| pair.first() == pair.last())
}

/// What has to be looked up before all entries are decided.
fn ask(decided: &[Decided<'_>]) -> Result<(), Halt> {
    let asked = |one: &Decided<'_>| match &one.decision.action {
        Action::Lookup(lookups) => lookups.to_vec(),
        _ => Vec::new(),
    };
    let mut lookups: Vec<Lookup> = decided.iter().flat_map(asked).collect();
    lookups.sort_unstable();
    lookups.dedup();
    if lookups.is_empty() { Ok(()) } else { Err(Halt::Lookup(lookups)) }
}

/// The rules that permitted an entry, in the token's order.
fn permitting<'a>(scene: &Scene<'_, 'a>, entries: &[Item<'a>]) -> &'a [u16] {
    let mut places = scene.arena.list();
    for item in entries {
        if let Item::Permitted(permitted) = item {
            places.extend_from_slice(permitted.judged.permitting);
        }
    }
    places.sort_unstable();
    places.dedup();
    places.into_bump_slice()
}
