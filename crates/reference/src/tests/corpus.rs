//! The corpus of tables, run on the interpreter; expectations come from the tables.

use std::collections::BTreeMap;
use std::path::Path;

use policy::decision::Lookup;
use policy::settings::ServiceKind;
use serde_json::value::RawValue;

use super::kit::{self, Line, Token, UPSTREAM};
use crate::{Interpreter, Next, Response, Upstream};

type Row = BTreeMap<String, String>;

fn records() -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_str(include_str!("../../../../tests/decisions/records.json")).unwrap()
}

/// Service, settings and rows of one file.
fn tables(text: &str) -> (ServiceKind, String, Vec<Row>) {
    let header =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    let kind = if header("Service:") == "plain" { ServiceKind::Plain } else { ServiceKind::Fhirv4 };
    let mut rows = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for line in text.lines() {
        let Some(inner) = line.strip_prefix('|').and_then(|line| line.trim_end().strip_suffix('|')) else {
            names.clear();
            continue;
        };
        let cells: Vec<String> =
            inner.replace("\\|", "\u{1}").split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
        if names.is_empty() {
            names = cells;
        } else if !cells.iter().all(|cell| cell.chars().all(|char| char == '-')) {
            rows.push(names.iter().cloned().zip(cells).collect());
        }
    }
    (kind, header("Settings:"), rows)
}

