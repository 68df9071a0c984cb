//! Retried calls: the same `Idempotency-Key` by the same principal gives the same answer.
//!
//! `begin` and `finish` run in the transaction of the use case: claim, effect and answer are kept together or not at all,
//! and a process that dies in between claims nothing. A second call in the meantime waits for the first one's row.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::SecretHash;

use crate::error::StoreError;
use crate::multi::dual;
use crate::schema::idempotency;
use crate::tx::Tx;
use crate::types::{At, Json};

const WHAT: &str = "idempotency key";

/// Which call: keys of one principal say nothing about another's.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Who asks.
    pub principal: &'a str,
    /// The `Idempotency-Key`.
    pub key: &'a str,
    /// SHA-256 of method, path and body.
    pub request_hash: &'a SecretHash,
}

/// What is known of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// Nothing: do it.
    Fresh,
    /// It was done, and this was the answer.
    Replay(serde_json::Value),
    /// It is being done (409).
    InFlight,
    /// The key was used for another request (422).
    Mismatch,
}

/// Claims the key for this call. An unfinished claim holds until `lease_until`: after that, whoever held it is taken to
/// have died.
pub fn begin(
    tx: &mut Tx<'_>,
    attempt: &Attempt<'_>,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Begun, StoreError> {
    let own = tx.own();
    let hash = &attempt.request_hash.as_bytes()[..];
    let renewed = tx.run(WHAT, |connection| {
        diesel::update(
            idempotency::table
                .find((own, attempt.principal, attempt.key))
                .filter(idempotency::expires_at.le(At::from(now))),
        )
        .set((
            idempotency::request_hash.eq(hash),
            idempotency::response.eq(None::<Json>),
            idempotency::expires_at.eq(At::from(lease_until)),
        ))
        .execute(connection)
    })?;
    let values = (
        idempotency::account_id.eq(own),
        idempotency::principal.eq(attempt.principal),
        idempotency::key.eq(attempt.key),
        idempotency::request_hash.eq(hash),
        idempotency::expires_at.eq(At::from(lease_until)),
    );
    if renewed != 0
        || tx.run(WHAT, |connection| {
            dual!(connection, c => diesel::insert_into(idempotency::table)
                .values(values)
                .on_conflict((idempotency::account_id, idempotency::principal, idempotency::key))
                .do_nothing()
                .execute(c))
        })? != 0
    {
        return Ok(Begun::Fresh);
    }
    let (found, response): (Vec<u8>, Option<Json>) = tx.run(WHAT, |connection| {
        idempotency::table
            .find((own, attempt.principal, attempt.key))
            .select((idempotency::request_hash, idempotency::response))
            .first(connection)
    })?;
    Ok(match response {
        _ if found != hash => Begun::Mismatch,
        Some(response) => Begun::Replay(response.0),
        None => Begun::InFlight,
    })
}

/// Keeps the answer until that moment. It must hold no secret.
pub fn finish(
    tx: &mut Tx<'_>,
    attempt: &Attempt<'_>,
    response: &serde_json::Value,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one(WHAT, |connection| {
        diesel::update(
            idempotency::table
                .find((own, attempt.principal, attempt.key))
                .filter(idempotency::request_hash.eq(&attempt.request_hash.as_bytes()[..])),
        )
        .set((idempotency::response.eq(Some(Json(response.clone()))), idempotency::expires_at.eq(At::from(expires_at))))
        .execute(connection)
    })
}

/// Gives the key back after a failure that is not kept (5xx), or an answer that may not be (a secret); an answer that
/// is kept stays.
pub fn forget(tx: &mut Tx<'_>, attempt: &Attempt<'_>) -> Result<(), StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        diesel::delete(
            idempotency::table
                .find((own, attempt.principal, attempt.key))
                .filter(idempotency::request_hash.eq(&attempt.request_hash.as_bytes()[..]))
                .filter(idempotency::response.is_null()),
        )
        .execute(connection)
    })
    .map(drop)
}

/// Forgets what has run out in this account; says how many.
pub fn sweep(tx: &mut Tx<'_>, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        diesel::delete(
            idempotency::table
                .filter(idempotency::account_id.eq(own))
                .filter(idempotency::expires_at.le(At::from(now))),
        )
        .execute(connection)
    })
}
