//! Phase 4, Rules: which rules of the token fit type, letters and path.
//!
//! Invariant: what fits is a list of whole rules; several types at once are judged by groups (D1), and the context of a
//! rule never meets the type of another group.

use policy::Reason as R;
use policy::basic::BasicKey;
use policy::decision::Phase::{Body, Rules};
use policy::facts::Standing;
use policy::letters::Letters;
use policy::operation::Interaction as I;
use policy::request::Caller;
use policy::settings::Shared;
use serde_json::Value;

use crate::Interpreter;
use crate::call::{Call, Scene, Target};
use crate::denial::{Denial, deny};
use crate::rules::Rule;
use crate::scope::Context;
use crate::url;

/// What phase 4 leaves.
pub(crate) struct Fitting<'a> {
    pub(crate) scene: Scene<'a>,
    /// The rules that fit, in the token's order.
    pub(crate) rules: Vec<Rule>,
    /// They fit by the reference of the context Patient only (I26, D6).
    pub(crate) by_reference: bool,
}

impl Interpreter {
    /// Goes through phase 4.
    pub(crate) fn rules<'a>(&self, call: Call<'a>, target: Target, caller: &Caller<'_>) -> Result<Fitting<'a>, Denial> {
        if let Caller::Both(_, _, key) = caller {
            self.check_key(key, &target)?;
        }
        let (principal, collected) = self.collect(caller).ok_or(deny(Rules, R::NoPermission))?;
        let all = self.under_ceiling(&principal, collected);
        let asks_async = call.headers.iter().any(|(name, value)| name == "prefer" && prefers(value, "respond-async"));
        let asked = self.asked_types(&call, &target)?;
        let scene = Scene { call, target, principal, all, asked };
        let (rules, by_reference) = self.fit(&scene)?;
        let fits_async = rules.iter().any(|rule| rule.context == Some(Context::System));
        if self.is_fhir() && asks_async && scene.target.interaction.is_some() && !fits_async {
            return Err(deny(Rules, R::NoRule));
        }
        Ok(Fitting { scene, rules, by_reference })
    }

    /// D30: the key has to hold what the request needs, before the token's rules are asked.
    fn check_key(&self, key: &BasicKey, target: &Target) -> Result<(), Denial> {
        let (read, write) = self.privileges(key);
        let writes = self.operations.get(target.operation).is_some_and(|one| self.is_write(one));
        match (read, write) {
            (false, false) => Err(deny(Rules, R::NoPermission)),
            _ if target.interaction == Some(I::Batch) => Ok(()),
            (_, true) if writes => Ok(()),
            (true, _) if !writes => Ok(()),
            _ => Err(deny(Rules, R::NoRule)),
        }
    }

    /// The types that a request over several names (D2); none for all of them.
    fn asked_types(&self, call: &Call<'_>, target: &Target) -> Result<Option<Vec<String>>, Denial> {
        let code = target.code.as_deref();
        let by_query = match target.interaction {
            Some(I::SearchSystem | I::HistorySystem) => true,
            Some(I::SearchCompartment) => target.resource_type.is_none(),
            Some(I::Operation) => code == Some("export") || code == Some("everything"),
            _ => false,
        };
        if !by_query {
            return Ok(target.resource_type.clone().map(|name| vec![name]));
        }
        let given = self.operation_parameters(call, target)?;
        let lists: Vec<&String> =
            given.iter().filter(|(name, value)| name == "_type" && !value.is_empty()).map(|(_, value)| value).collect();
        match lists.as_slice() {
            [] => Ok(None),
            [list] => {
                let types = url::values(list);
                if types.iter().any(|name| !self.has_type(name)) {
                    return Err(deny(Rules, R::MalformedQuery));
                }
                // In the client's order: what is written out for each, and cut off at a limit, follows it.
                let mut once: Vec<String> = Vec::new();
                for name in types {
                    if !once.contains(&name) {
                        once.push(name);
                    }
                }
                Ok(Some(once))
            }
            _ => Err(deny(Rules, R::MalformedQuery)),
        }
    }

