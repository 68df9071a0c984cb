//! Includes: which other resources may come with a result, and by which of them.

use std::collections::BTreeMap;

use policy::decision::{Obligation, Phase, Related};
use policy::facts::{ParameterKind, SearchParameter, Standing, TypeFacts};
use policy::letters::Letters;
use policy::reason::Reason;
use policy::settings::{Shared, Uncovered};
use policy::text::TypeName;

use super::Scene;
use super::class;
use crate::arena::Arena;
use crate::denial::Denial;
use crate::judge::Trace;
use crate::normalise::Parameter;

/// More typed includes than this, of wildcards written out, are left out; each is one parameter upstream.
const MAX_WRITTEN_OUT: usize = 100;

/// The includes that a client asks for.
#[derive(Debug, Default)]
pub(super) struct Includes {
    asked: Vec<Asked>,
}

#[derive(Debug)]
struct Asked {
    /// `_include=Observation:subject`, as in the record.
    via: String,
    parameter: &'static str,
    reverse: bool,
    /// Each source, code and target type that it may bring in.
    steps: Vec<Step>,
    /// Whether it goes upstream as it came, once all of it is granted.
    whole: Option<String>,
}

#[derive(Debug)]
struct Step {
    source: String,
    code: String,
    target: String,
}

/// The includes that go upstream.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) pairs: Vec<(&'static str, String)>,
    /// The types that come in by `_include`.
    pub(super) included: Vec<String>,
    /// The types that come in by `_revinclude`.
    pub(super) reverse: Vec<String>,
}

impl Kept {
    fn add(&mut self, pair: (&'static str, String)) {
        if self.pairs.len() < MAX_WRITTEN_OUT && !self.pairs.contains(&pair) {
            self.pairs.push(pair);
        }
    }
}

impl Includes {
    /// Reads one include.
    #[inline(never)]
    pub(super) fn add(
        &mut self,
        scene: &Scene<'_>,
        one: &Parameter<'_>,
        reverse: bool,
        iterate: bool,
    ) -> Result<(), Denial> {
        let parameter = match (reverse, iterate) {
            (false, false) => "_include",
            (false, true) => "_include:iterate",
            (true, false) => "_revinclude",
            (true, true) => "_revinclude:iterate",
        };
        let via = format!("{}={}", one.name, one.value);
        if one.value.is_empty() || self.asked.iter().any(|known| known.parameter == parameter && known.via == via) {
            return Ok(());
        }
        let mut parts = one.value.split(':');
        if one.value.split(':').any(str::is_empty) {
            return Err(Denial::new(Phase::Query, Reason::MalformedQuery));
        }
        let (source, code, target, more) = (parts.next(), parts.next(), parts.next(), parts.next());
        let steps = match (source, code, target, more) {
            (Some("*"), None, None, None) => any(scene, reverse),
            (Some(source), Some("*"), None, None) => named(scene, source, "*", None, reverse)?,
            (Some(_), Some("*"), ..) => return Err(Denial::new(Phase::Query, Reason::MalformedQuery)),
            (Some(source), Some(code), target, None) => named(scene, source, code, target, reverse)?,
            _ => return Err(Denial::new(Phase::Query, Reason::MalformedQuery)),
        };
        let whole = (code.is_some_and(|code| code != "*")).then(|| one.value.to_string());
        self.asked.push(Asked { via, parameter, reverse, steps, whole });
        Ok(())
    }

    /// Gives each its verdict; what is denied is left out, or denies the request.
    #[inline(never)]
    pub(super) fn decide<'a>(&self, scene: &Scene<'a>, trace: &mut Trace<'a>) -> Result<Kept, Denial> {
        let mut kept = Kept::default();
        if self.asked.is_empty() {
            return Ok(kept);
        }
        let mut verdicts = Verdicts { scene, known: BTreeMap::new() };
        for asked in &self.asked {
            trace.used.push(asked.parameter.into());
            let granted: Vec<&Step> = asked.steps.iter().filter(|step| verdicts.grants(asked.reverse, step)).collect();
            asked.record(&mut verdicts, scene.arena, trace);
            let whole = granted.len() == asked.steps.len() && !granted.is_empty();
            if !whole && scene.engine.settings().related == Uncovered::Reject {
                return Err(Denial::new(Phase::Query, Reason::IncludeDenied));
            }
            if !whole {
                trace.obligations.push(Obligation::DropQuery(asked.parameter.into()));
            }
            match &asked.whole {
                Some(value) if whole => kept.add((asked.parameter, value.clone())),
                _ => {
                    for step in &granted {
                        kept.add((asked.parameter, format!("{}:{}:{}", step.source, step.code, step.target)));
                    }
                }
            }
            for step in granted {
                let (list, name) =
                    if asked.reverse { (&mut kept.reverse, &step.source) } else { (&mut kept.included, &step.target) };
                if !list.contains(name) {
                    list.push(name.clone());
                }
            }
        }
        Ok(kept)
    }
}

/// Whether an include can be read at all: that is told first, where includes are refused too (D46).
pub(super) fn form(scene: &Scene<'_>, one: &Parameter<'_>, reverse: bool, iterate: bool) -> Result<(), Denial> {
    Includes::default().add(scene, one, reverse, iterate)
}

