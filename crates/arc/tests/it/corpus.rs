//! The corpus of tables, row by row through `arc proxy`: signed tokens, HTTP as bytes, an upstream of its own.
//!
//! Invariant: each row comes to the status and reason that it says, over the wire as in the engine; what HTTP itself
//! refuses before the gateway sees it stands here by name, and is a row that expects 400.

use std::collections::BTreeSet;
use std::path::Path;

use policy::settings::ServiceKind;
use serde_json::Value;
use testkit::call::Call;
use testkit::jws::payload;
use testkit::markdown::{Document, Row};
use testkit::{ehr, records};

use crate::gateway::{Gateway, now};
use crate::peers::{Said, UNASKED};
use crate::tokens::Keys;
use crate::wire::{self, Message};

/// Calls that are refused by the HTTP server, with an empty 400.
const REFUSED_BY_HTTP: &[&str] = &[
    "GET /Patient/ME + Content-Length: 0 + Content-Length: 0",
    "GET /Patient/ME + Content-Length: 0 + Transfer-Encoding: chunked",
    "GET /Patient/ME + Host: gw.example",
];
/// What no request target can carry: the HTTP server cuts it off, and what is before it is decided and forwarded.
const CUT_BY_HTTP: &[&str] = &["GET /Observation/x#y"];
/// The header of check tokens.
const CHECK: &str = "firewarden-check";
/// Tokens that the gateway refuses before the decision point is asked: a patient that is no id is a malformed claim.
const MALFORMED: &[&str] = &["patient:\"\"", "patient:ME,OTHER"];
/// So many tables at a time.
const AT_A_TIME: usize = 4;

/// What came of the rows.
#[derive(Debug, Default)]
struct Tally {
    rows: usize,
    /// How many were forwarded, and how many denials carried a check token.
    forwarded: usize,
    check_tokens: usize,
    refused_by_http: BTreeSet<String>,
    faults: Vec<String>,
}

fn documents() -> Vec<(String, Document)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/decisions");
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), Document::parse(&std::fs::read_to_string(path).unwrap()))).collect()
}

/// The gateway of a document, and the keys that sign its tokens.
fn start(document: &Document, now: i64) -> (Gateway, Keys) {
    let header = |name: &str| document.header.get(name).map(String::as_str);
    let (settings, fixture) = (header("settings").unwrap_or_default(), header("fixture").unwrap_or_default());
    let service = match header("service") {
        Some("ehr") => ehr::service(ehr::settings(ServiceKind::Fhirv4, settings), fixture),
        Some("plain") => ehr::plain_service(ehr::settings(ServiceKind::Plain, settings), fixture),
        other => panic!("{}: there is no Service {other:?}", document.title),
    };
    let (keys, mut parts) = (Keys::new(), ehr::compile(&service).into_parts());
    keys.trust(&mut parts);
    // In the tables it is one second after 1970; what is over there is over here, and the rest is not for long.
    parts.settings.unauthenticated_until = parts.settings.unauthenticated_until.map(|until| now + (until - 1) * 1000);
    (Gateway::start(parts), keys)
}

/// The bytes of a call, with the caller's credentials; a space in a target is encoded, as every client does.
fn bytes(call: &Call, credentials: &[String], upstream: &str) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\n", call.method, call.target.replace(' ', "%20")).into_bytes();
    let body = match String::from_utf8(call.body.clone()) {
        Ok(text) => text.replace(ehr::UPSTREAM, upstream).into_bytes(),
        Err(_) => call.body.clone(),
    };
    let mut left: Vec<&String> = credentials.iter().collect();
    for (name, value) in &call.headers {
        // What a row writes stands for the caller's own of that kind; a second one stays what it is.
        let kind = |field: &&String| name == "authorization" && field.as_bytes().starts_with(&value[..6]);
        let value = match left.iter().position(kind) {
            Some(at) => left.remove(at).as_bytes(),
            None => value,
        };
        head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    if !call.headers.iter().any(|(name, _)| name == "authorization") {
        for field in left {
            head.extend(format!("authorization: {field}\r\n").bytes());
        }
    }
    let framed = call.headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding");
    if !framed && (!body.is_empty() || call.method != "GET") {
        head.extend(format!("content-length: {}\r\n", body.len()).bytes());
    }
    [&head, &b"connection: close\r\n\r\n"[..], &body].concat()
}

