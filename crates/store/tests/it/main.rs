//! The store, on both databases: SQLite in a temporary folder always, PostgreSQL where one is named.

mod harness;
mod opening;
