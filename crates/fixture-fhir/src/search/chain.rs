//! Chains (`subject:Patient.name`) and reverse chains (`_has:Observation:patient:code`).
//!
//! Invariant: each hop costs one of the hops that are left, so a chain ends.

use policy::facts::ParameterKind as Kind;

use fhir::SearchParameterDef;

use crate::answer::Fault;
use crate::resource::Resource;

use super::World;
use super::matching::{elements, target, within};
use super::parameters::{Term, definition, is_known_kind};

/// Whether a resource that the reference names satisfies the rest of the chain.
pub(super) fn chained(
    world: &World<'_>,
    resource: &Resource,
    (def, term, rest): (&SearchParameterDef, &Term, &str),
    hops: usize,
) -> Result<bool, Fault> {
    if def.kind != Kind::Reference {
        return Err(Fault::invalid(format!("`{}` is no reference and cannot be chained", term.name)));
    }
    let only = match term.modifier.as_deref() {
        None => None,
        Some(kind) => {
            Some(is_known_kind(world.mind, kind).ok_or_else(|| Fault::invalid(format!("`{kind}` is no type")))?)
        }
    };
    let next = Term::parse(rest, term.values.clone());
    for element in elements(world, resource, def) {
        let Some(key) = target(world, element) else { continue };
        if only.is_some_and(|only| only != key.0) || (!def.targets.is_empty() && !def.targets.contains(&key.0.as_str()))
        {
            continue;
        }
        let Some(other) = world.current(&key) else { continue };
        let defined = next.name == "_has" || definition(world.mind, &other.kind, &next.name).is_some();
        if defined && within(world, other, &next, hops)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `Type:parameter:rest`: whether a resource of the type that names this one satisfies the rest.
pub(super) fn has(world: &World<'_>, resource: &Resource, term: &Term, hops: usize) -> Result<bool, Fault> {
    let malformed = || Fault::invalid("`_has` is written `_has:Type:parameter:parameter`");
    let (kind, rest) = term.modifier.as_deref().and_then(|rest| rest.split_once(':')).ok_or_else(malformed)?;
    let (by, rest) = rest.split_once(':').ok_or_else(malformed)?;
    let kind = is_known_kind(world.mind, kind).ok_or_else(malformed)?;
    let def = definition(world.mind, kind, by).filter(|def| def.kind == Kind::Reference).ok_or_else(malformed)?;
    let next = Term::parse(rest, term.values.clone());
    if next.name != "_has" && definition(world.mind, kind, &next.name).is_none() {
        return Err(Fault::invalid(format!("{kind} has no parameter `{}`", next.name)));
    }
    let own = (resource.kind.clone(), resource.id.clone());
    for other in world.store.of_kind(kind) {
        world.spend()?;
        let points_here = elements(world, other, def).into_iter().any(|one| target(world, one).as_ref() == Some(&own));
        if points_here && within(world, other, &next, hops)? {
            return Ok(true);
        }
    }
    Ok(false)
}
