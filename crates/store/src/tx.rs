//! One transaction of one account: the only way to a tenant's rows.
//!
//! Invariant: between the statements of a transaction, the account that the scoped functions use and the one that
//! PostgreSQL's row-level security uses are the same.

use std::fmt;
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::Text;
use policy::id::AccountId;

use crate::error::StoreError;
use crate::multi::Conn;
use crate::types::Id;

/// A transaction of one account. [`crate::Pool::transact`] makes and ends it.
pub struct Tx<'c> {
    connection: &'c mut Conn,
    account_id: AccountId,
    /// The first statement that failed; after it nothing is committed.
    fault: Option<StoreError>,
    points: Points,
}

/// The named points of a transaction, for crash tests.
#[derive(Debug)]
pub(crate) struct Points {
    kill_at: Option<Arc<str>>,
    /// What the transaction does: the action of its latest event.
    action: Option<String>,
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tx").field("account_id", &self.account_id).finish_non_exhaustive()
    }
}

impl<'c> Tx<'c> {
    pub(crate) fn new(connection: &'c mut Conn, account_id: AccountId, kill_at: Option<Arc<str>>) -> Self {
        Self { connection, account_id, fault: None, points: Points { kill_at, action: None } }
    }

    /// The account whose rows this reads and writes.
    #[must_use]
    pub const fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// Runs `work` in another account, inside the same transaction; then this is back in its own.
    ///
    /// It crosses the wall between tenants, so it stands only where a use case joins two of them and has shown why
    /// it may: accepting an invitation, exchanging a key for another account's Service, assuming a role.
    pub fn as_account<T, E: From<StoreError>>(
        &mut self,
        other: AccountId,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let own = std::mem::replace(&mut self.account_id, other);
        let outcome = self.enter().map_err(E::from).and_then(|()| work(self));
        self.account_id = own;
        let back = self.enter();
        let value = outcome?;
        back?;
        Ok(value)
    }

    /// A named point inside a use case: here the process dies at once if a crash test asked for it.
    ///
    /// The whole name is `action:name`, with the action of the latest event (`service.create:before_commit`).
    pub fn point(&self, name: &str) {
        self.points.point(name);
    }

    /// Names what this transaction does, for [`Tx::point`], when no event does.
    pub fn name(&mut self, action: &str) {
        self.points.action = Some(action.to_owned());
    }

    /// The account as a column's value.
    pub(crate) fn own(&self) -> Id {
        self.account_id.into()
    }

    /// Tells row-level security which account this is, until the transaction ends.
    pub(crate) fn enter(&mut self) -> Result<(), StoreError> {
        let account = self.account_id.uuid().to_string();
        self.run("account", |connection| match connection {
            Conn::Sqlite(_) => Ok(()),
            Conn::Postgresql(inner) => diesel::sql_query("SELECT set_config('firewarden.account_id', $1, true)")
                .bind::<Text, _>(account)
                .execute(inner)
                .map(drop),
        })
    }

    /// Runs one statement; `what` names in an error what it was about.
    pub(crate) fn run<T>(
        &mut self,
        what: &'static str,
        statement: impl FnOnce(&mut Conn) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        statement(self.connection).map_err(|fault| {
            let error = StoreError::of(&fault, what);
            if !matches!(fault, diesel::result::Error::NotFound) {
                self.fault = Some(error.clone());
            }
            error
        })
    }

    /// Runs one statement that must change exactly one row.
    pub(crate) fn change_one(
        &mut self,
        what: &'static str,
        statement: impl FnOnce(&mut Conn) -> QueryResult<usize>,
    ) -> Result<(), StoreError> {
        match self.run(what, statement)? {
            0 => Err(StoreError::NotFound),
            _ => Ok(()),
        }
    }

    pub(crate) fn fault(&self) -> Option<StoreError> {
        self.fault.clone()
    }

    pub(crate) fn into_after_commit(self) -> Points {
        self.points
    }
}

impl Points {
    pub(crate) fn point(&self, name: &str) {
        if cfg!(debug_assertions)
            && let Some(kill_at) = &self.kill_at
            && **kill_at == format!("{}:{name}", self.action.as_deref().unwrap_or("unnamed"))
        {
            // No unwinding and no destructor: as if the power went.
            std::process::abort();
        }
    }
}
