//! The interactions of one resource: read, vread, create, update, patch, delete.
//!
//! Invariant: preconditions are asked before anything is written, and each write is one version.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use serde_json::{Value, json};

use crate::answer::{FHIR_JSON, Fault, Served, outcome};
use crate::conditional;
use crate::json;
use crate::patch;
use crate::request::Request;
use crate::resource::{Resource, references};
use crate::search::targets_of;
use crate::server::Server;
use crate::shape::Shape;
use crate::store::{Key, Version, http_date};

pub(crate) fn read(server: &Server, request: &Request, key: &Key) -> Result<Served, Fault> {
    let version = server.store.latest(key).ok_or_else(Fault::not_found)?;
    let resource = version.resource.as_ref().ok_or_else(Fault::gone)?;
    let same = request
        .header("If-None-Match")
        .is_some_and(|tag| tag == "*" || tag.split(',').any(|one| one.trim() == version.etag()));
    let since = request.header("If-Modified-Since").and_then(|text| DateTime::parse_from_rfc2822(text).ok());
    if same || since.is_some_and(|since| version.at <= since.timestamp()) {
        return Ok(dated(Served::empty(304), version));
    }
    shown(request, version, resource)
}

pub(crate) fn vread(server: &Server, request: &Request, key: &Key, number: &str) -> Result<Served, Fault> {
    let version = server.store.versions(key).iter().find(|version| version.number.to_string() == number);
    let version = version.ok_or_else(Fault::not_found)?;
    let resource = version.resource.as_ref().ok_or_else(Fault::gone)?;
    shown(request, version, resource)
}

/// The resource, or what a Binary holds if FHIR is not asked for.
fn shown(request: &Request, version: &Version, resource: &Resource) -> Result<Served, Fault> {
    let accept = request.header("Accept").unwrap_or("*/*");
    let raw = version.key.0 == "Binary" && !accept.contains("json") && !accept.contains("*/*");
    let text = |name: &str| resource.tree.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if raw {
        let data = STANDARD.decode(text("data")).map_err(|_| Fault::unprocessable("the data is no base64"))?;
        return Ok(dated(Served::empty(200).with("Content-Type", &text("contentType")).body(data), version));
    }
    Ok(dated(Served::text(200, Shape::of(request).apply(resource)?.get()), version))
}

pub(crate) fn create(server: &mut Server, request: &Request, kind: &str) -> Result<Served, Fault> {
    let text = body(server, request, kind)?;
    if let Some(query) = request.header("If-None-Exist") {
        let query = query.trim_start_matches('?');
        match conditional::found(server, kind, query)?.as_slice() {
            [] => {}
            [one] => return current(server, request, one),
            _ => return Err(Fault::precondition("more than one resource exists")),
        }
    }
    let id = request.forced_id.clone().unwrap_or_else(|| server.store.draw_id(kind));
    let version = server.store.put(kind, &id, &text, "POST")?;
    let answer = written(server, request, &version, 201);
    if kind == "Bundle" && server.mind.runs_posted_bundles && !request.nested {
        crate::batch::run(server, &text)?;
    }
    Ok(answer)
}

pub(crate) fn update(server: &mut Server, request: &Request, key: &Key) -> Result<Served, Fault> {
    let text = body(server, request, &key.0)?;
    let said: Value = serde_json::from_str(&text).unwrap_or_default();
    if said.get("id").and_then(Value::as_str) != Some(&key.1) {
        return Err(Fault::invalid("the id of the body is not that of the URL"));
    }
    preconditions(server, request, key)?;
    let status = if server.store.current(key).is_some() { 200 } else { 201 };
    let version = server.store.put(&key.0, &key.1, &text, "PUT")?;
    Ok(written(server, request, &version, status))
}

pub(crate) fn patch(server: &mut Server, request: &Request, key: &Key) -> Result<Served, Fault> {
    let version = server.store.latest(key).ok_or_else(Fault::not_found)?;
    let resource = version.resource.clone().ok_or_else(Fault::gone)?;
    preconditions(server, request, key)?;
    let text = json::read(&request.body, server.mind)?;
    let patched = patch::patched(&resource.tree, &request.content_type(), &text)?;
    let same = |name: &str| patched.get(name) == resource.tree.get(name);
    if !same("resourceType") || !same("id") {
        return Err(Fault::unprocessable("a patch cannot change the type or the id"));
    }
    let version = server.store.put(&key.0, &key.1, &patched.to_string(), "PATCH")?;
    Ok(written(server, request, &version, 200))
}

