//! What administrators manage: accounts, people, services, roles, partners, keys, gateways.
//!
//! Types and facts only: no I/O, no clock and no randomness of its own. A value of a checked type
//! ([`Name`], [`EmailAddress`], [`Slug`]) keeps its rule, because only its constructor makes one.

pub mod account;
pub mod call;
pub mod event;
pub mod gateway;
pub mod invitation;
pub mod key;
pub mod mail;
pub mod member;
pub mod random;
pub mod role;
pub mod secret;
pub mod service;
pub mod signing_key;
pub mod subscription;
pub mod text;

pub use account::Account;
pub use call::{Actor, Call};
pub use event::AdminEvent;
pub use gateway::{Gateway, GatewayReport, GatewayState};
pub use invitation::{Invitation, InvitationState};
pub use key::{Key, KeyRoles};
pub use mail::OutboxMail;
pub use member::{Member, MemberRole, Person, Session};
pub use random::Random;
pub use role::{Role, RoleSession, Trust, TrustedAccount};
pub use secret::{PasswordHash, Sealed, SecretHash};
pub use service::{Revision, Service, SpecVersion, SpecVersionSummary, StoredBundle};
pub use signing_key::{KeyPurpose, KeyState, SigningKey};
pub use subscription::{Subscription, SubscriptionState};
pub use text::{EmailAddress, InvalidText, Name, Slug};

/// Writes an enum whose values are words of the API and of the database.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$arm_doc:meta])* $arm:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$arm_doc])* #[serde(rename = $word)] $arm,)* }

        impl $name {
            /// Every value, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$arm,)*];

            /// Its word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$arm => $word,)* }
            }

            /// The value with that word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.as_str())
            }
        }
    )*};
}
pub(crate) use words;
