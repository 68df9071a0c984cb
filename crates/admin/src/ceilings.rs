//! Ceilings: which roles of a Service may be offered to a partner, and given to a key.
//!
//! Invariant: every role that is kept in a ceiling or in a key was found in its Service, or is a scope that gives
//! something there.

use domain::Service;
use policy::role::RoleName;
use policy::settings::ServiceKind;
use policy_compiler::Imported;
use store::{StoreError, Tx};

use crate::{Error, Fault, bundles};

/// The most roles of one ceiling, or of one key in one Service.
pub(crate) const MAX_ROLES: usize = 500;

/// Checks roles that an owner names for a partner: each must be a role of that Service of this Account. Gives them
/// sorted, none twice.
pub(crate) fn check(tx: &mut Tx<'_>, service: &Service, names: Vec<RoleName>) -> Result<Vec<RoleName>, Error> {
    if names.is_empty() || names.len() > MAX_ROLES {
        let message = format!("name 1 to {MAX_ROLES} roles; GET /v1/services/{}/roles lists them", service.id);
        return Err(Error::invalid("/role_ids", "role_count", message));
    }
    let imported = bundles::imported(tx, service)?;
    let mut faults = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if !exists(tx, service, &imported, name)? {
            let message = format!("the Service has no role `{name}`, or it gives nothing there");
            faults.push(Fault::new(format!("/role_ids/{index}"), "unknown_role", message));
        }
    }
    if faults.is_empty() { Ok(unique(names)) } else { Err(Error::Invalid(faults)) }
}

/// Whether a role is one of that Service of this Account, and gives something.
pub(crate) fn exists(tx: &mut Tx<'_>, service: &Service, imported: &Imported, name: &RoleName) -> Result<bool, Error> {
    match name {
        RoleName::Smart(scope) => {
            Ok(service.kind == ServiceKind::Fhirv4 && !policy_compiler::operations_of(imported, scope).is_empty())
        }
        RoleName::Custom(id) => match store::roles::find(tx, *id) {
            Ok(role) => Ok(role.service_id == service.id),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(error.into()),
        },
    }
}

/// The same roles, sorted, none twice.
pub(crate) fn unique(mut names: Vec<RoleName>) -> Vec<RoleName> {
    names.sort();
    names.dedup();
    names
}
