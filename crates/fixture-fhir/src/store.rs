//! The stored versions of all resources.
//!
//! Invariant: a version is never changed; times and ids come from counters, one tick for each write.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};

use crate::answer::Fault;
use crate::resource::Resource;

/// The time of the first write: 2026-01-01T00:00:00Z.
const EPOCH: i64 = 1_767_225_600;
/// More versions are not held.
const MAX_VERSIONS: usize = 200_000;

/// A type and an id.
pub(crate) type Key = (String, String);

/// One version of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) key: Key,
    pub(crate) number: u32,
    /// Seconds since 1970.
    pub(crate) at: i64,
    pub(crate) method: &'static str,
    /// None for a deletion.
    pub(crate) resource: Option<Arc<Resource>>,
}

impl Version {
    pub(crate) fn etag(&self) -> String {
        format!("W/\"{}\"", self.number)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    versions: BTreeMap<Key, Vec<Version>>,
    count: usize,
    ticks: i64,
    last_id: u64,
}

impl Store {
    /// Takes a record as it stands; one that is there already becomes its next version.
    pub(crate) fn seed(&mut self, resource: Resource) -> Result<(), Fault> {
        let at = resource.at(&["meta", "lastUpdated"]).first().and_then(|value| value.as_str()).and_then(seconds);
        let number = resource.at(&["meta", "versionId"]).first().and_then(|value| value.as_str()?.parse().ok());
        let key = (resource.kind.clone(), resource.id.clone());
        let next = self.next_number(&key).max(number.unwrap_or(1));
        self.push(Version {
            key,
            number: next,
            at: at.unwrap_or(EPOCH),
            method: "PUT",
            resource: Some(Arc::new(resource)),
        })
    }

    /// Writes a resource under its next version.
    pub(crate) fn put(&mut self, kind: &str, id: &str, text: &str, method: &'static str) -> Result<Version, Fault> {
        let key = (kind.to_owned(), id.to_owned());
        let (number, at) = (self.next_number(&key), EPOCH + self.ticks + 1);
        let resource = Resource::written(text, id, number, &instant(at))?;
        let version = Version { key, number, at, method, resource: Some(Arc::new(resource)) };
        self.ticks += 1;
        self.push(version.clone())?;
        Ok(version)
    }

    /// Writes a deletion; whether there was something to delete.
    pub(crate) fn delete(&mut self, key: &Key) -> Result<Option<Version>, Fault> {
        if self.current(key).is_none() {
            return Ok(None);
        }
        self.ticks += 1;
        let (number, at) = (self.next_number(key), EPOCH + self.ticks);
        let version = Version { key: key.clone(), number, at, method: "DELETE", resource: None };
        self.push(version.clone())?;
        Ok(Some(version))
    }

    /// An id that no resource has.
    pub(crate) fn draw_id(&mut self, kind: &str) -> String {
        loop {
            self.last_id += 1;
            let id = format!("new-{}", self.last_id);
            if !self.versions.contains_key(&(kind.to_owned(), id.clone())) {
                return id;
            }
        }
    }

    /// The latest version, be it a deletion.
    pub(crate) fn latest(&self, key: &Key) -> Option<&Version> {
        self.versions.get(key)?.last()
    }

    /// The resource as it is now.
    pub(crate) fn current(&self, key: &Key) -> Option<&Arc<Resource>> {
        self.latest(key)?.resource.as_ref()
    }

    /// All versions of a resource, oldest first.
    pub(crate) fn versions(&self, key: &Key) -> &[Version] {
        self.versions.get(key).map_or(&[], Vec::as_slice)
    }

    /// All versions, of one type or of all, newest first.
    pub(crate) fn log(&self, kind: Option<&str>) -> Vec<&Version> {
        let mut all: Vec<&Version> =
            self.versions.values().flatten().filter(|one| kind.is_none_or(|kind| one.key.0 == kind)).collect();
        all.sort_by(|one, other| {
            other.at.cmp(&one.at).then_with(|| one.key.cmp(&other.key)).then(other.number.cmp(&one.number))
        });
        all
    }

    /// What is stored of a type now, by id.
    pub(crate) fn of_kind<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Arc<Resource>> + use<'a> {
        let kind = kind.to_owned();
        self.versions
            .range((kind.clone(), String::new())..)
            .take_while(move |((own, _), _)| *own == kind)
            .filter_map(|(_, versions)| versions.last()?.resource.as_ref())
    }

    /// The types of which something is stored, sorted.
    pub(crate) fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> = self.versions.keys().map(|(kind, _)| kind.clone()).collect();
        kinds.dedup();
        kinds
    }

    /// When the resource was last written.
    pub(crate) fn written_at(&self, resource: &Resource) -> i64 {
        self.latest(&(resource.kind.clone(), resource.id.clone())).map_or(EPOCH, |version| version.at)
    }

    /// The time now, as an instant.
    pub(crate) fn now(&self) -> String {
        instant(EPOCH + self.ticks)
    }

    fn next_number(&self, key: &Key) -> u32 {
        self.latest(key).map_or(1, |latest| latest.number.saturating_add(1))
    }

    fn push(&mut self, version: Version) -> Result<(), Fault> {
        self.count += 1;
        if self.count > MAX_VERSIONS {
            return Err(Fault::full());
        }
        self.versions.entry(version.key.clone()).or_default().push(version);
        Ok(())
    }
}

/// Seconds since 1970 as FHIR's instant.
pub(crate) fn instant(at: i64) -> String {
    DateTime::from_timestamp(at, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Seconds since 1970 as HTTP's date.
pub(crate) fn http_date(at: i64) -> String {
    DateTime::from_timestamp(at, 0).unwrap_or_default().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The instant that a `_since` says, in seconds since 1970.
pub(crate) fn since(text: Option<&str>) -> Result<i64, Fault> {
    let read = text.map_or(Some(i64::MIN), seconds);
    read.ok_or_else(|| Fault::invalid("`_since` must be an instant"))
}

fn seconds(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp())
}
