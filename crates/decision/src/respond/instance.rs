//! The answers that hold one instance: to a read, and to a create.

use policy::decision::{Body, Released};
use policy::letters::Letters;
use policy::reason::Reason;
use policy::text::FhirId;

use super::{Check, INSTANCE_HEADERS, prune};
use crate::admit::Party;
use crate::answer;
use crate::cover::{Eyes, covers};
use crate::json::{Document, Value};
use crate::judge::Instance;

impl Check<'_, '_> {
    /// A read: the instance itself, or the one answer for all that is not there.
    pub(super) fn read(&self, asked: &Instance<'_>) -> Released {
        let Instance { resource_type, id, added, partial, .. } = *asked;
        match self.answer.status {
            200 => {}
            404 | 410 => return self.absent(),
            _ => return self.failed(),
        }
        let Some(document) = self.json() else { return self.unreadable() };
        let resource = document.root();
        let says = |name: &str, what: &str| resource.get(name).is_some_and(|own| own.is_text(what));
        let asked = !resource.is_ambiguous() && says("resourceType", resource_type) && says("id", id);
        let eyes = Eyes { partial, ..self.eyes() };
        if !asked || !self.is_covered(resource_type, &resource, Letters::READ, &eyes) {
            return self.hidden();
        }
        let mut body = Body::default();
        if prune::has_any(&resource, added) {
            prune::write(prune::runs(&resource, added).into_iter(), &mut body);
        } else {
            body.keep(resource.range());
        }
        self.instance(200, body)
    }

    /// A create: where the new instance is, and the instance itself where a rule lets the caller read it.
    pub(super) fn created(&self, resource_type: &str) -> Released {
        if !matches!(self.answer.status, 200 | 201) {
            return self.failed();
        }
        let document = self.json();
        let resource = document.as_ref().map(Document::root).filter(|resource| {
            !resource.is_ambiguous()
                && resource.get("resourceType").is_some_and(|own| own.is_text(resource_type))
                && resource.text("id").is_some_and(|id| FhirId::accepts(&id))
                && self.is_covered(resource_type, resource, Letters::READ, &self.eyes())
        });
        let mut body = Body::default();
        if let Some(resource) = resource {
            body.keep(resource.range());
        }
        let mut released = self.instance(self.answer.status, body);
        released.released = u32::from(!released.body.is_empty());
        if released.body.is_empty() {
            released.headers.retain(|(name, _)| name != "content-type");
        }
        if let Some(location) = self.location().filter(|location| is_instance(location, self.bases[0], resource_type)) {
            released.headers.push(("location".to_owned(), location.into_bytes()));
        }
        released
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
        let mut rules = self.judged.grants.list.iter().filter(|rule| rule.gives(self.engine, resource_type, letters));
        rules.any(|rule| covers(self.engine, rule, facts, resource, eyes))
    }

    fn instance(&self, status: u16, body: Body) -> Released {
        let mut headers = vec![("content-type".to_owned(), answer::FHIR_JSON.to_vec())];
        headers.extend(self.answer.passed(INSTANCE_HEADERS));
        headers.extend(answer::private());
        Released { status, headers, body, reason: None, released: 1, dropped: 0 }
    }

    /// The instance is not there.
    fn absent(&self) -> Released {
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

/// Whether a URL is `{base}/{type}/{id}`, or one version of it.
fn is_instance(url: &str, base: &str, resource_type: &str) -> bool {
    use crate::reference::Reference;
    url.starts_with(base)
        && matches!(Reference::read(url, &[base]), Reference::Local { resource_type: found, .. } if found == resource_type)
}
