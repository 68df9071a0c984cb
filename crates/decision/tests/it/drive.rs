//! What a gateway does with one request, in a call: decide, look up, forward, check the answer; its upstream is a
//! FHIR server in memory.
//!
//! Invariant: the server is sent what the decision says and nothing else, and the client gets what phase 9 releases
//! and nothing else; rounds of lookups and pages are bounded as a gateway bounds them.

use std::borrow::Cow;

use decision::{Answer, Arena, Engine, Grants, Outcome, decide, refuse, respond};
use fixture_fhir::{Served, Server};
use policy::Reason;
use policy::decision::{Action, Decision, Lookup, Phase, Released, Upstream, Verdict};
use policy::operation::Method;
use policy::request::{Header, Request, Stored};
use testkit::ehr;

/// How often a decision, or phase 9 on one answer, may ask for more.
const MAX_ROUNDS: usize = 4;
/// How many lookups one request may have.
const MAX_LOOKUPS: usize = 600;
/// How many pages are read on until one has something that is kept.
const MAX_READ_ON: usize = 10;

/// Why the server was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A lookup of the decision point, before or after the request is forwarded.
    Lookup,
    /// The request itself.
    Forward,
    /// A further page, as nothing was kept of the one before.
    ReadOn,
}

/// One request that the server got, and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) purpose: Purpose,
    pub(crate) method: String,
    /// Path and query below the server's base.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) answer: Served,
}

/// What came of one request.
#[derive(Clone, Debug)]
pub(crate) struct Driven {
    /// The decision, after all lookups.
    pub(crate) decision: Decision<'static>,
    /// What the client gets.
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// The reason of what the client gets, when it is not what was forwarded.
    pub(crate) reason: Option<Reason>,
    pub(crate) released: u32,
    pub(crate) dropped: u32,
    /// All that the server was sent, in order.
    pub(crate) sent: Vec<Sent>,
    /// The upstream's links behind the sealed ones in the answer: `{BASE}?_page=sealed-{index}`.
    pub(crate) sealed: Vec<String>,
}

impl Driven {
    /// The body as text; what is no text is replaced.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Whether any byte that the client gets, in body or headers, holds this text.
    pub(crate) fn shows(&self, text: &str) -> bool {
        let headers = self.headers.iter().map(|(_, value)| value.as_slice());
        headers.chain([self.body.as_slice()]).any(|bytes| holds(bytes, text.as_bytes()))
    }

    /// What was forwarded, first of all; none where nothing was.
    pub(crate) fn forwarded(&self) -> Option<&Sent> {
        self.sent.iter().find(|sent| sent.purpose == Purpose::Forward)
    }
}

/// Whether the bytes hold others.
pub(crate) fn holds(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}

/// What answers in the place of a server: method, path and query, headers, body.
pub(crate) type Serve<'s> = dyn FnMut(&str, &str, &[(&str, &[u8])], &[u8]) -> Served + 's;

/// Does with a request what a gateway does.
pub(crate) fn drive(engine: &Engine, grants: &Grants, request: &Request<'_>, server: &mut Server) -> Driven {
    let mut serve = serving(server);
    drive_to(engine, grants, request, &mut serve)
}

/// The same, with whatever answers in the place of a server.
pub(crate) fn drive_to(engine: &Engine, grants: &Grants, request: &Request<'_>, serve: &mut Serve<'_>) -> Driven {
    Drive { engine, grants, request, serve, stored: Vec::new(), sent: Vec::new() }.run(None)
}

fn serving(server: &mut Server) -> impl FnMut(&str, &str, &[(&str, &[u8])], &[u8]) -> Served {
    |method, target, headers, body| server.serve(method, target, headers, body)
}

/// Follows the sealed link with that upstream link behind it: the request that it came of is decided anew.
pub(crate) fn follow(
    engine: &Engine,
    grants: &Grants,
    request: &Request<'_>,
    server: &mut Server,
    link: &str,
) -> Driven {
    let mut serve = serving(server);
    Drive { engine, grants, request, serve: &mut serve, stored: Vec::new(), sent: Vec::new() }.run(Some(link))
}

/// The answer to the request as the client sent it, with nothing in between: what a client without a gateway gets.
pub(crate) fn bypass(request: &Request<'_>, server: &mut Server) -> Served {
    let headers: Vec<(&str, &[u8])> = request.headers.iter().map(|header| (header.name, header.value)).collect();
    let target = request.target.strip_prefix(ehr::BASE).or_else(|| request.target.strip_prefix(ehr::BASE_PATH));
    server.serve(request.method, target.unwrap_or(request.target), &headers, request.body)
}

struct Looked {
    lookup: Lookup,
    status: u16,
    etag: Option<String>,
    body: Vec<u8>,
}

