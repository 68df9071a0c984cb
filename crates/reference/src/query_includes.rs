//! Phase 5: `_include` and `_revinclude`, and the verdict on each related type (K39, K40).
//!
//! Invariant: what is denied never goes upstream; what goes is still checked entry by entry.

use policy::Reason as R;
use policy::facts::ParameterKind;
use policy::letters::Letters;
use policy::settings::Uncovered;

use crate::Interpreter;
use crate::call::Scene;
use crate::denial::Denial;
use crate::facts::{Parameter, is_type_name};
use crate::phase5_query::{Plan, fault};

/// The most includes that go upstream.
pub(crate) const MAX_WRITTEN_OUT: usize = 100;

/// An include that goes upstream.
#[derive(Clone, Debug)]
pub(crate) struct Include {
    pub(crate) reverse: bool,
    /// The type that holds the reference.
    pub(crate) source: String,
    pub(crate) parameter: Parameter,
    /// The only type that it leads to.
    pub(crate) target: Option<String>,
}

impl Include {
    /// Whether resources of that type come in by it.
    pub(crate) fn brings(&self, name: &str) -> bool {
        if self.reverse {
            return self.source == name;
        }
        let targets = &self.parameter.targets;
        self.target.as_deref().is_none_or(|target| target == name)
            && (targets.is_empty() || targets.iter().any(|target| target == name))
    }
}

impl Interpreter {
    /// Whether an included type may come: some rule reads it, or it is shared.
    fn may_include(&self, scene: &Scene<'_>, name: &str) -> bool {
        let usable = |one: &&crate::rules::Rule| !one.is_patient() || scene.principal.patient.is_some();
        let read = scene.all.iter().filter(usable).any(|one| self.gives(one, name, Letters::READ));
        self.has_type(name) && (read || self.shared_by_reference(name))
    }

    fn may_reverse(&self, scene: &Scene<'_>, name: &str) -> bool {
        let usable = |one: &&crate::rules::Rule| !one.is_patient() || scene.principal.patient.is_some();
        scene.all.iter().filter(usable).any(|one| self.gives(one, name, Letters::SEARCH))
    }

    /// One `_include` or `_revinclude`.
    pub(crate) fn include(
        &self,
        scene: &Scene<'_>,
        types: &[String],
        name: &str,
        value: &str,
        plan: &mut Plan,
    ) -> Result<(), Denial> {
        if value.is_empty() {
            return Ok(());
        }
        // Whatever a kept entry leads to may come, so that to iterate changes nothing here.
        if !matches!(name.split_once(':'), None | Some((_, "iterate"))) {
            return Err(fault(R::UnknownParameter));
        }
        let reverse = name.starts_with("_revinclude");
        plan.used.push(name.split(':').next().unwrap_or(name).to_owned());
        let asked = self.asked_includes(types, reverse, value)?;
        let wildcard = value == "*" || value.ends_with(":*");
        let via = format!("{name}={value}");
        let mut verdicts: Vec<(String, bool)> = Vec::new();
        for one in asked {
            let label = format!("{}:{}", one.source, one.parameter.name);
            if reverse {
                let granted = self.may_reverse(scene, &one.source);
                verdicts.push((one.source.clone(), granted));
                if granted {
                    let target = one.target.as_ref().map(|target| format!(":{target}")).unwrap_or_default();
                    plan.client.push((name.to_owned(), format!("{label}{target}")));
                    plan.includes.push(one);
                }
                continue;
            }
            // One that may lead anywhere leads to every type of the Service.
            let targets = match &one.target {
                Some(target) => vec![target.clone()],
                None => self.targets(&one.parameter).unwrap_or_else(|| self.types.clone()),
            };
            let granted: Vec<&String> = targets.iter().filter(|target| self.may_include(scene, target)).collect();
            verdicts.extend(targets.iter().map(|target| (target.clone(), granted.contains(&target))));
            if granted.len() == targets.len() && !wildcard {
                let target = one.target.as_ref().map(|target| format!(":{target}")).unwrap_or_default();
                plan.client.push((name.to_owned(), format!("{label}{target}")));
                plan.includes.push(one.clone());
            } else {
                for target in granted {
                    plan.client.push((name.to_owned(), format!("{label}:{target}")));
                    plan.includes.push(Include { target: Some(target.clone()), ..one.clone() });
                }
            }
        }
        if wildcard {
            verdicts.sort();
            verdicts.dedup();
        }
        if verdicts.is_empty() {
            verdicts.push(("*".to_owned(), false));
        }
        let denied = verdicts.iter().any(|(_, granted)| !granted);
        plan.related.extend(verdicts.into_iter().map(|(name, granted)| (via.clone(), name, granted)));
        plan.refuses_includes |= denied && self.service.settings.related == Uncovered::Reject;
        Ok(())
    }

