//! Enforcement: the audit first, then what the decision says, and nothing else.
//!
//! Invariant: only [`Gateway::enforce`] makes a [`Permitted`], after the decision's entry is in the
//! spool; and an answer is released only after its outcome's entry is. What has to be looked up or
//! read on in between is a step of the same request, and releases nothing.

mod files;

use std::sync::Arc;

use policy::Reason;
use policy::audit::{OutcomeRecord, Record};
use policy::decision::{Action, Body, Lookup, Phase, Released, Upstream};
use policy::request::Request;
use policy::settings::{ServiceKind, Settings};

use crate::Gateway;
use crate::audit::record::{self, Seen};
use crate::audit::{Full, Room, Said};
use crate::check_token;
use crate::engine::{self, Answer, Engine, Grants, Outcome};
use crate::judge::{self, Inbound, Judged, denial};
use crate::links::{self, Kind, Origin, Sealing};
use crate::snapshot::Snapshot;
use crate::stored::Fetched;

pub use files::{Cut, Streaming};

/// The status in the audit of a request whose client went away before it was answered.
const CLIENT_LEFT: u16 = 499;
/// The longest body that is sealed into links: the form of a search, the Parameters of an export.
const MAX_SEALED_BODY_BYTES: usize = 4 * 1024;
/// The media type of a form.
const FORM: &[u8] = b"application/x-www-form-urlencoded";
/// How many pages the gateway reads on by itself, until one has something that is kept.
const MAX_READ_ON: u32 = 10;

/// What the door does with a request.
#[derive(Debug)]
pub enum Enforced {
    /// Forward it.
    Forward(Box<Permitted<Upstream<'static>>>),
    /// Answer it at once.
    Answer(Released),
}

/// A request that was permitted and whose decision is in the audit; only [`Gateway::enforce`] makes one.
#[derive(Debug)]
pub struct Permitted<T> {
    inner: T,
    open: Open,
}

/// A forwarded request, until its outcome is in the audit; one that is given up writes that itself.
#[derive(Debug)]
struct Open {
    gateway: Arc<Gateway>,
    snapshot: Arc<Snapshot>,
    judged: Judged,
    /// Pages that were read on, and how many resources of the pages before were dropped.
    pages: u32,
    dropped_before: u32,
    /// What was released already, of an answer that is released bit by bit.
    so_far: SoFar,
    settled: bool,
}

/// How much of an answer is with the client before its outcome is known.
#[derive(Clone, Copy, Debug, Default)]
struct SoFar {
    upstream_status: Option<u16>,
    released: u32,
    dropped: u32,
    bytes: u64,
}

/// What the door does with an answer of the upstream.
#[derive(Debug)]
pub enum Releasing {
    /// Nothing more: this is for the client, and in the audit.
    Done(Released),
    /// Fetch these, tell them to [`Permitted::looked_up`], and release the same answer again.
    Needs(Box<Permitted<Upstream<'static>>>, Vec<Lookup>),
    /// Nothing of this page is kept: send [`Permitted::inner`], the next one, and release its answer.
    ReadOn(Box<Permitted<Upstream<'static>>>),
}

/// Why the upstream gave no answer that could be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It could not be reached, or took too long.
    NoAnswer,
    /// It answered with this status, and the body broke off or was too long.
    BrokenAnswer(u16),
}

impl Gateway {
    /// Writes the decision to the audit, and hands out what may now be done.
    pub fn enforce(self: &Arc<Self>, judged: Judged) -> Enforced {
        let forward = match (&judged.snapshot, &judged.decision.action) {
            (Some(snapshot), Action::Forward(upstream)) if judged.decision.permits() => {
                Some((Arc::clone(snapshot), upstream.clone()))
            }
            _ => None,
        };
        let room = if forward.is_some() { Room::Permit } else { Room::Denial };
        if self.write_decision(&judged, room).is_err() {
            return Enforced::Answer(refuse(judged.snapshot.as_deref(), 503));
        }
        match forward {
            Some((snapshot, mut inner)) => {
                self.put_check_token(&mut inner, &judged, &snapshot);
                let gateway = Arc::clone(self);
                let so_far = SoFar::default();
                let open = Open { gateway, snapshot, judged, pages: 0, dropped_before: 0, so_far, settled: false };
                Enforced::Forward(Box::new(Permitted { inner, open }))
            }
            None => Enforced::Answer(self.answer(&judged)),
        }
    }

    pub(crate) fn write_decision(&self, judged: &Judged, room: Room) -> Result<(), Full> {
        let seen = Seen {
            credential: &judged.credential,
            bundle: judged.snapshot.as_deref().map(Snapshot::bundle),
            method: &judged.method,
            ip: judged.ip.as_deref(),
            micros: u64::try_from(judged.elapsed.as_micros()).unwrap_or(u64::MAX),
        };
        let records = record::decisions(&judged.decision, &seen);
        let said = |record| Said {
            at: judged.at,
            request_id: judged.request_id,
            bundle_version: judged.bundle_version(),
            record: Record::Decision(Box::new(record)),
        };
        self.spool.append_all(records.into_iter().map(said).collect(), judged.audit_policy(), room)
    }

