//! Following a sealed link: the request that it stands for is decided anew, and only where it is sent changes.
//!
//! Invariant: what is sent upstream for a link is the decided request, turned to where that very decision led before;
//! a request that would now be sent in another way leads nowhere.

use policy::Reason;
use policy::decision::{Action, Phase, Upstream};
use policy::operation::Method;
use policy::request::Header;

use super::{Case, Inbound, Outcome, decide, denial, sent};
use crate::Gateway;
use crate::bearer::Credential;
use crate::links::{Kind, Origin, Owner};
use crate::snapshot::Snapshot;

const FORM: Header<'static> = Header { name: "content-type", value: b"application/x-www-form-urlencoded" };
const JSON: Header<'static> = Header { name: "content-type", value: b"application/fhir+json" };

impl Gateway {
    /// Decides the request that a sealed link stands for, under the present token.
    pub(super) fn follow(
        &self,
        snapshot: &Snapshot,
        case: &Case,
        inbound: &Inbound<'_>,
        seal: Option<&str>,
    ) -> Outcome {
        let credential = &case.credential;
        let missing = || denial(404, Reason::NotFound, Phase::Operation).into();
        let Some(seal) = seal else { return denial(400, Reason::MalformedQuery, Phase::Normalise).into() };
        let Some(owner) = owner(credential, snapshot) else {
            return denial(401, credential.refusal().unwrap_or(Reason::NoToken), Phase::Token).into();
        };
        // A page is asked for by its seal alone: the body would go upstream unread.
        if !inbound.body.unwrap_or_default().is_empty() {
            return denial(400, Reason::MalformedBody, Phase::Normalise).into();
        }
        let Some(page) = self.links.open_sealed(seal, &owner, case.at.timestamp()) else { return missing() };
        if !page.kind.has_method(inbound.method) {
            return denial(405, Reason::MethodNotAllowed, Phase::Operation).into();
        }
        let headers = headers_for(&page.origin, &page.kind, inbound.headers);
        let again = as_origin(inbound, &page.origin, &headers);
        let body = again.body.unwrap_or_default();
        let (mut decision, elapsed) = decide(snapshot, case, &again, body);
        let sent = sent(&decision);
        if let Action::Forward(upstream) = &mut decision.action {
            if sent != page.sent {
                return missing();
            }
            turn_to(upstream, &page.link);
            ask_for(upstream, &page.kind, inbound.method);
        }
        Outcome { elapsed, origin: Some(page.origin), kind: page.kind, sent, ..decision.into() }
    }
}

/// Whose links a caller may follow; none without credentials that count.
pub(super) fn owner(credential: &Credential, snapshot: &Snapshot) -> Option<Owner> {
    let by_key = || credential.basic_key(snapshot.bundle()).map(Owner::of_key);
    credential.claims().map(Owner::of).or_else(by_key)
}

/// The headers under which the first request is decided again. What a client wants of a job or a file says nothing of
/// the kick-off, which has one form.
pub(crate) fn headers_for<'a>(origin: &Origin, kind: &Kind, headers: &[Header<'a>]) -> Vec<Header<'a>> {
    let stays = |header: &Header<'_>| {
        let of_export = matches!(header.name, "accept" | "prefer") && *kind != Kind::Page;
        !header.name.starts_with("content-") && !of_export
    };
    let mut kept: Vec<_> = headers.iter().copied().filter(stays).collect();
    kept.extend(origin.form.iter().map(|_| FORM));
    kept.extend(origin.json.iter().map(|_| JSON));
    kept
}

/// The first request of a chain of links, with the present headers.
pub(crate) fn as_origin<'a>(inbound: &Inbound<'a>, origin: &'a Origin, headers: &'a [Header<'a>]) -> Inbound<'a> {
    let body = origin.form.as_deref().or(origin.json.as_deref()).unwrap_or("");
    Inbound { method: &origin.method, target: &origin.target, headers, body: Ok(body.as_bytes()), ..*inbound }
}

/// Sends a request where a link leads, in place of where it would have gone.
pub(crate) fn turn_to(upstream: &mut Upstream<'_>, link: &str) {
    let (path, query) = link.split_once('?').unwrap_or((link, ""));
    upstream.path = path.to_owned().into();
    upstream.query = query.to_owned().into();
    upstream.method = Method::Get;
    upstream.body = None;
    upstream.headers.to_mut().retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
}

/// Asks for a job or a file in its own form.
fn ask_for(upstream: &mut Upstream<'_>, kind: &Kind, method: &str) {
    let accept: &[u8] = match kind {
        Kind::Page => return,
        Kind::Job => b"application/json",
        Kind::Resources(_) | Kind::Errors | Kind::Deleted => b"application/fhir+ndjson",
    };
    if method == "DELETE" {
        upstream.method = Method::Delete;
    }
    let headers = upstream.headers.to_mut();
    headers.retain(|(name, _)| !["accept", "prefer"].iter().any(|own| name.eq_ignore_ascii_case(own)));
    headers.push(("accept".into(), accept.to_vec().into()));
}
