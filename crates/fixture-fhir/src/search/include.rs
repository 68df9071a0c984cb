//! `_include` and `_revinclude`: what comes with the matches.
//!
//! Invariant: a resource comes once, matches never come again, and rounds and numbers are bounded.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy::facts::ParameterKind as Kind;

use fhir::SearchParameterDef;

use crate::answer::Fault;
use crate::mind::Mind;
use crate::resource::{Resource, references};
use crate::store::Key;

use super::World;
use super::matching::{elements, target};
use super::parameters::{definition, is_known_kind};

/// `:iterate` ends after so many rounds.
const MAX_ROUNDS: usize = 8;
/// More resources are not included.
const MAX_INCLUDED: usize = 1000;

/// One `_include` or `_revinclude`; none stands for `*`.
#[derive(Clone, Debug)]
pub(crate) struct Include {
    reverse: bool,
    iterate: bool,
    source: Option<String>,
    parameter: Option<String>,
    target: Option<String>,
}

impl Include {
    /// Reads `*`, `Type:*`, `Type:parameter` or `Type:parameter:Target`.
    pub(super) fn read(mind: Mind, name: &str, modifier: Option<&str>, value: &str) -> Result<Option<Self>, Fault> {
        let malformed = || Fault::invalid(format!("`{name}={value}` cannot be included"));
        let iterate = match modifier {
            None => false,
            Some("iterate" | "recurse") => true,
            Some(_) if mind.ignores_unknown => false,
            Some(other) => return Err(Fault::not_supported(format!("`{name}` has no modifier `:{other}`"))),
        };
        let mut parts = value.split(':');
        let (source, parameter, target) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let known = |kind: &str| is_known_kind(mind, kind).map(str::to_owned);
        let include = match (source, parameter) {
            ("*", None) => Some((None, None)),
            (source, Some("*")) => known(source).map(|source| (Some(source), None)),
            (source, Some(name)) => known(source)
                .filter(|kind| definition(mind, kind, name).is_some_and(|def| def.kind == Kind::Reference))
                .map(|source| (Some(source), Some(name.to_owned()))),
            (_, None) => None,
        };
        let target = target.map(|kind| known(kind).ok_or_else(malformed)).transpose();
        match (include, target) {
            (Some((source, parameter)), Ok(target)) => {
                Ok(Some(Self { reverse: name == "_revinclude", iterate, source, parameter, target }))
            }
            _ if mind.ignores_unknown => Ok(None),
            _ => Err(malformed()),
        }
    }

    /// The reference parameters of a type that this one follows.
    fn parameters(&self, mind: Mind, kind: &str) -> Vec<&'static SearchParameterDef> {
        if self.source.as_deref().is_some_and(|source| source != kind) {
            return Vec::new();
        }
        match &self.parameter {
            Some(name) => definition(mind, kind, name).into_iter().collect(),
            None => fhir::r4().parameters(kind).filter(|def| def.kind == Kind::Reference).collect(),
        }
    }

    /// What the resource names by a parameter that this one follows.
    fn targets(&self, world: &World<'_>, resource: &Resource) -> Vec<Key> {
        let wanted = |key: &Key, def: &SearchParameterDef| {
            self.target.as_ref().is_none_or(|kind| *kind == key.0)
                && (def.targets.is_empty() || def.targets.contains(&key.0.as_str()))
        };
        let by = |def: &'static SearchParameterDef| {
            let named = elements(world, resource, def).into_iter().filter_map(|one| target(world, one));
            named.filter(|key| wanted(key, def)).collect::<Vec<_>>()
        };
        self.parameters(world.mind, &resource.kind).into_iter().flat_map(by).collect()
    }

    /// What the resources name, or what names one of them.
    fn follow<'a>(&self, world: &World<'a>, from: &[&'a Arc<Resource>]) -> Result<Vec<&'a Arc<Resource>>, Fault> {
        if !self.reverse {
            let named = from.iter().flat_map(|one| self.targets(world, one));
            return Ok(named.filter_map(|key| world.current(&key)).collect());
        }
        let from: BTreeSet<Key> = from.iter().map(|one| (one.kind.clone(), one.id.clone())).collect();
        let kinds = self.source.clone().map_or_else(|| world.store.kinds(), |kind| vec![kind]);
        let mut found = Vec::new();
        for other in kinds.iter().flat_map(|kind| world.store.of_kind(kind)) {
            world.spend()?;
            if self.targets(world, other).iter().any(|key| from.contains(key)) {
                found.push(other);
            }
        }
        Ok(found)
    }
}

/// What comes with matches, and whether something was left out because there was too much.
#[derive(Debug, Default)]
pub(crate) struct Related<'a> {
    pub(crate) resources: Vec<&'a Arc<Resource>>,
    pub(crate) cut: bool,
}

/// Follows the includes from the matches, and those that iterate from what they brought as well.
pub(crate) fn related<'a>(
    world: &World<'a>,
    includes: &[Include],
    matches: &[&'a Arc<Resource>],
) -> Result<Related<'a>, Fault> {
    let name = |resource: &Resource| (resource.kind.clone(), resource.id.clone());
    let mut seen: BTreeSet<Key> = matches.iter().map(|one| name(one)).collect();
    let mut related = Related::default();
    let mut fresh: Vec<&'a Arc<Resource>> = matches.to_vec();
    for round in 0..MAX_ROUNDS {
        let mut next = Vec::new();
        for include in includes.iter().filter(|one| round == 0 || one.iterate) {
            next.extend(include.follow(world, &fresh)?.into_iter().filter(|one| seen.insert(name(one))));
        }
        related.cut |= related.resources.len() + next.len() > MAX_INCLUDED;
        next.truncate(MAX_INCLUDED.saturating_sub(related.resources.len()));
        if next.is_empty() {
            break;
        }
        related.resources.extend(&next);
        fresh = next;
    }
    Ok(related)
}

/// Every resource that this one names in a `reference`, however deep.
pub(crate) fn targets_of<'a>(world: &World<'a>, resource: &Resource) -> Vec<&'a Arc<Resource>> {
    let mut found = Vec::new();
    references(&resource.tree, &mut |text| found.extend(world.local(text).and_then(|key| world.current(&key))));
    found
}
