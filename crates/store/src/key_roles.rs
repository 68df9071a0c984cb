//! What keys hold, Service by Service.

use diesel::prelude::*;
use domain::KeyRoles;
use policy::id::{KeyId, ServiceId};

use crate::error::StoreError;
use crate::multi::dual;
use crate::schema::key_roles;
use crate::tx::Tx;
use crate::types::{At, Id, Json, big};

const WHAT: &str = "key";
/// The most Services in which one key holds roles.
pub const MAX_SERVICES_OF_KEY: usize = 1_000;

#[derive(Queryable, Selectable)]
#[diesel(table_name = key_roles)]
struct Row {
    key_id: Id,
    service_id: Id,
    service_account_id: Id,
    role_ids: Json,
    updated_at: At,
}

impl TryFrom<Row> for KeyRoles {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            key_id: row.key_id.into(),
            service_id: row.service_id.into(),
            service_account_id: row.service_account_id.into(),
            role_ids: row.role_ids.read(WHAT)?,
            updated_at: row.updated_at.into(),
        })
    }
}

/// Sets what a key of this account holds in a Service, in place of what it held there.
pub fn put(tx: &mut Tx<'_>, roles: &KeyRoles) -> Result<(), StoreError> {
    let own = tx.own();
    let role_ids = Json::of(&roles.role_ids, WHAT)?;
    let values = (
        key_roles::account_id.eq(own),
        key_roles::key_id.eq(Id::from(roles.key_id)),
        key_roles::service_id.eq(Id::from(roles.service_id)),
        key_roles::service_account_id.eq(Id::from(roles.service_account_id)),
        key_roles::role_ids.eq(role_ids.clone()),
        key_roles::updated_at.eq(At::from(roles.updated_at)),
    );
    let changed = (key_roles::role_ids.eq(role_ids), key_roles::updated_at.eq(At::from(roles.updated_at)));
    tx.run(WHAT, |connection| {
        dual!(connection, c => diesel::insert_into(key_roles::table)
            .values(values)
            .on_conflict((key_roles::account_id, key_roles::key_id, key_roles::service_id))
            .do_update()
            .set(changed)
            .execute(c))
    })
    .map(drop)
}

/// What a key of this account holds in that Service; none when it never held anything.
pub fn find(tx: &mut Tx<'_>, key_id: KeyId, service_id: ServiceId) -> Result<Option<KeyRoles>, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        key_roles::table
            .filter(key_roles::account_id.eq(own))
            .filter(key_roles::key_id.eq(Id::from(key_id)))
            .filter(key_roles::service_id.eq(Id::from(service_id)))
            .select(Row::as_select())
            .first(connection)
            .optional()
    })?
    .map(KeyRoles::try_from)
    .transpose()
}

/// What a key of this account holds, in every Service.
pub fn all(tx: &mut Tx<'_>, key_id: KeyId) -> Result<Vec<KeyRoles>, StoreError> {
    let own = tx.own();
    let rows: Vec<Row> = tx.run(WHAT, |connection| {
        key_roles::table
            .filter(key_roles::account_id.eq(own))
            .filter(key_roles::key_id.eq(Id::from(key_id)))
            .order(key_roles::service_id.asc())
            .limit(big(MAX_SERVICES_OF_KEY as u64))
            .select(Row::as_select())
            .load(connection)
    })?;
    rows.into_iter().map(KeyRoles::try_from).collect()
}
