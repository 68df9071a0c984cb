//! Compartments: which resources belong to a Patient, Encounter, Practitioner, RelatedPerson or Device.
//!
//! Invariant: a Patient compartment is HL7's table as published, members by `performer` and `link` included.
//! The other compartments have no table here: there a member is what any reference parameter ties to it.

use policy::facts::ParameterKind as Kind;

use crate::resource::Resource;
use crate::store::Key;

use super::World;
use super::matching::{elements, target};
use super::parameters::definition;

/// Whether the resource is in the compartment of `owner`, or is its owner.
pub(crate) fn is_member(world: &World<'_>, resource: &Resource, owner: &Key) -> bool {
    if resource.kind == owner.0 && resource.id == owner.1 {
        return true;
    }
    let tables = fhir::r4();
    if owner.0 == "Patient" {
        let names = tables.patient_compartment(&resource.kind).unwrap_or_default();
        return names.iter().any(|name| parameter_points_at(world, resource, name, owner));
    }
    tables
        .parameters(&resource.kind)
        .filter(|def| def.targets.is_empty() || def.targets.contains(&owner.0.as_str()))
        .any(|def| parameter_points_at(world, resource, def.name, owner))
}

/// Whether a reference that the parameter reads names `owner`.
pub(crate) fn parameter_points_at(world: &World<'_>, resource: &Resource, name: &str, owner: &Key) -> bool {
    definition(world.mind, &resource.kind, name).is_some_and(|def| {
        def.kind == Kind::Reference
            && elements(world, resource, def).into_iter().any(|one| target(world, one).as_ref() == Some(owner))
    })
}
