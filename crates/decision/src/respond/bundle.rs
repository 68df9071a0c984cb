//! The answer to a search: a searchset, decided entry by entry.
//!
//! Invariant: an entry is released only if a rule covers it, and, unless it is a match, only if a
//! released entry leads to it. The envelope is written anew; of the upstream's own it keeps little.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use policy::decision::Released;
use policy::facts::Standing;
use policy::letters::Letters;
use policy::reason::Reason;
use policy::settings::{Shared, Uncovered};
use policy::text::FhirId;

use super::Check;
use super::instance::without;
use crate::answer;
use crate::cover::{Eyes, contains_patient, each_reference, is_member};
use crate::json::{Kind, Value, quote};
use crate::query::Search;
use crate::reference::Reference;

/// The relations of paging (RFC 5988, R4 http.html "paging").
const PAGING: &[&str] = &["next", "prev", "previous", "first", "last"];

/// One entry, as far as it can be decided.
struct Entry<'v, 'a> {
    resource: &'v Value<'a>,
    resource_type: &'v str,
    id: &'v str,
    /// The upstream's mode, if it is one that a resource of the answer can have.
    mode: Option<&'v str>,
    score: Option<&'v str>,
    /// What it refers to, as `Type/id`.
    refers: Vec<String>,
    /// Whether it may be released when a released entry refers to it.
    by_include: bool,
    /// Whether it may be released when it refers to a released entry.
    by_reverse: bool,
    kept: bool,
}

impl Entry<'_, '_> {
    fn key(&self) -> String {
        format!("{}/{}", self.resource_type, self.id)
    }
}

