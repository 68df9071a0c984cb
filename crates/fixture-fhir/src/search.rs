//! Search: which resources are found, in which order, and what comes with them.
//!
//! Invariant: a search changes nothing, its order follows from the records, and its work is bounded by fuel.

mod chain;
mod compartment;
mod dates;
mod include;
mod matching;
pub(crate) mod pages;
mod parameters;
mod sort;
mod values;

use std::cell::Cell;
use std::sync::Arc;

use crate::answer::Fault;
use crate::mind::Mind;
use crate::resource::{Resource, is_id, is_type_name};
use crate::store::{Key, Store};

pub(crate) use compartment::{is_member, parameter_points_at};
pub(crate) use include::{related, targets_of};
pub(crate) use parameters::{Search, definition, is_known_kind};

/// So many comparisons one search may cost.
const FUEL: u64 = 2_000_000;

/// What a search looks at.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) store: &'a Store,
    pub(crate) base: &'a str,
    pub(crate) mind: Mind,
    fuel: Cell<u64>,
}

impl<'a> World<'a> {
    pub(crate) fn new(store: &'a Store, base: &'a str, mind: Mind) -> Self {
        Self { store, base, mind, fuel: Cell::new(FUEL) }
    }

    /// The type and id that a reference names here: relative or of the own base, with or without a version.
    pub(crate) fn local(&self, text: &str) -> Option<Key> {
        let own = text.strip_prefix(self.base).and_then(|rest| rest.strip_prefix('/'));
        let absolute = text.contains("://");
        let path = match (own, absolute) {
            (Some(rest), _) => rest,
            (None, false) => text,
            (None, true) if self.mind.any_base => text,
            (None, true) => return None,
        };
        let path = path.split_once("/_history/").map_or(path, |(path, _)| path);
        let mut segments = path.rsplit('/');
        let (id, kind) = (segments.next()?, segments.next()?);
        let alone = segments.next().is_none() || (own.is_none() && absolute);
        (alone && is_type_name(kind) && is_id(id)).then(|| (kind.to_owned(), id.to_owned()))
    }

    /// Pays for one comparison.
    pub(crate) fn spend(&self) -> Result<(), Fault> {
        self.fuel.set(self.fuel.get().checked_sub(1).ok_or_else(Fault::costly)?);
        Ok(())
    }

    pub(crate) fn current(&self, key: &Key) -> Option<&'a Arc<Resource>> {
        self.store.current(key)
    }
}

/// The resources that satisfy a search, in the order that it asks for.
pub(crate) fn find<'a>(world: &World<'a>, search: &Search) -> Result<Vec<&'a Arc<Resource>>, Fault> {
    let mut found = Vec::new();
    for kind in &search.kinds {
        for resource in world.store.of_kind(kind) {
            if satisfies(world, resource, search)? {
                found.push(resource);
            }
        }
    }
    sort::sort(world, search, &mut found);
    Ok(found)
}

fn satisfies(world: &World<'_>, resource: &Resource, search: &Search) -> Result<bool, Fault> {
    world.spend()?;
    if let Some(compartment) = &search.compartment
        && !is_member(world, resource, compartment)
    {
        return Ok(false);
    }
    if search.widened {
        return Ok(true);
    }
    for term in &search.terms {
        if !matching::satisfies(world, resource, term)? {
            return Ok(false);
        }
    }
    for list in &search.lists {
        if !list_holds(world, list, resource) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn list_holds(world: &World<'_>, list: &str, resource: &Resource) -> bool {
    let Some(list) = world.current(&("List".to_owned(), list.to_owned())) else { return false };
    let own = (resource.kind.clone(), resource.id.clone());
    list.at(&["entry", "item", "reference"])
        .into_iter()
        .filter_map(|value| world.local(value.as_str()?))
        .any(|key| key == own)
}
