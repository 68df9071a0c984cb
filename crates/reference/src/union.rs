//! The union of the rules that permit: what all of them share goes upstream ("Union").
//!
//! Invariant: what one AND cannot say is left to the check of the answer, and the narrowing is then inexact.

use policy::facts::Standing;
use policy::letters::Letters;
use policy::operation::Interaction as I;
use policy::settings::UntaggedResources;

use crate::Interpreter;
use crate::call::Scene;
use crate::phase5_query::{Pairs, Plan};
use crate::phase6_body::Written;
use crate::rules::Rule;

/// A rule that permits the request, with what it makes of query and body.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    pub(crate) rule: Rule,
    pub(crate) plan: Plan,
    pub(crate) written: Written,
}

/// The query that goes upstream.
#[derive(Clone, Debug)]
pub(crate) struct Merged {
    pub(crate) query: Pairs,
    /// Whether the narrowing says all that the rules ask for.
    pub(crate) exact: bool,
    /// Elements that only the check needs; they are taken out again.
    pub(crate) added_elements: Vec<String>,
    /// The plan that the client's part was taken from.
    pub(crate) plan: Plan,
}

impl Interpreter {
    /// Whether the request searches one type, so that a granular constraint can be said.
    fn searches_one(scene: &Scene<'_>) -> bool {
        matches!(scene.target.interaction, Some(I::SearchType))
            || (scene.target.interaction == Some(I::SearchCompartment) && scene.target.resource_type.is_some())
            || (Self::is_search(scene) && scene.asked.as_ref().is_some_and(|types| types.len() == 1))
    }

    /// Whether labels can hide anything from this caller.
    fn hides_labels(&self, scene: &Scene<'_>) -> bool {
        self.enforces_labels() && scene.principal.clearance < policy::settings::Confidentiality::V
    }

    pub(crate) fn is_search(scene: &Scene<'_>) -> bool {
        matches!(scene.target.interaction, Some(I::SearchType | I::SearchSystem | I::SearchCompartment))
    }

    /// Merges what the permitting rules ask for.
    pub(crate) fn merge(&self, scene: &Scene<'_>, permits: &[Permit]) -> Merged {
        let widest: Vec<&Permit> = permits.iter().filter(|one| !self.is_subsumed(scene, one, permits)).collect();
        let chosen = widest.iter().find(|one| !one.rule.is_patient()).or(widest.first());
        let Some(chosen) = chosen else {
            return Merged { query: Pairs::new(), exact: false, added_elements: Vec::new(), plan: Plan::default() };
        };
        let plan = chosen.plan.clone();
        let (constraints, mut exact) = self.shared_constraints(&widest, Self::searches_one(scene));
        exact &= widest.iter().all(|one| one.plan.exact && !self.tags_bind(&one.rule)) && !self.hides_labels(scene);
        exact &= widest.iter().all(|one| one.rule.is_patient()) || widest.iter().all(|one| !one.rule.is_patient());
        let mut added = plan.joins.clone();
        if widest.iter().all(|one| one.rule.is_patient()) {
            added.extend(plan.owners.clone());
        }
        added.extend(constraints);
        let mut own = Pairs::new();
        for pair in added {
            if !own.contains(&pair) {
                own.push(pair);
            }
        }
        let (shape, added_elements) = self.shape_with_needs(scene, &plan);
        let query = [plan.client.clone(), shape, own].concat();
        Merged { query, exact, added_elements, plan }
    }

    /// Whether another permitting rule reaches all that this one does.
    fn is_subsumed(&self, scene: &Scene<'_>, one: &Permit, permits: &[Permit]) -> bool {
        // D3: over several types, only what asks for nothing and gives all of them leaves nothing to add.
        let gives_all = |rule: &Rule| {
            !rule.is_patient()
                && rule.constraints.is_empty()
                && (rule.names(scene.target.operation)
                    || self.searched(scene).iter().all(|name| self.gives(rule, name, Letters::SEARCH)))
        };
        let one_type = Self::searches_one(scene);
        let place = permits.iter().position(|other| std::ptr::eq(other, one));
        permits.iter().enumerate().any(|(at, other)| {
            let wider = |wide: &Rule, narrow: &Rule| {
                let context = !wide.is_patient() || narrow.is_patient();
                let constraints = wide.constraints.iter().all(|constraint| narrow.constraints.contains(constraint));
                let same = wide.condition == narrow.condition && wide.bounds == narrow.bounds;
                let tags = !self.tags_bind(wide) || same;
                (one_type || gives_all(wide)) && context && constraints && tags
            };
            let equal = wider(&one.rule, &other.rule);
            Some(at) != place && wider(&other.rule, &one.rule) && (!equal || Some(at) < place)
        })
    }