/// Runs a document; the audit is read at its end, and has one decision for each row.
fn run((name, document): &(String, Document), tally: &mut Tally) {
    let at = now();
    let (gateway, keys) = start(document, at);
    gateway.ready();
    let legacy = document.header.get("settings").is_some_and(|settings| settings.contains("legacy_400=true"));
    let mut asked: Vec<&Row> = Vec::new();
    for row in document.rows.iter().filter(|row| row.has("call")) {
        tally.rows += 1;
        let call = Call::parse(row.cell("call"));
        gateway.peers.say(said(row));
        let sent = bytes(&call, &keys.fields(row.cell("token"), at), &gateway.peers.upstream());
        let answer = wire::send(gateway.address, &sent);
        let place = format!("{name} line {} `{}` {}", row.line, row.cell("token"), row.cell("call"));
        let Some(answer) = answer else {
            tally.faults.push(format!("{place}: no answer"));
            continue;
        };
        if answer.status() == 400 && answer.header("cache-control").is_none() {
            tally.refused_by_http.insert(row.cell("call").to_owned());
            if !row.cell("decision").starts_with("deny 400") {
                tally.faults.push(format!("{place}: refused by HTTP"));
            }
            continue;
        }
        asked.push(row);
        let forwarded = gateway.peers.forwarded();
        let base = gateway.peers.upstream();
        tally.forwarded += usize::from(!forwarded.is_empty());
        tally.check_tokens += usize::from(answer.header(CHECK).is_some());
        let checked = check(row, &answer, &forwarded, &base, legacy);
        if let Err(fault) = checked.and_then(|()| check_tokens(&answer, &gateway.peers.checks())) {
            tally.faults.push(format!("{place}: {fault}"));
        }
    }
    let decisions: Vec<Value> = gateway.audit().into_iter().filter(is_decision).collect();
    if decisions.len() != asked.len() {
        tally.faults.push(format!("{name}: {} decisions in the audit of {} rows", decisions.len(), asked.len()));
        return;
    }
    for (row, decision) in asked.iter().zip(&decisions) {
        let said = said_of(decision);
        if said != expected(row) {
            let (token, call) = (row.cell("token"), row.cell("call"));
            tally.faults.push(format!("{name} line {} `{token}` {call}: the audit says {said}", row.line));
        }
    }
}

/// What the upstream says to a row.
fn said(row: &Row) -> Said {
    match (row.cell("answer"), row.cell("answers")) {
        ("", "") => Said::Nothing,
        ("", answers) => Said::Entries(answers.to_owned()),
        (answer, _) => Said::Records(answer.to_owned()),
    }
}

/// The verdict that a row expects, of a gateway: that verifies, and sees, more than a table can say.
fn expected(row: &Row) -> &str {
    let (token, call) = (row.cell("token"), row.cell("call"));
    let malformed = token.split_whitespace().any(|word| MALFORMED.contains(&word));
    // Beside the caller's own token the one in the query, or the form, is a second one.
    let malformed_query = row.cell("decision") == "deny 400 malformed_query";
    let two = malformed_query && call.contains("access_token=") && token != "none";
    match row.cell("decision") {
        _ if malformed => "deny 401 malformed_token",
        _ if two => "deny 400 two_credentials",
        _ if CUT_BY_HTTP.contains(&call) => "permit",
        decision => decision,
    }
}

fn is_decision(entry: &Value) -> bool {
    entry.get("effect").is_some() && entry.get("entry").is_none_or(Value::is_null)
}

/// `permit`, or `deny 403 no_rule`, of an entry of the audit.
fn said_of(decision: &Value) -> String {
    let text = |name: &str| decision[name].as_str().unwrap_or_default();
    match text("effect") {
        "deny" => format!("deny {} {}", decision["status"], text("reason")),
        effect => effect.to_owned(),
    }
}