    fn write_outcome(&self, judged: &Judged, outcome: OutcomeRecord) -> Result<(), Full> {
        let said = Said {
            at: self.clock.now(),
            request_id: judged.request_id,
            bundle_version: judged.bundle_version(),
            record: Record::Outcome(outcome),
        };
        self.spool.append(said, judged.audit_policy(), Room::Outcome)
    }

    /// Puts the gateway's own token in the place of whatever came under its name.
    fn put_check_token(&self, upstream: &mut Upstream<'static>, judged: &Judged, snapshot: &Snapshot) {
        let headers = upstream.headers.to_mut();
        let own = check_token::OWN_PREFIX;
        headers.retain(|(name, _)| !name.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own)));
        if let Some(token) = self.signer.for_upstream(judged, snapshot, self.clock.now().timestamp()) {
            headers.push((check_token::HEADER.into(), token.into_bytes().into()));
        }
    }

    /// The answer to a request that is not forwarded.
    fn answer(&self, judged: &Judged) -> Released {
        let snapshot = judged.snapshot.as_deref();
        match &judged.decision.action {
            Action::Answer(status) if judged.decision.permits() => own(*status, Vec::new(), Body::default()),
            Action::Reply(status, body) if judged.decision.permits() => {
                own(*status, reply_headers(judged, snapshot), body.clone().into_owned().into())
            }
            // A permit with nothing to do would be a fault of ours: it is a denial.
            _ if judged.decision.permits() => refuse(snapshot, 503),
            _ => {
                let mut refused = engine::refuse(snapshot.map(Snapshot::engine), &judged.decision);
                let now = self.clock.now().timestamp();
                let token = snapshot.and_then(|snapshot| self.signer.for_client(judged, snapshot, refused.status, now));
                refused.headers.extend(token.map(|token| (check_token::HEADER.to_owned(), token.into_bytes())));
                refused
            }
        }
    }
}

const fn own(status: u16, headers: Vec<(String, Vec<u8>)>, body: Body) -> Released {
    Released { status, headers, body, reason: None, released: 0, dropped: 0, read_on: None }
}

/// The headers of an answer that the gateway wrote itself: a batch of which nothing is forwarded, or its public keys.
fn reply_headers(judged: &Judged, snapshot: Option<&Snapshot>) -> Vec<(String, Vec<u8>)> {
    let fhir = snapshot.is_some_and(|snapshot| snapshot.bundle().parts().service.kind == ServiceKind::Fhirv4);
    let headers: &[(&str, &str)] = match (judged.own_keys, fhir) {
        (true, _) => &[("content-type", "application/jwk-set+json"), ("cache-control", "public, max-age=300")],
        (false, true) => &[("content-type", "application/fhir+json; charset=utf-8"), NOT_STORED, BY_TOKEN],
        (false, false) => &[("content-type", "application/json; charset=utf-8"), NOT_STORED, BY_TOKEN],
    };
    headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

const NOT_STORED: (&str, &str) = ("cache-control", "private, no-store");
const BY_TOKEN: (&str, &str) = ("vary", "Authorization");

/// The answer to a request that cannot be served for a reason of the gateway's own.
fn refuse(snapshot: Option<&Snapshot>, status: u16) -> Released {
    let reason = if status == 502 { Reason::ResponseUnreadable } else { Reason::Internal };
    let refused = engine::refuse(snapshot.map(Snapshot::engine), &denial(status, reason, Phase::Response));
    Released { reason: Some(reason), ..refused }
}

impl<T> Permitted<T> {
    /// What was permitted.
    #[must_use]
    pub const fn inner(&self) -> &T {
        &self.inner
    }

    /// The settings of the Service under which it was permitted.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.open.snapshot.bundle().parts().settings
    }

    /// Its decision and request id.
    #[must_use]
    pub const fn judged(&self) -> &Judged {
        &self.open.judged
    }

    /// The answer when there is none to look at.
    #[must_use]
    pub fn fail(mut self, failure: Failure) -> Released {
        let upstream_status = match failure {
            Failure::NoAnswer => None,
            Failure::BrokenAnswer(status) => Some(status),
        };
        let refused = refuse(Some(&self.open.snapshot), 502);
        self.open.settle(upstream_status, refused)
    }
}

