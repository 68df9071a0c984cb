//! Tags: which keys a Service declares, what its registry says of resources, and access tags across Accounts.
//!
//! Values are compared literally; nothing in data is a wildcard ("Tags and where").

use minicbor::{Decode, Encode};

use crate::id::AccountId;
use crate::operation::Method;

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 127;
/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 255;
/// The most keys of one resource, and the most that a Service declares.
pub const MAX_KEYS: usize = 50;
/// The most resources in the registry of one bundle.
pub const MAX_TAGGED_RESOURCES: usize = 50_000;
/// The most access tags of one Service.
pub const MAX_ACCESS_TAGS: usize = 10_000;

/// A key that the Service declares; only these count.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TagKey {
    /// The key, as in the claim `tags`.
    #[n(0)]
    pub key: Box<str>,
    /// The `meta.tag.system` that carries it in resources.
    #[n(1)]
    pub system: Box<str>,
}

/// The values of one key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Tag {
    /// The key.
    #[n(0)]
    pub key: Box<str>,
    /// Its values, sorted, none twice, at least one.
    #[n(1)]
    pub values: Vec<Box<str>>,
}

/// What the registry says of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TaggedResource {
    /// Its type; in a plain Service the literal segment before its id.
    #[n(0)]
    pub resource_type: Box<str>,
    /// Its id.
    #[n(1)]
    pub id: Box<str>,
    /// Its tags, sorted by key, none twice.
    #[n(2)]
    pub tags: Vec<Tag>,
    /// `createdBy`: the Account that owns it; none for the Service's own.
    #[n(3)]
    pub created_by: Option<AccountId>,
}

/// An access tag: it stands in for the tag match, never for a rule. What it does not name, it means any of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct AccessTag {
    /// The method; none for `*`.
    #[n(0)]
    pub method: Option<Method>,
    /// The type; none for `*`.
    #[n(1)]
    pub resource_type: Option<Box<str>>,
    /// The id; none for `*`.
    #[n(2)]
    pub id: Option<Box<str>>,
    /// The callers' Accounts, sorted; none for `*`.
    #[n(3)]
    pub accounts: Option<Vec<AccountId>>,
}
