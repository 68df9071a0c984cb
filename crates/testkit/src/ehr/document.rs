//! The OpenAPI documents of the fixtures.

use policy::operation::Method::{self, Delete, Get, Patch, Post, Put};
use policy::settings::ServiceKind;
use serde_json::{Map, Value, json};

use super::{BASE, Features};

/// The types whose paths the document writes out; all others come through `/{type}`. `Vehicle` is the EHR's own, and
/// found by `plate`.
const WRITTEN_OUT: &[&str] = &["Observation", "Organization", "Vehicle"];
/// What the document declares for every operation of FHIR.
const HEADERS: &[&str] = &["X-Declared", "X-Security-Context"];

/// One operation of a document.
pub(super) struct Path {
    pub(super) method: Method,
    pub(super) template: String,
    query: &'static [&'static str],
    headers: &'static [&'static str],
}

/// The operations of a fixture.
pub(super) fn paths(kind: ServiceKind, features: &Features) -> Vec<Path> {
    match kind {
        ServiceKind::Fhirv4 => fhir(),
        ServiceKind::Plain => plain(features.clinic),
    }
}

/// The document that declares these.
pub(super) fn document(kind: ServiceKind, paths: &[Path]) -> Value {
    let mut items = Map::new();
    for path in paths {
        let parameters: Vec<Value> = parameters_of(&path.template)
            .map(|name| json!({"in": "path", "name": name, "required": true, "schema": {"type": "string"}}))
            .chain(path.query.iter().map(|name| json!({"in": "query", "name": name, "schema": {"type": "string"}})))
            .chain(path.headers.iter().map(|name| json!({"in": "header", "name": name, "schema": {"type": "string"}})))
            .collect();
        let operation = json!({"parameters": parameters, "responses": {"200": {"description": "done"}}});
        let item = items.entry(path.template.clone()).or_insert_with(|| json!({}));
        item[path.method.as_str().to_ascii_lowercase()] = operation;
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {"title": "A fixture", "version": "1"},
        "servers": [{"url": BASE}],
        "paths": items,
    });
    if kind == ServiceKind::Fhirv4 {
        document["x-service-type"] = "fhirv4".into();
    }
    document
}

fn parameters_of(template: &str) -> impl Iterator<Item = &str> {
    template.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn path(method: Method, template: &str, query: &'static [&'static str], headers: &'static [&'static str]) -> Path {
    Path { method, template: template.to_owned(), query, headers }
}

fn plain(clinic: bool) -> Vec<Path> {
    let mut all = vec![
        path(Get, "/accounts", &["page", "size"], &["x-trace"]),
        path(Post, "/accounts", &[], &[]),
        path(Get, "/accounts/{id}", &[], &[]),
        path(Delete, "/accounts/{id}", &[], &[]),
    ];
    if clinic {
        all.extend([
            path(Get, "/patient", &["email", "identifier", "ward"], &[]),
            path(Post, "/patient", &[], &[]),
            path(Get, "/patient/{id}", &[], &[]),
            path(Put, "/patient/{id}", &[], &[]),
            path(Get, "/diagnostic", &[], &[]),
            path(Post, "/diagnostic", &[], &[]),
            path(Get, "/diagnostic/{id}", &[], &[]),
            path(Put, "/cluster/{id}", &[], &[]),
        ]);
    }
    all
}

fn fhir() -> Vec<Path> {
    let of_fhir = |method, template: &str| path(method, template, &[], HEADERS);
    let mut all: Vec<Path> = [
        (Get, "/"),
        (Post, "/"),
        (Post, "/_search"),
        (Get, "/_history"),
        (Get, "/metadata"),
        (Get, "/$export"),
        (Post, "/$export"),
        (Post, "/$graphql"),
        (Post, "/$process-message"),
        (Get, "/Patient/$export"),
        (Get, "/Patient/$everything"),
        (Post, "/Patient/$match"),
        (Post, "/Patient/$member-match"),
        (Post, "/Patient/$validate"),
        (Get, "/Patient/{id}/$everything"),
        (Get, "/Patient/{id}/$graphql"),
        (Get, "/Encounter/{id}/$everything"),
        (Get, "/Group/{id}/$export"),
        (Get, "/Observation/$lastn"),
        (Get, "/Measure/{id}/$evaluate-measure"),
        (Post, "/Composition/{id}/$document"),
        (Get, "/ValueSet/$expand"),
        (Get, "/Patient/{id}/*"),
        (Get, "/Patient/{id}/{type}"),
        (Post, "/Patient/{id}/{type}/_search"),
    ]
    .map(|(method, template)| of_fhir(method, template))
    .into();
    all.push(path(Get, "/admin/{name}", &["verbose"], &[]));
    for name in WRITTEN_OUT.iter().copied().chain(["{type}"]) {
        let query: &[&str] = if name == "Vehicle" { &["plate"] } else { &[] };
        all.push(path(Get, &format!("/{name}"), query, HEADERS));
        for (method, rest) in [
            (Post, ""),
            (Put, ""),
            (Patch, ""),
            (Delete, ""),
            (Post, "/_search"),
            (Get, "/_history"),
            (Get, "/{id}"),
            (Put, "/{id}"),
            (Patch, "/{id}"),
            (Delete, "/{id}"),
            (Get, "/{id}/_history"),
            (Get, "/{id}/_history/{version}"),
        ] {
            all.push(of_fhir(method, &format!("/{name}{rest}")));
        }
    }
    all
}