pub(crate) fn delete(server: &mut Server, request: &Request, key: &Key) -> Result<Served, Fault> {
    if server.store.latest(key).is_none() {
        return Err(Fault::not_found());
    }
    preconditions(server, request, key)?;
    if server.mind.cascades && request.parameter("_cascade") == Some("delete") {
        for dependent in naming(server, key) {
            server.store.delete(&dependent)?;
        }
    }
    let deleted = server.store.delete(key)?;
    Ok(deleted.map_or(Served::empty(204), |version| Served::empty(204).with("ETag", &version.etag())))
}

/// The resources that name this one, wherever in them.
fn naming(server: &Server, key: &Key) -> Vec<Key> {
    let world = server.world();
    let kinds = server.store.kinds();
    let all = kinds.iter().flat_map(|kind| server.store.of_kind(kind));
    let names =
        |one: &&Arc<Resource>| targets_of(&world, one).iter().any(|other| other.kind == key.0 && other.id == key.1);
    all.filter(names).map(|one| (one.kind.clone(), one.id.clone())).collect()
}

/// The answer of a conditional create that found one.
fn current(server: &Server, request: &Request, key: &Key) -> Result<Served, Fault> {
    let version = server.store.latest(key).cloned().ok_or_else(Fault::not_found)?;
    Ok(written(server, request, &version, 200))
}

fn preconditions(server: &Server, request: &Request, key: &Key) -> Result<(), Fault> {
    if server.mind.ignores_preconditions {
        return Ok(());
    }
    let live = server.store.latest(key).filter(|version| version.resource.is_some());
    if let Some(wanted) = request.header("If-Match") {
        let matches = live.is_some_and(|version| wanted == "*" || wanted == version.etag());
        if !matches {
            return Err(Fault::precondition("the version is another one"));
        }
    }
    if request.header("If-None-Match") == Some("*") && live.is_some() {
        return Err(Fault::precondition("the resource exists"));
    }
    Ok(())
}

/// The body as a resource of this type.
fn body(server: &Server, request: &Request, kind: &str) -> Result<String, Fault> {
    let media_type = request.content_type();
    let is_json = media_type.is_empty() || media_type.ends_with("json");
    if !is_json && kind == "Binary" {
        return Ok(binary(request, &media_type));
    }
    if !is_json || media_type.ends_with("patch+json") {
        return Err(Fault::media_type());
    }
    let text = json::read(&request.body, server.mind)?;
    let tree: Value = serde_json::from_str(&text).unwrap_or_default();
    if tree.get("resourceType").and_then(Value::as_str) != Some(kind) {
        return Err(Fault::invalid(format!("the body is no {kind}")));
    }
    if server.mind.resolves_conditional_references { resolved(server, text, &tree) } else { Ok(text) }
}

fn binary(request: &Request, media_type: &str) -> String {
    let mut binary =
        json!({"resourceType": "Binary", "contentType": media_type, "data": STANDARD.encode(&request.body)});
    if let [kind, id] = request.path.as_slice()
        && let Some(members) = binary.as_object_mut()
    {
        debug_assert_eq!(kind, "Binary", "only a Binary has such a body");
        members.insert("id".to_owned(), id.as_str().into());
    }
    if let (Some(context), Some(members)) = (request.header("X-Security-Context"), binary.as_object_mut()) {
        members.insert("securityContext".to_owned(), json!({ "reference": context }));
    }
    binary.to_string()
}

/// The text with each conditional reference (`Patient?identifier=…`) in it made a literal one.
pub(crate) fn resolved(server: &Server, mut text: String, tree: &Value) -> Result<String, Fault> {
    let mut conditional_ones = Vec::new();
    references(tree, &mut |reference| {
        if let Some((kind, query)) = reference.split_once('?') {
            conditional_ones.push((reference, kind, query));
        }
    });
    for (reference, kind, query) in conditional_ones {
        let [(kind, id)] = conditional::found(server, kind, query)?
            .try_into()
            .map_err(|_| Fault::precondition(format!("`{reference}` does not name one resource")))?;
        text = text.replace(&json!(reference).to_string(), &json!(format!("{kind}/{id}")).to_string());
    }
    Ok(text)
}

/// What a write is answered with; the body is as `Prefer` says.
pub(crate) fn written(server: &Server, request: &Request, version: &Version, status: u16) -> Served {
    let (kind, id) = &version.key;
    let location = format!("{}/{kind}/{id}/_history/{}", server.base, version.number);
    let resource = version.resource.as_ref().map_or("", |resource| resource.text.get());
    let answer = if request.prefers("return=minimal") {
        Served::empty(status)
    } else if request.prefers("return=OperationOutcome") {
        Served::json(status, &outcome("information", "informational", "written"))
    } else {
        Served::empty(status).with("Content-Type", FHIR_JSON).body(resource.as_bytes().to_vec())
    };
    dated(answer, version).with("Location", &location)
}

fn dated(served: Served, version: &Version) -> Served {
    served.with("ETag", &version.etag()).with("Last-Modified", &http_date(version.at))
}
