//! `batch` and `transaction`: a Bundle of requests, and a Bundle of their answers in the same places.
//!
//! Invariant: a batch is not run inside another one, and an entry is answered as if it came alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer::{Fault, Served};
use crate::json;
use crate::request::Request;
use crate::search::is_known_kind;
use crate::server::Server;
use crate::transaction;

/// More entries are refused.
const MAX_ENTRIES: usize = 1000;

#[derive(Debug, Deserialize)]
struct Incoming {
    #[serde(rename = "resourceType")]
    resource_type: String,
    r#type: String,
    #[serde(default)]
    entry: Vec<Entry>,
}

/// One entry as it came.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    #[serde(default)]
    pub(crate) full_url: Option<String>,
    #[serde(default)]
    pub(crate) resource: Option<Box<RawValue>>,
    pub(crate) request: Asked,
}

/// What an entry asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) if_none_exist: Option<String>,
    #[serde(default)]
    if_match: Option<String>,
    #[serde(default)]
    if_none_match: Option<String>,
    #[serde(default)]
    if_modified_since: Option<String>,
}

#[derive(Debug, Serialize)]
struct Outgoing {
    #[serde(rename = "resourceType")]
    resource_type: &'static str,
    id: String,
    r#type: String,
    entry: Vec<Answered>,
}

#[derive(Debug, Serialize)]
struct Answered {
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Box<RawValue>>,
    response: Value,
}

pub(crate) fn batch(server: &mut Server, request: &Request) -> Result<Served, Fault> {
    if request.nested {
        return Err(Fault::invalid("a batch cannot stand in a batch"));
    }
    let media_type = request.content_type();
    if !(media_type.is_empty() || media_type.ends_with("json")) {
        return Err(Fault::media_type());
    }
    run(server, &json::read(&request.body, server.mind)?)
}

/// Runs a Bundle of type `batch` or `transaction`.
pub(crate) fn run(server: &mut Server, text: &str) -> Result<Served, Fault> {
    let bundle: Incoming = serde_json::from_str(text).map_err(|fault| Fault::invalid(format!("no batch: {fault}")))?;
    if bundle.resource_type != "Bundle" {
        return Err(Fault::invalid("the body is no Bundle"));
    }
    if bundle.entry.len() > MAX_ENTRIES {
        return Err(Fault::too_large());
    }
    let answers = match bundle.r#type.as_str() {
        "batch" => bundle.entry.iter().map(|entry| alone(server, entry)).collect(),
        "transaction" => transaction::run(server, bundle.entry)?,
        other => return Err(Fault::invalid(format!("a Bundle of type `{other}` is not executed"))),
    };
    let entry = answers.iter().map(answered).collect();
    let id = format!("answer-{}", server.draw());
    Ok(Served::json(
        200,
        &Outgoing { resource_type: "Bundle", id, r#type: format!("{}-response", bundle.r#type), entry },
    ))
}

fn alone(server: &mut Server, entry: &Entry) -> Served {
    match request(server, entry, None) {
        Ok(request) => server.answer(request),
        Err(fault) => fault.served(),
    }
}

/// The request that an entry is.
pub(crate) fn request(server: &Server, entry: &Entry, forced_id: Option<String>) -> Result<Request, Fault> {
    let asked = &entry.request;
    let (media_type, body) = body(entry)?;
    let fields = [
        ("If-Match", &asked.if_match),
        ("If-None-Match", &asked.if_none_match),
        ("If-None-Exist", &asked.if_none_exist),
        ("If-Modified-Since", &asked.if_modified_since),
    ];
    let said = fields.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.as_bytes())));
    let headers: Vec<(&str, &[u8])> = said.chain([("Content-Type", media_type.as_bytes())]).collect();
    let url = below_any_base(server, &asked.url);
    let mut request = Request::read(server.mind, &server.base, (&asked.method, url), &headers, &body)?;
    request.nested = true;
    request.forced_id = forced_id;
    if server.mind.ignores_elements_in_batch {
        request.query.retain(|(name, _)| name != "_elements" && name != "_summary");
    }
    Ok(request)
}

/// A URL of whatever base, from its type on, where the mind takes one for its own.
fn below_any_base<'a>(server: &Server, url: &'a str) -> &'a str {
    if !server.mind.any_base || !url.contains("://") {
        return url;
    }
    let mut rest = url;
    while let Some((_, after)) = rest.split_once('/') {
        rest = after;
        let segment = rest.split(['/', '?']).next().unwrap_or_default();
        if is_known_kind(server.mind, segment).is_some() {
            return rest;
        }
    }
    url
}

/// The body of an entry: its resource, or the patch that a Binary holds.
fn body(entry: &Entry) -> Result<(String, Vec<u8>), Fault> {
    let Some(resource) = &entry.resource else { return Ok((String::new(), Vec::new())) };
    let tree: Value = serde_json::from_str(resource.get()).map_err(|fault| Fault::invalid(fault.to_string()))?;
    let text = |name: &str| tree.get(name).and_then(Value::as_str).unwrap_or_default();
    if entry.request.method == "PATCH" && text("resourceType") == "Binary" {
        let data = STANDARD.decode(text("data")).map_err(|_| Fault::invalid("the data is no base64"))?;
        return Ok((text("contentType").to_owned(), data));
    }
    Ok(("application/fhir+json".to_owned(), resource.get().as_bytes().to_vec()))
}

fn answered(served: &Served) -> Answered {
    let body = String::from_utf8(served.body.clone()).ok().and_then(|text| RawValue::from_string(text).ok());
    let mut response = json!({ "status": served.status.to_string() });
    if let Some(members) = response.as_object_mut() {
        for (name, member) in [("ETag", "etag"), ("Location", "location")] {
            members.extend(served.header(name).map(|value| (member.to_owned(), value.into())));
        }
        if served.status >= 400 {
            members.insert("outcome".to_owned(), served.value());
        }
    }
    Answered { resource: body.filter(|_| served.status < 400), response }
}
