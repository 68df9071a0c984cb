//! Phase 5: chained searches, forwards (`a.b`) and in reverse (`_has`).
//!
//! Invariant: every type of every hop is searched by some rule, and a hop into a compartment under a `patient/` rule has
//! an ownership parameter of its own.

use policy::Reason as R;
use policy::facts::{ParameterKind, Standing};
use policy::letters::Letters;
use policy::settings::Chains;

use crate::Interpreter;
use crate::call::Scene;
use crate::denial::Denial;
use crate::phase5_query::{Plan, fault};
use crate::rules::Rule;

impl Interpreter {
    /// One join, of whatever kind.
    pub(crate) fn join(
        &self,
        scene: &Scene<'_>,
        rule: &Rule,
        types: &[String],
        name: &str,
        value: &str,
        plan: &mut Plan,
    ) -> Result<(), Denial> {
        if name.starts_with("_has:") {
            self.reverse(scene, rule, types, name, value)?;
        } else {
            self.chain(scene, rule, types, name, value, plan)?;
        }
        plan.client.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Whether a hop may go into a type, and whether the context has to bind it there.
    fn hop(&self, scene: &Scene<'_>, rule: &Rule, into: &str) -> Result<bool, Denial> {
        let denied = fault(R::ChainDenied);
        if !self.has_type(into) {
            return Err(denied);
        }
        let whole = |one: &&Rule| {
            one.constraints.is_empty()
                && !self.tags_bind(one)
                && one.conditions().next().is_none()
                && self.gives(one, into, Letters::SEARCH)
        };
        let open = scene.all.iter().filter(|one| !one.is_patient()).any(|one| whole(&one));
        let bound =
            scene.principal.patient.is_some() && scene.all.iter().filter(|one| one.is_patient()).any(|one| whole(&one));
        // One that a constraint, tags or a `where` limit.
        let limits = |one: &Rule| {
            let limited = !one.constraints.is_empty() || self.tags_bind(one) || one.conditions().next().is_some();
            limited && self.gives(one, into, Letters::SEARCH)
        };
        let granular = scene.all.iter().any(limits);
        if !open && !bound && (self.service.settings.chains == Chains::Strict || granular) {
            return Err(denied);
        }
        Ok(rule.is_patient() || (!open && bound))
    }

    /// `a.b`, `a:T.b.c`.
    fn chain(
        &self,
        scene: &Scene<'_>,
        rule: &Rule,
        types: &[String],
        name: &str,
        value: &str,
        plan: &mut Plan,
    ) -> Result<(), Denial> {
        let parts: Vec<&str> = name.split('.').collect();
        let Some((last, hops)) = parts.split_last() else { return Err(fault(R::UnknownParameter)) };
        let mut current = types.to_vec();
        let mut above = String::new();
        let mut bound = false;
        for hop in hops {
            let (base, only) = hop.split_once(':').map_or((*hop, None), |(base, only)| (base, Some(only)));
            let next = self.next_types(&current, base, only)?;
            bound = false;
            let from_shared = current.iter().any(|from| self.standing(from) == Standing::Shared);
            let mut ties: Vec<(String, String)> = Vec::new();
            for into in &next {
                if !self.hop(scene, rule, into)? || self.hop_stays(into, from_shared)? {
                    continue;
                }
                bound = true;
                let (suffix, value) = self.hop_owner(scene, into, base)?;
                let name = match suffix {
                    None => format!("{above}{base}"),
                    Some(suffix) => format!("{above}{hop}.{suffix}"),
                };
                ties.push((name, value));
            }
            // D68: one AND ties a hop to several types only where it ties all of them, in the same way.
            let shares = next.iter().any(|into| self.standing(into) == Standing::Shared);
            if let Some((tie, others)) = ties.split_first() {
                if shares || others.iter().any(|other| other != tie) {
                    return Err(fault(R::ChainDenied));
                }
                if !plan.joins.contains(tie) {
                    plan.joins.push(tie.clone());
                }
            }
            above = format!("{above}{hop}.");
            current = next;
        }
        self.last_part(scene, &current, last, value, bound)
    }

    /// The types that a hop leads to.
    fn next_types(&self, from: &[String], base: &str, only: Option<&str>) -> Result<Vec<String>, Denial> {
        let unknown = fault(R::UnknownParameter);
        let parameter =
            self.parameter_of_all(from, base).filter(|one| one.kind == ParameterKind::Reference).ok_or(unknown)?;
        // It may point at anything, and nobody holds everything.
        if only.is_none() && parameter.targets.is_empty() {
            return Err(fault(R::ChainDenied));
        }
        let mut next = Vec::new();
        for one in from {
            let parameter = self.parameter(one, base).ok_or(unknown)?;
            next.extend(self.targets(&parameter).unwrap_or_else(|| self.types.clone()));
        }
        next.sort();
        next.dedup();
        match only {
            None => Ok(next),
            Some(only) if parameter.targets.is_empty() && self.has_type(only) => Ok(vec![only.to_owned()]),
            Some(only) if next.iter().any(|one| one == only) => Ok(vec![only.to_owned()]),
            Some(_) => Err(unknown),
        }
    }

    /// Whether a hop leads to what is nobody's; from there none leads back to what is somebody's.
    fn hop_stays(&self, into: &str, from_shared: bool) -> Result<bool, Denial> {
        let shared = self.standing(into) == Standing::Shared;
        if from_shared && !shared { Err(fault(R::ChainDenied)) } else { Ok(shared) }
    }

    /// The ownership parameter of a hop: on the reference itself into Patient, else on the type behind it.
    fn hop_owner(&self, scene: &Scene<'_>, into: &str, base: &str) -> Result<(Option<String>, String), Denial> {
        let denied = fault(R::ChainDenied);
        match self.standing(into) {
            Standing::Patient => Ok((None, self.owner_value(scene, base))),
            Standing::Compartment | Standing::PatientElement => {
                let name = self.narrowing_parameter(into).ok_or(denied)?;
                let value = self.owner_value(scene, &name);
                Ok((Some(name), value))
            }
            Standing::Shared
            | Standing::NamesPatients
            | Standing::Binary
            | Standing::Provenance
            | Standing::Undecidable => Err(denied),
        }
    }

    /// The last part is a predicate on each of the types that the join leads to.
    fn last_part(
        &self,
        scene: &Scene<'_>,
        types: &[String],
        part: &str,
        value: &str,
        bound: bool,
    ) -> Result<(), Denial> {
        let unknown = fault(R::UnknownParameter);
        let (base, modifier) = part.split_once(':').map_or((part, None), |(base, modifier)| (base, Some(modifier)));
        if types.is_empty() {
            return Err(unknown);
        }
        for one in types {
            let parameter = self.parameter(one, base).ok_or(unknown)?;
            if bound && self.is_owner(one, base) {
                if modifier == Some("not") {
                    return Err(fault(R::MalformedQuery));
                }
                self.check_predicate(&parameter, part, value)?;
                if !matches!(modifier, Some("missing" | "identifier")) && !value.is_empty() {
                    self.check_owner_values(scene, base, modifier, value)?;
                }
            } else {
                self.check_predicate(&parameter, part, value)?;
            }
        }
        Ok(())
    }

    /// `_has:T:p:q`.
    fn reverse(&self, scene: &Scene<'_>, rule: &Rule, types: &[String], name: &str, value: &str) -> Result<(), Denial> {
        let unknown = fault(R::UnknownParameter);
        let parts: Vec<&str> = name.splitn(4, ':').collect();
        let ["_has", from, by, rest] = parts.as_slice() else { return Err(unknown) };
        if !self.has_type(from) {
            return Err(unknown);
        }
        let parameter = self.parameter(from, by).filter(|one| one.kind == ParameterKind::Reference).ok_or(unknown)?;
        let leads = |one: &String| parameter.targets.is_empty() || parameter.targets.contains(one);
        if !types.iter().all(leads) {
            return Err(unknown);
        }
        let bound = self.hop(scene, rule, from)?;
        if bound && !(rule.is_patient() && types == ["Patient"] && self.is_owner(from, by)) {
            return Err(fault(R::ChainDenied));
        }
        let inner = vec![(*from).to_owned()];
        if rest.starts_with("_has:") {
            return self.reverse(scene, rule, &inner, rest, value);
        }
        if rest.contains('.') {
            if bound {
                return Err(fault(R::ChainDenied));
            }
            return self.chain(scene, rule, &inner, rest, value, &mut Plan::default());
        }
        self.last_part(scene, &inner, rest, value, bound)
    }
}