impl Asked {
    /// One verdict for each type that it may bring in.
    fn record<'s, 'a>(&'s self, verdicts: &mut Verdicts<'s>, arena: &'a Arena, trace: &mut Trace<'a>) {
        let mut seen: BTreeMap<&str, bool> = BTreeMap::new();
        for step in &self.steps {
            seen.insert(step.brings(self.reverse), verdicts.grants(self.reverse, step));
        }
        if seen.is_empty() {
            seen.insert("*", false);
        }
        for (name, permit) in seen {
            let (via, resource_type) = (arena.text(&self.via).into(), arena.text(name).into());
            trace.related.push(Related { via, resource_type, permit });
        }
    }
}

impl Step {
    /// The type that comes in.
    fn brings(&self, reverse: bool) -> &str {
        if reverse { &self.source } else { &self.target }
    }
}

/// The verdicts on types, each worked out once.
struct Verdicts<'v> {
    scene: &'v Scene<'v>,
    known: BTreeMap<(&'v str, bool), bool>,
}

impl<'v> Verdicts<'v> {
    /// `r` on what an include brings in, or that it be shared; `s` on what a reverse include does.
    fn grants(&mut self, reverse: bool, step: &'v Step) -> bool {
        let (scene, name) = (self.scene, step.brings(reverse));
        *self.known.entry((name, reverse)).or_insert_with(|| {
            let place = scene.engine.place(name);
            let gives = |letters| {
                let mut rules = scene.grants.list.iter();
                place.is_some_and(|place| rules.any(|rule| rule.reaches_at(scene.engine, place, letters)))
            };
            if reverse {
                return gives(Letters::SEARCH);
            }
            let Some(facts) = scene.engine.facts(name) else { return false };
            let shared = facts.standing == Standing::Shared && scene.engine.settings().shared != Shared::Scope;
            shared || gives(Letters::READ)
        })
    }
}

/// `Source:code`, `Source:code:Target`, `Source:*`.
fn named(
    scene: &Scene<'_>,
    source: &str,
    code: &str,
    target: Option<&str>,
    reverse: bool,
) -> Result<Vec<Step>, Denial> {
    let facts = scene.engine.facts(source).ok_or_else(class::unknown)?;
    if target.is_some_and(|target| !TypeName::accepts(target)) {
        return Err(Denial::new(Phase::Query, Reason::MalformedQuery));
    }
    let mut steps = Vec::new();
    if code == "*" && reverse {
        let searched = scene.places.iter().filter_map(|place| scene.engine.facts_at(*place));
        let all = searched.flat_map(|own| pointing_at(scene, own.name.as_str()));
        return Ok(all.filter(|step| step.source == source).collect());
    }
    if code == "*" {
        for parameter in references(facts) {
            steps.extend(each_target(scene, facts, parameter, target, reverse));
        }
        return Ok(steps);
    }
    let parameter = references(facts).find(|parameter| *parameter.name == *code).ok_or_else(class::unknown)?;
    let possible = target.is_none_or(|target| parameter.targets.is_empty() || class::is_target(parameter, target));
    if !possible {
        return Err(class::unknown());
    }
    steps.extend(each_target(scene, facts, parameter, target, reverse));
    Ok(steps)
}

/// `*`: every reference of the searched type, or every one that points at it.
fn any(scene: &Scene<'_>, reverse: bool) -> Vec<Step> {
    let searched = || scene.places.iter().filter_map(|place| scene.engine.facts_at(*place));
    if !reverse {
        return searched()
            .flat_map(|facts| references(facts).map(move |parameter| (facts, parameter)))
            .flat_map(|(facts, parameter)| each_target(scene, facts, parameter, None, false))
            .collect();
    }
    searched().flat_map(|facts| pointing_at(scene, facts.name.as_str())).collect()
}

/// Every reference of any type that points at this one.
fn pointing_at(scene: &Scene<'_>, own: &str) -> Vec<Step> {
    let all = scene.engine.parts().types.iter();
    all.flat_map(|facts| references(facts).map(move |parameter| (facts, parameter)))
        .filter(|(_, parameter)| parameter.targets.is_empty() || class::is_target(parameter, own))
        .map(|(facts, parameter)| Step {
            source: facts.name.to_string(),
            code: (*parameter.name).to_owned(),
            target: own.to_owned(),
        })
        .collect()
}

fn references(facts: &TypeFacts) -> impl Iterator<Item = &SearchParameter> {
    facts.parameters.iter().filter(|parameter| parameter.kind == ParameterKind::Reference)
}

/// The steps of one parameter; of one that may point anywhere, all types that the Service knows.
fn each_target(
    scene: &Scene<'_>,
    facts: &TypeFacts,
    parameter: &SearchParameter,
    target: Option<&str>,
    reverse: bool,
) -> Vec<Step> {
    let step = |target: &str| Step {
        source: facts.name.to_string(),
        code: (*parameter.name).to_owned(),
        target: target.to_owned(),
    };
    match target {
        Some(target) => vec![step(target)],
        // What comes in by it is the source, wherever it points.
        None if reverse => vec![step(scene.facts.name.as_str())],
        None if parameter.targets.is_empty() => {
            scene.engine.parts().types.iter().map(|facts| step(facts.name.as_str())).collect()
        }
        None => class::targets(parameter).map(step).collect(),
    }
}
