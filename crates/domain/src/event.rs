//! Administrative events: every change, who made it, what it was before and after.

use chrono::{DateTime, Utc};
use policy::id::{EventId, RequestId};

use crate::{Actor, Call};

/// One change, written in the transaction that made it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AdminEvent {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// What was done: `service.create`.
    pub action: String,
    /// To what: an id.
    pub target: String,
    /// What it was, if there was anything; never a hash or a secret.
    pub before: Option<serde_json::Value>,
    /// What it became, if there is anything left; never a hash or a secret.
    pub after: Option<serde_json::Value>,
    /// The request that asked for it.
    pub request_id: RequestId,
}

impl AdminEvent {
    /// The event of that call; `before` and `after` are added with [`AdminEvent::changing`].
    #[must_use]
    pub fn new(call: &Call, action: &str, target: &impl ToString) -> Self {
        Self {
            id: EventId::new(call.uuid()),
            at: call.now,
            actor: call.actor,
            action: action.to_owned(),
            target: target.to_string(),
            before: None,
            after: None,
            request_id: call.request_id,
        }
    }

    /// The same event, with what it was and what it became.
    #[must_use]
    pub fn changing(self, before: Option<serde_json::Value>, after: Option<serde_json::Value>) -> Self {
        Self { before, after, ..self }
    }
}
