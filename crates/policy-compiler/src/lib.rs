//! The policy compiler: an OpenAPI document in; operations, roles and a bundle out.
//!
//! Invariant: pure. The same text gives the same result, byte for byte; every input is bounded by
//! counts and bytes; what is wrong comes back as findings, all of them at once, each with its place.

mod bases;
mod check;
mod classify;
mod compile;
mod condition;
mod custom_role;
mod document;
mod facts;
mod field_list;
mod finding;
mod import;
mod imported;
mod limits;
mod openapi;
pub mod report;
mod search;
mod smart;
mod source;
mod types;

pub use compile::compile;
pub use condition::{condition, print_condition};
pub use custom_role::{CustomRole, custom_role};
pub use finding::{Finding, Severity};
pub use import::import;
pub use imported::{Imported, ImportedType, Unreadable};
pub use limits::Limits;
pub use smart::{SmartRole, operations_of, smart_roles};
pub use source::{RoleSource, ScopeSource, Source};
