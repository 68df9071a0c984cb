//! One row of a table, run: the decision, what goes upstream, and what of an answer is released.

use decision::{Answer, Arena, Engine, Grants, Outcome, decide, refuse, respond};
use policy::decision::{Action, Decision, Lookup, Released, Verdict};
use policy::request::{Header, Request, Stored};
use policy::settings::ServiceKind;
use policy::text::TypeName;
use testkit::call::Call;
use testkit::markdown::{Document, Row};
use testkit::token::Token;
use testkit::{ehr, records};

use crate::batch;

/// More rounds of lookups than this are none that a gateway makes.
const MAX_ROUNDS: usize = 4;

/// The engine that a document's header asks for: `Service: ehr` or `plain`, `Settings: name=value …`.
pub(crate) fn engine(document: &Document) -> Engine {
    let header = |name: &str| document.header.get(name).map(String::as_str);
    let settings = header("settings").unwrap_or_default();
    let fixture = header("fixture").unwrap_or_default();
    let service = match header("service") {
        Some("ehr") => ehr::service(ehr::settings(ServiceKind::Fhirv4, settings), fixture),
        Some("plain") => ehr::plain_service(ehr::settings(ServiceKind::Plain, settings), fixture),
        other => panic!("{}: there is no Service {other:?}", document.title),
    };
    Engine::new(ehr::compile(&service))
}

pub(crate) fn ehr_engine(settings: &str) -> Engine {
    Engine::new(ehr::fhir(ehr::settings(ServiceKind::Fhirv4, settings)))
}

/// What is stored, as the gateway would find it: status and body.
fn stored(lookup: &Lookup) -> (u16, String) {
    let found = |kind: &str, id: &str| {
        records::stored().map(records::text).find(|text| {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            value["resourceType"] == kind && value["id"] == id
        })
    };
    let segments: Vec<&str> = lookup.path.trim_start_matches('/').split('/').collect();
    match &*segments {
        [kind, id] if TypeName::accepts(kind) => match found(kind, id) {
            Some(text) => (200, text.to_owned()),
            None => (404, String::new()),
        },
        [kind] => {
            let of_kind = |name: &&str| records::text(name).contains(&format!("\"resourceType\":\"{kind}\""));
            let names: Vec<&str> = records::stored().filter(of_kind).collect();
            (200, records::searchset(&names, ehr::UPSTREAM))
        }
        other => panic!("no lookup looks like {other:?}"),
    }
}

/// Calls `step` with what is stored until it asks for no more.
fn with_stored<T>(request: &Request<'_>, mut step: impl FnMut(&Request<'_>) -> Result<T, Vec<Lookup>>) -> T {
    let mut known: Vec<(Lookup, u16, String)> = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let all: Vec<Stored<'_>> = known
            .iter()
            .map(|(lookup, status, body)| Stored {
                lookup,
                status: *status,
                etag: Some("W/\"1\""),
                body: body.as_bytes(),
            })
            .collect();
        match step(&Request { stored: &all, ..*request }) {
            Ok(done) => return done,
            Err(lookups) => {
                for lookup in lookups {
                    assert!(!known.iter().any(|(one, ..)| *one == lookup), "{lookup:?} was asked for twice");
                    let (status, body) = stored(&lookup);
                    known.push((lookup, status, body));
                }
            }
        }
    }
    panic!("more than {MAX_ROUNDS} rounds of lookups");
}

/// Decides a request, and looks up what it asks for.
pub(crate) fn decided(engine: &Engine, request: &Request<'_>) -> Decision<'static> {
    let grants = Grants::new(engine, &request.caller);
    with_stored(request, |request| {
        let arena = Arena::new();
        let decision = decide(engine, request, &grants, &arena);
        match &decision.action {
            Action::Lookup(lookups) => Err(lookups.to_vec()),
            _ => Ok(decision.into_owned()),
        }
    })
}

/// Decides one call.
pub(crate) fn ask(engine: &Engine, token: &str, call: &str) -> Decision<'static> {
    let (call, token) = (Call::parse(call), Token::parse(token));
    let headers = call.borrowed();
    decided(engine, &call.request(&headers, &token))
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: String,
    pub(crate) reason: Option<policy::Reason>,
    pub(crate) released: u32,
    pub(crate) dropped: u32,
}

