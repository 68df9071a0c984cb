//! From a request as it came to its decision, in as many steps as what is stored has to be asked.
//!
//! Invariant: one request, one snapshot, one moment. The bundle that decides a request also reads its
//! token, checks its answer, and is named in its audit, however long the lookups between its steps take.

mod follow;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use policy::Reason;
use policy::decision::{Action, Decision, Lookup, Phase, Verdict};
use policy::id::RequestId;
use policy::request::{Capabilities, Header, Request, Stored};
use policy::settings::{AuditPolicy, ServiceKind, Settings};

use crate::Gateway;
use crate::audit::Room;
use crate::bearer::Credential;
use crate::check_token;
use crate::clock;
use crate::engine;
use crate::hash::{hex, sha256};
use crate::links::{self, Kind, Origin, Owner};
use crate::snapshot::Snapshot;
use crate::stored::{Fetched, Store};

pub(crate) use follow::{as_origin, headers_for, turn_to};

/// A request as the door read it; nothing of it has been decoded.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// The method's token.
    pub method: &'a str,
    /// The target as it came.
    pub target: &'a str,
    /// Every header, in order, duplicates too.
    pub headers: &'a [Header<'a>],
    /// The body, or that it could not be read to its end.
    pub body: Result<&'a [u8], BrokenBody>,
    /// The peer's address.
    pub ip: Option<&'a str>,
    /// The upstream's own base URL, without a trailing slash.
    pub upstream_base: &'a str,
}

/// The body ended early, was coded wrongly, came too slowly, or has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBody;

/// What the door does next on the way to a decision.
#[derive(Debug)]
pub enum Judging {
    /// Nothing: it is decided.
    Decided(Judged),
    /// Fetch [`Pending::lookups`] from the upstream, and go on with [`Gateway::judge_on`].
    Needs(Pending),
}

/// A request that only what is stored can decide. Nothing of it is in the audit yet; one that is given up writes that itself.
#[derive(Debug)]
pub struct Pending {
    gateway: Arc<Gateway>,
    asking: Option<Asking>,
}

impl Pending {
    /// What to fetch.
    #[must_use]
    pub fn lookups(&self) -> &[Lookup] {
        self.asking.as_ref().map_or(&[], |asking| &asking.lookups)
    }

    /// The settings of the Service under which it is decided.
    #[must_use]
    pub fn settings(&self) -> Option<&Settings> {
        let snapshot = self.asking.as_ref()?.case.snapshot.as_ref()?;
        Some(&snapshot.bundle().parts().settings)
    }
}

#[cfg(test)]
impl Pending {
    /// A request that was judged, turned back into one that asks for this.
    pub(crate) fn of(gateway: &Arc<Gateway>, judged: Judged, lookups: Vec<Lookup>) -> Self {
        let Judged { at, request_id, snapshot, credential, decision, method, ip, stored, elapsed, .. } = judged;
        let case = Case { at, request_id, snapshot, credential, method, ip, stored, elapsed };
        let decision =
            Decision { verdict: Verdict::Undecided, action: Action::Lookup(lookups.clone().into()), ..decision };
        Self { gateway: Arc::clone(gateway), asking: Some(Asking { case, outcome: decision.into(), lookups }) }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(Asking { case, outcome, .. }) = self.asking.take() else { return };
        let judged = judged(case, outcome);
        if self.gateway.write_decision(&judged, Room::Denial).is_err() {
            tracing::error!(request_id = %judged.request_id, "a request that was given up before it was decided could not be written");
        }
    }
}

/// What a step came to: decided, or what is asked, with all that is known so far.
#[derive(Debug)]
enum Step {
    Decided(Judged),
    Asks(Asking),
}

#[derive(Debug)]
struct Asking {
    case: Case,
    /// Undecided.
    outcome: Outcome,
    lookups: Vec<Lookup>,
}

/// What stays the same through all steps of one request, and what was gathered in them.
#[derive(Debug)]
struct Case {
    at: DateTime<Utc>,
    request_id: RequestId,
    snapshot: Option<Arc<Snapshot>>,
    credential: Credential,
    method: String,
    ip: Option<String>,
    stored: Store,
    elapsed: Duration,
}

