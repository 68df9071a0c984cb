//! The enum of the two connections, alone in its file because of what is derived for it.
//!
//! Invariant: its derived `establish` is never called. It tries one database after the other, and would make an
//! empty SQLite file of a PostgreSQL URL that fails.
#![expect(clippy::disallowed_methods, reason = "in the derived code only; nothing calls it")]

use std::fmt;

use diesel::{PgConnection, SqliteConnection};

/// One connection to either database.
#[derive(diesel::MultiConnection)]
pub(crate) enum Conn {
    Postgresql(PgConnection),
    Sqlite(SqliteConnection),
}

impl fmt::Debug for Conn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Postgresql(_) => "Postgresql(..)",
            Self::Sqlite(_) => "Sqlite(..)",
        })
    }
}

/// Runs the same expression with the connection of either database: for what the enum itself
/// cannot say (`ON CONFLICT`, several rows in one insert).
macro_rules! dual {
    ($conn:expr, $inner:ident => $body:expr) => {
        match $conn {
            $crate::multi::Conn::Postgresql($inner) => $body,
            $crate::multi::Conn::Sqlite($inner) => $body,
        }
    };
}
pub(crate) use dual;
