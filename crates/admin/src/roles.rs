//! Roles of a Service: the SMART ones, computed from its document, and those that somebody wrote.
//!
//! Invariant: a role names operations of the active document only; whatever changes one publishes in the same
//! transaction.

use domain::{AdminEvent, Call, Name, Revision, Role};
use policy::bundle::Revocation;
use policy::id::{RoleId, ServiceId};
use policy::role::RoleName;
use policy_compiler::{Imported, SmartRole};
use serde_json::json;
use store::{Listed, MAX_PAGE, Page, Tx};

use crate::bundles::{self, faults};
use crate::{Error, Fault, Platform, revocations};

/// The most custom roles of one Service: each is part of every bundle.
pub const MAX_ROLES: usize = 10_000;

/// A role as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A scope's.
    Smart(SmartRole),
    /// Somebody's.
    Custom(Role),
}

/// Where a page of roles starts: the SMART roles come first, in their own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum After {
    /// After so many SMART roles.
    Smart(usize),
    /// After this custom role.
    Custom(Option<RoleId>),
}

/// Which roles are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Both.
    All,
    /// The SMART ones.
    Smart,
    /// Those that somebody wrote.
    Custom,
}

/// A page of roles, and where the next one starts.
#[derive(Clone, Debug)]
pub struct Roles {
    /// What the operations of the SMART roles index into.
    pub imported: Imported,
    /// The roles.
    pub items: Vec<Shown>,
    /// Where the next page starts; none on the last.
    pub next: Option<After>,
}

/// The roles of a Service of this Account.
pub fn list(
    tx: &mut Tx<'_>,
    service_id: ServiceId,
    kind: Kind,
    after: Option<After>,
    limit: usize,
) -> Result<Roles, Error> {
    let service = store::services::find(tx, service_id)?;
    let imported = bundles::imported(tx, &service)?;
    let limit = limit.clamp(1, MAX_PAGE);
    let mut items = Vec::new();
    let smart_from = match after {
        None => Some(0),
        Some(After::Smart(count)) => Some(count),
        Some(After::Custom(_)) => None,
    };
    if let (Some(from), Kind::All | Kind::Smart) = (smart_from, kind) {
        let smart = policy_compiler::smart_roles(&imported);
        let total = smart.len();
        items.extend(smart.into_iter().skip(from).take(limit).map(Shown::Smart));
        let seen = from.saturating_add(items.len());
        if seen < total {
            return Ok(Roles { imported, items, next: Some(After::Smart(seen)) });
        }
    }
    if kind == Kind::Smart {
        return Ok(Roles { imported, items, next: None });
    }
    let left = limit - items.len();
    if left == 0 {
        return Ok(Roles { imported, items, next: Some(After::Custom(None)) });
    }
    let last = match after {
        Some(After::Custom(last)) => last,
        _ => None,
    };
    let Listed { items: custom, more } = store::roles::list(tx, service_id, Page { after: last, limit: left })?;
    let next = custom.last().filter(|_| more).map(|role| After::Custom(Some(role.id)));
    items.extend(custom.into_iter().map(Shown::Custom));
    Ok(Roles { imported, items, next })
}

/// A custom role of this Account.
pub fn find(tx: &mut Tx<'_>, id: RoleId) -> Result<Role, Error> {
    Ok(store::roles::find(tx, id)?)
}

/// The id of a role that somebody wrote; a SMART role is not written.
pub fn writable(name: &RoleName) -> Result<RoleId, Error> {
    match name {
        RoleName::Custom(id) => Ok(*id),
        RoleName::Smart(scope) => {
            let detail = format!("`{scope}` is computed from the scope and the document; it cannot be changed");
            Err(Error::Forbidden { code: "smart_role", detail })
        }
    }
}

