//! What can go wrong in the store, in words that may leave it.
//!
//! Invariant: no text of the database or of Diesel is part of an error; those name constraints and values.

use diesel::result::{DatabaseErrorKind, Error as Fault};

/// Why the store did not do it. Nothing of the transaction is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such row in this account.
    #[error("not found")]
    NotFound,
    /// Something that must be unique is there already, or is still in use.
    #[error("the {0} is already taken, or still in use")]
    Conflict(&'static str),
    /// The row is not at the revision that was expected: somebody changed it meanwhile.
    #[error("changed since it was read")]
    Changed,
    /// No connection became free in time, or another writer held the row too long; try again.
    #[error("the database is busy")]
    Busy,
    /// The database does not answer, or refuses.
    #[error("the database is unavailable")]
    Unavailable,
    /// A row does not read back as what was written.
    #[error("a stored {0} cannot be read")]
    Corrupt(&'static str),
    /// The database cannot be used as it is set up; said to the operator at start, never to a client.
    #[error("{0}")]
    Refused(String),
}

impl StoreError {
    /// Translates a fault of the database; `what` names what the statement was about.
    pub(crate) fn of(fault: &Fault, what: &'static str) -> Self {
        match fault {
            // Foreign keys hold the account, so what is missing is missing from this account.
            Fault::NotFound | Fault::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Self::NotFound,
            Fault::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Conflict(what),
            Fault::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Busy,
            Fault::DatabaseError(kind, information) => {
                let text = information.message();
                if ["database is locked", "lock timeout", "deadlock detected"].iter().any(|busy| text.contains(busy)) {
                    return Self::Busy;
                }
                tracing::error!(db.what = what, db.kind = ?kind, db.message = text, "a statement failed");
                Self::Unavailable
            }
            Fault::DeserializationError(_) => {
                tracing::error!(db.what = what, "a stored row cannot be read");
                Self::Corrupt(what)
            }
            other => {
                tracing::error!(db.what = what, db.message = %other, "the database failed");
                Self::Unavailable
            }
        }
    }
}
