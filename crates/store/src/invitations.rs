//! Invitations of partners to a Service.
//!
//! Invariant: expiry is part of the statement that accepts, never a clean-up job.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{EmailAddress, Invitation, InvitationState, Revision};
use policy::id::{InvitationId, ServiceId, SubscriptionId};

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::invitations;
use crate::tx::Tx;
use crate::types::{At, Id, Json, big, checked, count};

const WHAT: &str = "invitation";

#[derive(Queryable, Selectable)]
#[diesel(table_name = invitations)]
struct Row {
    id: Id,
    service_id: Id,
    email: String,
    role_ids: Json,
    state: String,
    created_at: At,
    expires_at: At,
    subscription_id: Option<Id>,
    revision: i64,
}

impl TryFrom<Row> for Invitation {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            service_id: row.service_id.into(),
            email: checked(EmailAddress::try_from(row.email), WHAT)?,
            role_ids: row.role_ids.read(WHAT)?,
            state: InvitationState::parse(&row.state).ok_or(StoreError::Corrupt(WHAT))?,
            created_at: row.created_at.into(),
            expires_at: row.expires_at.into(),
            subscription_id: row.subscription_id.map(Into::into),
            revision: Revision(count(row.revision, WHAT)?),
        })
    }
}

/// Makes a pending invitation.
pub fn insert(tx: &mut Tx<'_>, invitation: &Invitation) -> Result<(), StoreError> {
    let own = tx.own();
    let role_ids = Json::of(&invitation.role_ids, WHAT)?;
    tx.run(WHAT, |connection| {
        diesel::insert_into(invitations::table)
            .values((
                invitations::account_id.eq(own),
                invitations::id.eq(Id::from(invitation.id)),
                invitations::service_id.eq(Id::from(invitation.service_id)),
                invitations::email.eq(invitation.email.as_str()),
                invitations::role_ids.eq(role_ids),
                invitations::state.eq(invitation.state.as_str()),
                invitations::created_at.eq(At::from(invitation.created_at)),
                invitations::expires_at.eq(At::from(invitation.expires_at)),
                invitations::subscription_id.eq(invitation.subscription_id.map(Id::from)),
                invitations::revision.eq(big(invitation.revision.0)),
            ))
            .execute(connection)
    })
    .map(drop)
}

/// This account's invitation with that id.
pub fn find(tx: &mut Tx<'_>, id: InvitationId) -> Result<Invitation, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        invitations::table
            .filter(invitations::account_id.eq(own))
            .filter(invitations::id.eq(Id::from(id)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// The invitations to a Service, oldest first.
pub fn list(
    tx: &mut Tx<'_>,
    service_id: ServiceId,
    page: Page<InvitationId>,
) -> Result<Listed<Invitation>, StoreError> {
    let own = tx.own();
    let rows = tx.run(WHAT, |connection| {
        invitations::table
            .filter(invitations::account_id.eq(own))
            .filter(invitations::service_id.eq(Id::from(service_id)))
            .filter(invitations::id.gt(page.above()))
            .order(invitations::id.asc())
            .limit(page.sql_limit())
            .select(Row::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(Invitation::try_from)
}

/// Accepts a pending invitation that has not expired; [`StoreError::NotFound`] for any other.
pub fn accept(
    tx: &mut Tx<'_>,
    id: InvitationId,
    subscription_id: SubscriptionId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one(WHAT, |connection| {
        diesel::update(
            invitations::table
                .filter(invitations::account_id.eq(own))
                .filter(invitations::id.eq(Id::from(id)))
                .filter(invitations::state.eq(InvitationState::Pending.as_str()))
                .filter(invitations::expires_at.gt(At::from(now))),
        )
        .set((
            invitations::state.eq(InvitationState::Accepted.as_str()),
            invitations::subscription_id.eq(Id::from(subscription_id)),
            invitations::revision.eq(invitations::revision + 1),
        ))
        .execute(connection)
    })
}

/// Takes a pending invitation back, expired or not; [`StoreError::NotFound`] for any other.
pub fn revoke(tx: &mut Tx<'_>, id: InvitationId) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one(WHAT, |connection| {
        diesel::update(
            invitations::table
                .filter(invitations::account_id.eq(own))
                .filter(invitations::id.eq(Id::from(id)))
                .filter(invitations::state.eq(InvitationState::Pending.as_str())),
        )
        .set((
            invitations::state.eq(InvitationState::Revoked.as_str()),
            invitations::revision.eq(invitations::revision + 1),
        ))
        .execute(connection)
    })
}

/// Gives a pending invitation more time, expired or not, for a new link; [`StoreError::NotFound`] for any other.
pub fn renew(tx: &mut Tx<'_>, id: InvitationId, expires_at: DateTime<Utc>) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one(WHAT, |connection| {
        diesel::update(
            invitations::table
                .filter(invitations::account_id.eq(own))
                .filter(invitations::id.eq(Id::from(id)))
                .filter(invitations::state.eq(InvitationState::Pending.as_str())),
        )
        .set((invitations::expires_at.eq(At::from(expires_at)), invitations::revision.eq(invitations::revision + 1)))
        .execute(connection)
    })
}
