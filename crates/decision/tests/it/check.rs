//! One row of a table, run: the decision, what goes upstream, and what of an answer is released.

use decision::{Answer, Engine, decide, refuse, respond};
use policy::decision::{Action, Decision, Released, Verdict};
use policy::settings::ServiceKind;
use testkit::call::Call;
use testkit::markdown::{Document, Row};
use testkit::token::Token;
use testkit::{ehr, records};

/// The engine that a document's header asks for: `Service: ehr` or `plain`, `Settings: name=value …`.
pub(crate) fn engine(document: &Document) -> Engine {
    let settings = document.header.get("settings").map(String::as_str).unwrap_or_default();
    match document.header.get("service").map(String::as_str) {
        Some("ehr") => ehr_engine(settings),
        Some("plain") => Engine::new(ehr::plain(ehr::settings(ServiceKind::Plain, settings))),
        other => panic!("{}: there is no Service {other:?}", document.title),
    }
}

pub(crate) fn ehr_engine(settings: &str) -> Engine {
    Engine::new(ehr::fhir(ehr::settings(ServiceKind::Fhirv4, settings)))
}

/// Decides one call.
pub(crate) fn ask(engine: &Engine, token: &str, call: &str) -> Decision {
    let (call, token) = (Call::parse(call), Token::parse(token));
    let headers = call.borrowed();
    decide(engine, &call.request(&headers, &token))
}

/// The answer that a client gets when the upstream gives this one.
pub(crate) fn answer(
    engine: &Engine,
    token: &str,
    call: &str,
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> Released {
    let (call, token) = (Call::parse(call), Token::parse(token));
    let borrowed = call.borrowed();
    let request = call.request(&borrowed, &token);
    let decision = decide(engine, &request);
    assert!(decision.permits(), "{call:?} {decision:?}");
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| policy::request::Header { name, value: value.as_bytes() }).collect();
    let answer = Answer { status, headers: &headers, body: body.as_bytes(), upstream_base: ehr::UPSTREAM };
    respond(engine, &request, &decision, &answer, &mut |url| Some(format!("{}?_page=sealed-{}", ehr::BASE, url.len())))
}

/// Checks the cells of one row; `decision`, `upstream`, and `released` of `answer`.
pub(crate) fn row(engine: &Engine, row: &Row) -> Result<(), String> {
    let (token, call) = (row.cell("token"), row.cell("call"));
    let decision = ask(engine, token, call);
    let said = match decision.verdict {
        Verdict::Permit => "permit".to_owned(),
        Verdict::Deny { status, reason } => format!("deny {status} {reason}"),
    };
    expect(row, "decision", &said)?;
    if let Verdict::Deny { .. } = decision.verdict {
        let refused = refuse(Some(engine), &decision);
        let text = String::from_utf8(refused.body).map_err(|fault| fault.to_string())?;
        if text.contains("ME") || text.contains("OTHER") || text.contains(decision.reason().unwrap().as_str()) {
            return Err(format!("line {}: the refusal tells too much: {text}", row.line));
        }
    }
    if row.has("upstream") && !row.cell("upstream").is_empty() {
        expect(row, "upstream", &upstream(&decision))?;
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

fn expect(row: &Row, column: &str, found: &str) -> Result<(), String> {
    if row.cell(column) == found {
        return Ok(());
    }
    let (token, call) = (row.cell("token"), row.cell("call"));
    Err(format!("line {}: `{token}` {call}\n  {column}: {}\n  found:    {found}", row.line, row.cell(column)))
}

/// `GET /Observation?patient=Patient/ME`, or the form of a search by POST after a space.
pub(crate) fn upstream(decision: &Decision) -> String {
    match &decision.action {
        Action::None => "none".to_owned(),
        Action::Answer(status) => format!("answered {status}"),
        Action::Forward(upstream) => {
            let query = if upstream.query.is_empty() { String::new() } else { format!("?{}", upstream.query) };
            let form = upstream.form.as_ref().map(|form| format!(" form: {form}")).unwrap_or_default();
            format!("{} {}{query}{form}", upstream.method, upstream.path)
        }
    }
}

/// What is released of the answer in the row: names of records, `not found`, or another status.
fn released(engine: &Engine, decision: &Decision, row: &Row) -> String {
    let names: Vec<&str> = row.cell("answer").split_whitespace().collect();
    let search = decision.interaction.is_some_and(|interaction| interaction.as_str().starts_with("search"));
    let (status, body) = match &*names {
        [number] if number.parse::<u16>().is_ok() => (number.parse().unwrap(), r#"{"secret":"upstream"}"#.to_owned()),
        ["empty"] => (200, records::searchset(&[], ehr::UPSTREAM)),
        [name] if !search => (200, records::text(name).to_owned()),
        names => (200, records::searchset(names, ehr::UPSTREAM)),
    };
    let got = answer(engine, row.cell("token"), row.cell("call"), status, &[], &body);
    let text = String::from_utf8(got.body).unwrap();
    match got.status {
        200 => {
            let found: Vec<&str> = records::names().filter(|name| text.contains(records::text(name))).collect();
            if found.is_empty() { "nothing".to_owned() } else { found.join(" ") }
        }
        404 => "not found".to_owned(),
        status => status.to_string(),
    }
}
