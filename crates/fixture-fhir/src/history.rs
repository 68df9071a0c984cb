//! Histories: of an instance, a type and the system, newest first.
//!
//! Invariant: a deletion is an entry without a resource; vread and history show the same versions.

use serde_json::value::RawValue;

use crate::answer::{Fault, Served};
use crate::request::Request;
use crate::server::Server;
use crate::store::{Key, Version, instant, since};

use serde::Serialize;
use serde_json::{Value, json};

/// Entries where the request does not say.
const PAGE: usize = 100;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle<'a> {
    resource_type: &'static str,
    id: &'static str,
    r#type: &'static str,
    total: usize,
    link: Value,
    entry: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    full_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a RawValue>,
    request: Value,
    response: Value,
}

pub(crate) fn of_instance(server: &Server, request: &Request, key: &Key) -> Result<Served, Fault> {
    let versions = server.store.versions(key);
    if versions.is_empty() {
        return Err(Fault::not_found());
    }
    show(server, request, versions.iter().rev().collect())
}

pub(crate) fn of_type(server: &Server, request: &Request, kind: &str) -> Result<Served, Fault> {
    show(server, request, server.store.log(Some(kind)))
}

pub(crate) fn of_system(server: &Server, request: &Request) -> Result<Served, Fault> {
    show(server, request, server.store.log(None))
}

/// One page of a history, with `_since`, `_count` and an `_offset` of our own in the links.
fn show(server: &Server, request: &Request, mut versions: Vec<&Version>) -> Result<Served, Fault> {
    let since = since(request.parameter("_since"))?;
    versions.retain(|version| version.at >= since);
    let number = |name: &str, unsaid: usize| {
        let number = request.parameter(name).map_or(Ok(unsaid), str::parse::<usize>);
        number.map_err(|_| Fault::invalid(format!("`{name}` must be a number")))
    };
    let (count, offset) = (number("_count", PAGE)?.clamp(1, 1000), number("_offset", 0)?);
    let own = format!("{}/{}", server.base, request.path.join("/"));
    let mut link = vec![json!({"relation": "self", "url": own})];
    if offset.saturating_add(count) < versions.len() {
        link.push(json!({"relation": "next", "url": format!("{own}?_count={count}&_offset={}", offset + count)}));
    }
    let entry = versions.iter().skip(offset).take(count).map(|version| entry(&server.base, version)).collect();
    let total = versions.len();
    Ok(Served::json(
        200,
        &Bundle { resource_type: "Bundle", id: "history", r#type: "history", total, link: link.into(), entry },
    ))
}

fn entry<'a>(base: &str, version: &'a Version) -> Entry<'a> {
    let (kind, id) = &version.key;
    let url = if version.method == "POST" { kind.clone() } else { format!("{kind}/{id}") };
    let status = match (version.method, version.number) {
        ("DELETE", _) => "204",
        (_, 1) => "201",
        _ => "200",
    };
    Entry {
        full_url: format!("{base}/{kind}/{id}"),
        resource: version.resource.as_ref().map(|resource| &*resource.text),
        request: json!({"method": version.method, "url": url}),
        response: json!({"status": status, "etag": version.etag(), "lastModified": instant(version.at)}),
    }
}
