//! Conditional interactions: update, patch and delete by a search.
//!
//! Invariant: more than one match is 412, and an empty criterion never means everything.

use serde_json::Value;

use crate::answer::{Fault, Served};
use crate::interactions;
use crate::json;
use crate::request::{Pair, Request, pairs};
use crate::search::{Search, find, is_known_kind};
use crate::server::Server;
use crate::store::Key;

/// What a search of one type by a query finds.
pub(crate) fn found(server: &Server, kind: &str, query: &str) -> Result<Vec<Key>, Fault> {
    found_by(server, kind, &pairs(server.mind, query)?)
}

fn found_by(server: &Server, kind: &str, pairs: &[Pair]) -> Result<Vec<Key>, Fault> {
    let kind = is_known_kind(server.mind, kind).ok_or_else(|| Fault::invalid("the type is unknown"))?;
    let world = server.world();
    let search = Search::read(&world, vec![kind.to_owned()], pairs, true)?;
    if search.terms.is_empty() && search.lists.is_empty() {
        return Err(Fault::precondition("a condition is missing"));
    }
    Ok(find(&world, &search)?.into_iter().map(|one| (one.kind.clone(), one.id.clone())).collect())
}

/// What the condition in the URL finds: nothing, or one.
fn at_most_one(server: &Server, kind: &str, request: &Request) -> Result<Option<Key>, Fault> {
    let mut found = found_by(server, kind, &request.query)?;
    let one = found.pop();
    if found.is_empty() { Ok(one) } else { Err(Fault::precondition("more than one resource matches")) }
}

pub(crate) fn update(server: &mut Server, mut request: Request, kind: &str) -> Result<Served, Fault> {
    let text = json::read(&request.body, server.mind)?;
    let mut tree: Value = serde_json::from_str(&text).unwrap_or_default();
    let said = tree.get("id").and_then(Value::as_str).map(str::to_owned);
    match (at_most_one(server, kind, &request)?, said) {
        (Some(key), Some(said)) if said != key.1 => {
            Err(Fault::invalid("the id of the body is that of another resource"))
        }
        (Some(key), said) => {
            if let (None, Some(members)) = (said, tree.as_object_mut()) {
                members.insert("id".to_owned(), key.1.as_str().into());
                request.body = tree.to_string().into_bytes();
            }
            interactions::update(server, &request, &key)
        }
        (None, Some(said)) => {
            let key = (kind.to_owned(), said);
            if server.store.current(&key).is_some() {
                return Err(Fault::conflict());
            }
            interactions::update(server, &request, &key)
        }
        (None, None) => interactions::create(server, &request, kind),
    }
}

pub(crate) fn patch(server: &mut Server, request: &Request, kind: &str) -> Result<Served, Fault> {
    let key = at_most_one(server, kind, request)?.ok_or_else(Fault::not_found)?;
    interactions::patch(server, request, &key)
}

pub(crate) fn delete(server: &mut Server, request: &Request, kind: &str) -> Result<Served, Fault> {
    match at_most_one(server, kind, request)? {
        Some(key) => interactions::delete(server, request, &key),
        None => Ok(Served::empty(204)),
    }
}
