//! What phase 9 looks up: the DocumentReference of a Binary, the targets of a Provenance (D8, D9).
//!
//! Invariant: what is looked up only ever covers what could not be told; it never releases a byte of its own.

use std::collections::BTreeSet;

use policy::decision::Lookup;
use policy::letters::Letters;

use super::Check;
use crate::arena::Arena;
use crate::cover::{is_instance, is_own};
use crate::json::{Document, Value};
use crate::reference;
use crate::stored;
use crate::upstream::encode;

/// The most targets that may be looked up for one answer: the first that its Provenances name, whoever may read them, so that
/// what a caller may not see makes no room for more.
const MAX_TARGETS: usize = 100;
/// The type that never counts as a target of its own kind.
const PROVENANCE: &str = "Provenance";

impl Check<'_, '_> {
    /// Whether a DocumentReference of the context's, which some rule lets the caller read, names this Binary as its content.
    pub(super) fn is_attached(&self, id: &str) -> Result<bool, Vec<Lookup>> {
        let Some(patient) = self.judged.grants.patient.as_deref().filter(|_| self.may_look) else { return Ok(false) };
        let reads = |rule: &crate::rules::Rule| rule.gives(self.engine, "DocumentReference", Letters::READ);
        if !self.judged.grants.list.iter().any(reads) {
            return Ok(false);
        }
        let relative = format!("Binary/{id}");
        let mut forms = vec![relative.clone()];
        forms.extend(self.bases.iter().filter(|base| !base.is_empty()).map(|base| format!("{base}/{relative}")));
        let arena = Arena::new();
        let location = forms.join(",");
        let reference = format!("Patient/{patient}");
        let query = encode(&[("patient", &reference), ("location", &location)], &arena);
        let lookup = Lookup { path: format!("{}/DocumentReference", self.judged.prefix), query: query.to_owned() };
        let Some(found) = stored::fetched(self.stored, &lookup) else { return Err(vec![lookup]) };
        let document = Document::of(found.body);
        let Some(document) = document.filter(|_| found.status == 200) else { return Ok(false) };
        let entries = document.root().get("entry");
        let resources = entries.iter().flat_map(Value::elements).filter_map(|entry| entry.get("resource"));
        let attaches = |resource: Value<'_>| {
            let named = resource.get("content").is_some_and(|content| {
                content.elements().any(|one| {
                    let url = one.get("attachment").and_then(|attachment| attachment.text("url"));
                    url.is_some_and(|url| forms.iter().any(|form| *form == *url))
                })
            });
            let typed = resource.get("resourceType").is_some_and(|name| name.is_text("DocumentReference"));
            named
                && typed
                && !resource.is_ambiguous()
                && self.is_covered("DocumentReference", &resource, Letters::READ, &self.eyes())
        };
        Ok(resources.into_iter().any(attaches))
    }

    /// Adds the targets of a Provenance to those that may be looked up.
    pub(super) fn make_room(&self, provenance: Value<'_>, room: &mut BTreeSet<String>) {
        let own = self.judged.grants.patient.as_deref();
        let targets = provenance.get("target");
        for element in targets.iter().flat_map(Value::elements) {
            if room.len() >= MAX_TARGETS {
                return;
            }
            let target = reference::instance(element, &self.bases);
            room.extend(target.filter(|target| target.strip_prefix("Patient/").is_none_or(|id| Some(id) != own)));
        }
    }

    /// Of the targets of these Provenances those that are the context's and may be read, as `Type/id`; `known` are
    /// covered already.
    pub(super) fn covered_targets(&self, targets: Vec<String>, known: &[String]) -> Result<Vec<String>, Vec<Lookup>> {
        let Some(patient) = self.judged.grants.patient.as_deref().filter(|_| self.may_look) else {
            return Ok(Vec::new());
        };
        let own = format!("Patient/{patient}");
        let (mut covered, mut missing, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        let arena = Arena::new();
        for target in targets {
            if target == own || known.binary_search(&target).is_ok() || seen.contains(&target) {
                continue;
            }
            let Some((name, id)) = target.split_once('/') else { continue };
            let Some(facts) = self.engine.facts(name).filter(|_| name != PROVENANCE) else { continue };
            let lookup = stored::of_instance(self.judged.prefix, name, id, &arena);
            match stored::fetched(self.stored, &lookup) {
                None => missing.push(lookup),
                Some(found) if found.status == 200 => {
                    let document = Document::of(found.body);
                    let eyes = self.eyes();
                    let counts = document.as_ref().map(Document::root).is_some_and(|resource| {
                        is_instance(&resource, name, id)
                            && is_own(self.engine, facts, &resource, patient, &eyes)
                            && self.is_covered(name, &resource, Letters::READ, &eyes)
                    });
                    if counts {
                        covered.push(target.clone());
                    }
                }
                Some(_) => {}
            }
            seen.push(target);
        }
        if missing.is_empty() { Ok(covered) } else { Err(missing) }
    }

    /// The targets of a Provenance, as `Type/id`; none if one of them can never be covered, so that none is looked up in vain.
    pub(super) fn targets(&self, resource: Value<'_>) -> Option<Vec<String>> {
        let own = self.judged.grants.patient.as_deref()?;
        let reads = |name: &str| {
            let place = self.engine.place(name);
            let mut rules = self.judged.grants.list.iter();
            place.is_some_and(|place| rules.any(|rule| rule.reaches_at(self.engine, place, Letters::READ)))
        };
        let named = |element: Value<'_>| {
            let target = reference::instance(element, &self.bases)?;
            let (name, id) = target.split_once('/')?;
            let may_count = if name == "Patient" { id == own } else { name != PROVENANCE && reads(name) };
            may_count.then_some(target)
        };
        resource.get("target")?.elements().map(named).collect()
    }
}
