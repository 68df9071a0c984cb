//! What works once: links, codes, handles.
//!
//! Invariant: one statement takes it, so of any number of callers at most one has it; account and purpose are
//! part of its key, and expiry is part of the statement. Nothing else deletes another's entry.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::SecretHash;

use crate::directory::{self, Lookup};
use crate::error::StoreError;
use crate::multi::dual;
use crate::schema::single_use;
use crate::tx::Tx;
use crate::types::{At, Json};

/// What the secret is good for; one of another purpose is no such secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Confirming a sign-up; kept under the platform's own account.
    SignUp,
    /// Accepting an invitation; kept under the inviting account.
    Invitation,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::Invitation => "invitation",
        }
    }
}

const WHAT: &str = "link";

/// What became of an attempt to use it.
#[derive(Clone, Debug, PartialEq)]
pub enum Take {
    /// This caller has it, if the transaction commits.
    Taken {
        /// About what it is.
        subject: String,
        /// What was kept with it.
        payload: serde_json::Value,
    },
    /// Unknown, used, replaced, expired, or of another purpose or account: nobody is told which.
    Gone,
}

/// Keeps a secret's hash until it is used or expires. Another one of the same purpose and subject is gone from now on.
///
/// The directory leads from the hash to this account ([`Lookup::Link`]).
pub fn put(
    tx: &mut Tx<'_>,
    purpose: Purpose,
    subject: &str,
    hash: &SecretHash,
    payload: &serde_json::Value,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    revoke(tx, purpose, subject)?;
    let own = tx.own();
    let values = (
        single_use::account_id.eq(own),
        single_use::purpose.eq(purpose.as_str()),
        single_use::hash.eq(&hash.as_bytes()[..]),
        single_use::subject.eq(subject),
        single_use::payload.eq(Json(payload.clone())),
        single_use::expires_at.eq(At::from(expires_at)),
    );
    let renewed = (
        single_use::hash.eq(&hash.as_bytes()[..]),
        single_use::payload.eq(Json(payload.clone())),
        single_use::expires_at.eq(At::from(expires_at)),
    );
    // Of two at the same time the second waits, and then replaces the first.
    tx.run(WHAT, |connection| {
        dual!(connection, c => diesel::insert_into(single_use::table)
            .values(values)
            .on_conflict((single_use::account_id, single_use::purpose, single_use::subject))
            .do_update()
            .set(renewed)
            .execute(c))
    })?;
    directory::enter(tx, Lookup::Link(hash), tx.own(), WHAT)
}

/// About what it is, while it works, without using it; [`take`] decides, in the transaction of the effect.
pub fn peek(
    tx: &mut Tx<'_>,
    purpose: Purpose,
    hash: &SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<String>, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        single_use::table
            .filter(single_use::account_id.eq(own))
            .filter(single_use::purpose.eq(purpose.as_str()))
            .filter(single_use::hash.eq(&hash.as_bytes()[..]))
            .filter(single_use::expires_at.gt(At::from(now)))
            .select(single_use::subject)
            .first(connection)
            .optional()
    })
}

/// Uses it, in the transaction of its effect.
pub fn take(tx: &mut Tx<'_>, purpose: Purpose, hash: &SecretHash, now: DateTime<Utc>) -> Result<Take, StoreError> {
    let own = tx.own();
    let taken: Option<(String, Json)> = tx.run(WHAT, |connection| {
        diesel::delete(
            single_use::table
                .filter(single_use::account_id.eq(own))
                .filter(single_use::purpose.eq(purpose.as_str()))
                .filter(single_use::hash.eq(&hash.as_bytes()[..]))
                .filter(single_use::expires_at.gt(At::from(now))),
        )
        .returning((single_use::subject, single_use::payload))
        .get_result(connection)
        .optional()
    })?;
    let Some((subject, payload)) = taken else { return Ok(Take::Gone) };
    directory::leave(tx, Lookup::Link(hash))?;
    Ok(Take::Taken { subject, payload: payload.0 })
}

/// Takes back what was not used yet (an invitation that is revoked); says whether there was one.
pub fn revoke(tx: &mut Tx<'_>, purpose: Purpose, subject: &str) -> Result<bool, StoreError> {
    let own = tx.own();
    let hashes: Vec<Vec<u8>> = tx.run(WHAT, |connection| {
        diesel::delete(
            single_use::table
                .filter(single_use::account_id.eq(own))
                .filter(single_use::purpose.eq(purpose.as_str()))
                .filter(single_use::subject.eq(subject)),
        )
        .returning(single_use::hash)
        .get_results(connection)
    })?;
    leave(tx, &hashes)?;
    Ok(!hashes.is_empty())
}

/// Forgets what has expired in this account; says how many. Only room is won: what has expired is gone anyway.
pub fn sweep(tx: &mut Tx<'_>, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let own = tx.own();
    let hashes: Vec<Vec<u8>> = tx.run(WHAT, |connection| {
        diesel::delete(
            single_use::table.filter(single_use::account_id.eq(own)).filter(single_use::expires_at.le(At::from(now))),
        )
        .returning(single_use::hash)
        .get_results(connection)
    })?;
    leave(tx, &hashes)?;
    Ok(hashes.len())
}

fn leave(tx: &mut Tx<'_>, hashes: &[Vec<u8>]) -> Result<(), StoreError> {
    for hash in hashes {
        let hash = SecretHash::new(crate::types::digest(hash, WHAT)?);
        directory::leave(tx, Lookup::Link(&hash))?;
    }
    Ok(())
}
