//! Phase 5 off a search: reads, histories, writes, `$operations`, and what FHIR does not define.

use policy::Reason as R;
use policy::letters::Letters;
use policy::operation::Interaction as I;

use crate::Interpreter;
use crate::call::Scene;
use crate::denial::Denial;
use crate::membership::{Named, literal};
use crate::phase1_normalise::check_query_limits;
use crate::phase5_query::{Kind, Pairs, Plan, SHAPE, fault, is_escape, shape};
use crate::rules::Rule;
use crate::url;

impl Interpreter {
    /// Goes through phase 5 with one rule.
    pub(crate) fn query_phase(&self, scene: &Scene<'_>, rule: &Rule) -> Result<Plan, Denial> {
        let given = scene.call.parameters();
        let target = &scene.target;
        let searches = matches!(target.interaction, Some(I::SearchType | I::SearchSystem | I::SearchCompartment));
        if !searches {
            self.within_lists(scene, rule, &given)?;
        }
        match target.interaction {
            Some(I::SearchType) => self.query(scene, rule, &self.searched(scene), &given, Kind::Search),
            Some(I::SearchSystem) => self.query(scene, rule, &self.searched(scene), &given, Kind::SystemSearch),
            Some(I::SearchCompartment) => {
                let kind = if target.resource_type.is_some() { Kind::Search } else { Kind::SystemSearch };
                self.query(scene, rule, &self.searched(scene), &given, kind)
            }
            Some(I::Conditional) => self.query(scene, rule, &self.searched(scene), &given, Kind::Conditional),
            Some(I::HistoryInstance | I::HistoryType) => {
                self.own_names(scene, &given, &[SHAPE, &["_since", "_at"]].concat())
            }
            Some(I::HistorySystem) => self.own_names(scene, &given, &[SHAPE, &["_since", "_at", "_type"]].concat()),
            Some(I::Operation) => self.operation_query(scene, rule, &given),
            Some(I::Read | I::Vread | I::Create | I::Update | I::Patch | I::Delete | I::Batch | I::Capabilities) => {
                self.own_names(scene, &given, SHAPE)
            }
            None => self.own_names(scene, &given, &[]),
        }
    }

    /// Only these names, and those that the document declares, are defined.
    fn own_names(&self, scene: &Scene<'_>, given: &[(String, String)], names: &[&str]) -> Result<Plan, Denial> {
        let declared = self.operations.get(scene.target.operation).map(|one| one.query.clone()).unwrap_or_default();
        let mut plan = Plan { exact: true, ..Plan::default() };
        for (name, value) in given {
            let known = names.contains(&name.as_str());
            if known && value.is_empty() && !SHAPE.contains(&name.as_str()) {
                plan.ignored.push(name.clone());
                continue;
            }
            if self.is_fhir() && is_escape(name) {
                return Err(fault(R::ParameterDenied));
            }
            if known && SHAPE.contains(&name.as_str()) {
                shape(name, value, &mut plan)?;
            } else if known && name == "_type" {
                plan.used.push(name.clone());
                if !value.is_empty() {
                    plan.client.push((name.clone(), value.clone()));
                }
            } else if known || declared.contains(name) {
                if known && plan.client.iter().any(|(other, _)| other == name) {
                    return Err(fault(R::MalformedQuery));
                }
                plan.client.push((name.clone(), value.clone()));
            } else if name.starts_with('_') || declared.iter().any(|one| one.eq_ignore_ascii_case(name)) {
                return Err(fault(R::UnknownParameter));
            } else {
                plan.ignored.push(name.clone());
            }
        }
        plan.shape.sort_by_key(|(name, _)| SHAPE.iter().position(|one| one == name));
        let counts = |(name, value): &(String, String)| match name.as_str() {
            "_summary" => value == "count",
            "_count" => value.bytes().all(|digit| digit == b'0'),
            name => name == "_total",
        };
        // D45: off a search nothing is counted.
        let counted = scene.target.interaction != Some(I::Operation) && plan.shape.iter().any(counts);
        if counted { Err(fault(R::ParameterDenied)) } else { Ok(plan) }
    }

    fn operation_query(&self, scene: &Scene<'_>, rule: &Rule, given: &[(String, String)]) -> Result<Plan, Denial> {
        match scene.target.code.as_deref() {
            Some("everything") if scene.target.resource_type.is_some() => {
                self.check_body_names(scene, &["_type", "_since", "start", "end", "_count"])?;
                let mut plan = self.own_names(scene, given, &["_type", "_since", "start", "end", "_count"])?;
                plan.exact = false;
                Ok(plan)
            }
            Some("export") => {
                let names = ["_type", "_since", "_outputFormat", "_typeFilter"];
                self.check_body_names(scene, &names)?;
                self.export_singles(scene)?;
                // D50: what the document declares beside these is unknown as well, and an empty value says nothing.
                let other = |name: &str| !names.contains(&name);
                for (name, _) in given {
                    if is_escape(name) {
                        return Err(fault(R::ParameterDenied));
                    }
                    if other(name) && name.starts_with('_') {
                        return Err(fault(R::UnknownParameter));
                    }
                }
                self.export_filters(scene, rule)?;
                let single = |(name, value): &&(String, String)| {
                    name != "_typeFilter" && (is_escape(name) || (!other(name) && !value.is_empty()))
                };
                let singles: Pairs = given.iter().filter(single).cloned().collect();
                let mut plan = self.own_names(scene, &singles, &names)?;
                plan.ignored.extend(given.iter().map(|(name, _)| name.clone()).filter(|name| other(name)));
                let filters = given.iter().filter(|(name, _)| name == "_typeFilter").cloned();
                plan.client.extend(filters);
                let place = |pair: &(String, String)| given.iter().position(|one| one == pair);
                plan.client.sort_by_key(place);
                Ok(plan)
            }
            _ => {
                self.check_operation_patient(scene, given)?;
                let mut plan = self.own_names(scene, given, SHAPE)?;
                plan.used.extend(
                    given.iter().map(|(name, _)| name.clone()).filter(|name| name == "patient" || name == "subject"),
                );
                Ok(plan)
            }
        }
    }