impl Looked {
    fn stored(&self) -> Stored<'_> {
        Stored { lookup: &self.lookup, status: self.status, etag: self.etag.as_deref(), body: &self.body }
    }
}

struct Drive<'d, 'r, 's> {
    engine: &'d Engine,
    grants: &'d Grants,
    request: &'d Request<'r>,
    serve: &'d mut Serve<'s>,
    stored: Vec<Looked>,
    sent: Vec<Sent>,
}

impl Drive<'_, '_, '_> {
    fn run(mut self, link: Option<&str>) -> Driven {
        let decision = self.decided();
        let mut sealed = Vec::new();
        let (released, upstream) = match &decision.action {
            _ if !decision.permits() => (refuse(Some(self.engine), &decision), Vec::new()),
            Action::Forward(upstream) => self.forward(upstream.clone(), link, &mut sealed),
            Action::Answer(status) => (own(*status, Vec::new(), String::new()), Vec::new()),
            Action::Reply(status, body) => (own(*status, reply_headers(), body.clone().into_owned()), Vec::new()),
            // A permit with nothing to do would be a fault: it is a denial.
            Action::None | Action::Lookup(_) => (self.unreadable(&decision), Vec::new()),
        };
        let Released { status, headers, body, reason, released, dropped, .. } = released;
        let body = body.bytes(&upstream);
        Driven { decision, status, headers, body, reason, released, dropped, sent: self.sent, sealed }
    }

    fn decided(&mut self) -> Decision<'static> {
        for round in 0..=MAX_ROUNDS {
            let decision = {
                let (arena, stored) = (Arena::new(), view(&self.stored));
                let request = Request { stored: &stored, ..*self.request };
                decide(self.engine, &request, self.grants, &arena).into_owned()
            };
            let more = match &decision.action {
                Action::Lookup(lookups) => round < MAX_ROUNDS && self.look_up(lookups),
                _ => return decision,
            };
            if !more {
                return denied(&decision);
            }
        }
        unreachable!("the last round returns")
    }

    /// Fetches what is not there yet; whether that was something, and within bounds.
    fn look_up(&mut self, lookups: &[Lookup]) -> bool {
        let mut wanted: Vec<Lookup> = Vec::new();
        for lookup in lookups {
            if !self.stored.iter().any(|one| one.lookup == *lookup) && !wanted.contains(lookup) {
                wanted.push(lookup.clone());
            }
        }
        if wanted.is_empty() || self.stored.len() + wanted.len() > MAX_LOOKUPS {
            return false;
        }
        for lookup in wanted {
            let target = target(&lookup.path, &lookup.query);
            let headers: [(&str, &[u8]); 2] = [("accept", b"application/fhir+json"), ("cache-control", b"no-cache")];
            let answer = self.send(Purpose::Lookup, "GET", target, &headers, &[]);
            let body = if answer.status == 200 { answer.body.clone() } else { Vec::new() };
            let etag = answer.header("ETag").map(str::to_owned);
            self.stored.push(Looked { lookup, status: answer.status, etag, body });
        }
        true
    }

    fn send(
        &mut self,
        purpose: Purpose,
        method: &str,
        target: String,
        headers: &[(&str, &[u8])],
        body: &[u8],
    ) -> Served {
        let answer = (self.serve)(method, &target, headers, body);
        self.sent.push(Sent {
            purpose,
            method: method.to_owned(),
            target,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
            body: body.to_vec(),
            answer: answer.clone(),
        });
        answer
    }

    /// Sends what was permitted, and reads on as phase 9 says; the answer to the client, and what it keeps bytes of.
    fn forward(
        &mut self,
        mut upstream: Upstream<'static>,
        link: Option<&str>,
        sealed: &mut Vec<String>,
    ) -> (Released, Vec<u8>) {
        if let Some(link) = link {
            turn_to(&mut upstream, link);
        }
        let (mut purpose, mut dropped) = (Purpose::Forward, 0_u32);
        for page in 0..=MAX_READ_ON {
            let body = match &upstream.body {
                Some(body) => body.as_bytes().to_vec(),
                None if upstream.method == Method::Get => Vec::new(),
                None => self.request.body.to_vec(),
            };
            let headers: Vec<(&str, &[u8])> =
                upstream.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let target = target(&upstream.path, &upstream.query);
            let answer = self.send(purpose, upstream.method.as_str(), target, &headers, &body);
            sealed.clear();
            let mut released = self.released(&answer, sealed);
            released.dropped = released.dropped.saturating_add(dropped);
            match released.read_on.take().filter(|_| page < MAX_READ_ON).and_then(|next| below(&next)) {
                Some(next) => turn_to(&mut upstream, &next),
                None => return (released, answer.body),
            }
            (purpose, dropped) = (Purpose::ReadOn, released.dropped);
        }
        unreachable!("the last page returns")
    }

    fn released(&mut self, answer: &Served, sealed: &mut Vec<String>) -> Released {
        let names: Vec<String> = answer.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        let headers: Vec<Header<'_>> =
            names.iter().zip(&answer.headers).map(|(name, (_, value))| Header { name, value }).collect();
        let given =
            Answer { status: answer.status, headers: &headers, body: &answer.body, upstream_base: ehr::UPSTREAM };
        for round in 0..=MAX_ROUNDS {
            sealed.clear();
            let mut seal = |link: &str| {
                sealed.push(below(link)?);
                Some(format!("{}?_page=sealed-{}", ehr::BASE, sealed.len() - 1))
            };
            let outcome = {
                let stored = view(&self.stored);
                let request = Request { stored: &stored, ..*self.request };
                respond(self.engine, &request, self.grants, &given, &mut seal)
            };
            match outcome {
                Outcome::Release(released) => return released,
                Outcome::Lookup(lookups) if round < MAX_ROUNDS && self.look_up(&lookups) => {}
                Outcome::Lookup(_) => break,
            }
        }
        self.unreadable(&Decision::bare(Verdict::Undecided, Phase::Response))
    }

    fn unreadable(&self, decision: &Decision<'_>) -> Released {
        refuse(Some(self.engine), &denied(decision))
    }
}

