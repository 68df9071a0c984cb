//! Which interaction a method and a path are.
//!
//! Invariant: a path that names no known type is 404, a known path with another method 405.

use crate::answer::{Fault, Served};
use crate::batch;
use crate::conditional;
use crate::export;
use crate::history;
use crate::interactions;
use crate::json;
use crate::metadata;
use crate::operations;
use crate::request::{self, Pair, Request};
use crate::resource::is_id;
use crate::search::is_known_kind;
use crate::search::pages;
use crate::server::Server;
use crate::store::Key;

/// The types that have compartments.
const COMPARTMENTS: &[&str] = &["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"];

pub(crate) fn route(server: &mut Server, request: Request) -> Result<Served, Fault> {
    acceptable(&request)?;
    let method = if request.method == "HEAD" { "GET".to_owned() } else { request.method.clone() };
    let path: Vec<String> = request.path.clone();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (method.as_str(), path.as_slice()) {
        ("GET", ["metadata"]) => Ok(metadata::metadata(server)),
        ("GET", []) if request.parameter("_getpages").is_some() => pages::next(server, &request),
        ("GET", []) => system_search(server, &request, request.query.clone()),
        ("POST", []) if request.content_type() == FORM => system_search(server, &request, form(server, &request)?),
        ("POST", []) => batch::batch(server, &request),
        ("POST", ["_search"]) => system_search(server, &request, form(server, &request)?),
        ("GET", ["_history"]) => history::of_system(server, &request),
        (_, ["$export"]) => export::kick_off(server, &request, None),
        (_, ["$export-status", job]) => export::status(server, &method, job),
        ("GET", ["$export-file", job, name]) => export::file(server, job, name),
        (_, [first, ..]) if first.starts_with(['$', '_']) => Err(unknown(first)),
        (_, []) => Err(Fault::method()),
        (_, [kind, rest @ ..]) => {
            let kind = type_name(server, kind)?;
            of_type(server, request, &method, (&kind, rest))
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn of_type(
    server: &mut Server,
    request: Request,
    method: &str,
    (kind, rest): (&str, &[&str]),
) -> Result<Served, Fault> {
    match (method, rest) {
        ("GET", []) => type_search(server, &request, kind, request.query.clone()),
        ("POST", []) if request.content_type() == FORM => type_search(server, &request, kind, form(server, &request)?),
        ("POST", []) => interactions::create(server, &request, kind),
        ("PUT", []) => conditional::update(server, request, kind),
        ("PATCH", []) => conditional::patch(server, &request, kind),
        ("DELETE", []) => conditional::delete(server, &request, kind),
        ("POST", ["_search"]) => type_search(server, &request, kind, form(server, &request)?),
        ("GET", ["_history"]) => history::of_type(server, &request, kind),
        (_, ["$export"]) if kind == "Patient" => export::kick_off(server, &request, Some(("Patient", None))),
        (_, [operation]) if operation.starts_with('$') => operations::on_type(server, &request, kind, operation),
        (_, [operation]) if operation.starts_with('_') => Err(unknown(operation)),
        (_, [id, rest @ ..]) if is_id(id) => {
            instance(server, &request, method, ((kind.to_owned(), (*id).to_owned()), rest))
        }
        (_, []) => Err(Fault::method()),
        _ => Err(Fault::invalid("an id has 1 to 64 letters, digits, `-` and `.`")),
    }
}

fn instance(
    server: &mut Server,
    request: &Request,
    method: &str,
    (key, rest): (Key, &[&str]),
) -> Result<Served, Fault> {
    match (method, rest) {
        ("GET", []) => interactions::read(server, request, &key),
        ("PUT", []) => interactions::update(server, request, &key),
        ("PATCH", []) => interactions::patch(server, request, &key),
        ("DELETE", []) => interactions::delete(server, request, &key),
        ("GET", ["_history"]) => history::of_instance(server, request, &key),
        ("GET", ["_history", version]) => interactions::vread(server, request, &key, version),
        (_, ["$export"]) if key.0 == "Group" => export::kick_off(server, request, Some(("Group", Some(&key.1)))),
        (_, [operation]) if operation.starts_with('$') => operations::on_instance(server, request, &key, operation),
        ("GET", [kind]) if COMPARTMENTS.contains(&key.0.as_str()) => {
            compartment(server, request, &key, kind, request.query.clone())
        }
        ("POST", [kind, "_search"]) if COMPARTMENTS.contains(&key.0.as_str()) => {
            compartment(server, request, &key, kind, form(server, request)?)
        }
        (_, [] | ["_history"]) => Err(Fault::method()),
        _ => Err(Fault::not_found()),
    }
}

fn type_name(server: &Server, name: &str) -> Result<String, Fault> {
    let known = is_known_kind(server.mind, name).map(str::to_owned);
    let stored = || server.store.kinds().into_iter().find(|kind| kind == name);
    known.or_else(stored).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Fault {
    Fault { words: format!("`{name}` is not known here"), ..Fault::not_found() }
}

fn type_search(server: &mut Server, request: &Request, kind: &str, pairs: Vec<Pair>) -> Result<Served, Fault> {
    let mut pairs = pairs;
    pairs.retain(|(name, _)| name != "_type");
    pages::search(server, (&format!("/{kind}"), &pairs), vec![kind.to_owned()], None, strict(request))
}

fn system_search(server: &mut Server, request: &Request, pairs: Vec<Pair>) -> Result<Served, Fault> {
    let kinds = server.store.kinds();
    pages::search(server, ("", &types_first(pairs)), kinds, None, strict(request))
}

fn compartment(
    server: &mut Server,
    request: &Request,
    owner: &Key,
    kind: &str,
    pairs: Vec<Pair>,
) -> Result<Served, Fault> {
    let path = format!("/{}/{}/{kind}", owner.0, owner.1);
    let kinds = if kind == "*" { server.store.kinds() } else { vec![type_name(server, kind)?] };
    pages::search(server, (&path, &types_first(pairs)), kinds, Some(owner.clone()), strict(request))
}

/// `_type` says which parameters are known, so it is read before them.
fn types_first(mut pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.sort_by_key(|(name, _)| !name.eq_ignore_ascii_case("_type"));
    pairs
}

fn strict(request: &Request) -> bool {
    request.prefers("handling=strict")
}

/// The parameters of a search by POST: those of the URL and of the form.
fn form(server: &Server, request: &Request) -> Result<Vec<Pair>, Fault> {
    if !request.body.is_empty() && request.content_type() != FORM {
        return Err(Fault::media_type());
    }
    if request.body.len() > json::MAX_BODY {
        return Err(Fault::too_large());
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| Fault::invalid("the form is not UTF-8"))?;
    let mut pairs = request.query.clone();
    pairs.extend(request::pairs(server.mind, text)?);
    Ok(pairs)
}

/// Only FHIR 4.0 in JSON is served, and what a Binary holds.
fn acceptable(request: &Request) -> Result<(), Fault> {
    let accept = request.header("Accept").unwrap_or_default();
    let version = accept.split([';', ',']).find_map(|part| part.trim().strip_prefix("fhirVersion="));
    let other = version.is_some_and(|version| !version.trim_matches('"').starts_with("4.0"));
    let xml = accept.contains("xml") && !accept.contains("json") && !accept.contains("*/*");
    let binary = request.path.first().is_some_and(|kind| kind == "Binary");
    if other || (xml && !binary) { Err(Fault::not_acceptable()) } else { Ok(()) }
}
