//! Accounts: the tenants.

use chrono::{DateTime, Utc};
use policy::id::AccountId;
use uuid::Uuid;

use crate::Name;

/// Under which the platform keeps what happens before there is an Account (a sign-up's link and
/// mail). No Account has this id: drawn ids are UUIDv7, and this is the nil UUID.
pub const PLATFORM: AccountId = AccountId::new(Uuid::nil());

/// One organisation: an EHR provider, a partner, or both.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Account {
    /// Its id; the tenant of everything it owns.
    pub id: AccountId,
    /// Its name, for people.
    pub name: Name,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}
