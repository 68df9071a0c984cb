//! The keys that Services sign with; the private halves come and go sealed.

use diesel::prelude::*;
use domain::{KeyPurpose, KeyState, Sealed, SigningKey};
use policy::id::ServiceId;

use crate::error::StoreError;
use crate::schema::signing_keys;
use crate::tx::Tx;
use crate::types::{At, Id, Json, big};

const WHAT: &str = "signing key";
/// The most keys of one Service that are read at once: rotation keeps two or three.
pub const MAX_KEYS_OF_SERVICE: usize = 100;

#[derive(Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
struct Row {
    kid: String,
    service_id: Id,
    purpose: String,
    public_jwk: Json,
    private: Vec<u8>,
    state: String,
    created_at: At,
}

impl TryFrom<Row> for SigningKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            kid: row.kid,
            service_id: row.service_id.into(),
            purpose: KeyPurpose::parse(&row.purpose).ok_or(StoreError::Corrupt(WHAT))?,
            public_jwk: row.public_jwk.0,
            private: Sealed::new(row.private),
            state: KeyState::parse(&row.state).ok_or(StoreError::Corrupt(WHAT))?,
            created_at: row.created_at.into(),
        })
    }
}

/// Keeps a key; `Conflict("signing key")` when the `kid` is taken, or when another one is active for that purpose.
pub fn insert(tx: &mut Tx<'_>, key: &SigningKey) -> Result<(), StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        diesel::insert_into(signing_keys::table)
            .values((
                signing_keys::account_id.eq(own),
                signing_keys::kid.eq(&key.kid),
                signing_keys::service_id.eq(Id::from(key.service_id)),
                signing_keys::purpose.eq(key.purpose.as_str()),
                signing_keys::public_jwk.eq(Json(key.public_jwk.clone())),
                signing_keys::private.eq(key.private.as_bytes()),
                signing_keys::state.eq(key.state.as_str()),
                signing_keys::created_at.eq(At::from(key.created_at)),
            ))
            .execute(connection)
    })
    .map(drop)
}

/// The key that signs for a Service.
pub fn active(tx: &mut Tx<'_>, service_id: ServiceId, purpose: KeyPurpose) -> Result<SigningKey, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        signing_keys::table
            .filter(signing_keys::account_id.eq(own))
            .filter(signing_keys::service_id.eq(Id::from(service_id)))
            .filter(signing_keys::purpose.eq(purpose.as_str()))
            .filter(signing_keys::state.eq(KeyState::Active.as_str()))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// Every key of a Service for that purpose, whatever its state, oldest first.
pub fn all(tx: &mut Tx<'_>, service_id: ServiceId, purpose: KeyPurpose) -> Result<Vec<SigningKey>, StoreError> {
    let own = tx.own();
    let rows: Vec<Row> = tx.run(WHAT, |connection| {
        signing_keys::table
            .filter(signing_keys::account_id.eq(own))
            .filter(signing_keys::service_id.eq(Id::from(service_id)))
            .filter(signing_keys::purpose.eq(purpose.as_str()))
            .order((signing_keys::created_at.asc(), signing_keys::kid.asc()))
            .limit(big(MAX_KEYS_OF_SERVICE as u64))
            .select(Row::as_select())
            .load(connection)
    })?;
    rows.into_iter().map(SigningKey::try_from).collect()
}

/// Moves a key on in its rotation; retire the active one before another becomes it.
pub fn set_state(tx: &mut Tx<'_>, kid: &str, state: KeyState) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one(WHAT, |connection| {
        diesel::update(signing_keys::table.filter(signing_keys::account_id.eq(own)).filter(signing_keys::kid.eq(kid)))
            .set(signing_keys::state.eq(state.as_str()))
            .execute(connection)
    })
}
