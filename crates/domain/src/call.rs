//! Who asks, in which Account, when: drawn once at the door and passed to every use case.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SubsecRound, Utc};
use policy::id::{AccountId, GatewayId, KeyId, MemberId, RequestId};

use crate::Random;

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A person, as a member of the Account.
    Member(MemberId),
    /// A machine with a key.
    Key(KeyId),
    /// An enrolled gateway.
    Gateway(GatewayId),
    /// The platform itself: sign-up, and work that nobody asked for.
    System,
}

/// The text names no actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of a member, key or gateway, or `system`")]
pub struct InvalidActor;

impl fmt::Display for Actor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(id) => id.fmt(out),
            Self::Key(id) => id.fmt(out),
            Self::Gateway(id) => id.fmt(out),
            Self::System => out.write_str("system"),
        }
    }
}

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        if text == "system" {
            return Ok(Self::System);
        }
        text.parse()
            .map(Self::Member)
            .or_else(|_| text.parse().map(Self::Key))
            .or_else(|_| text.parse().map(Self::Gateway))
            .map_err(|_| InvalidActor)
    }
}

impl serde::Serialize for Actor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One request to the control plane, as use cases see it.
///
/// Invariant: `now` has whole microseconds, because that is what both databases keep.
#[derive(Clone, Debug)]
pub struct Call {
    /// The tenant.
    pub account_id: AccountId,
    /// Who asks.
    pub actor: Actor,
    /// When; the only time that a use case knows.
    pub now: DateTime<Utc>,
    /// The request, as the log and the audit name it.
    pub request_id: RequestId,
    /// Where ids and secrets come from.
    pub random: Random,
}

impl Call {
    /// A call at that time, cut to microseconds.
    #[must_use]
    pub fn new(account_id: AccountId, actor: Actor, now: DateTime<Utc>, request_id: RequestId, random: Random) -> Self {
        Self { account_id, actor, now: now.trunc_subsecs(6), request_id, random }
    }

    /// The same call, for a use case that continues in another Account (accepting an invitation).
    #[must_use]
    pub fn within(&self, account_id: AccountId) -> Self {
        Self { account_id, ..self.clone() }
    }

    /// A fresh UUIDv7 of this moment, to make an id of.
    #[must_use]
    pub fn uuid(&self) -> uuid::Uuid {
        self.random.uuid(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_back_as_itself() {
        let uuid = uuid::Uuid::from_u128(7);
        for actor in [
            Actor::Member(MemberId::new(uuid)),
            Actor::Key(KeyId::new(uuid)),
            Actor::Gateway(GatewayId::new(uuid)),
            Actor::System,
        ] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        assert_eq!("acct_00000000000000000000000007".parse::<Actor>(), Err(InvalidActor));
    }

    #[test]
    fn the_time_of_a_call_has_whole_microseconds() {
        let now = DateTime::from_timestamp_nanos(1_234_567_891);
        let call = Call::new(
            crate::account::PLATFORM,
            Actor::System,
            now,
            RequestId::new(uuid::Uuid::nil()),
            Random::seeded(1),
        );
        assert_eq!(call.now.timestamp_subsec_nanos(), 234_567_000);
    }
}
