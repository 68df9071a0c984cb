//! From a request as it came to its decision.
//!
//! Invariant: one request, one snapshot. The bundle that decides a request also reads its token,
//! checks its answer, and is named in its audit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use policy::Reason;
use policy::decision::{Action, Decision, Phase, Upstream, Verdict};
use policy::id::RequestId;
use policy::operation::Method;
use policy::request::{Capabilities, Header, Request};
use policy::settings::{AuditPolicy, ServiceKind};

use crate::Gateway;
use crate::bearer::Credential;
use crate::clock;
use crate::hash::{hex, sha256};
use crate::links::{self, Origin};
use crate::snapshot::Snapshot;

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
}

/// The body ended early, was coded wrongly, came too slowly, or has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBody;

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
    /// The request that a sealed link stands for; none when the client asked for itself.
    pub(crate) origin: Option<Origin>,
    /// SHA-256 of what the decision would send upstream.
    pub(crate) sent: String,
}

impl Judged {
    /// The decision.
    #[must_use]
    pub const fn decision(&self) -> &Decision<'static> {
        &self.decision
    }

    /// How long deciding took, without reading the token.
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
struct Outcome {
    decision: Decision<'static>,
    elapsed: Duration,
    origin: Option<Origin>,
    sent: String,
}

impl From<Decision<'static>> for Outcome {
    fn from(decision: Decision<'static>) -> Self {
        Self { decision, elapsed: Duration::ZERO, origin: None, sent: String::new() }
    }
}

impl Gateway {
    /// Decides a request. Nothing is written and nothing is sent: that is for [`Gateway::enforce`].
    #[must_use]
    pub fn judge(&self, inbound: &Inbound<'_>) -> Judged {
        let at = self.clock.now();
        let snapshot = self.bundles.current();
        let (credential, outcome) = match &snapshot {
            None => (Credential::none(), decision::stale_or_absent().into()),
            Some(snapshot) => {
                let credential = self.authenticator.authenticate(snapshot, inbound.headers, at);
                let outcome = self.outcome(snapshot, &credential, inbound, at);
                (credential, outcome)
            }
        };
        let Outcome { decision, elapsed, origin, sent } = outcome;
        let (method, ip) = (inbound.method.to_owned(), inbound.ip.map(str::to_owned));
        let request_id = clock::request_id(at);
        Judged { at, request_id, snapshot, credential, decision, method, ip, elapsed, origin, sent }
    }

    fn outcome(
        &self,
        snapshot: &Snapshot,
        credential: &Credential,
        inbound: &Inbound<'_>,
        at: DateTime<Utc>,
    ) -> Outcome {
        if self.bundles.stale(snapshot, at) {
            return decision::stale_or_absent().into();
        }
        let Ok(body) = inbound.body else { return denial(400, Reason::MalformedBody, Phase::Normalise).into() };
        let service = &snapshot.bundle().parts().service;
        let follows = service.kind == ServiceKind::Fhirv4 && matches!(inbound.method, "GET" | "HEAD");
        if let Some(seal) = links::sealed(inbound.target, &service.base_url).filter(|_| follows) {
            return self.follow(snapshot, credential, inbound, seal, at);
        }
        let (decision, elapsed) = decide(snapshot, &request(inbound, body, credential, snapshot, at));
        let sent = sent(&decision);
        Outcome { decision, elapsed, origin: None, sent }
    }

    /// Decides the request that a sealed link stands for, under the present token.
    fn follow(
        &self,
        snapshot: &Snapshot,
        credential: &Credential,
        inbound: &Inbound<'_>,
        seal: Option<&str>,
        at: DateTime<Utc>,
    ) -> Outcome {
        let missing = || denial(404, Reason::NotFound, Phase::Operation).into();
        let Some(seal) = seal else { return denial(400, Reason::MalformedQuery, Phase::Normalise).into() };
        let Some(claims) = credential.claims() else {
            return denial(401, credential.refusal().unwrap_or(Reason::NoToken), Phase::Token).into();
        };
        // A page is asked for by its seal alone: the body would go upstream unread.
        if !inbound.body.unwrap_or_default().is_empty() {
            return denial(400, Reason::MalformedBody, Phase::Normalise).into();
        }
        let Some(page) = self.links.open_sealed(seal, claims, at.timestamp()) else { return missing() };
        let headers = headers_for(&page.origin, inbound.headers);
        let again = as_origin(inbound, &page.origin, &headers);
        let body = again.body.unwrap_or_default();
        let (mut decision, elapsed) = decide(snapshot, &request(&again, body, credential, snapshot, at));
        let sent = sent(&decision);
        if let Action::Forward(upstream) = &mut decision.action {
            if sent != page.sent {
                return missing();
            }
            turn_to(upstream, &page.link);
        }
        Outcome { decision, elapsed, origin: Some(page.origin), sent }
    }
}

fn decide(snapshot: &Snapshot, request: &Request<'_>) -> (Decision<'static>, Duration) {
    let started = Instant::now();
    let decision = decision::decide(snapshot.engine(), request);
    (decision, started.elapsed())
}

/// The request as the decision point takes it.
pub(crate) fn request<'a>(
    inbound: &Inbound<'a>,
    body: &'a [u8],
    credential: &'a Credential,
    snapshot: &'a Snapshot,
    at: DateTime<Utc>,
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
        stored: &[],
        upstream_base: "",
    }
}

const FORM: Header<'static> = Header { name: "content-type", value: b"application/x-www-form-urlencoded" };

/// The headers under which the first request of a chain of pages is decided again.
pub(crate) fn headers_for<'a>(origin: &Origin, headers: &[Header<'a>]) -> Vec<Header<'a>> {
    let kept = headers.iter().copied().filter(|header| !header.name.starts_with("content-"));
    kept.chain(origin.form.iter().map(|_| FORM)).collect()
}

/// The first request of a chain of pages, with the present headers.
pub(crate) fn as_origin<'a>(inbound: &Inbound<'a>, origin: &'a Origin, headers: &'a [Header<'a>]) -> Inbound<'a> {
    let body = Ok(origin.form.as_deref().unwrap_or("").as_bytes());
    Inbound { method: &origin.method, target: &origin.target, headers, body, ip: inbound.ip }
}

/// What the decision sends upstream, as one hash: the same only if method, path, query and form are.
fn sent(decision: &Decision<'_>) -> String {
    let Action::Forward(upstream) = &decision.action else { return String::new() };
    let text = serde_json::json!([upstream.method.as_str(), upstream.path, upstream.query, upstream.body]);
    hex(&sha256(text.to_string().as_bytes()))
}

fn turn_to(upstream: &mut Upstream<'_>, link: &str) {
    let (path, query) = link.split_once('?').unwrap_or((link, ""));
    upstream.path = path.to_owned().into();
    upstream.query = query.to_owned().into();
    upstream.method = Method::Get;
    upstream.body = None;
    upstream.headers.to_mut().retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
}
