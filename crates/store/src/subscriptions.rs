//! Subscriptions, as the owner of the Service sees them.
//!
//! Invariant: each has a row of the same content in the partner's account ([`crate::subscribed_services`]);
//! only the functions here write either, both in one transaction.

use diesel::prelude::*;
use domain::{Revision, Subscription, SubscriptionState};
use policy::id::{AccountId, ServiceId, SubscriptionId};

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::subscriptions;
use crate::subscribed_services;
use crate::tx::Tx;
use crate::types::{At, Id, Json, big, count};

pub(crate) const WHAT: &str = "subscription";

#[derive(Queryable, Selectable)]
#[diesel(table_name = subscriptions)]
struct Row {
    account_id: Id,
    id: Id,
    service_id: Id,
    partner_account_id: Id,
    role_ids: Json,
    state: String,
    created_at: At,
    updated_at: At,
    revision: i64,
}

impl TryFrom<Row> for Subscription {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            service_id: row.service_id.into(),
            owner_account_id: row.account_id.into(),
            partner_account_id: row.partner_account_id.into(),
            role_ids: row.role_ids.read(WHAT)?,
            state: SubscriptionState::parse(&row.state).ok_or(StoreError::Corrupt(WHAT))?,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            revision: Revision(count(row.revision, WHAT)?),
        })
    }
}

/// Makes a Subscription to a Service of this account, on both sides; `Conflict("subscription")` when the partner has
/// one to that Service.
pub fn insert(tx: &mut Tx<'_>, subscription: &Subscription) -> Result<(), StoreError> {
    let own = tx.own();
    if Id::from(subscription.owner_account_id) != own {
        return Err(StoreError::NotFound);
    }
    let role_ids = Json::of(&subscription.role_ids, WHAT)?;
    tx.run(WHAT, |connection| {
        diesel::insert_into(subscriptions::table)
            .values((
                subscriptions::account_id.eq(own),
                subscriptions::id.eq(Id::from(subscription.id)),
                subscriptions::service_id.eq(Id::from(subscription.service_id)),
                subscriptions::partner_account_id.eq(Id::from(subscription.partner_account_id)),
                subscriptions::role_ids.eq(role_ids),
                subscriptions::state.eq(subscription.state.as_str()),
                subscriptions::created_at.eq(At::from(subscription.created_at)),
                subscriptions::updated_at.eq(At::from(subscription.updated_at)),
                subscriptions::revision.eq(big(subscription.revision.0)),
            ))
            .execute(connection)
    })?;
    tx.as_account(subscription.partner_account_id, |tx| subscribed_services::insert(tx, subscription))
}

/// The Subscription with that id to a Service of this account.
pub fn find(tx: &mut Tx<'_>, id: SubscriptionId) -> Result<Subscription, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        subscriptions::table
            .filter(subscriptions::account_id.eq(own))
            .filter(subscriptions::id.eq(Id::from(id)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// A partner's Subscription to that Service of this account; none when there is none.
pub fn find_by_partner(
    tx: &mut Tx<'_>,
    service_id: ServiceId,
    partner: AccountId,
) -> Result<Option<Subscription>, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        subscriptions::table
            .filter(subscriptions::account_id.eq(own))
            .filter(subscriptions::service_id.eq(Id::from(service_id)))
            .filter(subscriptions::partner_account_id.eq(Id::from(partner)))
            .select(Row::as_select())
            .first(connection)
            .optional()
    })?
    .map(Subscription::try_from)
    .transpose()
}

/// The Subscriptions to a Service of this account, oldest first.
pub fn list(
    tx: &mut Tx<'_>,
    service_id: ServiceId,
    page: Page<SubscriptionId>,
) -> Result<Listed<Subscription>, StoreError> {
    let own = tx.own();
    let rows = tx.run(WHAT, |connection| {
        subscriptions::table
            .filter(subscriptions::account_id.eq(own))
            .filter(subscriptions::service_id.eq(Id::from(service_id)))
            .filter(subscriptions::id.gt(page.above()))
            .order(subscriptions::id.asc())
            .limit(page.sql_limit())
            .select(Row::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(Subscription::try_from)
}

/// Every Subscription to a Service, suspended ones too, ascending by partner, as a bundle needs them; at most as many
/// as a bundle takes and one more.
pub fn all(tx: &mut Tx<'_>, service_id: ServiceId) -> Result<Vec<Subscription>, StoreError> {
    let own = tx.own();
    let rows: Vec<Row> = tx.run(WHAT, |connection| {
        subscriptions::table
            .filter(subscriptions::account_id.eq(own))
            .filter(subscriptions::service_id.eq(Id::from(service_id)))
            .order(subscriptions::partner_account_id.asc())
            .limit(big(policy::bundle::MAX_SUBSCRIPTIONS as u64 + 1))
            .select(Row::as_select())
            .load(connection)
    })?;
    rows.into_iter().map(Subscription::try_from).collect()
}

/// Writes ceiling and state of a Subscription, on both sides. Returns its new revision.
pub fn update(tx: &mut Tx<'_>, subscription: &Subscription, expected: Revision) -> Result<Revision, StoreError> {
    let own = tx.own();
    let role_ids = Json::of(&subscription.role_ids, WHAT)?;
    let partner: Option<Id> = tx.run(WHAT, |connection| {
        diesel::update(
            subscriptions::table
                .filter(subscriptions::account_id.eq(own))
                .filter(subscriptions::id.eq(Id::from(subscription.id)))
                .filter(subscriptions::revision.eq(big(expected.0))),
        )
        .set((
            subscriptions::role_ids.eq(role_ids),
            subscriptions::state.eq(subscription.state.as_str()),
            subscriptions::updated_at.eq(At::from(subscription.updated_at)),
            subscriptions::revision.eq(big(expected.next().0)),
        ))
        .returning(subscriptions::partner_account_id)
        .get_result(connection)
        .optional()
    })?;
    let Some(partner) = partner else {
        find(tx, subscription.id)?;
        return Err(StoreError::Changed);
    };
    tx.as_account(partner.into(), |tx| subscribed_services::update(tx, subscription, expected.next()))?;
    Ok(expected.next())
}