fn searchset(names: &[&str], records: &BTreeMap<String, Box<RawValue>>) -> String {
    let entries: Vec<String> = names
        .iter()
        .map(|name| {
            let (mode, name) = name.split_once(':').unwrap_or(("match", name));
            let text = if name == "outcome" { r#"{"resourceType":"OperationOutcome"}"# } else { records[name].get() };
            format!(r#"{{"fullUrl":"{UPSTREAM}/x/{name}","resource":{text},"search":{{"mode":"{mode}"}}}}"#)
        })
        .collect();
    format!(r#"{{"resourceType":"Bundle","type":"searchset","total":{},"entry":[{}]}}"#, names.len(), entries.join(","))
}

/// What the upstream of the corpus answers to a lookup: a record, or a search of DocumentReferences.
fn fetch(lookup: &Lookup, records: &BTreeMap<String, Box<RawValue>>) -> (Lookup, u16, String) {
    if lookup.query.is_empty() {
        let name = lookup.path.rsplit('/').next().unwrap_or_default();
        return match records.get(name) {
            Some(record) => (lookup.clone(), 200, record.get().to_owned()),
            None => (lookup.clone(), 404, String::new()),
        };
    }
    let is_document = |text: &str| text.contains("\"DocumentReference\"") && text.contains("\"Patient/ME\"");
    let names: Vec<&str> =
        records.iter().filter(|(_, one)| is_document(one.get())).map(|(name, _)| name.as_str()).collect();
    (lookup.clone(), 200, searchset(&names, records))
}

fn released(
    interpreter: &Interpreter,
    row: &Row,
    line: &Line,
    token: &Token,
    records: &BTreeMap<String, Box<RawValue>>,
) -> String {
    let answer = row["answer"].as_str();
    let (status, body) = match answer {
        number if number.parse::<u16>().is_ok() => (number.parse().unwrap(), "{}".to_owned()),
        "empty" => (200, searchset(&[], records)),
        _ => {
            let names: Vec<&str> = answer.split(' ').collect();
            let path = line.target.split('?').next().unwrap();
            let segments = path.trim_start_matches("/fhir/").split('/').count();
            let is_version = segments == 4 && path.contains("/_history/");
            let is_read = line.method != "POST" && (segments == 2 || is_version) && !path.ends_with("_search");
            match names.as_slice() {
                [one] if is_read => (200, records[*one].get().to_owned()),
                _ if path.ends_with("/_history") => {
                    (200, searchset(&names, records).replace("\"searchset\"", "\"history\""))
                }
                _ => (200, searchset(&names, records)),
            }
        }
    };
    let mut store = kit::Store::new();
    let response = loop {
        let response = kit::with_request(line, token.caller(), &store, |request| {
            interpreter.respond(request, &Upstream { status, headers: &[], body: body.as_bytes(), base: UPSTREAM })
        });
        match response {
            Response::Lookup(lookups) if store.len() < 10 => {
                store.extend(lookups.iter().map(|one| fetch(one, records)));
            }
            response => break response,
        }
    };
    match response {
        Response::Lookup(lookups) => format!("lookup {lookups:?}"),
        Response::Released { status: 404, .. } => "not found".to_owned(),
        Response::Released { status: 200, released, .. } => {
            let mut ids: Vec<&str> = released.iter().filter_map(|one| one["id"].as_str()).collect();
            ids.sort_unstable();
            if ids.is_empty() { "nothing".to_owned() } else { ids.join(" ") }
        }
        Response::Released { status, .. } => status.to_string(),
    }
}

#[test]
fn the_corpus_holds_on_the_interpreter() {
    let records = records();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/decisions");
    let mut faults = Vec::new();
    let mut count = 0;
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(file).unwrap();
        let (kind, settings, rows) = tables(&text);
        let service = kit::service(kind, &settings);
        let has = |word: &str| text.lines().any(|line| line.starts_with("Fixture:") && line.contains(word));
        let service = if has("basic") { kit::with_basic(service) } else { service };
        let with_tags = text.lines().any(|line| line.starts_with("Fixture:") && line.contains("tags"));
        let interpreter = Interpreter::new(if with_tags { kit::with_tags(service) } else { service });
        for row in rows.iter().filter(|row| row.contains_key("decision") && row.contains_key("call")) {
            let later = row["decision"].contains("not_built") && !row["call"].contains("_content");
            if later {
                continue;
            }
            count += 1;
            let mut line = Line::parse(&row["call"]);
            if let Some(name) = line.body.strip_prefix('@') {
                line.body = records[name].get().to_owned();
            }
            let token = Token::parse(&row["token"]);
            let mut store = kit::Store::new();
            let answer = loop {
                let answer = kit::with_request(&line, token.caller(), &store, |request| interpreter.decide(request));
                match &answer.next {
                    Next::Lookup(lookups) if store.len() < 10 => {
                        store.extend(lookups.iter().map(|one| fetch(one, &records)));
                    }
                    _ => break answer,
                }
            };
            let mut check = |what: &str, expected: &str, found: &str| {
                if expected != found {
                    let name = file.file_stem().unwrap().to_string_lossy();
                    faults.push(format!(
                        "{name}: {} | {} | {what}: expected {expected}, found {found}",
                        row["token"], row["call"]
                    ));
                }
            };
            check("decision", &row["decision"], &kit::words(&answer));
            if let Some(expected) = row.get("entries").filter(|text| !text.is_empty() && !text.contains("not_built")) {
                let found: Vec<String> = answer.entries.iter().map(kit::words).collect();
                check("entries", expected, &found.join(" ; "));
            }
            if let Some(expected) = row.get("upstream").filter(|text| !text.is_empty()) {
                check("upstream", expected, &kit::sent(&answer));
            }
            if let Some(expected) = row.get("related").filter(|text| !text.is_empty()) {
                let word = |permit: bool| if permit { "permit" } else { "deny" };
                let list: Vec<String> = answer
                    .related
                    .iter()
                    .map(|(via, name, permit)| format!("{} {via} {name}", word(*permit)))
                    .collect();
                check("related", expected, &list.join(", "));
            }
            if let Some(expected) = row.get("released").filter(|text| !text.is_empty())
                && row.get("answer").is_some_and(|text| !text.is_empty())
            {
                check("released", expected, &released(&interpreter, row, &line, &token, &records));
            }
        }
    }
    assert!(count > 300, "only {count} rows were read");
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
}
