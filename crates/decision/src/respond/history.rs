//! The answer to a history: every version decided on itself, and on what is stored now (D7).
//!
//! Invariant: a version is released only if it is covered and what is stored now under its id is covered too;
//! what has no resource tells of nobody and is dropped.

use std::collections::{BTreeMap, BTreeSet};

use policy::decision::{Body, Lookup, Released};
use policy::letters::Letters;
use policy::reason::Reason;
use policy::text::FhirId;

use super::bundle::{plain, write_links};
use super::entries::{Entries, Entry, Unreadable};
use super::{Check, prune};
use crate::answer;
use crate::arena::Arena;
use crate::cover::{Eyes, is_instance};
use crate::engine::Place;
use crate::json::{Document, Kind, Value, quote};
use crate::judge::History;
use crate::stored;

/// The most instances of one answer whose state of now may be looked up: its first ones, covered or not, so that what a caller
/// may not see makes no room for more. Versions of all others are dropped.
const MAX_CURRENT: usize = 100;
/// The longest status, time or tag that an entry's `response` keeps.
const MAX_NOTE_BYTES: usize = 64;

/// One version that its own rules cover.
struct Version {
    place: Place,
    id: String,
    /// Its text around the resource, up to it and after it.
    before: String,
    after: String,
    /// The runs of the body that are released of the resource; none for all of it.
    runs: Vec<std::ops::Range<usize>>,
    pruned: bool,
}

