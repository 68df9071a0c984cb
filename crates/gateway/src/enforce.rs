//! Enforcement: the audit first, then what the decision says, and nothing else.
//!
//! Invariant: only [`Gateway::enforce`] makes a [`Permitted`], after the decision's entry is in the
//! spool; and an answer is released only after its outcome's entry is.

use std::sync::Arc;

use policy::Reason;
use policy::audit::{OutcomeRecord, Record};
use policy::decision::{Action, Body, Phase, Released, Upstream};
use policy::settings::Settings;

use crate::Gateway;
use crate::audit::record::{self, Seen};
use crate::audit::{Full, Room, Said};
use crate::judge::{self, Inbound, Judged, denial};
use crate::links::{self, Origin};
use crate::snapshot::Snapshot;
use decision::Answer;

/// The status in the audit of a request whose client went away before it was answered.
const CLIENT_LEFT: u16 = 499;
/// The longest form that is sealed into paging links.
const MAX_SEALED_FORM_BYTES: usize = 4 * 1024;

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
    settled: bool,
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
            Some((snapshot, inner)) => {
                let open = Open { gateway: Arc::clone(self), snapshot, judged, settled: false };
                Enforced::Forward(Box::new(Permitted { inner, open }))
            }
            None => Enforced::Answer(answer(&judged)),
        }
    }

    fn write_decision(&self, judged: &Judged, room: Room) -> Result<(), Full> {
        let seen = Seen {
            credential: &judged.credential,
            bundle: judged.snapshot.as_deref().map(Snapshot::bundle),
            method: &judged.method,
            ip: judged.ip.as_deref(),
            micros: u64::try_from(judged.elapsed.as_micros()).unwrap_or(u64::MAX),
        };
        let record = Record::Decision(Box::new(record::decision(&judged.decision, &seen)));
        self.write(judged, judged.at, record, room)
    }

    fn write(
        &self,
        judged: &Judged,
        at: chrono::DateTime<chrono::Utc>,
        record: Record,
        room: Room,
    ) -> Result<(), Full> {
        let said = Said { at, request_id: judged.request_id, bundle_version: judged.bundle_version(), record };
        self.spool.append(said, judged.audit_policy(), room)
    }
}

/// The answer to a request that is not forwarded.
fn answer(judged: &Judged) -> Released {
    let engine = judged.snapshot.as_deref().map(Snapshot::engine);
    match judged.decision.action {
        Action::Answer(status) if judged.decision.permits() => {
            Released { status, headers: Vec::new(), body: Body::default(), reason: None, released: 0, dropped: 0 }
        }
        // A permit with nothing to do would be a fault of ours: it is a denial.
        _ if judged.decision.permits() => refuse(judged.snapshot.as_deref(), 503),
        _ => decision::refuse(engine, &judged.decision),
    }
}

/// The answer to a request that cannot be served for a reason of the gateway's own.
fn refuse(snapshot: Option<&Snapshot>, status: u16) -> Released {
    let reason = if status == 502 { Reason::ResponseUnreadable } else { Reason::Internal };
    let refused = decision::refuse(snapshot.map(Snapshot::engine), &denial(status, reason, Phase::Response));
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

    /// Phase 9: what of the upstream's answer the client may have, once that is in the audit.
    #[must_use]
    pub fn release(mut self, inbound: &Inbound<'_>, answer: &Answer<'_>) -> Released {
        let released = self.open.respond(inbound, answer);
        self.open.settle(Some(answer.status), released)
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

impl Open {
    fn respond(&self, inbound: &Inbound<'_>, answer: &Answer<'_>) -> Released {
        let origin = self.judged.origin.clone().or_else(|| origin(inbound));
        let headers = self.judged.origin.as_ref().map(|origin| judge::headers_for(origin, inbound.headers));
        let asked = match (&self.judged.origin, &headers) {
            (Some(origin), Some(headers)) => judge::as_origin(inbound, origin, headers),
            _ => *inbound,
        };
        let body = asked.body.unwrap_or_default();
        let request = judge::request(&asked, body, &self.judged.credential, &self.snapshot, self.judged.at);
        let mut seal = |link: &str| self.seal(link, answer.upstream_base, origin.as_ref()?);
        decision::respond(self.snapshot.engine(), &request, &self.judged.decision, answer, &mut seal)
    }

    fn seal(&self, link: &str, upstream_base: &str, origin: &Origin) -> Option<String> {
        let below = links::below(link, upstream_base)?;
        let claims = self.judged.credential.claims()?;
        let now = self.gateway.clock.now().timestamp();
        let sealed = self.gateway.links.seal(&below, origin, &self.judged.sent, claims, now)?;
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
            bytes: u64::try_from(released.body.len()).unwrap_or(u64::MAX),
        };
        self.settled = true;
        match self.write(outcome) {
            Ok(()) => released,
            Err(Full) => refuse(Some(&self.snapshot), 503),
        }
    }

    fn write(&self, outcome: OutcomeRecord) -> Result<(), Full> {
        let now = self.gateway.clock.now();
        self.gateway.write(&self.judged, now, Record::Outcome(outcome), Room::Outcome)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let outcome = OutcomeRecord {
            upstream_status: None,
            status: CLIENT_LEFT,
            reason: None,
            released: 0,
            dropped: 0,
            bytes: 0,
        };
        if self.write(outcome).is_err() {
            tracing::error!(request_id = %self.judged.request_id, "the outcome of a request that was given up could not be written");
        }
    }
}

/// The request that paging links will stand for; none when it could not be sealed.
fn origin(inbound: &Inbound<'_>) -> Option<Origin> {
    let body = inbound.body.unwrap_or_default();
    let form = match body {
        [] => None,
        long if long.len() > MAX_SEALED_FORM_BYTES => return None,
        form => Some(std::str::from_utf8(form).ok()?.to_owned()),
    };
    Some(Origin { method: inbound.method.to_owned(), target: inbound.target.to_owned(), form })
}

#[cfg(test)]
mod tests;
