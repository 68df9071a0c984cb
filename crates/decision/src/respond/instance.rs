//! The answers that hold one instance: to a read, and to a create.

use std::collections::BTreeSet;

use policy::decision::{Body, Lookup, Released};
use policy::letters::Letters;
use policy::reason::Reason;
use policy::text::FhirId;

use super::{Check, INSTANCE_HEADERS, prune};
use crate::admit::Party;
use crate::answer;
use crate::cover::{Eyes, Subject, contains_patient, is_admitted, is_instance, is_partial, meets};
use crate::json::{Document, Value};
use crate::judge::{Instance, Written};
use crate::rules::Rule;

impl Check<'_, '_> {
    /// A read: the instance itself, or the one answer for all that is not there.
    pub(super) fn read(&self, asked: &Instance<'_>) -> Result<Released, Vec<Lookup>> {
        match self.answer.status {
            200 => {}
            404 | 410 => return Ok(self.absent()),
            _ => return Ok(self.failed()),
        }
        let Some(document) = self.json() else { return Ok(self.unreadable()) };
        let resource = document.root();
        if !is_asked(asked, resource) || !self.is_released(asked, resource)? {
            return Ok(self.hidden());
        }
        let mut body = Body::default();
        if prune::has_any(&resource, asked.added) {
            prune::write(prune::runs(&resource, asked.added).into_iter(), &mut body);
        } else {
            body.keep(resource.range());
        }
        Ok(self.instance(200, body))
    }

    /// Whether a rule covers the instance, by itself or by what is looked up beside it.
    fn is_released(&self, asked: &Instance<'_>, resource: Value<'_>) -> Result<bool, Vec<Lookup>> {
        let eyes = Eyes { partial: asked.partial, ..self.eyes() };
        if asked.referenced {
            return Ok(self.is_shared(asked.resource_type, resource, &eyes));
        }
        if self.is_covered(asked.resource_type, &resource, Letters::READ, &eyes) {
            return Ok(true);
        }
        match asked.resource_type {
            "Binary"
                if resource.get("securityContext").is_none()
                    && !is_partial(&resource, &eyes)
                    && self.has_own_reader("Binary") =>
            {
                // Nothing is looked up for one that its own tags and labels keep back.
                Ok(self.is_admitted_by_reader("Binary", resource, &eyes) && self.is_attached(asked.id)?)
            }
            "Provenance" if self.has_own_reader("Provenance") => {
                let Some(targets) = self.targets(resource) else { return Ok(false) };
                let covered = |kept: Vec<String>| {
                    let kept = sorted(kept);
                    self.is_covered("Provenance", &resource, Letters::READ, &Eyes { kept: &kept, ..eyes })
                };
                let mut room = BTreeSet::new();
                self.make_room(resource, &mut room);
                let may_look = |targets: &[String]| targets.iter().filter(|one| room.contains(*one)).cloned().collect();
                // Not even with all of them: then nothing has to be looked up.
                Ok(covered(may_look(&targets)) && covered(self.covered_targets(targets, &[])?))
            }
            _ => Ok(false),
        }
    }

    /// Whether a `patient/` rule gives `r` on a type.
    fn has_own_reader(&self, name: &str) -> bool {
        let reads = |rule: &Rule| rule.is_patient() && rule.gives(self.engine, name, Letters::READ);
        self.judged.grants.list.iter().any(reads)
    }

    /// Whether tags, labels and constraints of a `patient/` rule that reads the type let it through.
    fn is_admitted_by_reader(&self, name: &str, resource: Value<'_>, eyes: &Eyes<'_>) -> bool {
        let Some(facts) = self.engine.facts(name) else { return false };
        !contains_patient(&resource)
            && self.judged.grants.list.iter().any(|rule| {
                rule.is_patient()
                    && rule.gives(self.engine, name, Letters::READ)
                    && meets(self.engine, rule, facts, &resource, eyes)
                    && is_admitted(rule, facts, &resource, eyes)
            })
    }

    /// Whether a shared resource that the context Patient refers to may be released.
    fn is_shared(&self, name: &str, resource: Value<'_>, eyes: &Eyes<'_>) -> bool {
        let Some(facts) = self.engine.facts(name) else { return false };
        let rules = self.judged.permitting.iter();
        let mut rules = rules.filter_map(|index| self.judged.grants.list.get(usize::from(*index)));
        !contains_patient(&resource) && rules.any(|rule| is_admitted(rule, facts, &resource, eyes))
    }