/// Checks what the client and the upstream got.
fn check(row: &Row, answer: &Message, forwarded: &[String], base: &str, legacy: bool) -> Result<(), String> {
    let verdict = expected(row);
    if let Some(denied) = verdict.strip_prefix("deny ") {
        let status = denied.split(' ').next().unwrap().parse::<u16>().unwrap();
        let status = if legacy && !matches!(status, 401 | 403) { 400 } else { status };
        if answer.status() != status || !forwarded.is_empty() {
            return Err(format!("{} and {forwarded:?}, not {status}", answer.status()));
        }
        return Ok(());
    }
    let told = |column: &str| Some(row.cell(column)).filter(|cell| !cell.is_empty());
    if let Some(upstream) = told("upstream").filter(|cell| !cell.starts_with("answered") && *cell != "none")
        && forwarded.first().is_none_or(|sent| sent != upstream)
    {
        return Err(format!("{forwarded:?} is forwarded, not {upstream}"));
    }
    if told("answer").is_some() {
        // The answer to `HEAD` has no body to look at.
        if row.cell("call").starts_with("HEAD ") {
            return same("200", &answer.status().to_string());
        }
        return same(row.cell("released"), &released(answer, base));
    }
    if told("answers").is_some() {
        return same(&statuses(row.cell("got")), &entries(answer));
    }
    let local = ["upstream", "forwarded"].iter().find_map(|column| told(column)?.strip_prefix("answered "));
    let nothing_is_left = told("entries").is_some_and(|all| all.split(" ; ").all(|one| one.starts_with("deny")));
    let status = match local {
        Some(status) => status.parse().unwrap(),
        None if nothing_is_left => 200,
        None => UNASKED,
    };
    if answer.status() == status { Ok(()) } else { Err(format!("{}, not {status}", answer.status())) }
}

/// What is said of a decision to whom it may be said: to the upstream all, to a client no reason.
fn check_tokens(answer: &Message, upstream: &[Option<Value>]) -> Result<(), String> {
    for check in upstream {
        let permit = check.as_ref().is_some_and(|check| check["effect"] == "permit");
        if !permit {
            return Err(format!("the upstream's check token says {check:?}"));
        }
    }
    let Some(token) = answer.header(CHECK) else { return Ok(()) };
    let check = payload(token)["check"].clone();
    let fits = check["effect"] == "deny" && check["status"] == answer.status() && check.get("reason").is_none();
    if fits { Ok(()) } else { Err(format!("the client's check token says {check}")) }
}

fn same(expected: &str, found: &str) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{found}, not {expected}")) }
}

/// What a client got, as a table writes it: names of records, `not found`, or another status.
fn released(answer: &Message, base: &str) -> String {
    match answer.status() {
        200 => {
            let body = answer.text().replace(base, ehr::UPSTREAM);
            let found: Vec<&str> = records::names().filter(|name| body.contains(records::text(name))).collect();
            if found.is_empty() { "nothing".to_owned() } else { found.join(" ") }
        }
        404 => "not found".to_owned(),
        status => status.to_string(),
    }
}

/// The statuses of what a batch's row says that the client gets.
fn statuses(got: &str) -> String {
    got.split(" ; ").map(|one| one.split(' ').next().unwrap_or_default()).collect::<Vec<_>>().join(" ; ")
}

/// The statuses of the entries that a client got, or the one of the whole.
fn entries(answer: &Message) -> String {
    if answer.status() != 200 {
        return answer.status().to_string();
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let entries = body["entry"].as_array().cloned().unwrap_or_default();
    let status = |entry: &Value| entry["response"]["status"].as_str().unwrap_or_default().to_owned();
    entries.iter().map(status).map(|text| statuses(&text)).collect::<Vec<_>>().join(" ; ")
}

#[test]
fn every_row_of_the_corpus_is_the_same_over_http() {
    let documents = documents();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut tally = Tally::default();
        while let Some(document) = documents.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            run(document, &mut tally);
        }
        tally
    };
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let rows = sum(|tally| tally.rows);
    let (forwarded, check_tokens) = (sum(|tally| tally.forwarded), sum(|tally| tally.check_tokens));
    let faults: Vec<&str> = tallies.iter().flat_map(|tally| &tally.faults).map(String::as_str).collect();
    let refused: BTreeSet<&str> = tallies.iter().flat_map(|tally| &tally.refused_by_http).map(String::as_str).collect();
    println!(
        "{rows} rows over HTTP: {forwarded} forwarded, {check_tokens} check tokens; {} refused before",
        refused.len()
    );
    assert!(faults.is_empty(), "{} of {rows} rows:\n{}", faults.len(), faults.join("\n"));
    let known: BTreeSet<&str> = REFUSED_BY_HTTP.iter().copied().collect();
    assert_eq!(refused, known, "what the HTTP server refuses by itself");
    assert!(forwarded > 300 && check_tokens > 300, "{forwarded} {check_tokens}");
}
