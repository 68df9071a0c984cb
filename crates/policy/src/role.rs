//! Roles that somebody wrote, as a bundle carries them, and how API and tokens name a role.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use crate::condition::Condition;
use crate::id::RoleId;
use crate::scope::{InvalidScope, Scope};

/// A custom role: exactly the operations that it lists.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Role {
    /// Its id, as in `role_ids`.
    #[n(0)]
    pub id: RoleId,
    /// Its name, for people.
    #[n(1)]
    pub name: Box<str>,
    /// Indexes into the bundle's operations, ascending.
    #[n(2)]
    pub operations: Vec<u32>,
    /// The fields that some of its operations are limited to, sorted by operation, none twice.
    #[n(3)]
    pub fields: Vec<FieldList>,
    /// Its `where`, which stands in for the default match of tags.
    #[n(4)]
    pub condition: Option<Condition>,
}

/// The only fields that one operation of a role may carry (`PUT:/x/{id}:[a,b.c]`): of a body its elements, of a GET
/// its query parameters.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FieldList {
    /// The operation's index.
    #[n(0)]
    pub operation: u32,
    /// What it may carry, sorted, none twice.
    #[n(1)]
    pub fields: Vec<Field>,
}

/// One entry of a list of fields: the element and all below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Field {
    /// Names, outermost first; lists are walked through.
    #[n(0)]
    pub path: Vec<Box<str>>,
    /// Whether the last name ended with `*`: every name that begins with it.
    #[n(1)]
    pub prefix: bool,
}

/// The id of a role in the API: a custom role's id, or the scope that names a SMART role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleName {
    /// `patient/Patient.rs`: computed, never stored as a role.
    Smart(Scope),
    /// `role_…`: written by somebody.
    Custom(RoleId),
}

/// The text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a role id (`role_…`) or a SMART scope such as `patient/Patient.rs`: it {0}")]
pub struct InvalidRoleName(pub InvalidScope);

impl FromStr for RoleName {
    type Err = InvalidRoleName;

    fn from_str(text: &str) -> Result<Self, InvalidRoleName> {
        match text.parse() {
            Ok(id) => Ok(Self::Custom(id)),
            Err(_) => text.parse().map(Self::Smart).map_err(InvalidRoleName),
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smart(scope) => fmt::Display::fmt(scope, out),
            Self::Custom(id) => fmt::Display::fmt(id, out),
        }
    }
}

impl serde::Serialize for RoleName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for RoleName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