    /// A name in a Parameters body cannot be left out, so an unknown one is refused.
    fn check_body_names(&self, scene: &Scene<'_>, names: &[&str]) -> Result<(), Denial> {
        let all = self.operation_parameters(&scene.call, &scene.target)?;
        let in_query = scene.call.parameters().len();
        let unknown = all.iter().skip(in_query).any(|(name, _)| !names.contains(&name.as_str()));
        if unknown { Err(fault(R::UnknownParameter)) } else { Ok(()) }
    }

    /// D12: what the query names of patients is the context.
    fn check_operation_patient(&self, scene: &Scene<'_>, given: &[(String, String)]) -> Result<(), Denial> {
        let Some(patient) = &scene.principal.patient else { return Ok(()) };
        let bases = [self.own_base()];
        for (name, value) in given {
            let (base, modifier) =
                name.split_once([':', '.']).map_or((name.as_str(), None), |(base, rest)| (base, Some(rest)));
            if matches!(base, "patient" | "subject") && !value.is_empty() {
                self.check_owner_values(scene, base, modifier, value)?;
            }
            for one in url::values(value) {
                let one = url::unescape(&one);
                let foreign = match literal(&one, &bases) {
                    Named::Instance(name, id) => name == "Patient" && id != *patient,
                    Named::Conditional => one.contains("Patient?"),
                    _ => one.starts_with("Patient/") || one.contains("/Patient/") || one.contains("/Patient?"),
                };
                if foreign {
                    return Err(fault(R::OtherPatient));
                }
            }
        }
        Ok(())
    }

    /// D50: what an export has once.
    fn export_singles(&self, scene: &Scene<'_>) -> Result<(), Denial> {
        let given = self.operation_parameters(&scene.call, &scene.target)?;
        let formats = ["ndjson", "application/ndjson", "application/fhir+ndjson"];
        if given.iter().any(|(name, value)| name == "_outputFormat" && !formats.contains(&value.as_str())) {
            return Err(fault(R::NotAcceptable));
        }
        // D50: in query and body together each but the filters stands once.
        for single in ["_outputFormat", "_since"] {
            if given.iter().filter(|(name, value)| name == single && !value.is_empty()).count() > 1 {
                return Err(fault(R::MalformedQuery));
            }
        }
        Ok(())
    }

    /// D13: the filters of an export, and the types that need one.
    fn export_filters(&self, scene: &Scene<'_>, rule: &Rule) -> Result<(), Denial> {
        let given = self.operation_parameters(&scene.call, &scene.target)?;
        let mut filters: Vec<(String, Pairs)> = Vec::new();
        for (_, value) in given.iter().filter(|(name, _)| name == "_typeFilter") {
            let (name, query) = value.split_once('?').ok_or(fault(R::MalformedQuery))?;
            let asked = scene.asked.as_ref().is_none_or(|types| types.iter().any(|one| one == name));
            if !self.has_type(name) || !asked || query.contains('?') {
                return Err(fault(R::MalformedQuery));
            }
            let pairs = url::pairs(query).ok_or(fault(R::MalformedQuery))?;
            check_query_limits(&pairs)?;
            let types = vec![name.to_owned()];
            let plan = self.query(scene, rule, &types, &pairs, Kind::TypeFilter)?;
            // D50: a filter goes upstream as it came, so nothing can be left out of it.
            if !plan.ignored.is_empty() {
                return Err(fault(R::UnknownParameter));
            }
            filters.push((name.to_owned(), pairs));
        }
        let rs = Letters::READ | Letters::SEARCH;
        let operation = scene.target.operation;
        for name in self.searched(scene) {
            let open = |one: &&Rule| one.context == Some(crate::scope::Context::System) || one.basic;
            let rules: Vec<&Rule> =
                scene.all.iter().filter(open).filter(|one| one.basic || self.gives(one, &name, rs)).collect();
            if rules.iter().any(|one| self.is_plain(one, operation)) || (scene.asked.is_none() && rules.is_empty()) {
                continue;
            }
            let own: Vec<&Pairs> = filters.iter().filter(|(known, _)| *known == name).map(|(_, pairs)| pairs).collect();
            let carries = |pairs: &&Pairs| {
                rules.iter().any(|one| one.constraints.iter().all(|constraint| pairs.contains(constraint)))
            };
            if own.is_empty() || !own.iter().all(carries) {
                return Err(fault(R::NoRule));
            }
        }
        Ok(())
    }
}
