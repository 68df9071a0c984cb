//! Operations: `$everything` on Patient and Encounter, `$validate`, `$lastn`.
//!
//! Invariant: an operation that is not named here is 404, and none writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::answer::{Fault, Served, outcome};
use crate::json;
use crate::request::{Pair, Request};
use crate::resource::Resource;
use crate::search::{Search, World, find, is_member, pages, parameter_points_at, targets_of};
use crate::server::Server;
use crate::shape::Shape;
use crate::store::{Key, since};

pub(crate) fn on_type(server: &mut Server, request: &Request, kind: &str, name: &str) -> Result<Served, Fault> {
    match (kind, name) {
        (_, "$validate") => validate(server, request),
        ("Observation", "$lastn") => last_of_each(server, request),
        ("Patient" | "Encounter", "$everything") => everything(server, request, &of_kind(server, kind)),
        _ => Err(Fault::not_found()),
    }
}

pub(crate) fn on_instance(server: &mut Server, request: &Request, key: &Key, name: &str) -> Result<Served, Fault> {
    match (key.0.as_str(), name) {
        (_, "$validate") => validate(server, request),
        ("Patient" | "Encounter", "$everything") => {
            server.store.latest(key).ok_or_else(Fault::not_found)?;
            server.store.current(key).ok_or_else(Fault::gone)?;
            everything(server, request, std::slice::from_ref(key))
        }
        _ => Err(Fault::not_found()),
    }
}

fn of_kind(server: &Server, kind: &str) -> Vec<Key> {
    server.store.of_kind(kind).map(|one| (one.kind.clone(), one.id.clone())).collect()
}

/// Parameters of the URL, and those of a Parameters resource in the body.
fn parameters(server: &Server, request: &Request) -> Result<Vec<Pair>, Fault> {
    let mut pairs = request.query.clone();
    if request.method == "POST" && !request.body.is_empty() {
        let text = json::read(&request.body, server.mind)?;
        let tree: Value = serde_json::from_str(&text).unwrap_or_default();
        for parameter in tree.get("parameter").and_then(Value::as_array).into_iter().flatten() {
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
            let value = parameter.as_object().and_then(|all| all.iter().find(|(key, _)| key.starts_with("value")));
            let value = value.map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            pairs.push((name.to_owned(), value.unwrap_or_default()));
        }
    }
    Ok(pairs)
}

/// The resources themselves, all that belongs to them, and all that these name, another patient's included.
fn everything(server: &mut Server, request: &Request, owners: &[Key]) -> Result<Served, Fault> {
    let pairs = parameters(server, request)?;
    let last = |name: &str| pairs.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.clone());
    let kinds: Option<BTreeSet<String>> = last("_type").map(|list| list.split(',').map(str::to_owned).collect());
    let since = since(last("_since").as_deref())?;
    let count = last("_count").map_or(Ok(usize::MAX), |count| count.parse()).map_err(|_| Fault::invalid("`_count`"))?;
    let world = server.world();
    let mut found: Vec<&Arc<Resource>> = Vec::new();
    for owner in owners {
        found.extend(world.current(owner));
        found.extend(members(&world, owner)?);
    }
    let named: Vec<&Arc<Resource>> = found.iter().flat_map(|one| targets_of(&world, one)).collect();
    // what an Encounter or an Observation names may name a Practitioner's Organization
    let further: Vec<&Arc<Resource>> =
        named.iter().filter(|one| one.kind != "Patient").flat_map(|one| targets_of(&world, one)).collect();
    let mut seen = BTreeSet::new();
    let wanted = |one: &&Arc<Resource>| {
        kinds.as_ref().is_none_or(|kinds| kinds.contains(&one.kind)) && server.store.written_at(one) >= since
    };
    let all: Vec<&Arc<Resource>> = found
        .into_iter()
        .chain(named)
        .chain(further)
        .filter(|one| seen.insert((one.kind.clone(), one.id.clone())))
        .filter(wanted)
        .take(count)
        .collect();
    pages::all(server, &format!("/{}", request.path.join("/")), &Shape::of(request), &all)
}

fn members<'a>(world: &World<'a>, owner: &Key) -> Result<Vec<&'a Arc<Resource>>, Fault> {
    let mut found = Vec::new();
    for one in world.store.kinds().iter().flat_map(|kind| world.store.of_kind(kind)) {
        world.spend()?;
        // what names a patient outside of the compartment table belongs to the chart here
        let named = || ["patient", "subject"].iter().any(|name| parameter_points_at(world, one, name, owner));
        if is_member(world, one, owner) || named() {
            found.push(one);
        }
    }
    Ok(found)
}

/// The last Observation of each code that a search finds.
fn last_of_each(server: &mut Server, request: &Request) -> Result<Served, Fault> {
    let mut pairs = parameters(server, request)?;
    pairs.retain(|(name, _)| name != "max");
    pairs.push(("_sort".to_owned(), "-date".to_owned()));
    let world = server.world();
    let search = Search::read(&world, vec!["Observation".to_owned()], &pairs, true)?;
    let mut codes = BTreeSet::new();
    let code = |one: &Resource| one.tree.get("code").map(Value::to_string).unwrap_or_default();
    let found: Vec<&Arc<Resource>> = find(&world, &search)?.into_iter().filter(|one| codes.insert(code(one))).collect();
    pages::all(server, "/Observation/$lastn", &search.shape, &found)
}

fn validate(server: &Server, request: &Request) -> Result<Served, Fault> {
    if request.method != "POST" {
        return Err(Fault::method());
    }
    json::read(&request.body, server.mind)?;
    Ok(Served::json(200, &outcome("information", "informational", "it can be read")))
}
