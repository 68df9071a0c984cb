//! One rule at a time: what a single rule of a caller makes of a request, beside all others.
//!
//! Invariant: a bystander gives the letters that it gave, for the types that joins and includes lead to, and fits no request
//! by itself. So the rule in focus is judged as it is within its token, and nothing else can permit the request.

use super::{Grants, Operations, Rule, Set};
use policy::letters::Letters;

/// Grants of which one rule at a time may fit.
#[derive(Debug)]
pub(crate) struct Focus<'g> {
    all: &'g Grants,
    grants: Grants,
}

impl Operations {
    /// The bound that leaves a rule its letters and takes it every operation.
    fn bystander() -> Self {
        Self { set: Set::Nothing, on: Vec::new(), everywhere: Letters::ALL }
    }
}

impl<'g> Focus<'g> {
    pub(crate) fn new(all: &'g Grants) -> Self {
        let grants = Grants {
            list: all.list.iter().map(bystander).collect(),
            waiting: Vec::new(),
            any: all.any,
            patient: all.patient.clone(),
            patient_reference: all.patient_reference.clone(),
            account: all.account,
            tags: all.tags.clone(),
            clearance: all.clearance,
            refusal: all.refusal,
            basic: all.basic,
        };
        Self { all, grants }
    }

    /// What `work` makes of the grants in which only the rule at this place may fit.
    pub(crate) fn on<T>(&mut self, index: usize, work: impl FnOnce(&Grants) -> T) -> Option<T> {
        let rule = self.all.list.get(index)?;
        *self.grants.list.get_mut(index)? = rule.clone();
        let made = work(&self.grants);
        *self.grants.list.get_mut(index)? = bystander(rule);
        Some(made)
    }
}

fn bystander(rule: &Rule) -> Rule {
    let mut beside = rule.clone();
    beside.within.push(Operations::bystander());
    beside
}