/// A request with its decision, not enforced yet.
#[derive(Debug)]
pub struct Judged {
    pub(crate) at: DateTime<Utc>,
    pub(crate) request_id: RequestId,
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    pub(crate) credential: Credential,
    pub(crate) decision: Decision<'static>,
    pub(crate) method: String,
    pub(crate) ip: Option<String>,
    pub(crate) elapsed: Duration,
    /// What was looked up for it.
    pub(crate) stored: Store,
    /// The request that a sealed link stands for; none when the client asked for itself.
    pub(crate) origin: Option<Origin>,
    /// What that link leads to.
    pub(crate) kind: Kind,
    /// SHA-256 of what the decision would send upstream.
    pub(crate) sent: String,
    /// Whether it asks for the gateway's own keys, which are public.
    pub(crate) own_keys: bool,
}

impl Judged {
    /// The decision.
    #[must_use]
    pub const fn decision(&self) -> &Decision<'static> {
        &self.decision
    }

    /// How long deciding took, without reading the token and without the lookups.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The id that the entries of this request bear.
    #[must_use]
    pub const fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// The version of the bundle that decided.
    #[must_use]
    pub fn bundle_version(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|snapshot| snapshot.manifest().version)
    }

    /// The operation as the Service's document names it (`GET:/Patient/{id}`), once it was found.
    #[must_use]
    pub fn operation(&self) -> Option<String> {
        let index = usize::try_from(self.decision.operation?).ok()?;
        let operations = &self.snapshot.as_ref()?.bundle().parts().operations;
        operations.get(index).map(policy::operation::Operation::key)
    }

    /// Whether it is the kick-off of an export, made by the client or stood for by a link.
    pub(crate) fn is_export(&self) -> bool {
        let index = self.decision.operation.and_then(|index| usize::try_from(index).ok());
        let operations = self.snapshot.as_ref().map(|snapshot| &snapshot.bundle().parts().operations);
        let operation = index.zip(operations).and_then(|(index, operations)| operations.get(index));
        operation.and_then(|operation| operation.fhir.as_ref()?.code.as_deref()) == Some("export")
    }

    /// Whose links it may follow, and be given.
    pub(crate) fn link_owner(&self) -> Option<Owner> {
        follow::owner(&self.credential, self.snapshot.as_ref()?)
    }

    /// What the Service says of a spool that is full; without a bundle, the strictest.
    pub(crate) fn audit_policy(&self) -> AuditPolicy {
        self.snapshot.as_ref().map_or(AuditPolicy::NeverLose, |snapshot| snapshot.bundle().parts().settings.audit)
    }
}

/// A denial that the gateway itself gives, with nothing to forward.
#[must_use]
pub const fn denial(status: u16, reason: Reason, phase: Phase) -> Decision<'static> {
    Decision::bare(Verdict::Deny { status, reason }, phase)
}

/// What one decision came to, before it is put together with the request.
#[derive(Debug)]
struct Outcome {
    decision: Decision<'static>,
    elapsed: Duration,
    origin: Option<Origin>,
    kind: Kind,
    sent: String,
    own_keys: bool,
}

impl From<Decision<'static>> for Outcome {
    fn from(decision: Decision<'static>) -> Self {
        Self { decision, elapsed: Duration::ZERO, origin: None, kind: Kind::Page, sent: String::new(), own_keys: false }
    }
}

impl Gateway {
    /// Decides a request, as far as that goes without asking the upstream what is stored. Nothing is
    /// written and nothing is forwarded: that is for [`Gateway::enforce`].
    #[must_use]
    pub fn judge(self: &Arc<Self>, inbound: &Inbound<'_>) -> Judging {
        let at = self.clock.now();
        let snapshot = self.bundles.current();
        let credential = snapshot
            .as_ref()
            .map_or_else(Credential::none, |snapshot| self.authenticator.authenticate(snapshot, inbound.headers, at));
        let case = Case {
            at,
            request_id: clock::request_id(at),
            snapshot,
            credential,
            method: inbound.method.to_owned(),
            ip: inbound.ip.map(str::to_owned),
            stored: Store::default(),
            elapsed: Duration::ZERO,
        };
        self.step(case, inbound)
    }

    /// Goes on with a request, given what its lookups brought; one that brought nothing may be left out.
    #[must_use]
    pub fn judge_on(self: &Arc<Self>, mut pending: Pending, inbound: &Inbound<'_>, fetched: Vec<Fetched>) -> Judging {
        match pending.asking.take() {
            Some(Asking { mut case, lookups, .. }) => {
                case.stored.add(lookups, fetched);
                self.step(case, inbound)
            }
            // Only dropping it takes that away.
            None => self.judge(inbound),
        }
    }

    fn step(self: &Arc<Self>, case: Case, inbound: &Inbound<'_>) -> Judging {
        let outcome = match &case.snapshot {
            None => engine::stale_or_absent().into(),
            Some(snapshot) => self.outcome(snapshot, &case, inbound),
        };
        match next(case, outcome) {
            Step::Decided(judged) => Judging::Decided(judged),
            Step::Asks(asking) => Judging::Needs(Pending { gateway: Arc::clone(self), asking: Some(asking) }),
        }
    }