/// Writes a role from lines of `METHOD:/path`, and publishes. Each line that the document does not have is named.
pub fn create(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    service_id: ServiceId,
    (name, lines): (Name, Vec<String>),
) -> Result<Role, Error> {
    let service = store::services::find(tx, service_id)?;
    let imported = bundles::imported(tx, &service)?;
    let existing = store::roles::all(tx, service_id)?;
    if existing.len() >= MAX_ROLES {
        return Err(Error::conflict("too_many_roles", format!("a service has at most {MAX_ROLES} custom roles")));
    }
    refuse_same_name(&existing, &name)?;
    let role = Role {
        id: RoleId::new(call.uuid()),
        service_id,
        name,
        operations: keys(&imported, &lines)?,
        trust: None,
        created_at: call.now,
        updated_at: call.now,
        revision: Revision::FIRST,
    };
    store::roles::insert(tx, &role)?;
    let event = AdminEvent::new(call, "role.create", &role.id);
    store::admin_events::append(tx, &event.changing(None, Some(shown(&role))))?;
    bundles::publish(tx, call, platform, service_id)?;
    Ok(role)
}

/// Changes a role that is still as the writer read it, and publishes.
pub fn update(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    (id, expected): (RoleId, Revision),
    (name, lines): (Option<Name>, Option<Vec<String>>),
) -> Result<Role, Error> {
    let before = store::roles::find(tx, id)?;
    let mut after = Role { updated_at: call.now, ..before.clone() };
    if let Some(name) = name.filter(|name| *name != before.name) {
        refuse_same_name(&store::roles::all(tx, before.service_id)?, &name)?;
        after.name = name;
    }
    if let Some(lines) = lines {
        let service = store::services::find(tx, before.service_id)?;
        after.operations = keys(&bundles::imported(tx, &service)?, &lines)?;
    }
    after.revision = store::roles::update(tx, &after, expected)?;
    let event = AdminEvent::new(call, "role.update", &id);
    store::admin_events::append(tx, &event.changing(Some(shown(&before)), Some(shown(&after))))?;
    bundles::publish(tx, call, platform, before.service_id)?;
    Ok(after)
}

/// Deletes a role that nobody has any more, ends the sessions of those who assumed it, and publishes.
pub fn delete(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    (id, expected): (RoleId, Revision),
) -> Result<(), Error> {
    let role = store::roles::find(tx, id)?;
    refuse_in_use(tx, &role)?;
    store::roles::delete(tx, id, expected)?;
    revocations::revoke(tx, call, role.service_id, &Revocation::Role(id))?;
    let event = AdminEvent::new(call, "role.delete", &id);
    store::admin_events::append(tx, &event.changing(Some(shown(&role)), None))?;
    bundles::publish(tx, call, platform, role.service_id)?;
    Ok(())
}

/// A role in a partner's ceiling stays, so that no partner loses it in silence.
fn refuse_in_use(tx: &mut Tx<'_>, role: &Role) -> Result<(), Error> {
    let name = RoleName::Custom(role.id);
    let subscriptions = store::subscriptions::all(tx, role.service_id)?;
    let faults: Vec<_> = subscriptions
        .iter()
        .filter(|subscription| subscription.role_ids.contains(&name))
        .map(|subscription| {
            let message = format!("the ceiling of subscription {} has this role", subscription.id);
            Fault::new(format!("/subscriptions/{}", subscription.id), "in_use", message)
        })
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    let detail = "partners have this role: take it out of their subscriptions first".to_owned();
    Err(Error::Conflict { code: "in_use", detail, faults })
}

fn refuse_same_name(existing: &[Role], name: &Name) -> Result<(), Error> {
    match existing.iter().find(|role| role.name == *name) {
        None => Ok(()),
        Some(role) => Err(Error::conflict("name_taken", format!("{} of this service has that name", role.id))),
    }
}

/// The lines as the document writes them, in its order.
fn keys(imported: &Imported, lines: &[String]) -> Result<Vec<String>, Error> {
    let role = policy_compiler::custom_role(imported, lines).map_err(|found| Error::Invalid(faults(found)))?;
    Ok(role.lines(imported))
}

/// `GET:/Patient/{id}` for each index into the document's operations.
#[must_use]
pub fn operation_keys(imported: &Imported, operations: &[u32]) -> Vec<String> {
    let operation = |index: &u32| imported.operations.get(usize::try_from(*index).ok()?);
    operations.iter().filter_map(operation).map(|one| format!("{}:{}", one.method, one.template)).collect()
}

/// A role as its events show it.
fn shown(role: &Role) -> serde_json::Value {
    json!({ "name": role.name, "service_id": role.service_id, "operations": role.operations })
}
