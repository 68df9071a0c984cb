//! The words that compiler, decision point, gateway and issuer must agree on.
//!
//! Types and their parsing only: no clock, no I/O, no cryptography. Whatever can be said here is
//! well formed, because each type is made by one constructor, also when it is read from the wire.

pub mod audit;
pub mod basic;
pub mod bundle;
pub mod claims;
pub mod condition;
pub mod decision;
pub mod explanation;
pub mod facts;
pub mod id;
pub mod letters;
pub mod manifest;
pub mod operation;
pub mod reason;
pub mod remedy;
pub mod request;
pub mod role;
pub mod scope;
pub mod settings;
pub mod tag;
pub mod text;

pub use bundle::Bundle;
pub use reason::Reason;
pub use scope::Scope;
