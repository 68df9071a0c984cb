//! Invitations: a partner, asked by mail to subscribe to a Service.

use chrono::{DateTime, Utc};
use policy::id::{InvitationId, ServiceId, SubscriptionId};
use policy::role::RoleName;

use crate::{EmailAddress, Revision, words};

words! {
    /// Where an invitation stands.
    InvitationState {
        /// Its link can be used.
        Pending = "pending",
        /// Its link was used.
        Accepted = "accepted",
        /// Its time passed; never stored, always computed.
        Expired = "expired",
        /// The owner took it back.
        Revoked = "revoked",
    }
}

/// An invitation to subscribe to a Service.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Invitation {
    /// Its id; the subject of its link.
    pub id: InvitationId,
    /// To which Service.
    pub service_id: ServiceId,
    /// Who may accept it.
    pub email: EmailAddress,
    /// The ceiling of the Subscription that it becomes.
    pub role_ids: Vec<RoleName>,
    /// As stored: `pending`, `accepted` or `revoked`.
    pub state: InvitationState,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
    /// What it became.
    pub subscription_id: Option<SubscriptionId>,
    /// Counts up with every change.
    pub revision: Revision,
}

impl Invitation {
    /// Where it stands at that moment; the moment of its expiry is too late.
    #[must_use]
    pub fn state_at(&self, now: DateTime<Utc>) -> InvitationState {
        match self.state {
            InvitationState::Pending if self.expires_at <= now => InvitationState::Expired,
            state => state,
        }
    }
}