impl Check<'_, '_> {
    pub(super) fn history(
        &self,
        history: &History<'_>,
        seal: &mut dyn FnMut(&str) -> Option<String>,
    ) -> Result<Released, Vec<Lookup>> {
        match self.answer.status {
            200 => {}
            404 | 410 if history.instance.is_some() => return Ok(self.absent()),
            _ => return Ok(self.failed()),
        }
        let Ok((versions, all, mut entries)) = self.versions(history) else { return Ok(self.unreadable()) };
        let Ok(envelope) = entries.envelope() else { return Ok(self.unreadable()) };
        if !envelope.is_bundle("history") {
            return Ok(self.unreadable());
        }
        let covered = if history.current_is_covered { None } else { Some(self.covered_now(&versions)?) };
        let kept: Vec<&Version> = versions
            .iter()
            .filter(|version| {
                let key = (version.place, version.id.as_str());
                covered.as_ref().is_none_or(|covered| covered.get(&key).copied().unwrap_or(false))
            })
            .collect();
        let dropped = all.saturating_sub(kept.len());
        if dropped > 0 && self.engine.settings().results == policy::settings::Uncovered::Reject {
            return Ok(answer::refused(Some(self.engine), 403, Reason::ResponseNotCovered));
        }
        let mut head = String::from(r#"{"resourceType":"Bundle","type":"history""#);
        plain(envelope, "timestamp", &mut head);
        if dropped == 0 && history.exact {
            plain(envelope, "total", &mut head);
        }
        write_links(&self.links(envelope, history.link, seal), &mut head);
        let mut headers = vec![("content-type".to_owned(), answer::FHIR_JSON.to_vec())];
        headers.extend(answer::private());
        let released = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        Ok(Released {
            status: 200,
            headers,
            body: written(head, &kept),
            reason: None,
            released,
            dropped: u32::try_from(dropped).unwrap_or(u32::MAX),
            read_on: None,
        })
    }

    /// The versions that their own rules cover, and how many there are.
    fn versions(&self, history: &History<'_>) -> Result<(Vec<Version>, usize, Entries<'_>), Unreadable> {
        let mut entries = Entries::of(self.answer.body)?;
        let (mut versions, mut all) = (Vec::new(), 0);
        let mut first = BTreeSet::new();
        while let Some(entry) = entries.next_entry()? {
            all += 1;
            versions.extend(self.version(history, entry, &mut first));
        }
        Ok((versions, all, entries))
    }

    fn version(
        &self,
        history: &History<'_>,
        entry: Entry<'_>,
        first: &mut BTreeSet<(Place, String)>,
    ) -> Option<Version> {
        let resource = entry.resource().filter(|_| !entry.value.is_ambiguous())?;
        let name = resource.text("resourceType")?;
        let id = resource.text("id").filter(|id| FhirId::accepts(id))?;
        let place = self.engine.place(&name).filter(|place| history.types.contains(place))?;
        if history.instance.is_some_and(|asked| asked != (&*name, &*id)) {
            return None;
        }
        if !history.current_is_covered {
            let key = (place, id.clone().into_owned());
            if !first.contains(&key) && first.len() >= MAX_CURRENT {
                return None;
            }
            first.insert(key);
        }
        let eyes = Eyes { partial: history.partial, ..self.eyes() };
        if !self.is_covered(&name, &resource, history.letters, &eyes) {
            return None;
        }
        let [home, _] = self.bases;
        let mut before = String::from(r#"{"fullUrl":"#);
        quote(&format!("{home}/{name}/{id}"), &mut before);
        before.push_str(r#","resource":"#);
        let pruned = prune::has_any(&resource, history.added);
        let runs = if pruned { prune::runs(&resource, history.added) } else { vec![resource.range()] };
        Some(Version { place, before, after: notes(&entry, &name, &id), runs, pruned, id: id.into_owned() })
    }

    /// Whether what is stored now under the id of each version is covered; or the lookups that have to come first.
    fn covered_now<'v>(&self, versions: &'v [Version]) -> Result<BTreeMap<(Place, &'v str), bool>, Vec<Lookup>> {
        let mut now: BTreeMap<(Place, &str), bool> = BTreeMap::new();
        let mut missing = Vec::new();
        let arena = Arena::new();
        for version in versions {
            let key = (version.place, version.id.as_str());
            if now.contains_key(&key) {
                continue;
            }
            let Some(facts) = self.engine.facts_at(version.place) else { continue };
            let name = facts.name.as_str();
            let lookup = stored::of_instance(self.judged.prefix, name, &version.id, &arena);
            let Some(found) = stored::fetched(self.stored, &lookup) else {
                // A gateway that cannot look is not asked to: then nothing is told of the state of now.
                if self.may_look {
                    missing.push(lookup);
                }
                now.insert(key, false);
                continue;
            };
            let document = Document::of(found.body);
            let covered = found.status == 200
                && document.as_ref().map(Document::root).is_some_and(|resource| {
                    is_instance(&resource, name, &version.id)
                        && self.is_covered(name, &resource, Letters::READ, &self.eyes())
                });
            now.insert(key, covered);
        }
        if missing.is_empty() { Ok(now) } else { Err(missing) }
    }
}

/// What follows the resource: how the version came to be, as far as that tells nothing more.
fn notes(entry: &Entry<'_>, name: &str, id: &str) -> String {
    let mut text = String::new();
    let request = entry.value.get("request");
    let method = request
        .and_then(|request| request.text("method"))
        .filter(|method| matches!(&**method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE"));
    if let Some(method) = method {
        text.push_str(r#","request":{"method":"#);
        quote(&method, &mut text);
        text.push_str(r#","url":"#);
        quote(&format!("{name}/{id}"), &mut text);
        text.push('}');
    }
    let response = entry.value.get("response").filter(Value::is_object);
    if let Some(response) = response {
        let mut separator = r#","response":{"#;
        for note in ["status", "etag", "lastModified"] {
            let value = response.get(note).filter(|value| value.kind() == Kind::String);
            let Some(value) = value.filter(|value| value.raw().len() <= MAX_NOTE_BYTES) else { continue };
            text.push_str(separator);
            separator = ",";
            quote(note, &mut text);
            text.push(':');
            text.push_str(value.raw());
        }
        if separator == "," {
            text.push('}');
        }
    }
    text.push('}');
    text
}

fn written(head: String, kept: &[&Version]) -> Body {
    let mut body = Body::from(head);
    let mut separator = r#","entry":["#;
    for version in kept {
        body.write(separator);
        separator = ",";
        body.write(&version.before);
        if version.pruned {
            prune::write(version.runs.iter().cloned(), &mut body);
        } else {
            version.runs.iter().cloned().for_each(|run| body.keep(run));
        }
        body.write(&version.after);
    }
    body.write(if separator == "," { "]}" } else { "}" });
    body
}
