//! Accounts: the tenants themselves.

use diesel::prelude::*;
use domain::{Account, Name};

use crate::error::StoreError;
use crate::schema::accounts;
use crate::tx::Tx;
use crate::types::{At, Id, checked};

/// Makes the account of this transaction; its id is the transaction's.
pub fn insert(tx: &mut Tx<'_>, account: &Account) -> Result<(), StoreError> {
    let own = tx.own();
    if Id::from(account.id) != own {
        return Err(StoreError::NotFound);
    }
    tx.run("account", |connection| {
        diesel::insert_into(accounts::table)
            .values((
                accounts::id.eq(own),
                accounts::name.eq(account.name.as_str()),
                accounts::created_at.eq(At::from(account.created_at)),
                accounts::revision.eq(1),
            ))
            .execute(connection)
    })
    .map(drop)
}

/// This transaction's account.
pub fn get(tx: &mut Tx<'_>) -> Result<Account, StoreError> {
    let own = tx.own();
    let (id, name, created_at): (Id, String, At) = tx.run("account", |connection| {
        accounts::table
            .filter(accounts::id.eq(own))
            .select((accounts::id, accounts::name, accounts::created_at))
            .first(connection)
    })?;
    Ok(Account { id: id.into(), name: checked(Name::try_from(name), "account")?, created_at: created_at.into() })
}

/// Lets one transaction at a time past this point, for each account: for rules over several rows (the last owner).
pub fn lock(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one("account", |connection| {
        diesel::update(accounts::table.filter(accounts::id.eq(own)))
            .set(accounts::revision.eq(accounts::revision + 1))
            .execute(connection)
    })
}