    fn outcome(&self, snapshot: &Snapshot, case: &Case, inbound: &Inbound<'_>) -> Outcome {
        if self.bundles.stale(snapshot, case.at) {
            return engine::stale_or_absent().into();
        }
        let Ok(body) = inbound.body else { return denial(400, Reason::MalformedBody, Phase::Normalise).into() };
        let service = &snapshot.bundle().parts().service;
        let reads = matches!(inbound.method, "GET" | "HEAD");
        let follows = service.kind == ServiceKind::Fhirv4 && (reads || inbound.method == "DELETE");
        if reads && check_token::asks_for_keys(inbound.target, &service.base_url) {
            return Outcome { own_keys: true, ..self.own_keys().into() };
        }
        if let Some(seal) = links::sealed(inbound.target, &service.base_url).filter(|_| follows) {
            return self.follow(snapshot, case, inbound, seal);
        }
        let (decision, elapsed) = decide(snapshot, case, inbound, body);
        let sent = sent(&decision);
        Outcome { elapsed, sent, ..decision.into() }
    }

    /// The public half of the key that signs check tokens: the same for everybody.
    fn own_keys(&self) -> Decision<'static> {
        let action = Action::Reply(200, self.signer.public_keys().to_owned().into());
        Decision { action, ..Decision::bare(Verdict::Permit, Phase::Operation) }
    }
}

/// Decided, or more is needed; what asks in vain or too often is denied.
fn next(mut case: Case, mut outcome: Outcome) -> Step {
    case.elapsed = case.elapsed.saturating_add(outcome.elapsed);
    if outcome.decision.verdict == Verdict::Undecided {
        let lookups = match &outcome.decision.action {
            Action::Lookup(lookups) => case.stored.wanted(lookups),
            _ => None,
        };
        if let Some(lookups) = lookups {
            return Step::Asks(Asking { case, outcome, lookups });
        }
        outcome.decision = unreadable(outcome.decision);
    }
    Step::Decided(judged(case, outcome))
}

fn judged(case: Case, outcome: Outcome) -> Judged {
    let Case { at, request_id, snapshot, credential, method, ip, stored, elapsed } = case;
    let Outcome { decision, origin, kind, sent, own_keys, .. } = outcome;
    Judged { at, request_id, snapshot, credential, decision, method, ip, elapsed, stored, origin, kind, sent, own_keys }
}

/// The denial of a request that nothing stored could decide.
fn unreadable(decision: Decision<'static>) -> Decision<'static> {
    let verdict = Verdict::Deny { status: 502, reason: Reason::ResponseUnreadable };
    Decision {
        verdict,
        action: Action::None,
        rules: Cow::Borrowed(&[]),
        obligations: Cow::Borrowed(&[]),
        entries: Cow::Borrowed(&[]),
        ..decision
    }
}

fn decide(snapshot: &Snapshot, case: &Case, inbound: &Inbound<'_>, body: &[u8]) -> (Decision<'static>, Duration) {
    let started = Instant::now();
    let stored = case.stored.view();
    let request = request(inbound, body, &case.credential, snapshot, case.at, &stored);
    let decision =
        engine::with_grants(snapshot, &case.credential, |grants| engine::decide(snapshot.engine(), &request, grants));
    (decision, started.elapsed())
}

/// The request as the decision point takes it.
pub(crate) fn request<'a>(
    inbound: &Inbound<'a>,
    body: &'a [u8],
    credential: &'a Credential,
    snapshot: &'a Snapshot,
    at: DateTime<Utc>,
    stored: &'a [Stored<'a>],
) -> Request<'a> {
    Request {
        method: inbound.method,
        target: inbound.target,
        headers: inbound.headers,
        body,
        caller: credential.caller(snapshot.bundle()),
        capabilities: Capabilities::ALL,
        stale: false,
        now: at.timestamp(),
        stored,
        upstream_base: inbound.upstream_base,
    }
}

/// What the decision sends upstream, as one hash: the same only if method, path, query and form are.
fn sent(decision: &Decision<'_>) -> String {
    let Action::Forward(upstream) = &decision.action else { return String::new() };
    let text = serde_json::json!([upstream.method.as_str(), upstream.path, upstream.query, upstream.body]);
    hex(&sha256(text.to_string().as_bytes()))
}

#[cfg(test)]
mod tests;