/// The denial of a request that nothing stored could decide.
fn denied(decision: &Decision<'_>) -> Decision<'static> {
    let verdict = Verdict::Deny { status: 502, reason: Reason::ResponseUnreadable };
    let bare = Decision::bare(verdict, decision.phase);
    Decision { interaction: decision.interaction, operation: decision.operation, ..bare }
}

fn view(stored: &[Looked]) -> Vec<Stored<'_>> {
    stored.iter().map(Looked::stored).collect()
}

fn own(status: u16, headers: Vec<(String, Vec<u8>)>, body: String) -> Released {
    Released { status, headers, body: body.into(), reason: None, released: 0, dropped: 0, read_on: None }
}

fn reply_headers() -> Vec<(String, Vec<u8>)> {
    let headers = [
        ("content-type", "application/fhir+json; charset=utf-8"),
        ("cache-control", "private, no-store"),
        ("vary", "Authorization"),
    ];
    headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into()
}

fn target(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// What of an upstream's link stands below its base; none for a link to elsewhere.
fn below(link: &str) -> Option<String> {
    let rest = link.strip_prefix(ehr::UPSTREAM)?;
    (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| rest.to_owned())
}

fn turn_to(upstream: &mut Upstream<'static>, link: &str) {
    let (path, query) = link.split_once('?').unwrap_or((link, ""));
    upstream.path = path.to_owned().into();
    upstream.query = query.to_owned().into();
    upstream.method = Method::Get;
    upstream.body = None;
    upstream.headers.to_mut().retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
}

#[cfg(test)]
mod tests {
    use fixture_fhir::Mind;
    use testkit::call::Call;
    use testkit::records;
    use testkit::token::Token;

    use super::*;
    use crate::check::ehr_engine;

    fn driven(call: &str) -> Driven {
        let engine = ehr_engine("");
        let (call, token) = (Call::parse(call), Token::parse("patient/*.cruds"));
        let headers = call.borrowed();
        let request = call.request(&headers, &token);
        let stored = records::stored().filter(|name| *name != "OBS-DUPLICATE").map(records::text);
        let mut server = Server::new(stored, ehr::UPSTREAM, Mind::HONEST);
        drive(&engine, &Grants::new(&engine, &request.caller), &request, &mut server)
    }

    #[test]
    fn what_is_permitted_is_forwarded_and_its_answer_is_checked() {
        let own = driven("GET /Observation/OBS-ME");
        assert_eq!((own.status, &*own.text()), (200, records::text("OBS-ME")));
        let other = driven("GET /Observation/OBS-OTHER");
        assert_eq!((other.status, other.sent.len(), other.shows("HIV")), (404, 1, false));
        assert!(holds(&other.forwarded().unwrap().answer.body, b"HIV"));
    }

    #[test]
    fn what_is_denied_reaches_no_server() {
        let denied = driven("GET /Patient/OTHER");
        assert_eq!((denied.status, denied.sent.len()), (403, 0));
    }

    #[test]
    fn what_is_stored_is_looked_up_first() {
        let vread = driven("GET /Observation/OBS-ME/_history/1");
        let purposes: Vec<_> = vread.sent.iter().map(|sent| sent.purpose).collect();
        assert_eq!((vread.status, purposes), (200, vec![Purpose::Lookup, Purpose::Forward]));
    }
}