    /// The parameters of a request: query and form; of `$everything` and `$export` those of a Parameters body too.
    pub(crate) fn operation_parameters(
        &self,
        call: &Call<'_>,
        target: &Target,
    ) -> Result<Vec<(String, String)>, Denial> {
        let mut given = call.parameters();
        let has_parameters = matches!(target.code.as_deref(), Some("everything" | "export"));
        if target.interaction != Some(I::Operation) || !has_parameters || !call.has_body() {
            return Ok(given);
        }
        let fault = deny(Body, R::MalformedBody);
        let body = call.json()?;
        if body.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
            return Err(fault);
        }
        let list = match body.get("parameter") {
            None => Vec::new(),
            Some(list) => list.as_array().cloned().ok_or(fault)?,
        };
        for one in list {
            let one = one.as_object().ok_or(fault)?;
            let name = one.get("name").and_then(Value::as_str).ok_or(fault)?;
            let values: Vec<(&String, &Value)> = one.iter().filter(|(key, _)| *key != "name").collect();
            let [(key, value)] = values.as_slice() else { return Err(fault) };
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(bool) => bool.to_string(),
                _ => return Err(fault),
            };
            if !key.starts_with("value") {
                return Err(fault);
            }
            given.push((name.to_owned(), text));
        }
        Ok(given)
    }

    /// Whether a rule gives letters on a type; a `patient/` rule only where its tables can tell the owner.
    pub(crate) fn gives(&self, rule: &Rule, resource_type: &str, letters: Letters) -> bool {
        self.gives_for(rule, resource_type, letters, None)
    }

    /// The same, for one operation.
    fn gives_for(&self, rule: &Rule, resource_type: &str, letters: Letters, operation: Option<usize>) -> bool {
        if !self.letters_for(rule, resource_type, operation).contains(letters) {
            return false;
        }
        if !rule.is_patient() {
            return true;
        }
        let any = |some: Letters| !(letters & some).is_empty();
        let writes = any(Letters::CREATE | Letters::UPDATE | Letters::DELETE);
        match self.standing(resource_type) {
            Standing::Undecidable => false,
            Standing::Patient => !any(Letters::CREATE | Letters::DELETE),
            Standing::Shared => !writes && self.service.settings.shared != Shared::Referenced,
            Standing::Provenance => !writes,
            Standing::Compartment | Standing::PatientElement | Standing::NamesPatients | Standing::Binary => true,
        }
    }

    /// Whether a compartment's URL can name members of that type, which a `patient/` rule needs: by their own elements.
    fn has_members(&self, resource_type: &str) -> bool {
        !matches!(self.standing(resource_type), Standing::Shared | Standing::Provenance | Standing::Binary)
    }

    /// Whether a rule fits one operation on one type: a role by its name, a scope by its letters.
    fn fits_one(&self, rule: &Rule, operation: usize, resource_type: &str, letters: Letters) -> bool {
        if rule.basic {
            return rule.names(operation);
        }
        if rule.letters.is_none() {
            return rule.names(operation) && self.letters_for(rule, resource_type, Some(operation)).contains(letters);
        }
        !rule.excludes(operation) && self.gives_for(rule, resource_type, letters, Some(operation))
    }

    /// Whether a rule fits a read of that type.
    pub(crate) fn fits_read(&self, scene: &Scene<'_>, rule: &Rule, resource_type: &str) -> bool {
        self.fits_one(rule, scene.target.operation, resource_type, Letters::READ)
    }

    fn fit(&self, scene: &Scene<'_>) -> Result<(Vec<Rule>, bool), Denial> {
        let target = &scene.target;
        let operation = target.operation;
        let of = |pick: &dyn Fn(&Rule) -> bool| -> Vec<Rule> {
            scene.all.iter().filter(|rule| pick(rule)).cloned().collect()
        };
        let name = target.resource_type.clone().unwrap_or_default();
        let one = |letters: Letters| of(&|rule: &Rule| self.fits_one(rule, operation, &name, letters));
        let not_patient =
            |rules: Vec<Rule>| -> Vec<Rule> { rules.into_iter().filter(|rule| !rule.is_patient()).collect() };
        let found = match target.interaction {
            None => of(&|rule: &Rule| rule.names(operation)),
            // It is open to everybody, so only an entry of a batch comes here: whose answer nobody checks.
            Some(I::Capabilities) => Vec::new(),
            Some(I::Batch) => return Ok((scene.all.clone(), false)),
            Some(I::Read) => {
                let found = one(Letters::READ);
                if found.is_empty() && self.shared_by_reference(&name) {
                    let by = of(&|rule: &Rule| {
                        scene.principal.patient.is_some()
                            && rule.is_patient()
                            && self.gives(rule, "Patient", Letters::READ)
                            && rule.operations.is_none()
                    });
                    return self.in_context(scene, by).map(|rules| (rules, true));
                }
                found
            }
            Some(I::Vread | I::HistoryInstance) => one(Letters::READ),
            Some(I::SearchType) => one(Letters::SEARCH),
            Some(I::HistoryType) => not_patient(one(Letters::SEARCH)),
            Some(I::SearchCompartment) if target.instance_type.as_deref() != Some("Patient") => Vec::new(),
            Some(I::SearchCompartment) if target.resource_type.is_some() => {
                let member = |rule: &Rule| !rule.is_patient() || self.has_members(&name);
                one(Letters::SEARCH).into_iter().filter(member).collect()
            }
            Some(I::SearchCompartment | I::SearchSystem) => {
                self.groups(scene, &scene.all, scene.asked.as_deref(), Letters::SEARCH)
            }
            Some(I::HistorySystem) => {
                self.groups(scene, &not_patient(scene.all.clone()), scene.asked.as_deref(), Letters::SEARCH)
            }
            Some(I::Create) if scene.call.header("if-none-exist").is_some() => one(Letters::CREATE | Letters::SEARCH),
            Some(I::Create) => one(Letters::CREATE),
            Some(I::Update | I::Patch) => one(Letters::UPDATE),
            Some(I::Delete) => one(Letters::DELETE),
            Some(I::Conditional) => return self.fit_conditional(scene, &name).map(|rules| (rules, false)),
            Some(I::Operation) => return self.fit_operation(scene).map(|rules| (rules, false)),
        };
        self.in_context(scene, found).map(|rules| (rules, false))
    }

    /// Takes away `patient/` rules without a patient, and those whose patient the path does not name.
    fn in_context(&self, scene: &Scene<'_>, found: Vec<Rule>) -> Result<Vec<Rule>, Denial> {
        if found.is_empty() {
            return Err(deny(Rules, R::NoRule));
        }
        let usable: Vec<Rule> =
            found.into_iter().filter(|rule| !rule.is_patient() || scene.principal.patient.is_some()).collect();
        if usable.is_empty() {
            return Err(deny(Rules, R::NoPatientContext));
        }
        let named = scene.target.id.as_ref().filter(|_| scene.target.instance_type.as_deref() == Some("Patient"));
        let agrees = |rule: &Rule| !rule.is_patient() || named.is_none() || named == scene.principal.patient.as_ref();
        let left: Vec<Rule> = usable.into_iter().filter(agrees).collect();
        if left.is_empty() { Err(deny(Rules, R::OtherPatient)) } else { Ok(left) }
    }

    /// D1: the rules of the groups that give the letters on every type asked.
    fn groups(&self, scene: &Scene<'_>, rules: &[Rule], asked: Option<&[String]>, letters: Letters) -> Vec<Rule> {
        let operation = scene.target.operation;
        let usable = |rule: &Rule| !rule.excludes(operation) || rule.letters.is_none();
        // A role gives exactly its operations; only for `$everything` it counts as letters too.
        let everything = scene.target.code.as_deref() == Some("everything");
        let by_letters = |rule: &Rule| rule.letters.is_some() || everything;
        let compartment = scene.target.interaction == Some(I::SearchCompartment);
        let members = |rule: &Rule, name: &str| !compartment || !rule.is_patient() || self.has_members(name);
        let gives = |rule: &Rule, name: &String| {
            rule.names(operation) || (by_letters(rule) && self.gives(rule, name, letters) && members(rule, name))
        };
        let by_star = |rule: &Rule| {
            rule.names(operation) || (rule.letters.is_some() && self.letters_on_all(rule).contains(letters))
        };
        let fits = |group: &[&Rule]| match asked {
            Some(types) => types.iter().all(|name| group.iter().any(|rule| gives(rule, name))),
            None => group.iter().any(|rule| by_star(rule)),
        };
        let counts = |rule: &Rule| match asked {
            Some(types) => types.iter().any(|name| gives(rule, name)),
            None => self.types.iter().any(|name| gives(rule, name)),
        };
        let of = |patient: bool| {
            rules.iter().filter(|rule| rule.is_patient() == patient && usable(rule)).collect::<Vec<_>>()
        };
        let (patients_fit, others_fit) = (fits(&of(true)), fits(&of(false)));
        let in_fitting = |rule: &&Rule| if rule.is_patient() { patients_fit } else { others_fit };
        rules.iter().filter(|rule| usable(rule)).filter(in_fitting).filter(|rule| counts(rule)).cloned().collect()
    }

    /// D17: only by plain rules, as the target cannot be checked first.
    fn fit_conditional(&self, scene: &Scene<'_>, name: &str) -> Result<Vec<Rule>, Denial> {
        let operation = scene.target.operation;
        let letters = Letters::SEARCH | if scene.call.method == "DELETE" { Letters::DELETE } else { Letters::UPDATE };
        let found: Vec<Rule> =
            scene.all.iter().filter(|rule| self.fits_one(rule, operation, name, letters)).cloned().collect();
        let found = self.in_context(scene, found)?;
        let creates = scene.call.method == "PUT";
        let deletes = scene.call.method == "DELETE";
        // D65: what a patch makes of a DocumentReference cannot be looked at.
        let opens = scene.call.method == "PATCH" && name == "DocumentReference" && scene.principal.patient.is_some();
        let plain =
            |rule: &Rule| if deletes { self.is_plain(rule, operation) } else { self.writes_blindly(scene, rule) };
        let ok = |rule: &Rule| !opens && plain(rule) && (!creates || self.gives(rule, name, Letters::CREATE));
        let plain: Vec<Rule> = found.into_iter().filter(ok).collect();
        if plain.is_empty() { Err(deny(Rules, R::ConditionalDenied)) } else { Ok(plain) }
    }

    fn fit_operation(&self, scene: &Scene<'_>) -> Result<Vec<Rule>, Denial> {
        let target = &scene.target;
        let rs = Letters::READ | Letters::SEARCH;
        match target.code.as_deref() {
            Some("everything") if target.resource_type.is_some() => {
                let at_type = target.id.is_none();
                let usable: Vec<Rule> =
                    scene.all.iter().filter(|rule| !at_type || !rule.is_patient()).cloned().collect();
                let found = self.groups(scene, &usable, scene.asked.as_deref(), rs);
                self.in_context(scene, found)
            }
            Some("export") => self.fit_export(scene, rs),
            Some("graphql") => Err(deny(Rules, R::OperationDenied)),
            _ => {
                let named = |rule: &&Rule| rule.names(target.operation) && !rule.by_default;
                let found: Vec<Rule> = scene.all.iter().filter(named).cloned().collect();
                if found.is_empty() {
                    return Err(deny(Rules, R::OperationDenied));
                }
                // D12: a Patient in the path is the context's, whatever rule names the operation.
                match (&scene.principal.patient, &target.id, target.resource_type.as_deref()) {
                    (Some(patient), Some(id), Some("Patient")) if patient != id => Err(deny(Rules, R::OtherPatient)),
                    _ => Ok(found),
                }
            }
        }
    }

    /// D13: `system/` rules with `rs` on each type, and on what the level names; or a key that may read.
    fn fit_export(&self, scene: &Scene<'_>, rs: Letters) -> Result<Vec<Rule>, Denial> {
        let operation = scene.target.operation;
        let key = |rule: &Rule| rule.basic && rule.names(operation);
        let usable = |rule: &&Rule| key(rule) || (rule.context == Some(Context::System) && !rule.excludes(operation));
        let rules: Vec<Rule> = scene.all.iter().filter(usable).cloned().collect();
        let level: &[&str] = match (scene.target.resource_type.as_deref(), scene.target.id.is_some()) {
            (None, _) => &[],
            (Some("Patient"), false) => &["Patient"],
            (Some("Group"), true) => &["Group", "Patient"],
            // D50: Bulk Data defines no other level.
            _ => return Err(deny(Rules, R::NoRule)),
        };
        let given = |name: &str| rules.iter().any(|rule| key(rule) || self.gives(rule, name, rs));
        let found = self.groups(scene, &rules, scene.asked.as_deref(), rs);
        if found.is_empty() || !level.iter().all(|name| given(name)) { Err(deny(Rules, R::NoRule)) } else { Ok(found) }
    }
}

/// Whether a `Prefer` names a preference, alone or as `name=value`.
pub(crate) fn prefers(header: &str, wanted: &str) -> bool {
    header
        .split([',', ';'])
        .map(str::trim)
        .any(|one| one.split('=').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted))
}
