//! The store, on both databases: SQLite in a temporary folder always, PostgreSQL where one is named.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod races;
#[cfg(test)]
mod row_level_security;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod single_use;
#[cfg(test)]
mod tenancy;
#[cfg(test)]
mod transactions;
#[cfg(test)]
mod world;
