//! What no longer counts at a Service's gateways, until its last token has expired.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use policy::bundle::Revocation;
use policy::id::{AccountId, KeyId, RoleId, RoleSessionId, ServiceId, TokenId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::multi::dual;
use crate::schema::revocations;
use crate::tx::Tx;
use crate::types::{At, Id, big};

const WHAT: &str = "revocation";

/// Kind, subject, and the other subject or the nil UUID.
fn columns(revocation: &Revocation) -> (&'static str, Id, Id) {
    let none = Id(Uuid::nil());
    match revocation {
        Revocation::Key(id) => ("key", (*id).into(), none),
        Revocation::Role(id) => ("role", (*id).into(), none),
        Revocation::RoleSession(id) => ("role_session", (*id).into(), none),
        Revocation::Account(id) => ("account", (*id).into(), none),
        Revocation::Token(id) => ("token", Id(id.uuid()), none),
        Revocation::Trust(role, account) => ("trust", (*role).into(), (*account).into()),
    }
}

fn revocation(kind: &str, subject: Uuid, other: Uuid) -> Result<Revocation, StoreError> {
    Ok(match kind {
        "key" => Revocation::Key(KeyId::new(subject)),
        "role" => Revocation::Role(RoleId::new(subject)),
        "role_session" => Revocation::RoleSession(RoleSessionId::new(subject)),
        "account" => Revocation::Account(AccountId::new(subject)),
        "token" => Revocation::Token(TokenId::new(subject)),
        "trust" => Revocation::Trust(RoleId::new(subject), AccountId::new(other)),
        _ => return Err(StoreError::Corrupt(WHAT)),
    })
}

/// Revokes something at a Service of this account until that moment; a second time moves the moment, never back.
pub fn put(
    tx: &mut Tx<'_>,
    service_id: ServiceId,
    revocation: &Revocation,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    let own = tx.own();
    let (kind, subject, other) = columns(revocation);
    let until = At::from(until);
    let values = (
        revocations::account_id.eq(own),
        revocations::service_id.eq(Id::from(service_id)),
        revocations::kind.eq(kind),
        revocations::subject.eq(subject),
        revocations::other.eq(other),
        revocations::until.eq(until),
    );
    tx.run(WHAT, |connection| {
        dual!(connection, c => diesel::insert_into(revocations::table)
            .values(values)
            .on_conflict((
                revocations::account_id,
                revocations::service_id,
                revocations::kind,
                revocations::subject,
                revocations::other,
            ))
            .do_nothing()
            .execute(c))
    })?;
    tx.run(WHAT, |connection| {
        diesel::update(
            revocations::table
                .find((own, Id::from(service_id), kind, subject, other))
                .filter(revocations::until.lt(until)),
        )
        .set(revocations::until.eq(until))
        .execute(connection)
    })
    .map(drop)
}

/// Takes a revocation back (a partner that was suspended is active again); says whether there was one.
pub fn remove(tx: &mut Tx<'_>, service_id: ServiceId, revocation: &Revocation) -> Result<bool, StoreError> {
    let own = tx.own();
    let (kind, subject, other) = columns(revocation);
    let removed = tx.run(WHAT, |connection| {
        diesel::delete(revocations::table.find((own, Id::from(service_id), kind, subject, other))).execute(connection)
    })?;
    Ok(removed != 0)
}

/// What is revoked at a Service at that moment, sorted as a bundle wants it; at most as many as a bundle takes and
/// one more.
pub fn all(tx: &mut Tx<'_>, service_id: ServiceId, now: DateTime<Utc>) -> Result<Vec<Revocation>, StoreError> {
    let own = tx.own();
    let rows: Vec<(String, Id, Id)> = tx.run(WHAT, |connection| {
        revocations::table
            .filter(revocations::account_id.eq(own))
            .filter(revocations::service_id.eq(Id::from(service_id)))
            .filter(revocations::until.gt(At::from(now)))
            .limit(big(policy::bundle::MAX_REVOCATIONS as u64 + 1))
            .select((revocations::kind, revocations::subject, revocations::other))
            .load(connection)
    })?;
    let mut found =
        rows.into_iter().map(|(kind, one, other)| revocation(&kind, one.0, other.0)).collect::<Result<Vec<_>, _>>()?;
    found.sort();
    Ok(found)
}

/// Forgets what has run out at a Service; says how many.
pub fn sweep(tx: &mut Tx<'_>, service_id: ServiceId, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        diesel::delete(
            revocations::table
                .filter(revocations::account_id.eq(own))
                .filter(revocations::service_id.eq(Id::from(service_id)))
                .filter(revocations::until.le(At::from(now))),
        )
        .execute(connection)
    })
}
