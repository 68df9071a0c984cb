//! Sessions of members: opaque tokens, kept as hashes.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{SecretHash, Session};
use policy::id::{MemberId, SessionId};

use crate::directory::{self, Lookup};
use crate::error::StoreError;
use crate::schema::sessions;
use crate::tx::Tx;
use crate::types::{At, Id, digest};

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
struct Row {
    id: Id,
    member_id: Id,
    hash: Vec<u8>,
    created_at: At,
    expires_at: At,
}

impl TryFrom<Row> for Session {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            member_id: row.member_id.into(),
            hash: SecretHash::new(digest(&row.hash, "session")?),
            created_at: row.created_at.into(),
            expires_at: row.expires_at.into(),
        })
    }
}

/// Begins a session.
pub fn insert(tx: &mut Tx<'_>, session: &Session) -> Result<(), StoreError> {
    let own = tx.own();
    tx.run("session", |connection| {
        diesel::insert_into(sessions::table)
            .values((
                sessions::account_id.eq(own),
                sessions::id.eq(Id::from(session.id)),
                sessions::member_id.eq(Id::from(session.member_id)),
                sessions::hash.eq(&session.hash.as_bytes()[..]),
                sessions::created_at.eq(At::from(session.created_at)),
                sessions::expires_at.eq(At::from(session.expires_at)),
            ))
            .execute(connection)
    })?;
    directory::enter(tx, Lookup::Session(&session.hash), session.id, "session")
}

/// The session whose token has that hash, unless it has expired; find its account with [`Lookup::Session`].
pub fn find_by_hash(tx: &mut Tx<'_>, hash: &SecretHash, now: DateTime<Utc>) -> Result<Session, StoreError> {
    let own = tx.own();
    tx.run("session", |connection| {
        sessions::table
            .filter(sessions::account_id.eq(own))
            .filter(sessions::hash.eq(&hash.as_bytes()[..]))
            .filter(sessions::expires_at.gt(At::from(now)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// Ends a session.
pub fn delete(tx: &mut Tx<'_>, id: SessionId) -> Result<(), StoreError> {
    let own = tx.own();
    let hash: Vec<u8> = tx.run("session", |connection| {
        diesel::delete(sessions::table.filter(sessions::account_id.eq(own)).filter(sessions::id.eq(Id::from(id))))
            .returning(sessions::hash)
            .get_result(connection)
    })?;
    directory::leave(tx, Lookup::Session(&SecretHash::new(digest(&hash, "session")?)))
}

/// Ends every session of a member (after a change of the password, or when they leave); says how many.
pub fn delete_of_member(tx: &mut Tx<'_>, member_id: MemberId) -> Result<usize, StoreError> {
    let own = tx.own();
    let hashes: Vec<Vec<u8>> = tx.run("session", |connection| {
        diesel::delete(
            sessions::table.filter(sessions::account_id.eq(own)).filter(sessions::member_id.eq(Id::from(member_id))),
        )
        .returning(sessions::hash)
        .get_results(connection)
    })?;
    for hash in &hashes {
        directory::leave(tx, Lookup::Session(&SecretHash::new(digest(hash, "session")?)))?;
    }
    Ok(hashes.len())
}
