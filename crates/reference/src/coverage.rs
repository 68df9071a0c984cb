//! Whether a rule covers a resource: letters, membership, constraints, tags and labels, all by one rule.
//!
//! Invariant: the parts of two rules never add up to one cover.

use policy::letters::Letters;
use serde_json::Value;

use crate::call::Scene;
use crate::membership::{Membership, has_contained_patient};
use crate::rules::Rule;
use crate::{Interpreter, json};

/// How a rule covers a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cover {
    Yes,
    No,
    /// If a covered DocumentReference names this Binary (D8).
    ByDocument,
    /// If every target of this Provenance is covered (D9).
    ByTargets,
}

/// How a resource came to be looked at.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// The own bases.
    pub(crate) bases: Vec<String>,
    /// Only some of its elements were asked for.
    pub(crate) partial: bool,
}

impl Interpreter {
    /// The sight of what decide looks up: stored resources may bear the upstream's base.
    pub(crate) fn stored_sight(&self, scene: &Scene<'_>) -> Sight {
        let upstream = scene.call.upstream_base.trim_end_matches('/');
        let known = (!upstream.is_empty()).then(|| upstream.to_owned());
        Sight { bases: std::iter::once(self.own_base()).chain(known).collect(), partial: false }
    }

    /// Whether one rule covers a resource with these letters.
    pub(crate) fn covers(
        &self,
        scene: &Scene<'_>,
        rule: &Rule,
        resource: &Value,
        letters: Letters,
        sight: &Sight,
    ) -> Cover {
        let type_name = json::text(resource, "resourceType").unwrap_or_default();
        if !self.gives(rule, type_name, letters) {
            return Cover::No;
        }
        self.covers_but_letters(scene, rule, resource, sight)
    }

    /// The same, where the letters are settled.
    pub(crate) fn covers_but_letters(&self, scene: &Scene<'_>, rule: &Rule, resource: &Value, sight: &Sight) -> Cover {
        if !self.is_open(scene, rule, resource) || !self.matches(resource, &rule.constraints, &sight.bases) {
            return Cover::No;
        }
        if !rule.is_patient() {
            return Cover::Yes;
        }
        let Some(patient) = &scene.principal.patient else { return Cover::No };
        match self.membership(resource, patient, &sight.bases, sight.partial) {
            Membership::Member => Cover::Yes,
            Membership::NotMember => Cover::No,
            Membership::ByDocument => Cover::ByDocument,
            Membership::ByTargets => Cover::ByTargets,
        }
    }

    /// Whether tags, `where` and labels let a rule reach a resource.
    pub(crate) fn is_open(&self, scene: &Scene<'_>, rule: &Rule, resource: &Value) -> bool {
        let (type_name, id) = (json::text(resource, "resourceType").unwrap_or_default(), json::text(resource, "id"));
        let where_ok = self.where_holds(scene, rule, None);
        let tags = self.all_tags(resource, true);
        where_ok
            && self.tags_allow(scene, rule, type_name, id, tags.as_ref()).is_ok()
            && self.is_cleared(scene, resource)
    }

    /// Whether a resource that a `patient/` rule reaches by reference may be seen: nothing but contained Patients, tags and labels.
    pub(crate) fn is_open_by_reference(&self, scene: &Scene<'_>, rule: &Rule, resource: &Value) -> bool {
        !has_contained_patient(resource) && self.is_open(scene, rule, resource)
    }
}
