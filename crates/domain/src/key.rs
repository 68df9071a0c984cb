//! Keys: the credentials of machines, and what they hold.

use chrono::{DateTime, Utc};
use policy::id::{AccountId, KeyId, ServiceId};
use policy::role::RoleName;

use crate::{Name, SecretHash};

/// A machine's credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id: part of the credential's text.
    pub id: KeyId,
    /// Its name, for people.
    pub name: Name,
    /// The hash of its secret.
    pub secret_hash: SecretHash,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last exchanged for a token, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// The roles that a key holds in one Service.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KeyRoles {
    /// The key.
    pub key_id: KeyId,
    /// The Service.
    pub service_id: ServiceId,
    /// The Account that owns the Service.
    pub service_account_id: AccountId,
    /// What the key holds there.
    pub role_ids: Vec<RoleName>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}
