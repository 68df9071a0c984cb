//! The platform's directory: what is looked up before the tenant is known, and to which account it leads.
//!
//! Invariant: it holds kind, lookup, account and target, and nothing else. The functions that write a
//! tenant's rows keep it in step, in the same transaction.

use diesel::prelude::*;
use domain::{SecretHash, Slug};
use policy::id::{AccountId, GatewayId, KeyId, MemberId, PersonId, RoleId, ServiceId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::schema::directory;
use crate::tx::Tx;
use crate::types::{Id, big};

/// The most Accounts that one person is in.
pub const MAX_MEMBERSHIPS: usize = 1_000;

/// What is known before the account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// A key's id; the target is the key.
    Key(KeyId),
    /// The hash of a session's token; the target is the session.
    Session(&'a SecretHash),
    /// A gateway's id; the target is the gateway.
    Gateway(GatewayId),
    /// The hash of a link's token; the target is the account again ([`crate::single_use`] has the rest).
    Link(&'a SecretHash),
    /// A Service's slug; the target is the Service.
    Slug(&'a Slug),
    /// A Service's id; the target is the Service.
    Service(ServiceId),
    /// A custom role's id; the target is the role.
    Role(RoleId),
}

impl Lookup<'_> {
    fn columns(&self) -> (&'static str, Vec<u8>) {
        match self {
            Self::Key(id) => ("key", bytes(*id)),
            Self::Session(hash) => ("session", hash.as_bytes().to_vec()),
            Self::Gateway(id) => ("gateway", bytes(*id)),
            Self::Link(hash) => ("link", hash.as_bytes().to_vec()),
            Self::Slug(slug) => ("slug", slug.as_str().as_bytes().to_vec()),
            Self::Service(id) => ("service", bytes(*id)),
            Self::Role(id) => ("role", bytes(*id)),
        }
    }
}

fn bytes(id: impl Into<Id>) -> Vec<u8> {
    id.into().0.as_bytes().to_vec()
}

/// To which account something belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The account.
    pub account_id: AccountId,
    /// The UUID of the row there.
    pub target: Uuid,
}

/// To which account it belongs; none when it is unknown.
pub fn find(tx: &mut Tx<'_>, lookup: Lookup<'_>) -> Result<Option<Found>, StoreError> {
    let (kind, lookup) = lookup.columns();
    let found: Option<(Id, Id)> = tx.run("directory entry", |connection| {
        directory::table
            .filter(directory::kind.eq(kind))
            .filter(directory::lookup.eq(lookup))
            .select((directory::account_id, directory::target_id))
            .first(connection)
            .optional()
    })?;
    Ok(found.map(|(account_id, target)| Found { account_id: account_id.into(), target: target.0 }))
}

/// The Accounts that a person is in, oldest membership first.
pub fn memberships(tx: &mut Tx<'_>, person_id: PersonId) -> Result<Vec<(AccountId, MemberId)>, StoreError> {
    let found: Vec<(Id, Id)> = tx.run("directory entry", |connection| {
        directory::table
            .filter(directory::kind.eq("member"))
            .filter(directory::lookup.eq(bytes(person_id)))
            .order(directory::target_id.asc())
            .limit(big(MAX_MEMBERSHIPS as u64))
            .select((directory::account_id, directory::target_id))
            .load(connection)
    })?;
    Ok(found.into_iter().map(|(account_id, member_id)| (account_id.into(), member_id.into())).collect())
}

/// Enters something of this account; [`StoreError::Conflict`] when it is there already.
pub(crate) fn enter(
    tx: &mut Tx<'_>,
    lookup: Lookup<'_>,
    target: impl Into<Id>,
    what: &'static str,
) -> Result<(), StoreError> {
    let (kind, lookup) = lookup.columns();
    enter_row(tx, kind, lookup, target.into(), what)
}

/// Takes it out again.
pub(crate) fn leave(tx: &mut Tx<'_>, lookup: Lookup<'_>) -> Result<(), StoreError> {
    let (kind, lookup) = lookup.columns();
    leave_row(tx, kind, lookup)
}

pub(crate) fn enter_member(tx: &mut Tx<'_>, person_id: PersonId, member_id: MemberId) -> Result<(), StoreError> {
    enter_row(tx, "member", bytes(person_id), member_id.into(), "member")
}

pub(crate) fn leave_member(tx: &mut Tx<'_>, person_id: PersonId) -> Result<(), StoreError> {
    leave_row(tx, "member", bytes(person_id))
}

pub(crate) fn enter_row(
    tx: &mut Tx<'_>,
    kind: &'static str,
    lookup: Vec<u8>,
    target: Id,
    what: &'static str,
) -> Result<(), StoreError> {
    let own = tx.own();
    tx.run(what, |connection| {
        diesel::insert_into(directory::table)
            .values((
                directory::kind.eq(kind),
                directory::lookup.eq(lookup),
                directory::account_id.eq(own),
                directory::target_id.eq(target),
            ))
            .execute(connection)
    })
    .map(drop)
}

pub(crate) fn leave_row(tx: &mut Tx<'_>, kind: &'static str, lookup: Vec<u8>) -> Result<(), StoreError> {
    let own = tx.own();
    tx.run("directory entry", |connection| {
        diesel::delete(
            directory::table
                .filter(directory::kind.eq(kind))
                .filter(directory::lookup.eq(lookup))
                .filter(directory::account_id.eq(own)),
        )
        .execute(connection)
    })
    .map(drop)
}
