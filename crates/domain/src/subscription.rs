//! Subscriptions: a partner Account's use of one Service.

use chrono::{DateTime, Utc};
use policy::id::{AccountId, ServiceId, SubscriptionId};
use policy::role::RoleName;

use crate::{Revision, words};

words! {
    /// Whether a partner may use the Service.
    SubscriptionState {
        /// It may.
        Active = "active",
        /// It may not, until the owner says otherwise.
        Suspended = "suspended",
    }
}

/// A partner's use of one Service. Owner and partner each keep a row of it; the two never differ.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Subscription {
    /// Its id, the same on both sides.
    pub id: SubscriptionId,
    /// The Service.
    pub service_id: ServiceId,
    /// The Account that owns the Service.
    pub owner_account_id: AccountId,
    /// The Account that uses it.
    pub partner_account_id: AccountId,
    /// The ceiling: the most that the partner's keys can hold.
    pub role_ids: Vec<RoleName>,
    /// Whether it may be used.
    pub state: SubscriptionState,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Counts up with every change.
    pub revision: Revision,
}
