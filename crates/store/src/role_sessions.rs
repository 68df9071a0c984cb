//! Sessions of assumed roles, kept by the role's owner.

use diesel::prelude::*;
use domain::{Name, RoleSession};
use policy::id::{RoleId, RoleSessionId};

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::role_sessions;
use crate::tx::Tx;
use crate::types::{At, Id, checked};

const WHAT: &str = "role session";

#[derive(Queryable, Selectable)]
#[diesel(table_name = role_sessions)]
struct Row {
    id: Id,
    role_id: Id,
    service_id: Id,
    key_id: Id,
    partner_account_id: Id,
    name: String,
    created_at: At,
    expires_at: At,
}

impl TryFrom<Row> for RoleSession {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            role_id: row.role_id.into(),
            service_id: row.service_id.into(),
            key_id: row.key_id.into(),
            partner_account_id: row.partner_account_id.into(),
            name: checked(Name::try_from(row.name), WHAT)?,
            created_at: row.created_at.into(),
            expires_at: row.expires_at.into(),
        })
    }
}

/// Keeps the session of a role of this account.
pub fn insert(tx: &mut Tx<'_>, session: &RoleSession) -> Result<(), StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        diesel::insert_into(role_sessions::table)
            .values((
                role_sessions::account_id.eq(own),
                role_sessions::id.eq(Id::from(session.id)),
                role_sessions::role_id.eq(Id::from(session.role_id)),
                role_sessions::service_id.eq(Id::from(session.service_id)),
                role_sessions::key_id.eq(Id::from(session.key_id)),
                role_sessions::partner_account_id.eq(Id::from(session.partner_account_id)),
                role_sessions::name.eq(session.name.as_str()),
                role_sessions::created_at.eq(At::from(session.created_at)),
                role_sessions::expires_at.eq(At::from(session.expires_at)),
            ))
            .execute(connection)
    })
    .map(drop)
}

/// The session with that id of a role of this account.
pub fn find(tx: &mut Tx<'_>, id: RoleSessionId) -> Result<RoleSession, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        role_sessions::table
            .filter(role_sessions::account_id.eq(own))
            .filter(role_sessions::id.eq(Id::from(id)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// The sessions of a role, the newest first.
pub fn list(tx: &mut Tx<'_>, role_id: RoleId, page: Page<RoleSessionId>) -> Result<Listed<RoleSession>, StoreError> {
    let own = tx.own();
    let rows = tx.run(WHAT, |connection| {
        role_sessions::table
            .filter(role_sessions::account_id.eq(own))
            .filter(role_sessions::role_id.eq(Id::from(role_id)))
            .filter(role_sessions::id.lt(page.below()))
            .order(role_sessions::id.desc())
            .limit(page.sql_limit())
            .select(Row::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(RoleSession::try_from)
}