impl Permitted<Upstream<'static>> {
    /// Phase 9: what of the upstream's answer the client may have, once that is in the audit.
    #[must_use]
    pub fn release(self: Box<Self>, inbound: &Inbound<'_>, answer: &Answer<'_>) -> Releasing {
        let outcome = self.open.respond(inbound, answer);
        self.step(outcome, answer)
    }

    /// Takes what the lookups of [`Releasing::Needs`] brought; one that brought nothing may be left out.
    pub fn looked_up(&mut self, asked: Vec<Lookup>, fetched: Vec<Fetched>) {
        self.open.judged.stored.add(asked, fetched);
    }

    fn step(mut self: Box<Self>, outcome: Outcome, answer: &Answer<'_>) -> Releasing {
        let mut released = match outcome {
            Outcome::Release(released) => released,
            Outcome::Lookup(lookups) => match self.open.judged.stored.wanted(&lookups) {
                Some(wanted) => return Releasing::Needs(self, wanted),
                None => refuse(Some(&self.open.snapshot), 502),
            },
        };
        released.dropped = released.dropped.saturating_add(self.open.dropped_before);
        let further = released.read_on.take().filter(|_| self.open.pages < MAX_READ_ON);
        if let Some(link) = further.and_then(|url| links::below(&url, answer.upstream_base)) {
            self.open.pages += 1;
            self.open.dropped_before = released.dropped;
            self.open.judged.stored.begin_again();
            judge::turn_to(&mut self.inner, &link);
            return Releasing::ReadOn(self);
        }
        Releasing::Done(self.open.settle(Some(answer.status), released))
    }
}

impl Open {
    fn respond(&self, inbound: &Inbound<'_>, answer: &Answer<'_>) -> Outcome {
        if self.judged.origin.is_some() && self.judged.kind != Kind::Page {
            return Outcome::Release(self.respond_to_link(inbound, answer));
        }
        let origin = self.judged.origin.clone().or_else(|| origin(inbound));
        let kind = if self.judged.is_export() { Kind::Job } else { Kind::Page };
        self.again(inbound, |engine, request, grants| {
            let mut seal = |link: &str| self.seal(link, &kind, answer.upstream_base, origin.as_ref()?);
            engine::respond(engine, request, grants, answer, &mut seal)
        })
    }

    /// Gives `work` the request as it was decided: as it came, or as the one that a link stands for.
    fn again<T>(&self, inbound: &Inbound<'_>, work: impl FnOnce(&Engine, &Request<'_>, &Grants) -> T) -> T {
        let judged = &self.judged;
        let headers = judged.origin.as_ref().map(|origin| judge::headers_for(origin, &judged.kind, inbound.headers));
        let asked = match (&judged.origin, &headers) {
            (Some(origin), Some(headers)) => judge::as_origin(inbound, origin, headers),
            _ => *inbound,
        };
        let body = asked.body.unwrap_or_default();
        let stored = judged.stored.view();
        let request = judge::request(&asked, body, &judged.credential, &self.snapshot, judged.at, &stored);
        engine::with_grants(&self.snapshot, &judged.credential, |grants| work(self.snapshot.engine(), &request, grants))
    }

    fn seal(&self, link: &str, kind: &Kind, upstream_base: &str, origin: &Origin) -> Option<String> {
        let below = links::below(link, upstream_base)?;
        let sealing = Sealing { kind, link: &below, origin, sent: &self.judged.sent };
        let now = self.gateway.clock.now().timestamp();
        let sealed = self.gateway.links.seal(&sealing, self.judged.link_owner()?, now)?;
        let base = &self.snapshot.bundle().parts().service.base_url;
        Some(format!("{base}?{}={sealed}", links::PARAMETER))
    }

    fn settle(&mut self, upstream_status: Option<u16>, released: Released) -> Released {
        let outcome = OutcomeRecord {
            upstream_status,
            status: released.status,
            reason: released.reason,
            released: released.released,
            dropped: released.dropped,
            bytes: self.so_far.bytes.saturating_add(u64::try_from(released.body.len()).unwrap_or(u64::MAX)),
        };
        self.settled = true;
        match self.gateway.write_outcome(&self.judged, outcome) {
            Ok(()) => released,
            Err(Full) => refuse(Some(&self.snapshot), 503),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let SoFar { upstream_status, released, dropped, bytes } = self.so_far;
        let outcome = OutcomeRecord { upstream_status, status: CLIENT_LEFT, reason: None, released, dropped, bytes };
        if self.gateway.write_outcome(&self.judged, outcome).is_err() {
            tracing::error!(request_id = %self.judged.request_id, "the outcome of a request that was given up could not be written");
        }
    }
}

/// The request that links will stand for; none when it could not be sealed.
fn origin(inbound: &Inbound<'_>) -> Option<Origin> {
    let body = inbound.body.unwrap_or_default();
    let body = match body {
        [] => None,
        long if long.len() > MAX_SEALED_BODY_BYTES => return None,
        body => Some(std::str::from_utf8(body).ok()?.to_owned()),
    };
    let is_form = |header: &policy::request::Header<'_>| {
        header.name == "content-type" && header.value.to_ascii_lowercase().starts_with(FORM)
    };
    let (form, json) = if inbound.headers.iter().any(is_form) { (body, None) } else { (None, body) };
    Some(Origin { method: inbound.method.to_owned(), target: inbound.target.to_owned(), form, json })
}

#[cfg(test)]
mod tests;
