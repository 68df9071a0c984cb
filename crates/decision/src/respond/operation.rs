//! The answer to a `$operation` that a role names: resources of it are decided, where anything but the role binds them (D12).

use policy::decision::{Body, Released};
use policy::letters::Letters;
use policy::reason::Reason;

use super::Check;
use crate::answer;
use crate::cover::{is_admitted, is_own};
use crate::json::Value;
use crate::rules::Rule;

/// Resources that carry others, or tell of the operation itself.
const ENVELOPES: &[&str] = &["Bundle", "OperationOutcome", "Parameters"];

impl Check<'_, '_> {
    pub(super) fn operated(&self, guarded: bool) -> Released {
        if !matches!(self.answer.status, 200..=299) {
            return self.failed();
        }
        let mut body = Body::default();
        let mut released = 0;
        if !self.answer.body.is_empty() {
            let Some(document) = self.json() else { return self.unreadable() };
            let root = document.root();
            if root.is_ambiguous() || root.text("resourceType").is_none() {
                return self.unreadable();
            }
            match self.resources(root, guarded) {
                Some(count) => released = count,
                None => return answer::refused(Some(self.engine), 403, Reason::ResponseNotCovered),
            }
            body.keep(root.range());
        }
        let mut headers = Vec::new();
        if !body.is_empty() {
            headers.push(("content-type".to_owned(), answer::FHIR_JSON.to_vec()));
        }
        headers.extend(answer::private());
        Released { status: self.answer.status, headers, body, reason: None, released, dropped: 0, read_on: None }
    }

    /// How many resources there are, if each of them may be released.
    fn resources(&self, value: Value<'_>, guarded: bool) -> Option<u32> {
        let mut count = 0_u32;
        if let Some(name) = value.text("resourceType")
            && !ENVELOPES.contains(&&*name)
        {
            let releases = self.releases(&name, value, guarded);
            return releases.then_some(1);
        }
        // What stands for a resource and says no type is one that nobody can decide.
        if value.get("resource").is_some_and(|inner| inner.text("resourceType").is_none()) {
            return None;
        }
        for inner in value.values() {
            count = count.saturating_add(self.resources(inner, guarded)?);
        }
        Some(count)
    }

    fn releases(&self, name: &str, resource: Value<'_>, guarded: bool) -> bool {
        let eyes = self.eyes();
        let Some(facts) = self.engine.facts(name) else {
            return !guarded && !self.engine.tags_bind && !self.engine.enforces_labels();
        };
        let permitting = self.judged.permitting.iter();
        let mut rules = permitting.filter_map(|index| self.judged.grants.list.get(usize::from(*index)));
        let admitted = |rule: &Rule| is_admitted(rule, facts, &resource, &eyes);
        if !guarded {
            return rules.any(admitted);
        }
        let member = eyes.patient.is_some_and(|patient| is_own(self.engine, facts, &resource, patient, &eyes));
        (member && rules.any(admitted)) || self.is_covered(name, &resource, Letters::READ, &eyes)
    }
}