    /// Whether an include can be read at all, whatever any rule says.
    pub(crate) fn include_syntax(&self, types: &[String], name: &str, value: &str) -> Result<(), Denial> {
        // Whatever a kept entry leads to may come, so that to iterate changes nothing here.
        if !matches!(name.split_once(':'), None | Some((_, "iterate"))) {
            return Err(fault(R::UnknownParameter));
        }
        let reverse = name.starts_with("_revinclude");
        if value.is_empty() { Ok(()) } else { self.asked_includes(types, reverse, value).map(|_| ()) }
    }

    /// What a value asks for: one parameter, or with `*` every one that can lead from or to the searched types.
    fn asked_includes(&self, types: &[String], reverse: bool, value: &str) -> Result<Vec<Include>, Denial> {
        let unknown = fault(R::UnknownParameter);
        let parts: Vec<&str> = value.split(':').collect();
        let sources = match parts.as_slice() {
            ["*"] if reverse => Some(self.types.clone()),
            ["*"] => Some(types.to_vec()),
            [source, "*"] if self.has_type(source) => Some(vec![(*source).to_owned()]),
            [_, "*"] => return Err(unknown),
            _ => None,
        };
        if let Some(sources) = sources {
            let one = |source: &String, parameter: Parameter, target: Option<&String>| Include {
                reverse,
                source: source.clone(),
                parameter,
                target: target.cloned(),
            };
            let mut all = Vec::new();
            if !reverse {
                for source in &sources {
                    all.extend(self.references(source).into_iter().map(|parameter| one(source, parameter, None)));
                }
                return Ok(all);
            }
            // What points at what is searched.
            for own in types {
                for source in &sources {
                    let points = |one: &Parameter| {
                        self.targets(one).is_none_or(|targets| targets.iter().any(|target| target == own))
                    };
                    let pointing = self.references(source).into_iter().filter(points);
                    all.extend(pointing.map(|parameter| one(source, parameter, Some(own))));
                }
            }
            return Ok(all);
        }
        let (source, name, target) = match parts.as_slice() {
            [source, name] => (*source, *name, None),
            [source, name, target] => (*source, *name, Some(*target)),
            _ => return Err(fault(R::MalformedQuery)),
        };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(fault(R::MalformedQuery));
        }
        if !self.has_type(source) {
            return Err(unknown);
        }
        if target.is_some_and(|target| !is_type_name(target)) {
            return Err(fault(R::MalformedQuery));
        }
        let parameter =
            self.parameter(source, name).filter(|one| one.kind == ParameterKind::Reference).ok_or(unknown)?;
        let can = |target: &str| {
            is_type_name(target) && (parameter.targets.is_empty() || parameter.targets.iter().any(|one| one == target))
        };
        if target.is_some_and(|target| !can(target)) {
            return Err(unknown);
        }
        let target = target.map(str::to_owned);
        Ok(vec![Include { reverse, source: source.to_owned(), parameter, target }])
    }

    /// The reference parameters of a type.
    fn references(&self, type_name: &str) -> Vec<Parameter> {
        let own = fhir::r4().parameters(type_name).map(Parameter::from);
        own.filter(|one| one.kind == ParameterKind::Reference).collect()
    }
}
