//! Result sets: one page of a search as a Bundle, with the links to the others.
//!
//! Invariant: the pages of a search are its matches, cut; each brings what its own matches include.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::answer::{Fault, Served, outcome};
use crate::request::{Pair, Request};
use crate::resource::Resource;
use crate::server::Server;
use crate::shape::Shape;
use crate::store::Key;

use super::parameters::Search;
use super::{find, related};

/// The entries of a page, where a search does not say.
const PAGE: usize = 100;

/// A search that can be paged through.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    id: String,
    search: Search,
    matches: Vec<Key>,
    own: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    full_url: Option<String>,
    resource: Box<RawValue>,
    search: Mode,
}

#[derive(Debug, Serialize)]
struct Mode {
    mode: &'static str,
}

#[derive(Debug, Serialize)]
struct Link {
    relation: &'static str,
    url: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    resource_type: &'static str,
    id: String,
    meta: serde_json::Value,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    link: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<Entry>,
}

/// Runs a search and answers its first page; `path` is where it was asked, for the `self` link.
pub(crate) fn search(
    server: &mut Server,
    (path, pairs): (&str, &[Pair]),
    kinds: Vec<String>,
    compartment: Option<Key>,
    strict: bool,
) -> Result<Served, Fault> {
    let (search, matches) = {
        let world = server.world();
        let mut search = Search::read(&world, kinds, pairs, strict)?;
        search.compartment = compartment;
        let found = find(&world, &search)?;
        let matches = found.iter().map(|one| (one.kind.clone(), one.id.clone())).collect();
        (search, matches)
    };
    let own = format!("{}{path}{}", server.base, query(pairs));
    let page = Page { id: format!("search-{}", server.draw()), search, matches, own };
    let count = page.search.count.unwrap_or(PAGE);
    let first = show(server, &page, 0, count);
    if page.matches.len() > count {
        server.hold_page(page);
    }
    first
}

/// Answers a paging link.
pub(crate) fn next(server: &Server, request: &Request) -> Result<Served, Fault> {
    let id = request.parameter("_getpages").unwrap_or_default();
    let page = server.pages.iter().find(|page| page.id == id).ok_or_else(Fault::gone)?;
    let number = |name: &str| request.parameter(name).map(str::parse::<usize>).transpose();
    let malformed = |_| Fault::invalid("a paging parameter must be a number");
    let offset = number("_getpagesoffset").map_err(malformed)?.unwrap_or(0);
    let count = number("_count").map_err(malformed)?.unwrap_or(PAGE);
    let mut page = page.clone();
    if server.mind.pages_take_parameters {
        page.search.take_includes(&server.world(), &request.query)?;
    }
    show(server, &page, offset, count.min(PAGE))
}

fn show(server: &Server, page: &Page, offset: usize, count: usize) -> Result<Served, Fault> {
    let world = server.world();
    let search = &page.search;
    let only_count = search.shape.is_count() || count == 0;
    let shown = page.matches.iter().skip(offset).take(if only_count { 0 } else { count });
    let matches: Vec<&Arc<Resource>> = shown.filter_map(|key| world.current(key)).collect();
    let brought = related(&world, &search.includes, &matches)?;
    let mut entry = entries(&server.base, &search.shape, &matches, "match")?;
    entry.extend(entries(&server.base, &search.shape, &brought.resources, "include")?);
    if brought.cut {
        entry.push(warning("not all that is included is here")?);
    }
    if offset == 0 && !only_count && !search.unknown.is_empty() {
        entry.push(warning(&format!("ignored: {}", search.unknown.join(", ")))?);
    }
    let mut link = vec![Link { relation: "self", url: page.own.clone() }];
    let at = |offset: usize| format!("{}?_getpages={}&_getpagesoffset={offset}&_count={count}", server.base, page.id);
    if !only_count && offset + count < page.matches.len() {
        link.push(Link { relation: "next", url: at(offset + count) });
    }
    if !only_count && offset > 0 {
        link.push(Link { relation: "previous", url: at(offset.saturating_sub(count)) });
    }
    let total = (search.total || only_count).then_some(page.matches.len());
    Ok(searchset(&page.id, &server.store.now(), total, link, entry))
}

/// A set of resources that an operation gives: all as matches, on one page.
pub(crate) fn all(server: &Server, path: &str, shape: &Shape, found: &[&Arc<Resource>]) -> Result<Served, Fault> {
    let entry = entries(&server.base, shape, found, "match")?;
    let link = vec![Link { relation: "self", url: format!("{}{path}", server.base) }];
    Ok(searchset("operation", &server.store.now(), Some(found.len()), link, entry))
}

fn searchset(id: &str, now: &str, total: Option<usize>, link: Vec<Link>, entry: Vec<Entry>) -> Served {
    let meta = serde_json::json!({ "lastUpdated": now });
    Served::json(
        200,
        &Bundle { resource_type: "Bundle", id: id.to_owned(), meta, r#type: "searchset", total, link, entry },
    )
}

fn entries(base: &str, shape: &Shape, found: &[&Arc<Resource>], mode: &'static str) -> Result<Vec<Entry>, Fault> {
    let entry = |one: &&Arc<Resource>| {
        let full_url = Some(format!("{base}/{}/{}", one.kind, one.id));
        Ok(Entry { full_url, resource: shape.apply(one)?, search: Mode { mode } })
    };
    found.iter().map(entry).collect()
}

fn warning(words: &str) -> Result<Entry, Fault> {
    let resource = to_raw_value(&outcome("warning", "informational", words));
    let resource = resource.map_err(|fault| Fault::invalid(fault.to_string()))?;
    Ok(Entry { full_url: None, resource, search: Mode { mode: "outcome" } })
}

fn query(pairs: &[Pair]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let all: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    if all.is_empty() { String::new() } else { format!("?{}", all.join("&")) }
}
