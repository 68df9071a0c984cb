//! Phase 5, Query: every parameter falls in one class, for one rule at a time.
//!
//! Invariant: what goes upstream is rebuilt from what was parsed here; a name that nobody defines never goes.

use policy::Reason as R;
use policy::decision::Phase::Query;
use policy::facts::{ParameterKind, Standing};
use policy::settings::{Confidentiality, SearchWithoutContext};

use crate::Interpreter;
use crate::call::Scene;
use crate::denial::{Denial, deny};
use crate::facts::Parameter;
use crate::phase2_token::is_paging;
use crate::query_includes::{Include, MAX_WRITTEN_OUT};
use crate::rules::Rule;
use crate::url;

pub(crate) type Pairs = Vec<(String, String)>;

/// What one rule makes of a query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Predicates, joins and includes, in the client's order.
    pub(crate) client: Pairs,
    /// Shape, in the page's order.
    pub(crate) shape: Pairs,
    /// The ownership parameters of hops.
    pub(crate) joins: Pairs,
    /// The ownership parameters of the searched type.
    pub(crate) owners: Pairs,
    /// Whether the narrowing says all that the rule asks for, constraints apart.
    pub(crate) exact: bool,
    pub(crate) used: Vec<String>,
    pub(crate) ignored: Vec<String>,
    pub(crate) includes: Vec<Include>,
    pub(crate) related: Vec<(String, String, bool)>,
    /// Whether an include is denied and denies the request, once a rule permits it (D46).
    pub(crate) refuses_includes: bool,
    /// How many predicates and joins there are.
    pub(crate) predicates: usize,
}

/// Which parameters a query may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A search: everything.
    Search,
    /// A search over several types or inside a compartment's `*`: `_type` too.
    SystemSearch,
    /// Conditional writes: predicates only (D17).
    Conditional,
    /// `If-None-Exist`: predicates and joins (D18).
    IfNoneExist,
    /// `_typeFilter`: predicates only, and no narrowing (D13).
    TypeFilter,
}

/// The shape parameters, in the order in which they go upstream.
pub(crate) const SHAPE: &[&str] = &["_elements", "_summary", "_count", "_total", "_format", "_pretty"];
/// What would make the upstream fetch, filter or change more than can be checked.
const ESCAPE: &[&str] = &["_filter", "_query", "_list", "_graph", "_cascade"];

pub(crate) const fn fault(reason: R) -> Denial {
    deny(Query, reason)
}

/// D36: a search of all the text.
const fn not_built() -> Denial {
    deny(Query, R::NotBuilt)
}

/// Whether a parameter is refused wherever it stands.
pub(crate) fn is_escape(name: &str) -> bool {
    let base = name.split(':').next().unwrap_or(name);
    let last = name.rsplit(['.', ':']).next().unwrap_or(name);
    ESCAPE.contains(&base)
        || matches!(base, "_contained" | "_containedType")
        || is_paging(base)
        || matches!(last, "in" | "not-in") && name.contains(':')
}

/// D56: a parameter without a value says nothing, and where a write hangs on it nothing is left out.
fn left_out(kind: Kind, value: &str) -> Result<(), Denial> {
    let strict = matches!(kind, Kind::Conditional | Kind::IfNoneExist);
    if strict && value.is_empty() { Err(fault(R::MalformedQuery)) } else { Ok(()) }
}

/// Where nothing is said, the form is that of what could be.
fn or_true(value: &str) -> &str {
    if value.is_empty() { "true" } else { value }
}

impl Interpreter {
    /// The types that a search is on.
    pub(crate) fn searched(&self, scene: &Scene<'_>) -> Vec<String> {
        scene.asked.clone().unwrap_or_else(|| self.types.clone())
    }

    /// A search parameter that every one of these types has, with the same kind (D3).
    pub(crate) fn parameter_of_all(&self, types: &[String], name: &str) -> Option<Parameter> {
        let (first, rest) = types.split_first()?;
        let parameter = self.parameter(first, name)?;
        let same = rest.iter().all(|other| self.parameter(other, name).is_some_and(|one| one.kind == parameter.kind));
        same.then_some(parameter)
    }

