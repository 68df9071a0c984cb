//! Roles that somebody wrote, as a bundle carries them, and how API and tokens name a role.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

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
