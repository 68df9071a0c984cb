//! Bulk export: kick-off, status, and files of one type each.
//!
//! Invariant: a job is done when it is kicked off, so a status is never 202; its files are what was stored then.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::answer::{Fault, Served};
use crate::request::{Pair, Request, pairs};
use crate::resource::Resource;
use crate::search::{Search, World, find, is_known_kind, is_member};
use crate::server::Server;
use crate::store::{Key, since};

/// A finished export: the files by type.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    id: String,
    at: String,
    request: String,
    files: BTreeMap<String, String>,
}

/// Whose records are exported: all, every patient's, or a group's members'.
type Level<'a> = Option<(&'a str, Option<&'a str>)>;

pub(crate) fn kick_off(server: &mut Server, request: &Request, level: Level<'_>) -> Result<Served, Fault> {
    if !request.prefers("respond-async") {
        return Err(Fault::invalid("an export needs `Prefer: respond-async`"));
    }
    let files = files(&server.world(), &request.query, level)?;
    let id = format!("job-{}", server.draw());
    let status = format!("{}/$export-status/{id}", server.base);
    let path = format!("{}/{}", server.base, request.path.join("/"));
    server.hold_job(Job { id, at: server.store.now(), request: path, files });
    Ok(Served::empty(202).with("Content-Location", &status))
}

pub(crate) fn status(server: &mut Server, method: &str, id: &str) -> Result<Served, Fault> {
    let place = server.jobs.iter().position(|job| job.id == id).ok_or_else(Fault::not_found)?;
    if method == "DELETE" {
        server.jobs.remove(place);
        return Ok(Served::empty(202));
    }
    let job = server.jobs.get(place).ok_or_else(Fault::not_found)?;
    let file = |(kind, text): (&String, &String)| {
        let url = format!("{}/$export-file/{id}/{kind}.ndjson", server.base);
        json!({"type": kind, "url": url, "count": text.lines().count()})
    };
    let output: Vec<Value> = job.files.iter().map(file).collect();
    let manifest = json!({
        "transactionTime": job.at, "request": job.request, "requiresAccessToken": true, "output": output, "error": [],
    });
    let mut shown = Served::json(200, &manifest);
    shown.headers.clear();
    Ok(shown.with("Content-Type", "application/json"))
}

pub(crate) fn file(server: &Server, id: &str, name: &str) -> Result<Served, Fault> {
    let job = server.jobs.iter().find(|job| job.id == id).ok_or_else(Fault::not_found)?;
    let kind = name.strip_suffix(".ndjson").ok_or_else(Fault::not_found)?;
    let text = job.files.get(kind).ok_or_else(Fault::not_found)?;
    Ok(Served::empty(200).with("Content-Type", "application/fhir+ndjson").body(text.clone().into_bytes()))
}

fn files(world: &World<'_>, query: &[Pair], level: Level<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let named =
        |name: &str| query.iter().filter(|(own, _)| own == name).map(|(_, value)| value.clone()).collect::<Vec<_>>();
    let types: BTreeSet<String> = named("_type").iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
    let since = since(named("_since").pop().as_deref())?;
    let filters = filters(world, &named("_typeFilter"))?;
    let owners = owners(world, level)?;
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for kind in world.store.kinds().into_iter().filter(|kind| types.is_empty() || types.contains(kind)) {
        let filtered = filters.get(&kind);
        for one in world.store.of_kind(&kind) {
            world.spend()?;
            let key = (one.kind.clone(), one.id.clone());
            let wanted = filtered.is_none_or(|keys| keys.contains(&key))
                && world.store.written_at(one) >= since
                && owners.as_ref().is_none_or(|owners| owners.iter().any(|owner| is_member(world, one, owner)));
            if wanted {
                let file = files.entry(kind.clone()).or_default();
                file.push_str(&line(one));
                file.push('\n');
            }
        }
    }
    Ok(files)
}

/// A resource on one line; only a text with line breaks is written anew.
fn line(resource: &Resource) -> String {
    let text = resource.text.get();
    if text.contains(['\n', '\r']) { resource.tree.to_string() } else { text.to_owned() }
}

/// What each `_typeFilter` (`Observation?code=x`) finds, by type; those of one type are alternatives.
fn filters(world: &World<'_>, texts: &[String]) -> Result<BTreeMap<String, BTreeSet<Key>>, Fault> {
    let mut filters: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
    for text in texts {
        let (kind, query) = text.split_once('?').ok_or_else(|| Fault::invalid("`_typeFilter` is `Type?query`"))?;
        let kind = is_known_kind(world.mind, kind).ok_or_else(|| Fault::invalid("the type is unknown"))?;
        let search = Search::read(world, vec![kind.to_owned()], &pairs(world.mind, query)?, false)?;
        let found = find(world, &search)?.into_iter().map(|one| (one.kind.clone(), one.id.clone()));
        filters.entry(kind.to_owned()).or_default().extend(found);
    }
    Ok(filters)
}

fn owners(world: &World<'_>, level: Level<'_>) -> Result<Option<Vec<Key>>, Fault> {
    match level {
        None => Ok(None),
        Some((_, None)) => {
            let patients = world.store.of_kind("Patient");
            Ok(Some(patients.map(|one| (one.kind.clone(), one.id.clone())).collect()))
        }
        Some((kind, Some(id))) => {
            let group = world.current(&(kind.to_owned(), id.to_owned())).ok_or_else(Fault::not_found)?;
            let members = group.at(&["member", "entity", "reference"]);
            Ok(Some(members.into_iter().filter_map(|value| world.local(value.as_str()?)).collect()))
        }
    }
}