    /// Whether it is ownership on every one of these types.
    pub(crate) fn is_owner_of_all(&self, types: &[String], name: &str) -> bool {
        !types.is_empty() && types.iter().all(|one| self.is_owner(one, name))
    }

    /// Whether joins, and predicates on tags and labels, cannot be checked under a rule (D27).
    pub(crate) fn is_blind(&self, scene: &Scene<'_>, rule: &Rule) -> bool {
        self.tags_bind(rule) || (self.enforces_labels() && scene.principal.clearance < Confidentiality::V)
    }

    /// Goes through phase 5 with one rule: a search of these types.
    pub(crate) fn query(
        &self,
        scene: &Scene<'_>,
        rule: &Rule,
        types: &[String],
        given: &[(String, String)],
        kind: Kind,
    ) -> Result<Plan, Denial> {
        let mut plan = Plan { exact: true, ..Plan::default() };
        let declared = self.operations.get(scene.target.operation).map(|one| one.query.clone()).unwrap_or_default();
        // First what no rule could change, then ownership and joins, then includes; each in the client's order.
        let step = |name: &str, value: &str| {
            let base = name.split([':', '.']).next().unwrap_or(name);
            let known = base == "_has" || self.parameter_of_all(types, base).is_some();
            let owner = rule.is_patient() && self.is_owner_of_all(types, base);
            let joins = base == "_has" || name.contains('.');
            match base {
                _ if joins && matches!(kind, Kind::Conditional | Kind::TypeFilter) => 0,
                "_include" | "_revinclude" if matches!(kind, Kind::Search | Kind::SystemSearch) => 2,
                // D44: what says nothing is left out, whatever the rule.
                _ if joins && value.is_empty() => 0,
                _ if !is_escape(name) && known && (owner || base == "_has" || name.contains('.')) => 1,
                _ => 0,
            }
        };
        let mut written: Vec<(usize, (String, String))> = Vec::new();
        for turn in 0..3 {
            for (place, (name, value)) in given.iter().enumerate() {
                if turn == 0 && step(name, value) == 2 {
                    self.include_syntax(types, name, value)?;
                }
                let plain = !name.contains('.') && !name.starts_with("_has");
                let base = name.split([':', '.']).next().unwrap_or(name);
                let refers = self.parameter_of_all(types, base).is_some_and(|one| one.kind == ParameterKind::Reference);
                if turn == 0 && step(name, value) == 1 && name.contains('.') && base != "_has" && !refers {
                    return Err(fault(R::UnknownParameter));
                }
                if turn == 0 && step(name, value) == 1 && plain {
                    let base = name.split(':').next().unwrap_or(name);
                    if name.ends_with(":not") && self.is_owner_of_all(types, base) {
                        return Err(fault(R::MalformedQuery));
                    }
                    if let Some(parameter) = self.parameter_of_all(types, base).filter(|_| base != "_id") {
                        self.check_predicate(&parameter, name, or_true(value))?;
                    }
                }
                if step(name, value) != turn {
                    continue;
                }
                self.one_parameter(scene, rule, types, kind, &declared, (name, value), &mut plan)?;
                // Includes stand behind the rest.
                let order = if turn == 2 { place + given.len() } else { place };
                written.extend(plan.client.drain(..).map(|pair| (order, pair)));
            }
            if turn == 1 {
                // What one rule makes of all of them: the context first, then its lists, then its tags.
                if matches!(kind, Kind::Conditional | Kind::IfNoneExist)
                    && plan.predicates == 0
                    && plan.owners.is_empty()
                {
                    return Err(fault(R::MalformedQuery));
                }
                if kind != Kind::TypeFilter {
                    self.narrow(scene, rule, types, kind, &mut plan)?;
                }
                self.within_lists(scene, rule, given)?;
                self.not_blind(scene, rule, given)?;
            }
        }
        written.sort_by_key(|(order, _)| *order);
        let is_include =
            |(name, _): &(String, String)| matches!(name.split(':').next(), Some("_include" | "_revinclude"));
        let mut includes = 0;
        for (_, pair) in written {
            // Each include once, and no more of them than that.
            if is_include(&pair) {
                if includes >= MAX_WRITTEN_OUT || plan.client.contains(&pair) {
                    continue;
                }
                includes += 1;
            }
            plan.client.push(pair);
        }
        plan.shape.sort_by_key(|(name, _)| SHAPE.iter().position(|one| one == name));
        Ok(plan)
    }

