//! Keys: the credentials of machines, and the roles that they hold.
//!
//! Invariant: nobody gives a key what the Account itself does not hold: in a Service of another Account only what
//! lies inside the Subscription's ceiling. A deleted key ends its tokens in the same transaction.

use domain::{AdminEvent, Call, Key, KeyRoles, Name, Service, Subscription, SubscriptionState};
use policy::bundle::Revocation;
use policy::id::{AccountId, KeyId, ServiceId};
use policy::role::RoleName;
use policy::scope::Context;
use serde_json::json;
use store::{Listed, Page, Tx};

use crate::ceilings::{self, MAX_ROLES};
use crate::credential::{self, Text};
use crate::{Error, Fault, Platform, bundles, revocations};

/// Makes a key, which holds nothing yet. The text is shown once; only its hash is kept.
pub fn create(tx: &mut Tx<'_>, call: &Call, name: Name) -> Result<(Key, Text), Error> {
    let id = KeyId::new(call.uuid());
    let (text, secret_hash) = credential::draw(id, &call.random);
    let key = Key { id, name, secret_hash, created_at: call.now, last_used_at: None };
    store::keys::insert(tx, &key)?;
    let event = AdminEvent::new(call, "key.create", &id).changing(None, Some(json!({ "name": key.name })));
    store::admin_events::append(tx, &event)?;
    Ok((key, text))
}

/// This Account's keys, oldest first.
pub fn list(tx: &mut Tx<'_>, page: Page<KeyId>) -> Result<Listed<Key>, Error> {
    Ok(store::keys::list(tx, page)?)
}

/// One key of this Account.
pub fn find(tx: &mut Tx<'_>, id: KeyId) -> Result<Key, Error> {
    Ok(store::keys::find(tx, id)?)
}

/// Deletes a key; its tokens, and the sessions of roles that it assumed, end with the bundles that are published here.
pub fn delete(tx: &mut Tx<'_>, call: &Call, platform: Platform<'_>, id: KeyId) -> Result<(), Error> {
    let key = store::keys::find(tx, id)?;
    let held = store::key_roles::all(tx, id)?;
    store::keys::delete(tx, id)?;
    let event = AdminEvent::new(call, "key.delete", &id).changing(Some(json!({ "name": key.name })), None);
    store::admin_events::append(tx, &event)?;
    for roles in held {
        tx.as_account(roles.service_account_id, |tx| {
            let call = call.within(roles.service_account_id);
            revocations::revoke(tx, &call, roles.service_id, &Revocation::Key(id))?;
            bundles::publish(tx, &call, platform, roles.service_id).map(drop)
        })?;
    }
    Ok(())
}

/// What a key of this Account holds, Service by Service.
pub fn roles(tx: &mut Tx<'_>, id: KeyId) -> Result<Vec<KeyRoles>, Error> {
    store::keys::find(tx, id)?;
    Ok(store::key_roles::all(tx, id)?)
}

/// Sets what a key holds in one Service, in place of what it held there; nothing is allowed.
///
/// Without a Service it is the only one that there is: the one active Subscription, or the only Service of the
/// Account's own.
pub fn set_roles(
    tx: &mut Tx<'_>,
    call: &Call,
    id: KeyId,
    service_id: Option<ServiceId>,
    names: Vec<RoleName>,
) -> Result<KeyRoles, Error> {
    store::keys::find(tx, id)?;
    if names.len() > MAX_ROLES {
        let message = format!("a key holds at most {MAX_ROLES} roles in one Service");
        return Err(Error::invalid("/role_ids", "role_count", message));
    }
    let reach = reach(tx, service_id)?;
    check(tx, &reach, &names)?;
    let before = store::key_roles::find(tx, id, reach.service_id)?.map(|roles| roles.role_ids);
    let roles = KeyRoles {
        key_id: id,
        service_id: reach.service_id,
        service_account_id: reach.owner,
        role_ids: ceilings::unique(names),
        updated_at: call.now,
    };
    store::key_roles::put(tx, &roles)?;
    let event = AdminEvent::new(call, "key.set_roles", &id).changing(
        before.map(|names| json!({ "service_id": roles.service_id, "role_ids": names })),
        Some(json!({ "service_id": roles.service_id, "role_ids": roles.role_ids })),
    );
    store::admin_events::append(tx, &event)?;
    Ok(roles)
}

/// A Service that this Account can use, and how far.
struct Reach {
    service_id: ServiceId,
    owner: AccountId,
    /// None in a Service of its own.
    ceiling: Option<Vec<RoleName>>,
}

fn reach(tx: &mut Tx<'_>, service_id: Option<ServiceId>) -> Result<Reach, Error> {
    let Some(id) = service_id else { return only_reach(tx) };
    if let Some(subscription) = store::subscribed_services::find_by_service(tx, id)? {
        return subscribed(subscription);
    }
    let service = store::services::find(tx, id)?;
    Ok(own(tx, &service))
}

/// The one active Subscription, or the only Service of an Account that subscribes to none.
fn only_reach(tx: &mut Tx<'_>) -> Result<Reach, Error> {
    let subscriptions = store::subscribed_services::list(tx, Page::first(store::MAX_PAGE))?.items;
    let services = store::services::list(tx, Page::first(2))?.items;
    let mut active = subscriptions.iter().filter(|one| one.state == SubscriptionState::Active);
    match (active.next(), active.next(), services.as_slice()) {
        (Some(subscription), None, _) => subscribed(subscription.clone()),
        (None, _, [service]) if subscriptions.is_empty() => Ok(own(tx, service)),
        _ => Err(Error::invalid("/service_id", "service_needed", "name the Service that the roles are of")),
    }
}

fn own(tx: &Tx<'_>, service: &Service) -> Reach {
    Reach { service_id: service.id, owner: tx.account_id(), ceiling: None }
}

fn subscribed(subscription: Subscription) -> Result<Reach, Error> {
    match subscription.state {
        SubscriptionState::Active => Ok(Reach {
            service_id: subscription.service_id,
            owner: subscription.owner_account_id,
            ceiling: Some(subscription.role_ids),
        }),
        SubscriptionState::Suspended => Err(Error::Forbidden {
            code: "suspended",
            detail: "the Subscription is suspended; ask the Service's owner".into(),
        }),
    }
}

/// Refuses what a key cannot use, what the Service has not, and what lies outside the ceiling.
fn check(tx: &mut Tx<'_>, reach: &Reach, names: &[RoleName]) -> Result<(), Error> {
    let personal = |name: &RoleName| matches!(name, RoleName::Smart(scope) if scope.context() == Context::User);
    let faults: Vec<Fault> = names
        .iter()
        .enumerate()
        .filter(|(_, name)| personal(name))
        .map(|(index, name)| {
            let message =
                format!("`{name}` is for a person who signs in; give the key a `system/` scope or a custom role");
            Fault::new(format!("/role_ids/{index}"), "needs_a_person", message)
        })
        .collect();
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    // Before the look-up, so that no answer tells which roles exist beyond the ceiling.
    if let Some(ceiling) = &reach.ceiling
        && let Some(name) = names.iter().find(|name| !oauth::ceiling::holds(ceiling, name))
    {
        let detail =
            format!("`{name}` lies outside what the Service's owner allows this Account; ask the owner for it");
        return Err(Error::Forbidden { code: "outside_ceiling", detail });
    }
    tx.as_account(reach.owner, |tx| {
        let service = store::services::find(tx, reach.service_id)?;
        if names.is_empty() { Ok(()) } else { ceilings::check(tx, &service, names.to_vec()).map(drop) }
    })
}
