//! Keys: credentials of machines.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{Key, Name, SecretHash};
use policy::id::KeyId;

use crate::directory::{self, Lookup};
use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::keys;
use crate::tx::Tx;
use crate::types::{At, Id, checked, digest};

const WHAT: &str = "key";
/// How exactly the last use is kept: once a minute, so that a busy key is not a busy row.
const USE_RESOLUTION_SECONDS: i64 = 60;

#[derive(Queryable, Selectable)]
#[diesel(table_name = keys)]
struct Row {
    id: Id,
    name: String,
    secret_hash: Vec<u8>,
    created_at: At,
    last_used_at: Option<At>,
}

impl TryFrom<Row> for Key {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            name: checked(Name::try_from(row.name), WHAT)?,
            secret_hash: SecretHash::new(digest(&row.secret_hash, WHAT)?),
            created_at: row.created_at.into(),
            last_used_at: row.last_used_at.map(Into::into),
        })
    }
}

/// Makes a key, which holds nothing yet.
pub fn insert(tx: &mut Tx<'_>, key: &Key) -> Result<(), StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        diesel::insert_into(keys::table)
            .values((
                keys::account_id.eq(own),
                keys::id.eq(Id::from(key.id)),
                keys::name.eq(key.name.as_str()),
                keys::secret_hash.eq(&key.secret_hash.as_bytes()[..]),
                keys::created_at.eq(At::from(key.created_at)),
                keys::last_used_at.eq(key.last_used_at.map(At::from)),
            ))
            .execute(connection)
    })?;
    directory::enter(tx, Lookup::Key(key.id), key.id, WHAT)
}

/// This account's key with that id; find the account with [`Lookup::Key`].
pub fn find(tx: &mut Tx<'_>, id: KeyId) -> Result<Key, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        keys::table
            .filter(keys::account_id.eq(own))
            .filter(keys::id.eq(Id::from(id)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// This account's keys, oldest first.
pub fn list(tx: &mut Tx<'_>, page: Page<KeyId>) -> Result<Listed<Key>, StoreError> {
    let own = tx.own();
    let rows = tx.run(WHAT, |connection| {
        keys::table
            .filter(keys::account_id.eq(own))
            .filter(keys::id.gt(page.above()))
            .order(keys::id.asc())
            .limit(page.sql_limit())
            .select(Row::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(Key::try_from)
}

/// Notes that a key was used; says whether that was worth a write.
pub fn touch(tx: &mut Tx<'_>, id: KeyId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let own = tx.own();
    let stale = now - chrono::TimeDelta::seconds(USE_RESOLUTION_SECONDS);
    let changed = tx.run(WHAT, |connection| {
        diesel::update(
            keys::table
                .filter(keys::account_id.eq(own))
                .filter(keys::id.eq(Id::from(id)))
                .filter(keys::last_used_at.is_null().or(keys::last_used_at.le(At::from(stale)))),
        )
        .set(keys::last_used_at.eq(At::from(now)))
        .execute(connection)
    })?;
    Ok(changed != 0)
}

/// Deletes a key and what it holds. Its id is never used again; the caller revokes its tokens.
pub fn delete(tx: &mut Tx<'_>, id: KeyId) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one(WHAT, |connection| {
        diesel::delete(keys::table.filter(keys::account_id.eq(own)).filter(keys::id.eq(Id::from(id))))
            .execute(connection)
    })?;
    directory::leave(tx, Lookup::Key(id))
}