    /// D27: what tags or labels hide, a join could still find, and `_tag` and `_security` could probe.
    fn not_blind(&self, scene: &Scene<'_>, rule: &Rule, given: &[(String, String)]) -> Result<(), Denial> {
        for (name, value) in given.iter().filter(|_| self.is_blind(scene, rule)) {
            let base = name.split([':', '.']).next().unwrap_or(name);
            if value.is_empty() {
                continue;
            }
            let known = self.parameter_of_all(&self.searched(scene), base).is_some();
            if name.starts_with("_has:") || (name.contains('.') && known) {
                return Err(fault(R::ChainDenied));
            }
            if matches!(base, "_security" | "_tag") {
                return Err(fault(R::ParameterDenied));
            }
        }
        Ok(())
    }

    /// D28: the names that the rule's lists let pass.
    pub(crate) fn within_lists(
        &self,
        scene: &Scene<'_>,
        rule: &Rule,
        given: &[(String, String)],
    ) -> Result<(), Denial> {
        let target = &scene.target;
        let of_query = match scene.call.method.as_str() {
            "PUT" | "PATCH" => false,
            "POST" => scene.call.form.is_some(),
            _ => true,
        };
        for list in rule.field_lists(target.operation).iter().filter(|_| of_query) {
            if given.iter().any(|(name, _)| !crate::fields::allows_name(list, name)) {
                return Err(fault(R::FieldDenied));
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "one parameter, seen from all sides; a struct would only hide that")]
    fn one_parameter(
        &self,
        scene: &Scene<'_>,
        rule: &Rule,
        types: &[String],
        kind: Kind,
        declared: &[String],
        (name, value): (&String, &String),
        plan: &mut Plan,
    ) -> Result<(), Denial> {
        let base = name.split([':', '.']).next().unwrap_or(name);
        let narrow = matches!(kind, Kind::Conditional | Kind::IfNoneExist | Kind::TypeFilter);
        let no_joins = matches!(kind, Kind::Conditional | Kind::TypeFilter);
        if is_escape(name) {
            return Err(fault(R::ParameterDenied));
        }
        if SHAPE.contains(&base) || base == "_sort" || matches!(base, "_include" | "_revinclude") {
            if narrow {
                match base {
                    "_include" | "_revinclude" => self.include_syntax(types, name, value)?,
                    "_sort" => self.sort(types, name, value, plan)?,
                    _ => {}
                }
                return Err(fault(R::ParameterDenied));
            }
            return match base {
                "_sort" => self.sort(types, name, value, plan),
                "_include" | "_revinclude" => self.include(scene, types, name, value, plan),
                _ => shape(name, value, plan),
            };
        }
        if base == "_type" {
            return if kind == Kind::SystemSearch && name == "_type" {
                plan.used.push(name.clone());
                if !value.is_empty() {
                    plan.client.push((name.clone(), value.clone()));
                }
                Ok(())
            } else {
                Err(fault(R::UnknownParameter))
            };
        }
        let is_join = name.starts_with("_has:") || name.contains('.');
        if base != "_has" && self.parameter_of_all(types, base).is_none() {
            if declared.iter().any(|one| one == name) {
                left_out(kind, value)?;
                plan.predicates += 1;
                plan.client.push((name.clone(), value.clone()));
                return Ok(());
            }
            // D56: what would be left out is refused.
            if matches!(kind, Kind::Conditional | Kind::IfNoneExist) {
                return Err(fault(R::UnknownParameter));
            }
            return self.unknown(types, declared, base, name, plan);
        }
        if is_join {
            if no_joins {
                return Err(fault(R::ParameterDenied));
            }
            left_out(kind, value)?;
            // D44: without a value it says nothing, if it is a join at all.
            if value.is_empty() && matches!(kind, Kind::Search | Kind::SystemSearch) {
                let parameter = self.parameter_of_all(types, base);
                if base != "_has" && parameter.is_none_or(|one| one.kind != ParameterKind::Reference) {
                    return Err(fault(R::UnknownParameter));
                }
                plan.ignored.push(name.clone());
                return Ok(());
            }
            plan.predicates += 1;
            plan.used.push(name.clone());
            return self.join(scene, rule, types, name, value, plan);
        }
        if base == "_has" {
            return Err(fault(if no_joins { R::ParameterDenied } else { R::UnknownParameter }));
        }
        if self.is_owner_of_all(types, base) && name.split_once(':').is_some_and(|(_, modifier)| modifier == "not") {
            return Err(fault(R::MalformedQuery));
        }
        if value.is_empty() {
            let parameter = self.parameter_of_all(types, base).ok_or(fault(R::UnknownParameter))?;
            self.check_predicate(&parameter, name, or_true(value))?;
            if matches!(kind, Kind::Search | Kind::SystemSearch) {
                plan.ignored.push(name.clone());
                return Ok(());
            }
        }
        if rule.is_patient() && self.is_owner_of_all(types, base) {
            plan.predicates += 1;
            self.ownership(scene, types, name, value, plan)?;
            return left_out(kind, value);
        }
        let parameter = self.parameter_of_all(types, base).ok_or(fault(R::UnknownParameter))?;
        self.check_predicate(&parameter, name, value)?;
        left_out(kind, value)?;
        plan.predicates += 1;
        plan.client.push((name.clone(), value.clone()));
        Ok(())
    }

    /// A name that neither FHIR nor the document defines here.
    fn unknown(
        &self,
        types: &[String],
        declared: &[String],
        base: &str,
        name: &str,
        plan: &mut Plan,
    ) -> Result<(), Denial> {
        let names = types.iter().flat_map(|one| self.parameter_names(one)).chain(declared.iter().cloned());
        let fixed = SHAPE.iter().chain(ESCAPE).map(|one| (*one).to_owned());
        if base.starts_with('_') || names.chain(fixed).any(|one| one.eq_ignore_ascii_case(base)) {
            return Err(fault(R::UnknownParameter));
        }
        plan.ignored.push(name.to_owned());
        Ok(())
    }

    /// Modifier and value of a predicate.
    pub(crate) fn check_predicate(&self, parameter: &Parameter, name: &str, value: &str) -> Result<(), Denial> {
        use ParameterKind as K;
        // D36: nobody can tell what a search of all the text would tell.
        if matches!(parameter.name.as_str(), "_content" | "_text") {
            return Err(not_built());
        }
        let Some((_, modifier)) = name.split_once(':') else { return Ok(()) };
        let known = match (parameter.kind, modifier) {
            (_, "missing") if matches!(value, "true" | "false") => true,
            (_, "missing") => return Err(fault(R::MalformedQuery)),
            (K::String, "exact" | "contains") => true,
            (K::Token, "text" | "not" | "above" | "below" | "of-type") => true,
            (K::Uri, "above" | "below") => true,
            (K::Reference, "identifier") => true,
            (K::Reference, name) if crate::facts::is_type_name(name) => {
                parameter.targets.is_empty() || parameter.targets.iter().any(|one| one == name)
            }
            _ => false,
        };
        if known { Ok(()) } else { Err(fault(R::UnknownParameter)) }
    }

    fn sort(&self, types: &[String], name: &str, value: &str, plan: &mut Plan) -> Result<(), Denial> {
        if name != "_sort" {
            return Err(fault(R::UnknownParameter));
        }
        if value.is_empty() {
            plan.ignored.push(name.to_owned());
            return Ok(());
        }
        let all_text = |one: &String| matches!(one.strip_prefix('-').unwrap_or(one), "_content" | "_text");
        if url::values(value).iter().any(all_text) {
            return Err(not_built());
        }
        let known = |one: &String| self.parameter_of_all(types, one.strip_prefix('-').unwrap_or(one)).is_some();
        if !url::values(value).iter().all(known) {
            return Err(fault(R::UnknownParameter));
        }
        plan.ignored.push(name.to_owned());
        plan.client.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Each value of an ownership parameter is the patient context.
    fn ownership(
        &self,
        scene: &Scene<'_>,
        types: &[String],
        name: &str,
        value: &str,
        plan: &mut Plan,
    ) -> Result<(), Denial> {
        let (base, modifier) = name.split_once(':').map_or((name, None), |(base, modifier)| (base, Some(modifier)));
        let parameter = self.parameter_of_all(types, base).ok_or(fault(R::UnknownParameter))?;
        match modifier {
            Some("not") => return Err(fault(R::MalformedQuery)),
            Some(other) if base == "_id" && other != "missing" => return Err(fault(R::UnknownParameter)),
            Some(_) => self.check_predicate(&parameter, name, value)?,
            None => {}
        }
        plan.used.push(base.to_owned());
        if matches!(modifier, Some("missing" | "identifier")) {
            plan.client.push((name.to_owned(), value.to_owned()));
            return Ok(());
        }
        if value.is_empty() {
            plan.ignored.push(name.to_owned());
            return Ok(());
        }
        self.check_owner_values(scene, base, modifier, value)?;
        let proven = (base.to_owned(), self.owner_value(scene, base));
        if !plan.owners.contains(&proven) {
            plan.owners.push(proven);
        }
        Ok(())
    }

    /// Whether every value of an ownership parameter names the patient context.
    pub(crate) fn check_owner_values(
        &self,
        scene: &Scene<'_>,
        base: &str,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<(), Denial> {
        let patient = scene.principal.patient.clone().unwrap_or_default();
        for one in url::values(value) {
            let one = url::unescape(&one);
            if base == "_id" {
                if one != patient {
                    return Err(fault(R::OtherPatient));
                }
                continue;
            }
            let relative = self.relative(&one).ok_or(fault(R::OtherPatient))?;
            let parts: Vec<&str> = relative.split('/').collect();
            let (type_name, id) = match parts.as_slice() {
                [id] => (modifier.unwrap_or("Patient"), *id),
                [type_name, id] => (*type_name, *id),
                [_, _, "_history", _] => return Err(fault(R::MalformedQuery)),
                _ => return Err(fault(R::OtherPatient)),
            };
            let contradicts = modifier.is_some_and(|modifier| modifier != type_name);
            if type_name != "Patient" || id != patient || contradicts {
                return Err(fault(R::OtherPatient));
            }
        }
        Ok(())
    }

    /// What is left of a reference below the Service's own base; none for a foreign base.
    fn relative(&self, text: &str) -> Option<String> {
        let Some(given) = url::absolute(text) else {
            return (!text.contains("://") && !text.starts_with('/')).then(|| text.to_owned());
        };
        let own = url::absolute(&self.service.base_url)?;
        let same = given.scheme == own.scheme && given.authority == own.authority;
        given.rest.strip_prefix(own.rest).and_then(|rest| rest.strip_prefix('/')).filter(|_| same).map(str::to_owned)
    }

    /// The typed value of an ownership parameter.
    pub(crate) fn owner_value(&self, scene: &Scene<'_>, name: &str) -> String {
        let patient = scene.principal.patient.clone().unwrap_or_default();
        if name == "_id" { patient } else { format!("Patient/{patient}") }
    }

    /// Enforces the patient context of a rule on a search, as `search_without_context` says.
    fn narrow(
        &self,
        scene: &Scene<'_>,
        rule: &Rule,
        types: &[String],
        kind: Kind,
        plan: &mut Plan,
    ) -> Result<(), Denial> {
        // D4: a whole compartment is inexact, whatever the rule.
        let whole = scene.target.interaction == Some(policy::operation::Interaction::SearchCompartment)
            && scene.target.resource_type.is_none();
        plan.exact &= !whole;
        if !rule.is_patient() {
            return Ok(());
        }
        let owned: Vec<String> = types.iter().filter(|one| self.standing(one) != Standing::Shared).cloned().collect();
        if owned.is_empty() {
            return Ok(());
        }
        let covered_by_more = |name: &String| {
            matches!(
                self.standing(name),
                Standing::NamesPatients | Standing::Provenance | Standing::Binary | Standing::Undecidable
            )
        };
        plan.exact = !owned.iter().any(covered_by_more);
        let asks = self.service.settings.search_without_context == SearchWithoutContext::Deny;
        if asks && plan.owners.is_empty() {
            return Err(fault(R::OtherPatient));
        }
        if scene.target.interaction == Some(policy::operation::Interaction::SearchCompartment)
            && scene.target.resource_type.is_none()
        {
            // D4: the path is the narrowing.
            plan.exact = false;
            return Ok(());
        }
        if !plan.owners.is_empty() {
            return Ok(());
        }
        match self.service.settings.search_without_context {
            SearchWithoutContext::Check => plan.exact = false,
            SearchWithoutContext::Deny => return Err(fault(R::OtherPatient)),
            SearchWithoutContext::Narrow => {
                let name = match (owned.as_slice(), kind) {
                    ([one], _) if types.len() == 1 => self.narrowing_parameter(one),
                    (_, Kind::SystemSearch) => Some(self.common_owner(&owned).ok_or(fault(R::ParameterDenied))?),
                    _ => None,
                };
                match name {
                    Some(name) => {
                        let value = self.owner_value(scene, &name);
                        plan.owners.push((name, value));
                    }
                    None => plan.exact = false,
                }
            }
        }
        Ok(())
    }

    /// D3: `patient` if all have it, else the first in the alphabet that all have.
    fn common_owner(&self, types: &[String]) -> Option<String> {
        if self.is_owner_of_all(types, "patient") {
            return Some("patient".to_owned());
        }
        let first = types.first()?;
        let mut names = self.parameter_names(first);
        names.sort();
        names.into_iter().find(|name| self.is_owner_of_all(types, name))
    }
}

/// A shape parameter, once, with a value that can be.
pub(crate) fn shape(name: &str, value: &str, plan: &mut Plan) -> Result<(), Denial> {
    if !SHAPE.contains(&name) {
        return Err(fault(R::UnknownParameter));
    }
    plan.ignored.push(name.to_owned());
    if value.is_empty() {
        return Ok(());
    }
    let names = |text: &str| url::values(text).iter().all(|one| is_element_name(one));
    let ok = match name {
        "_elements" => names(value),
        "_summary" if value == "text" => return Err(fault(R::ParameterDenied)),
        "_summary" => matches!(value, "true" | "data" | "count" | "false"),
        "_count" => value.len() <= 6 && value.bytes().all(|byte| byte.is_ascii_digit()),
        "_total" => matches!(value, "none" | "estimate" | "accurate"),
        "_pretty" => matches!(value, "true" | "false"),
        // Phase 1 saw that it asks for JSON.
        _ => true,
    };
    if !ok {
        return Err(fault(R::MalformedQuery));
    }
    let value = if name == "_format" { "json" } else { value };
    match plan.shape.iter_mut().find(|(known, _)| known == name) {
        None => plan.shape.push((name.to_owned(), value.to_owned())),
        Some((_, known)) if name == "_elements" => {
            for one in url::values(value) {
                if !url::values(known).contains(&one) {
                    known.push_str(&format!(",{one}"));
                }
            }
        }
        // Two that differ are at odds.
        Some((_, known)) if known != value => return Err(fault(R::MalformedQuery)),
        Some(_) => {}
    }
    Ok(())
}

fn is_element_name(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_alphabetic()) && text.chars().all(|char| char.is_ascii_alphanumeric())
}