impl Check<'_> {
    pub(super) fn searched(&self, search: &Search, seal: &mut dyn FnMut(&str) -> Option<String>) -> Released {
        if self.answer.status != 200 {
            return self.failed();
        }
        let Some(bundle) = self.json() else { return self.unreadable() };
        let listed = bundle.get("entry").is_none_or(|entry| matches!(entry.kind, Kind::Array(_)));
        let searchset = bundle.text("resourceType") == Some("Bundle") && bundle.text("type") == Some("searchset");
        if bundle.repeats_a_name() || !searchset || !listed {
            return self.unreadable();
        }
        let all = bundle.get("entry").map(Value::elements).unwrap_or_default();
        let outcomes = all.iter().filter(|entry| is_outcome(entry)).count();
        let mut entries: Vec<Entry<'_, '_>> = all.iter().filter_map(|entry| self.entry(entry)).collect();
        self.decide(search, &mut entries);

        let released = entries.iter().filter(|entry| entry.kept).count();
        let dropped = all.len().saturating_sub(released + outcomes);
        if dropped > 0 && self.engine.settings().results == Uncovered::Reject {
            return answer::refused(Some(self.engine), 403, Reason::ResponseNotCovered);
        }
        let total = bundle.get("total").filter(|_| dropped == 0 && !search.inexact);
        let links = self.links(&bundle, search, seal);
        let body = self.write(&bundle, search, total, &links, &entries);
        let mut headers = vec![("content-type".to_owned(), answer::FHIR_JSON.to_vec())];
        headers.extend(answer::private());
        Released {
            status: 200,
            headers,
            body: body.into(),
            reason: None,
            released: u32::try_from(released).unwrap_or(u32::MAX),
            dropped: u32::try_from(dropped).unwrap_or(u32::MAX),
            read_on: None,
        }
    }

    /// Reads an entry; none for one whose resource has no certain type and id.
    fn entry<'v, 'a>(&self, entry: &'v Value<'a>) -> Option<Entry<'v, 'a>> {
        let resource = entry.get("resource").filter(|_| !entry.ambiguous)?;
        let (resource_type, id) = (resource.text("resourceType")?, resource.text("id")?);
        self.engine.facts(resource_type)?;
        let search = entry.get("search");
        let score = search.and_then(|search| search.get("score")).filter(|score| matches!(score.kind, Kind::Number));
        let mut refers = Vec::new();
        each_reference(resource, &mut |element| {
            let reference = element.text("reference").map(|text| Reference::read(text, &self.bases));
            if let Some(Reference::Local { resource_type, id, .. }) = reference {
                refers.push(format!("{resource_type}/{id}"));
            }
        });
        FhirId::accepts(id).then(|| Entry {
            resource,
            resource_type,
            id,
            mode: search.and_then(|search| search.text("mode")),
            score: score.map(|score| score.raw),
            refers,
            by_include: false,
            by_reverse: false,
            kept: false,
        })
    }

    /// Marks the entries that are released. Provenance comes last, because it rests on what is kept.
    fn decide(&self, search: &Search, entries: &mut [Entry<'_, '_>]) {
        let eyes = Eyes { partial: search.partial, ..self.eyes() };
        for entry in entries.iter_mut().filter(|entry| entry.resource_type != "Provenance") {
            self.cover(search, entry, &eyes);
        }
        follow(entries);
        // What another rule let in says nothing of the context.
        let own = |entry: &&Entry<'_, '_>| entry.kept && self.is_own(entry, &eyes);
        let mut kept: Vec<String> = entries.iter().filter(own).map(Entry::key).collect();
        kept.sort_unstable();
        let eyes = Eyes { kept: &kept, ..eyes };
        for entry in entries.iter_mut().filter(|entry| entry.resource_type == "Provenance") {
            self.cover(search, entry, &eyes);
        }
        follow(entries);
    }

    /// Whether an entry is the context's own, or shared.
    fn is_own(&self, entry: &Entry<'_, '_>, eyes: &Eyes<'_>) -> bool {
        let Some((patient, facts)) = eyes.patient.zip(self.engine.facts(entry.resource_type)) else { return false };
        is_member(self.engine, facts, entry.resource, patient, eyes)
    }

    /// Decides what one entry may be: a match, or what a kept entry leads to.
    fn cover(&self, search: &Search, entry: &mut Entry<'_, '_>, eyes: &Eyes<'_>) {
        let name = entry.resource_type;
        let covered = |letters| self.is_covered(name, entry.resource, letters, eyes);
        if name == search.resource_type && entry.mode != Some("include") {
            entry.kept = covered(Letters::SEARCH);
            return;
        }
        let standing = self.engine.facts(name).map(|facts| facts.standing);
        let shared = standing == Some(Standing::Shared)
            && self.engine.settings().shared != Shared::Scope
            && !contains_patient(entry.resource);
        entry.by_include = search.included.iter().any(|one| one == name) && (shared || covered(Letters::READ));
        entry.by_reverse = search.reverse.iter().any(|one| one == name) && covered(Letters::SEARCH);
    }

    /// The search itself, and the pages around it as the gateway's own links.
    fn links(
        &self,
        bundle: &Value<'_>,
        search: &Search,
        seal: &mut dyn FnMut(&str) -> Option<String>,
    ) -> Vec<(String, String)> {
        let base = &self.engine.base.url;
        let path = self.judged.upstream.as_ref().map(|upstream| &*upstream.path).unwrap_or_default();
        let path = path.strip_suffix("/_search").unwrap_or(path);
        let query = if search.link.is_empty() { String::new() } else { format!("?{}", search.link) };
        let mut links = vec![("self".to_owned(), format!("{base}{path}{query}"))];
        let upstream = self.upstream;
        for link in bundle.get("link").map(Value::elements).unwrap_or_default() {
            let (Some(relation), Some(url)) = (link.text("relation"), link.text("url")) else { continue };
            let own =
                !upstream.is_empty() && url.strip_prefix(upstream).is_some_and(|rest| rest.starts_with(['/', '?']));
            let first = links.iter().all(|(known, _)| known != relation);
            if PAGING.contains(&relation)
                && own
                && first
                && !link.ambiguous
                && let Some(sealed) = seal(url)
            {
                links.push((relation.to_owned(), sealed));
            }
        }
        links
    }

    fn write(
        &self,
        bundle: &Value<'_>,
        search: &Search,
        total: Option<&Value<'_>>,
        links: &[(String, String)],
        entries: &[Entry<'_, '_>],
    ) -> String {
        let mut out = String::with_capacity(bundle.raw.len() + 256);
        out.push_str(r#"{"resourceType":"Bundle","type":"searchset""#);
        for (name, member) in [("timestamp", bundle.get("timestamp")), ("total", total)] {
            let plain = member.filter(|value| matches!(value.kind, Kind::String(_) | Kind::Number));
            if let Some(value) = plain {
                // Writing to a String cannot fail.
                let _ = write!(out, r#","{name}":{}"#, value.raw);
            }
        }
        out.push_str(r#","link":["#);
        for (index, (relation, url)) in links.iter().enumerate() {
            out.push_str(if index > 0 { r#",{"relation":"# } else { r#"{"relation":"# });
            quote(relation, &mut out);
            out.push_str(r#","url":"#);
            quote(url, &mut out);
            out.push('}');
        }
        out.push(']');
        let mut separator = r#","entry":["#;
        for entry in entries.iter().filter(|entry| entry.kept) {
            out.push_str(separator);
            separator = ",";
            out.push_str(r#"{"fullUrl":"#);
            let [home, _] = self.bases;
            quote(&format!("{home}/{}/{}", entry.resource_type, entry.id), &mut out);
            out.push_str(r#","resource":"#);
            let added: &[String] = if entry.resource_type == search.resource_type { &search.added } else { &[] };
            out.push_str(&without(entry.resource, added));
            let matched = entry.resource_type == search.resource_type && entry.mode != Some("include");
            out.push_str(if matched { r#","search":{"mode":"match""# } else { r#","search":{"mode":"include""# });
            if let Some(score) = entry.score {
                let _ = write!(out, r#","score":{score}"#);
            }
            out.push_str("}}");
        }
        out.push_str(if separator == "," { "]}" } else { "}" });
        out
    }
}

/// Whether an entry tells of the search, not of a patient: it is never released, and nobody misses it.
fn is_outcome(entry: &Value<'_>) -> bool {
    entry.get("resource").and_then(|resource| resource.text("resourceType")) == Some("OperationOutcome")
}

/// Keeps whatever a kept entry leads to, on and on.
fn follow(entries: &mut [Entry<'_, '_>]) {
    let mut by_key: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut by_target: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if entry.by_include {
            by_key.entry(entry.key()).or_default().push(index);
        }
        if entry.by_reverse {
            for target in &entry.refers {
                by_target.entry(target.clone()).or_default().push(index);
            }
        }
    }
    let mut open: Vec<usize> =
        entries.iter().enumerate().filter(|(_, entry)| entry.kept).map(|(index, _)| index).collect();
    while let Some(index) = open.pop() {
        let Some(entry) = entries.get(index) else { continue };
        // Each list is followed once: what it leads to is kept from then on.
        let mut next: Vec<usize> = by_target.remove(&entry.key()).unwrap_or_default();
        for target in &entry.refers {
            next.extend(by_key.remove(target).unwrap_or_default());
        }
        for index in next {
            if let Some(entry) = entries.get_mut(index).filter(|entry| !entry.kept) {
                entry.kept = true;
                open.push(index);
            }
        }
    }
}
