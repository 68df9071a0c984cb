//! Custom roles of a Service.

use diesel::prelude::*;
use domain::{Name, Revision, Role};
use policy::id::{RoleId, ServiceId};

use crate::directory::{self, Lookup};
use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::roles;
use crate::tx::Tx;
use crate::types::{At, Id, Json, big, checked, count};

const WHAT: &str = "role";
const NAME: &str = "role name";

#[derive(Queryable, Selectable)]
#[diesel(table_name = roles)]
struct Row {
    id: Id,
    service_id: Id,
    name: String,
    operations: Json,
    trust: Option<Json>,
    created_at: At,
    updated_at: At,
    revision: i64,
}

impl TryFrom<Row> for Role {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            service_id: row.service_id.into(),
            name: checked(Name::try_from(row.name), WHAT)?,
            operations: row.operations.read(WHAT)?,
            trust: row.trust.map(|trust| trust.read(WHAT)).transpose()?,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            revision: Revision(count(row.revision, WHAT)?),
        })
    }
}

fn trust(role: &Role) -> Result<Option<Json>, StoreError> {
    role.trust.as_ref().map(|trust| Json::of(trust, WHAT)).transpose()
}

/// Makes a role; `Conflict("role name")` when the Service has one of that name.
pub fn insert(tx: &mut Tx<'_>, role: &Role) -> Result<(), StoreError> {
    let own = tx.own();
    let (operations, trust) = (Json::of(&role.operations, WHAT)?, trust(role)?);
    tx.run(NAME, |connection| {
        diesel::insert_into(roles::table)
            .values((
                roles::account_id.eq(own),
                roles::id.eq(Id::from(role.id)),
                roles::service_id.eq(Id::from(role.service_id)),
                roles::name.eq(role.name.as_str()),
                roles::operations.eq(operations),
                roles::trust.eq(trust),
                roles::created_at.eq(At::from(role.created_at)),
                roles::updated_at.eq(At::from(role.updated_at)),
                roles::revision.eq(big(role.revision.0)),
            ))
            .execute(connection)
    })?;
    directory::enter(tx, Lookup::Role(role.id), role.id, WHAT)
}

/// This account's role with that id.
pub fn find(tx: &mut Tx<'_>, id: RoleId) -> Result<Role, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        roles::table
            .filter(roles::account_id.eq(own))
            .filter(roles::id.eq(Id::from(id)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// The roles of a Service, oldest first.
pub fn list(tx: &mut Tx<'_>, service_id: ServiceId, page: Page<RoleId>) -> Result<Listed<Role>, StoreError> {
    let own = tx.own();
    let rows = tx.run(WHAT, |connection| {
        roles::table
            .filter(roles::account_id.eq(own))
            .filter(roles::service_id.eq(Id::from(service_id)))
            .filter(roles::id.gt(page.above()))
            .order(roles::id.asc())
            .limit(page.sql_limit())
            .select(Row::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(Role::try_from)
}

/// Every role of a Service, ascending by id, as a bundle needs them; at most as many as a bundle takes and one more.
pub fn all(tx: &mut Tx<'_>, service_id: ServiceId) -> Result<Vec<Role>, StoreError> {
    let own = tx.own();
    let rows: Vec<Row> = tx.run(WHAT, |connection| {
        roles::table
            .filter(roles::account_id.eq(own))
            .filter(roles::service_id.eq(Id::from(service_id)))
            .order(roles::id.asc())
            .limit(big(policy::bundle::MAX_ROLES as u64 + 1))
            .select(Row::as_select())
            .load(connection)
    })?;
    rows.into_iter().map(Role::try_from).collect()
}

/// Writes name, operations and trust of a role. Returns its new revision.
pub fn update(tx: &mut Tx<'_>, role: &Role, expected: Revision) -> Result<Revision, StoreError> {
    let own = tx.own();
    let (operations, trust) = (Json::of(&role.operations, WHAT)?, trust(role)?);
    let changed = tx.run(NAME, |connection| {
        diesel::update(
            roles::table
                .filter(roles::account_id.eq(own))
                .filter(roles::id.eq(Id::from(role.id)))
                .filter(roles::revision.eq(big(expected.0))),
        )
        .set((
            roles::name.eq(role.name.as_str()),
            roles::operations.eq(operations),
            roles::trust.eq(trust),
            roles::updated_at.eq(At::from(role.updated_at)),
            roles::revision.eq(big(expected.next().0)),
        ))
        .execute(connection)
    })?;
    if changed == 0 {
        find(tx, role.id)?;
        return Err(StoreError::Changed);
    }
    Ok(expected.next())
}

/// Deletes a role. Its id is never used again.
pub fn delete(tx: &mut Tx<'_>, id: RoleId, expected: Revision) -> Result<(), StoreError> {
    let own = tx.own();
    let deleted = tx.run(WHAT, |connection| {
        diesel::delete(
            roles::table
                .filter(roles::account_id.eq(own))
                .filter(roles::id.eq(Id::from(id)))
                .filter(roles::revision.eq(big(expected.0))),
        )
        .execute(connection)
    })?;
    if deleted == 0 {
        find(tx, id)?;
        return Err(StoreError::Changed);
    }
    directory::leave(tx, Lookup::Role(id))
}