impl Answered {
    fn of(released: Released, upstream: &[u8]) -> Self {
        let Released { status, headers, body, reason, released, dropped, .. } = released;
        Self { status, headers, body: String::from_utf8(body.bytes(upstream)).unwrap(), reason, released, dropped }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice());
        value.map(|value| std::str::from_utf8(value).unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The answer to a denial.
pub(crate) fn refused(engine: &Engine, decision: &Decision<'_>) -> Answered {
    Answered::of(refuse(Some(engine), decision), &[])
}

/// The answer that a client gets when the upstream gives this one to the request, whatever was decided.
pub(crate) fn answered(engine: &Engine, request: &Request<'_>, given: &Answer<'_>) -> Answered {
    let grants = Grants::new(engine, &request.caller);
    let mut seal = |url: &str| Some(format!("{}?_page=sealed-{}", ehr::BASE, url.len()));
    let released = with_stored(request, |request| match respond(engine, request, &grants, given, &mut seal) {
        Outcome::Release(released) => Ok(released),
        Outcome::Lookup(lookups) => Err(lookups),
    });
    Answered::of(released, given.body)
}

/// The answer that a client gets when the upstream gives this one.
pub(crate) fn answer(
    engine: &Engine,
    token: &str,
    call: &str,
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> Answered {
    let (call, token) = (Call::parse(call), Token::parse(token));
    let borrowed = call.borrowed();
    let request = call.request(&borrowed, &token);
    let decision = decided(engine, &request);
    assert!(decision.permits(), "{call:?} {decision:?}");
    let headers: Vec<_> = headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let given = Answer { status, headers: &headers, body: body.as_bytes(), upstream_base: ehr::UPSTREAM };
    // What was looked up for the decision is there for the answer, too.
    let grants = Grants::new(engine, &request.caller);
    let mut seal = |url: &str| Some(format!("{}?_page=sealed-{}", ehr::BASE, url.len()));
    let released = with_stored(&request, |request| {
        let arena = Arena::new();
        if let Action::Lookup(lookups) = &decide(engine, request, &grants, &arena).action {
            return Err(lookups.to_vec());
        }
        match respond(engine, request, &grants, &given, &mut seal) {
            Outcome::Release(released) => Ok(released),
            Outcome::Lookup(lookups) => Err(lookups),
        }
    });
    Answered::of(released, given.body)
}

/// Checks the cells of one row; `decision`, `upstream`, and `released` of `answer`.
pub(crate) fn row(engine: &Engine, row: &Row) -> Result<(), String> {
    let (token, call) = (row.cell("token"), row.cell("call"));
    let decision = ask(engine, token, call);
    expect(row, "decision", &said_of(&decision))?;
    if let Verdict::Deny { .. } = decision.verdict {
        let text = refused(engine, &decision).body;
        if text.contains("ME") || text.contains("OTHER") || text.contains(decision.reason().unwrap().as_str()) {
            return Err(format!("line {}: the refusal tells too much: {text}", row.line));
        }
    }
    if row.has("upstream") && !row.cell("upstream").is_empty() {
        expect(row, "upstream", &upstream(&decision))?;
    }
    if row.has("conditions") && !row.cell("conditions").is_empty() {
        expect(row, "conditions", &conditions(&decision))?;
    }
    if row.has("entries") && !row.cell("entries").is_empty() {
        let entries: Vec<String> = decision.entries.iter().map(|entry| said_of(entry)).collect();
        expect(row, "entries", &entries.join(" ; "))?;
    }
    if row.has("forwarded") && !row.cell("forwarded").is_empty() {
        expect(row, "forwarded", &batch::forwarded(&decision))?;
    }
    if row.has("answers") && !row.cell("answers").is_empty() {
        expect(row, "got", &batch::got(engine, row.cell("token"), row.cell("call"), row.cell("answers")))?;
    }
    if row.has("related") && !row.cell("related").is_empty() {
        let related: Vec<String> = decision
            .related
            .iter()
            .map(|one| format!("{} {} {}", if one.permit { "permit" } else { "deny" }, one.via, one.resource_type))
            .collect();
        expect(row, "related", &related.join(", "))?;
    }
    if row.has("answer") && !row.cell("answer").is_empty() {
        expect(row, "released", &released(engine, &decision, row))?;
    }
    Ok(())
}

/// `permit`, or `deny 403 no_rule`.
pub(crate) fn said_of(decision: &Decision<'_>) -> String {
    match decision.verdict {
        Verdict::Permit => "permit".to_owned(),
        Verdict::Undecided => "undecided".to_owned(),
        Verdict::Deny { status, reason } => format!("deny {status} {reason}"),
    }
}

fn expect(row: &Row, column: &str, found: &str) -> Result<(), String> {
    if row.cell(column) == found {
        return Ok(());
    }
    let (token, call) = (row.cell("token"), row.cell("call"));
    Err(format!("line {}: `{token}` {call}\n  {column}: {}\n  found:    {found}", row.line, row.cell(column)))
}

/// `GET /Observation?patient=Patient/ME`, or the form of a search by POST after a space.
pub(crate) fn upstream(decision: &Decision<'_>) -> String {
    match &decision.action {
        Action::None | Action::Lookup(_) => "none".to_owned(),
        Action::Answer(status) | Action::Reply(status, _) => format!("answered {status}"),
        Action::Forward(upstream) => {
            let query = if upstream.query.is_empty() { String::new() } else { format!("?{}", upstream.query) };
            let form = upstream.body.as_ref().map(|form| format!(" form: {form}")).unwrap_or_default();
            format!("{} {}{query}{form}", upstream.method, upstream.path)
        }
    }
}

/// The headers that a write is tied by, as they go upstream: `if-match: W/"1" + prefer: return=minimal`, or `none`.
fn conditions(decision: &Decision<'_>) -> String {
    let Action::Forward(upstream) = &decision.action else { return "none".to_owned() };
    let named = |(name, _): &&policy::decision::UpstreamHeader<'_>| name.starts_with("if-") || *name == "prefer";
    let text = |(name, value): &policy::decision::UpstreamHeader<'_>| {
        format!("{name}: {}", std::str::from_utf8(value).unwrap())
    };
    let found: Vec<String> = upstream.headers.iter().filter(named).map(text).collect();
    if found.is_empty() { "none".to_owned() } else { found.join(" + ") }
}

/// What is released of the answer in the row: names of records, `not found`, or another status.
fn released(engine: &Engine, decision: &Decision<'_>, row: &Row) -> String {
    let names: Vec<&str> = row.cell("answer").split_whitespace().collect();
    let search = decision.interaction.is_some_and(|interaction| interaction.as_str().starts_with("search"))
        || row.cell("call").contains("$everything");
    let (status, body) = match &*names {
        [number] if number.parse::<u16>().is_ok() => (number.parse().unwrap(), r#"{"secret":"upstream"}"#.to_owned()),
        ["empty"] => (200, records::searchset(&[], ehr::UPSTREAM)),
        [name] if !search => (200, records::text(name).to_owned()),
        names => (200, records::searchset(names, ehr::UPSTREAM)),
    };
    let got = answer(engine, row.cell("token"), row.cell("call"), status, &[], &body);
    match got.status {
        200 => {
            let found: Vec<&str> = records::names().filter(|name| got.body.contains(records::text(name))).collect();
            if found.is_empty() { "nothing".to_owned() } else { found.join(" ") }
        }
        404 => "not found".to_owned(),
        status => status.to_string(),
    }
}