    /// The constraints that all share, and one OR list where they differ in the values of one parameter only.
    fn shared_constraints(&self, widest: &[&Permit], one_type: bool) -> (Pairs, bool) {
        let Some((first, rest)) = widest.split_first() else { return (Pairs::new(), false) };
        if !one_type {
            return (Pairs::new(), widest.iter().all(|one| one.rule.constraints.is_empty()));
        }
        let shared: Pairs = first
            .rule
            .constraints
            .iter()
            .filter(|pair| rest.iter().all(|one| one.rule.constraints.contains(pair)))
            .cloned()
            .collect();
        let differing: Vec<Pairs> = widest
            .iter()
            .map(|one| one.rule.constraints.iter().filter(|pair| !shared.contains(pair)).cloned().collect())
            .collect();
        if differing.iter().all(Vec::is_empty) {
            return (shared, true);
        }
        let mut names: Vec<&String> = differing.iter().flatten().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        let one_each = differing.iter().all(|list| list.len() == 1);
        if let ([name], true) = (names.as_slice(), one_each) {
            let mut values: Vec<String> = Vec::new();
            for value in differing.iter().flatten().flat_map(|(_, value)| crate::url::values(value)) {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            if values.len() <= 64 {
                let mut all = shared;
                all.push(((*name).clone(), values.join(",")));
                all.sort();
                return (all, true);
            }
        }
        (shared, false)
    }

    /// `_elements` with what the check of the answer needs.
    fn shape_with_needs(&self, scene: &Scene<'_>, plan: &Plan) -> (Pairs, Vec<String>) {
        let mut shape = plan.shape.clone();
        let mut added: Vec<String> = Vec::new();
        let Some(pair) = shape.iter_mut().find(|(name, _)| name == "_elements") else { return (shape, added) };
        let mut names: Vec<String> = crate::url::values(&pair.1);
        let mut types = self.searched(scene);
        for include in &plan.includes {
            let more = if include.reverse {
                vec![include.source.clone()]
            } else {
                include.target.clone().map_or_else(|| include.parameter.targets.clone(), |target| vec![target])
            };
            types.extend(more);
        }
        for needed in types.iter().flat_map(|name| self.needed_elements(scene, name)) {
            if !names.contains(&needed) && !["id", "meta", "resourceType"].contains(&needed.as_str()) {
                names.push(needed.clone());
                added.push(needed);
            }
        }
        let marked = self.enforces_labels()
            || !self.service.tag_keys.is_empty()
            || !self.service.tagged.is_empty()
            || self.service.settings.untagged_resources != UntaggedResources::ByRole;
        if marked && !names.iter().any(|one| one == "meta") {
            names.push("meta".to_owned());
        }
        pair.1 = names.join(",");
        (shape, added)
    }

    /// The elements that decide on a resource of a type, by any rule of the token.
    pub(crate) fn needed_elements(&self, scene: &Scene<'_>, name: &str) -> Vec<String> {
        let mut needed: Vec<String> = Vec::new();
        let usable = |one: &&Rule| !one.is_patient() || scene.principal.patient.is_some();
        let rules: Vec<&Rule> = scene.all.iter().filter(usable).collect();
        let free = |letters: Letters| {
            let mut open = rules.iter().filter(|one| !one.is_patient() && one.constraints.is_empty());
            open.any(|one| self.letters_on(one, name).contains(letters))
        };
        if free(Letters::READ) && free(Letters::SEARCH) {
            return needed;
        }
        match self.standing(name) {
            Standing::Binary => needed.push("securityContext".to_owned()),
            // What is decided by all of something is decided on no part (D69).
            Standing::Provenance
            | Standing::Patient
            | Standing::Shared
            | Standing::Undecidable
            | Standing::NamesPatients => {}
            Standing::Compartment | Standing::PatientElement => {
                needed.extend(self.owner_paths(name).into_iter().filter_map(|path| path.into_iter().next()));
            }
        }
        // A contained Patient has to be seen, of whatever type it is that holds it.
        if self.standing(name) != Standing::Binary && rules.iter().any(|rule| rule.is_patient()) {
            needed.push("contained".to_owned());
        }
        for (constraint, _) in rules.iter().flat_map(|rule| &rule.constraints) {
            let parameter = self.parameter(name, constraint);
            needed.extend(
                parameter.into_iter().flat_map(|one| one.paths).filter_map(|(path, _)| path.into_iter().next()),
            );
        }
        needed.retain(|one| one != "id");
        let mut once: Vec<String> = Vec::new();
        for one in needed {
            if !once.contains(&one) {
                once.push(one);
            }
        }
        once
    }
}
