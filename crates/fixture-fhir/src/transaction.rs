//! Transactions: all entries or none, in FHIR's order, with references among them resolved.
//!
//! Invariant: when an entry fails, the store is as it was before the first one.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer::{Fault, Served};
use crate::batch::{self, Entry};
use crate::conditional;
use crate::interactions;
use crate::server::Server;

/// Runs the entries and answers each in its place.
pub(crate) fn run(server: &mut Server, entries: Vec<Entry>) -> Result<Vec<Served>, Fault> {
    let before = server.store.clone();
    let answers = all(server, entries);
    if answers.is_err() {
        server.store = before;
    }
    answers
}

fn all(server: &mut Server, mut entries: Vec<Entry>) -> Result<Vec<Served>, Fault> {
    let names = names(server, &entries)?;
    for entry in &mut entries {
        if let Some(text) = entry.resource.as_ref().map(|resource| resource.get().to_owned()) {
            entry.resource = Some(with_names(server, text, &names)?);
        }
    }
    let mut order: Vec<(usize, &Entry)> = entries.iter().enumerate().collect();
    order.sort_by_key(|(_, entry)| rank(&entry.request.method));
    let mut answers = BTreeMap::new();
    for (place, entry) in order {
        let id = entry.full_url.as_ref().and_then(|url| names.get(url)).filter(|_| entry.request.method == "POST");
        let id = id.and_then(|name| name.rsplit('/').next()).map(str::to_owned);
        let answer = batch::request(server, entry, id).map(|request| server.answer(request))?;
        if answer.status >= 400 {
            return Err(failed(place, &answer));
        }
        answers.insert(place, answer);
    }
    Ok(answers.into_values().collect())
}

/// DELETE, POST, PUT and PATCH, GET.
fn rank(method: &str) -> u8 {
    match method {
        "DELETE" => 0,
        "POST" => 1,
        "PUT" | "PATCH" => 2,
        _ => 3,
    }
}

fn failed(place: usize, served: &Served) -> Fault {
    let why = served.value();
    let why = why.pointer("/issue/0/diagnostics").and_then(Value::as_str).unwrap_or_default();
    Fault { status: served.status, ..Fault::invalid(format!("entry {place}: {why}")) }
}

/// What the `urn:` names of the entries become: the resource that a create makes or finds, or an update writes.
fn names(server: &mut Server, entries: &[Entry]) -> Result<BTreeMap<String, String>, Fault> {
    let mut names = BTreeMap::new();
    for entry in entries {
        let Some(url) = entry.full_url.clone() else { continue };
        if names.contains_key(&url) {
            return Err(Fault::invalid("a `fullUrl` stands twice"));
        }
        let asked = &entry.request;
        let name = match asked.method.as_str() {
            "POST" if url.starts_with("urn:") => created(server, &asked.url, asked.if_none_exist.as_deref())?,
            _ => asked.url.clone(),
        };
        names.insert(url, name);
    }
    names.retain(|url, _| url.starts_with("urn:"));
    Ok(names)
}

fn created(server: &mut Server, kind: &str, condition: Option<&str>) -> Result<String, Fault> {
    let found = condition.map(|query| conditional::found(server, kind, query.trim_start_matches('?'))).transpose()?;
    match found.as_deref() {
        Some([(kind, id)]) => Ok(format!("{kind}/{id}")),
        _ => Ok(format!("{kind}/{}", server.store.draw_id(kind))),
    }
}

/// The resource with the names made references, and conditional references literal.
fn with_names(server: &Server, mut text: String, names: &BTreeMap<String, String>) -> Result<Box<RawValue>, Fault> {
    for (url, name) in names {
        text = text.replace(&json!(url).to_string(), &json!(name).to_string());
    }
    let tree: Value = serde_json::from_str(&text).map_err(|fault| Fault::invalid(fault.to_string()))?;
    let text = interactions::resolved(server, text, &tree)?;
    RawValue::from_string(text).map_err(|fault| Fault::invalid(fault.to_string()))
}
