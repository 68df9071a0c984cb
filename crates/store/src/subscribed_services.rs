//! Subscriptions, as the partner sees them: the Services of others that this account may use.

use diesel::prelude::*;
use domain::{Revision, Subscription, SubscriptionState};
use policy::id::{ServiceId, SubscriptionId};

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::subscribed_services;
use crate::subscriptions::WHAT;
use crate::tx::Tx;
use crate::types::{At, Id, Json, big, count};

#[derive(Queryable, Selectable)]
#[diesel(table_name = subscribed_services)]
struct Row {
    account_id: Id,
    id: Id,
    service_id: Id,
    owner_account_id: Id,
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
            owner_account_id: row.owner_account_id.into(),
            partner_account_id: row.account_id.into(),
            role_ids: row.role_ids.read(WHAT)?,
            state: SubscriptionState::parse(&row.state).ok_or(StoreError::Corrupt(WHAT))?,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            revision: Revision(count(row.revision, WHAT)?),
        })
    }
}

/// The partner's half of [`crate::subscriptions::insert`].
pub(crate) fn insert(tx: &mut Tx<'_>, subscription: &Subscription) -> Result<(), StoreError> {
    let own = tx.own();
    let role_ids = Json::of(&subscription.role_ids, WHAT)?;
    tx.run(WHAT, |connection| {
        diesel::insert_into(subscribed_services::table)
            .values((
                subscribed_services::account_id.eq(own),
                subscribed_services::id.eq(Id::from(subscription.id)),
                subscribed_services::service_id.eq(Id::from(subscription.service_id)),
                subscribed_services::owner_account_id.eq(Id::from(subscription.owner_account_id)),
                subscribed_services::role_ids.eq(role_ids),
                subscribed_services::state.eq(subscription.state.as_str()),
                subscribed_services::created_at.eq(At::from(subscription.created_at)),
                subscribed_services::updated_at.eq(At::from(subscription.updated_at)),
                subscribed_services::revision.eq(big(subscription.revision.0)),
            ))
            .execute(connection)
    })
    .map(drop)
}

/// The partner's half of [`crate::subscriptions::update`].
pub(crate) fn update(tx: &mut Tx<'_>, subscription: &Subscription, revision: Revision) -> Result<(), StoreError> {
    let own = tx.own();
    let role_ids = Json::of(&subscription.role_ids, WHAT)?;
    tx.change_one(WHAT, |connection| {
        diesel::update(
            subscribed_services::table
                .filter(subscribed_services::account_id.eq(own))
                .filter(subscribed_services::id.eq(Id::from(subscription.id))),
        )
        .set((
            subscribed_services::role_ids.eq(role_ids),
            subscribed_services::state.eq(subscription.state.as_str()),
            subscribed_services::updated_at.eq(At::from(subscription.updated_at)),
            subscribed_services::revision.eq(big(revision.0)),
        ))
        .execute(connection)
    })
}

/// This account's Subscription with that id.
pub fn find(tx: &mut Tx<'_>, id: SubscriptionId) -> Result<Subscription, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        subscribed_services::table
            .filter(subscribed_services::account_id.eq(own))
            .filter(subscribed_services::id.eq(Id::from(id)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// This account's Subscription to that Service; none when it has none.
pub fn find_by_service(tx: &mut Tx<'_>, service_id: ServiceId) -> Result<Option<Subscription>, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        subscribed_services::table
            .filter(subscribed_services::account_id.eq(own))
            .filter(subscribed_services::service_id.eq(Id::from(service_id)))
            .select(Row::as_select())
            .first(connection)
            .optional()
    })?
    .map(Subscription::try_from)
    .transpose()
}

/// This account's Subscriptions, oldest first.
pub fn list(tx: &mut Tx<'_>, page: Page<SubscriptionId>) -> Result<Listed<Subscription>, StoreError> {
    let own = tx.own();
    let rows = tx.run(WHAT, |connection| {
        subscribed_services::table
            .filter(subscribed_services::account_id.eq(own))
            .filter(subscribed_services::id.gt(page.above()))
            .order(subscribed_services::id.asc())
            .limit(page.sql_limit())
            .select(Row::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(Subscription::try_from)
}