    /// A write: what became of it, and the instance itself where a rule lets the caller read it (D19).
    pub(super) fn written(&self, written: &Written<'_>) -> Released {
        match self.answer.status {
            200..=299 => {}
            404 | 410 if written.id.is_some() => return self.absent(),
            _ => return self.failed(),
        }
        let document = self.json();
        let resource = document.as_ref().map(Document::root).filter(|resource| self.may_show(written, *resource));
        let mut body = Body::default();
        if let Some(resource) = resource {
            body.keep(resource.range());
        }
        let mut released = self.instance(self.answer.status, body);
        released.released = u32::from(!released.body.is_empty());
        // What a condition found is told of only as a read of it would.
        let found = written.id.is_none() && self.answer.status != 201 && released.body.is_empty();
        if found {
            released.headers.retain(|(name, _)| !INSTANCE_HEADERS.contains(&&**name));
        }
        if released.body.is_empty() {
            released.headers.retain(|(name, _)| name != "content-type");
        }
        let location = self.location().filter(|location| !found && is_location_of(location, self.bases[0], written));
        if let Some(location) = location {
            released.headers.push(("location".to_owned(), location.into_bytes()));
        }
        released
    }

    /// Whether the caller may see the resource that answers its write.
    fn may_show(&self, written: &Written<'_>, resource: Value<'_>) -> bool {
        let name = written.resource_type;
        let mut permitting = self.judged.permitting.iter();
        let reads = permitting.any(|index| {
            self.judged
                .grants
                .list
                .get(usize::from(*index))
                .is_some_and(|rule| rule.gives(self.engine, name, Letters::READ))
        });
        let id = resource.text("id");
        let same = id.as_deref().is_some_and(|id| written.id.map_or(FhirId::accepts(id), |own| own == id));
        reads
            && same
            && !written.deletes
            && !resource.is_ambiguous()
            && resource.get("resourceType").is_some_and(|own| own.is_text(name))
            && self.is_covered(name, &resource, Letters::READ, &Eyes { partial: written.partial, ..self.eyes() })
    }

    /// How the references of what is stored count.
    pub(super) fn eyes(&self) -> Eyes<'_> {
        let grants = self.judged.grants;
        let party = Party { engine: self.engine, grants, method: self.judged.method, asked: self.asked };
        Eyes { bases: &self.bases, patient: grants.patient.as_deref(), party, kept: &[], partial: false }
    }

    /// Whether any rule of the token covers a resource, with these letters.
    pub(super) fn is_covered(
        &self,
        resource_type: &str,
        resource: &Value<'_>,
        letters: Letters,
        eyes: &Eyes<'_>,
    ) -> bool {
        let Some(facts) = self.engine.facts(resource_type) else { return false };
        let subject = Subject::new(self.engine, facts, *resource, *eyes);
        let mut rules = self.judged.grants.list.iter().filter(|rule| rule.gives(self.engine, resource_type, letters));
        rules.any(|rule| subject.is_covered_by(rule))
    }

    fn instance(&self, status: u16, body: Body) -> Released {
        let mut headers = vec![("content-type".to_owned(), answer::FHIR_JSON.to_vec())];
        headers.extend(self.answer.passed(INSTANCE_HEADERS));
        headers.extend(answer::private());
        Released { status, headers, body, reason: None, released: 1, dropped: 0, read_on: None }
    }

    /// The instance is not there.
    pub(super) fn absent(&self) -> Released {
        Released { reason: None, ..answer::not_found(self.engine) }
    }

    /// The instance is there and not the caller's: it looks as if it were not there.
    fn hidden(&self) -> Released {
        let dropped = 1;
        if self.engine.settings().hide_existence {
            return Released { dropped, ..answer::not_found(self.engine) };
        }
        Released { dropped, ..answer::refused(Some(self.engine), 403, Reason::ResponseNotCovered) }
    }
}

/// Whether a resource is the one that was asked for; of a vread in that version, if it says which.
fn is_asked(asked: &Instance<'_>, resource: Value<'_>) -> bool {
    let version = resource.get("meta").and_then(|meta| meta.text("versionId"));
    is_instance(&resource, asked.resource_type, asked.id)
        && asked.version.zip(version).is_none_or(|(asked, own)| own == asked)
}

pub(super) fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether a URL is `{base}/{type}/{id}` of what was written, or one version of it.
fn is_location_of(url: &str, base: &str, written: &Written<'_>) -> bool {
    use crate::reference::Reference;
    url.starts_with(base)
        && matches!(
            Reference::read(url, &[base]),
            Reference::Local { resource_type, id, .. }
                if resource_type == written.resource_type && written.id.is_none_or(|own| own == id)
        )
}
