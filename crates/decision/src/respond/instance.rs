//! The answers that hold one instance: to a read, and to a create.

use std::borrow::Cow;

use policy::decision::Released;
use policy::letters::Letters;
use policy::reason::Reason;
use policy::text::FhirId;

use super::{Check, INSTANCE_HEADERS};
use crate::answer;
use crate::cover::{Eyes, covers};
use crate::json::Value;

impl Check<'_> {
    /// A read: the instance itself, or the one answer for all that is not there.
    pub(super) fn read(&self, resource_type: &str, id: &str, added: &[String], partial: bool) -> Released {
        match self.answer.status {
            200 => {}
            404 | 410 => return self.absent(),
            _ => return self.failed(),
        }
        let Some(resource) = self.json() else { return self.unreadable() };
        let asked = !resource.ambiguous
            && resource.text("resourceType") == Some(resource_type)
            && resource.text("id") == Some(id);
        let eyes = Eyes { partial, ..self.eyes() };
        if !asked || !self.is_covered(resource_type, &resource, Letters::READ, &eyes) {
            return self.hidden();
        }
        self.instance(200, without(&resource, added).into_owned())
    }

    /// A create: where the new instance is, and the instance itself where a rule lets the caller read it.
    pub(super) fn created(&self, resource_type: &str) -> Released {
        if !matches!(self.answer.status, 200 | 201) {
            return self.failed();
        }
        let resource = self.json().filter(|resource| {
            !resource.ambiguous
                && resource.text("resourceType") == Some(resource_type)
                && resource.text("id").is_some_and(FhirId::accepts)
                && self.is_covered(resource_type, resource, Letters::READ, &self.eyes())
        });
        let mut released =
            self.instance(self.answer.status, resource.map(|resource| resource.raw.into()).unwrap_or_default());
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
        Eyes { bases: &self.bases, patient: self.judged.rules.patient, kept: &[], partial: false }
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
        let mut rules = self.judged.rules.list.iter().filter(|rule| rule.gives(self.engine, resource_type, letters));
        rules.any(|rule| covers(self.engine, rule, facts, resource, eyes))
    }

    fn instance(&self, status: u16, body: String) -> Released {
        let mut headers = vec![("content-type".to_owned(), answer::FHIR_JSON.to_vec())];
        headers.extend(self.answer.passed(INSTANCE_HEADERS));
        headers.extend(answer::private());
        Released { status, headers, body: body.into(), reason: None, released: 1, dropped: 0, read_on: None }
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

/// A resource without these elements; all else stays byte for byte.
pub(super) fn without<'v>(resource: &'v Value<'_>, added: &[String]) -> Cow<'v, str> {
    let taken = |name: &str| added.iter().any(|one| one == name || name.strip_prefix('_') == Some(one));
    if !resource.members().iter().any(|member| taken(&member.name)) {
        return Cow::Borrowed(resource.raw);
    }
    let left: Vec<&str> =
        resource.members().iter().filter(|member| !taken(&member.name)).map(|member| member.raw).collect();
    Cow::Owned(format!("{{{}}}", left.join(",")))
}

/// Whether a URL is `{base}/{type}/{id}`, or one version of it.
fn is_instance(url: &str, base: &str, resource_type: &str) -> bool {
    use crate::reference::Reference;
    url.starts_with(base)
        && matches!(Reference::read(url, &[base]), Reference::Local { resource_type: found, .. } if found == resource_type)
}
