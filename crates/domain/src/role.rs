//! Roles that somebody wrote, who may assume them, and the sessions of those who did.

use chrono::{DateTime, Utc};
use policy::id::{AccountId, KeyId, RoleId, RoleSessionId, ServiceId};

use crate::{Name, Revision};

/// The most operations of one role: as many as a Service may have.
pub const MAX_ROLE_OPERATIONS: usize = policy::bundle::MAX_OPERATIONS;
/// The most Accounts that one trust names; more is a sign of a missing group.
pub const MAX_TRUSTED_ACCOUNTS: usize = 100;
/// The most characters of an external id, as in the field.
pub const MAX_EXTERNAL_ID_CHARACTERS: usize = 128;

/// A custom role of a Service.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Of which Service.
    pub service_id: ServiceId,
    /// Its name; no two roles of a Service have the same.
    pub name: Name,
    /// The keys of its operations (`GET:/Patient/{id}`).
    pub operations: Vec<String>,
    /// Who may assume it; nobody without one.
    pub trust: Option<Trust>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Counts up with every change, trust included.
    pub revision: Revision,
}

/// Who may assume a role, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// The trusted Accounts.
    pub accounts: Vec<TrustedAccount>,
    /// The longest session.
    pub max_duration_seconds: u32,
}

/// One Account that may assume a role.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedAccount {
    /// Which one.
    pub account_id: AccountId,
    /// What its callers must say, so that no third party can use its key for their own ends (the confused deputy).
    pub external_id: String,
}

/// The session of an assumed role, kept by the role's owner.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RoleSession {
    /// Its id: the `sub` of its token.
    pub id: RoleSessionId,
    /// The role.
    pub role_id: RoleId,
    /// The role's Service.
    pub service_id: ServiceId,
    /// The caller's key.
    pub key_id: KeyId,
    /// The caller's Account.
    pub partner_account_id: AccountId,
    /// What the caller named it.
    pub name: Name,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}
