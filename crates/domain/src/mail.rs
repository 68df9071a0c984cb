//! Mail that waits to be sent.

use chrono::{DateTime, Utc};
use policy::id::MailId;

use crate::{EmailAddress, Sealed};

/// A mail in the outbox. Its content holds links that work, so it is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxMail {
    /// Its id.
    pub id: MailId,
    /// To whom.
    pub to: EmailAddress,
    /// Subject and bodies, sealed.
    pub content: Sealed,
    /// How many times sending it failed.
    pub attempts: u32,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Not to be sent before.
    pub due_at: DateTime<Utc>,
}
