//! Subscriptions: partners of a Service, as its owner and as the partner sees them.
//!
//! Invariant: suspending a partner ends its tokens and sessions in the same transaction. Sessions of assumed roles stay
//! ended; a token of its keys counts again if the partner is taken back within the five minutes that the token lasts.

use domain::{Account, AdminEvent, Call, Revision, Service, Subscription, SubscriptionState};
use policy::bundle::Revocation;
use policy::id::{AccountId, ServiceId, SubscriptionId};
use policy::role::RoleName;
use policy_compiler::{Imported, SmartRole};
use serde_json::json;
use store::{Listed, Page, Tx};

use crate::roles::Shown;
use crate::{Error, Platform, bundles, ceilings, revocations};

/// What an owner changes of a Subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Suspended or active.
    pub state: Option<SubscriptionState>,
    /// The ceiling, in place of the one before.
    pub role_ids: Option<Vec<RoleName>>,
}

/// A Subscription with the name of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The Subscription.
    pub subscription: Subscription,
    /// The other Account: the partner for the owner, the owner for the partner.
    pub other: Account,
}

/// A Subscription as the partner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The Subscription with its owner.
    pub seen: Seen,
    /// The Service.
    pub service: Service,
}

/// A part of the roles inside a Subscription's ceiling.
#[derive(Clone, Debug)]
pub struct Offered {
    /// What the operations of the SMART roles index into.
    pub imported: Imported,
    /// The roles.
    pub items: Vec<Shown>,
    /// How many roles were passed by when there are more; where the next part starts.
    pub next: Option<usize>,
}

fn account(tx: &mut Tx<'_>, id: AccountId) -> Result<Account, Error> {
    Ok(tx.as_account(id, store::accounts::get)?)
}

/// The partners of a Service of this Account, oldest first.
pub fn list(tx: &mut Tx<'_>, service_id: ServiceId, page: Page<SubscriptionId>) -> Result<Listed<Seen>, Error> {
    store::services::find(tx, service_id)?;
    store::subscriptions::list(tx, service_id, page)?.try_map(|subscription| {
        let other = account(tx, subscription.partner_account_id)?;
        Ok(Seen { subscription, other })
    })
}

/// One partner of a Service of this Account.
pub fn find(tx: &mut Tx<'_>, service_id: ServiceId, id: SubscriptionId) -> Result<Seen, Error> {
    let subscription = store::subscriptions::find(tx, id)?;
    if subscription.service_id != service_id {
        return Err(Error::NotFound);
    }
    let other = account(tx, subscription.partner_account_id)?;
    Ok(Seen { subscription, other })
}

/// Suspends a partner, lets it in again, or sets its ceiling; publishes.
pub fn update(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    (service_id, id, expected): (ServiceId, SubscriptionId, Revision),
    change: Change,
) -> Result<Seen, Error> {
    let service = store::services::find(tx, service_id)?;
    let Seen { subscription: before, other } = find(tx, service_id, id)?;
    let role_ids = match change.role_ids {
        Some(names) => ceilings::check(tx, &service, names)?,
        None => before.role_ids.clone(),
    };
    let state = change.state.unwrap_or(before.state);
    let mut after = Subscription { role_ids, state, updated_at: call.now, ..before.clone() };
    after.revision = store::subscriptions::update(tx, &after, expected)?;
    revoke(tx, call, &before, state)?;

    let event = AdminEvent::new(call, "subscription.update", &id).changing(
        Some(json!({ "state": before.state, "role_ids": before.role_ids })),
        Some(json!({ "state": after.state, "role_ids": after.role_ids, "partner": other.id })),
    );
    store::admin_events::append(tx, &event)?;
    bundles::publish(tx, call, platform, service_id)?;
    Ok(Seen { subscription: after, other })
}

/// Ends what a partner has when it is suspended, and lets new tokens count when it is active again.
fn revoke(tx: &mut Tx<'_>, call: &Call, before: &Subscription, state: SubscriptionState) -> Result<(), Error> {
    let (service_id, partner) = (before.service_id, before.partner_account_id);
    match (before.state, state) {
        (SubscriptionState::Active, SubscriptionState::Suspended) => {
            for role in store::roles::all(tx, service_id)? {
                let trusts = role.trust.iter().flat_map(|trust| &trust.accounts);
                if trusts.into_iter().any(|one| one.account_id == partner) {
                    revocations::end_sessions(tx, call, service_id, role.id, partner)?;
                }
            }
            revocations::revoke(tx, call, service_id, &Revocation::Account(partner))
        }
        (SubscriptionState::Suspended, SubscriptionState::Active) => {
            store::revocations::remove(tx, service_id, &Revocation::Account(partner))?;
            Ok(())
        }
        (SubscriptionState::Active, SubscriptionState::Active)
        | (SubscriptionState::Suspended, SubscriptionState::Suspended) => Ok(()),
    }
}

fn subscribed(tx: &mut Tx<'_>, subscription: Subscription) -> Result<Subscribed, Error> {
    let (service, other) = tx.as_account(subscription.owner_account_id, |tx| {
        Ok::<_, Error>((store::services::find(tx, subscription.service_id)?, store::accounts::get(tx)?))
    })?;
    Ok(Subscribed { seen: Seen { subscription, other }, service })
}

/// What this Account subscribes to, oldest first.
pub fn list_own(tx: &mut Tx<'_>, page: Page<SubscriptionId>) -> Result<Listed<Subscribed>, Error> {
    store::subscribed_services::list(tx, page)?.try_map(|subscription| subscribed(tx, subscription))
}

/// One Subscription of this Account.
pub fn find_own(tx: &mut Tx<'_>, id: SubscriptionId) -> Result<Subscribed, Error> {
    let subscription = store::subscribed_services::find(tx, id)?;
    subscribed(tx, subscription)
}

/// The roles that this Account's Subscription offers, from the given place on: the SMART roles inside the ceiling, then
/// the custom ones that the Service still has.
pub fn offered(tx: &mut Tx<'_>, id: SubscriptionId, from: usize, limit: usize) -> Result<Offered, Error> {
    let subscription = store::subscribed_services::find(tx, id)?;
    let ceiling = subscription.role_ids;
    tx.as_account(subscription.owner_account_id, |tx| {
        let service = store::services::find(tx, subscription.service_id)?;
        let imported = bundles::imported(tx, &service)?;
        let mut smart = policy_compiler::smart_roles(&imported);
        smart.retain(|role| oauth::ceiling::holds(&ceiling, &RoleName::Smart(role.scope.clone())));
        // A ceiling may name a scope that is not among the listed ones: a granular one, or another set of letters.
        for name in &ceiling {
            if let RoleName::Smart(scope) = name
                && !smart.iter().any(|role| role.scope == *scope)
            {
                let operations = policy_compiler::operations_of(&imported, scope);
                smart.push(SmartRole { scope: scope.clone(), operations });
            }
        }
        let mut items: Vec<Shown> = smart.into_iter().map(Shown::Smart).collect();
        for name in &ceiling {
            if let RoleName::Custom(id) = name
                && ceilings::exists(tx, &service, &imported, name)?
            {
                items.push(Shown::Custom(store::roles::find(tx, *id)?));
            }
        }
        let end = from.saturating_add(limit);
        let next = (end < items.len()).then_some(end);
        let items = items.into_iter().skip(from).take(limit).collect();
        Ok(Offered { imported, items, next })
    })
}
