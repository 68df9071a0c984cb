//! The order of what is found: as `_sort` says, then by type and id.

use std::cmp::Ordering;
use std::sync::Arc;

use policy::facts::ParameterKind as Kind;
use serde_json::Value;

use crate::resource::Resource;

use super::World;
use super::dates::Interval;
use super::matching::elements;
use super::parameters::{Search, definition};
use super::values::each_text;

/// What is compared; a resource without a value comes last.
#[derive(Debug, PartialEq, PartialOrd)]
enum SortKey {
    Time(i64),
    Number(f64),
    Text(String),
}

/// Sorts by each key of the search; the records stand sorted by type and id before, and the sort is stable.
pub(super) fn sort(world: &World<'_>, search: &Search, found: &mut [&Arc<Resource>]) {
    for (name, down) in search.sort.iter().rev() {
        found.sort_by_cached_key(|resource| Ordered(key(world, resource, name), *down));
    }
}

fn key(world: &World<'_>, resource: &Resource, name: &str) -> Option<SortKey> {
    let def = definition(world.mind, &resource.kind, name)?;
    if def.name == "_lastUpdated" {
        return Some(SortKey::Time(world.store.written_at(resource)));
    }
    let value = elements(world, resource, def).into_iter().next()?;
    match def.kind {
        Kind::Date => Interval::of_element(value).first().map(|one| SortKey::Time(one.start)),
        Kind::Number | Kind::Quantity => number(value).map(SortKey::Number),
        _ => {
            let mut first = None;
            each_text(value, 4, &mut |text| {
                first.get_or_insert_with(|| text.to_lowercase());
            });
            first.map(SortKey::Text)
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    value.get("value").unwrap_or(value).as_f64()
}

/// A key with its direction.
struct Ordered(Option<SortKey>, bool);

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(two)) => {
                let order = one.partial_cmp(two).unwrap_or(Ordering::Equal);
                if self.1 { order.reverse() } else { order }
            }
        }
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ordered {}
