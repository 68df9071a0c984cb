//! Typed ids: a prefix that says what it names, and a UUIDv7 in 26 characters of base32.
//!
//! Invariant: an id has exactly one text (lower case, no padding), so two texts that differ never
//! name the same thing. Ids are drawn at the door and never reused.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Crockford's alphabet in lower case: no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits in groups of five.
const LENGTH: usize = 26;

/// The text is not an id of the kind that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an id that starts with `{prefix}_`, followed by 26 characters")]
pub struct InvalidId {
    /// The prefix of the kind that is expected, without the underscore.
    pub prefix: &'static str,
}

/// Writes 128 bits as 26 characters of base32, most significant first.
fn encode(value: u128) -> String {
    (0..LENGTH)
        .rev()
        .map(|group| usize::try_from(value >> (group * 5) & 31).ok().and_then(|digit| ALPHABET.get(digit)))
        .map(|letter| letter.copied().map_or('0', char::from))
        .collect()
}

/// Reads what [`encode`] wrote; nothing else.
fn decode(text: &str) -> Option<u128> {
    if text.len() != LENGTH || text.as_bytes().first().is_none_or(|first| *first > b'7') {
        return None;
    }
    text.bytes().try_fold(0_u128, |value, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        Some(value << 5 | digit as u128)
    })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What its text starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Names a thing by the UUID drawn for it.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID, as databases keep it.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{}_{}", $prefix, encode(self.0.as_u128()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(|value| Self(Uuid::from_u128(value)))
                    .ok_or(InvalidId { prefix: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                encoder: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                encoder.bytes(self.0.as_bytes())?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Uuid::from_slice(decoder.bytes()?)
                    .map(Self)
                    .map_err(|_| minicbor::decode::Error::message("an id has 16 bytes"))
            }
        }
    )*};
}

ids! {
    /// A tenant: one organisation and everything it owns.
    AccountId = "acct",
    /// A human being, known to the platform by a confirmed address.
    PersonId = "per",
    /// A person in an Account.
    MemberId = "mem",
    /// What a member signed in with: one opaque token.
    SessionId = "ses",
    /// An API that is protected, described by its OpenAPI document.
    ServiceId = "svc",
    /// One uploaded document of a Service.
    SpecVersionId = "ver",
    /// A partner Account's use of one Service.
    SubscriptionId = "sub",
    /// A role that somebody wrote; a SMART role is named by its scope instead.
    RoleId = "role",
    /// A machine's credential.
    KeyId = "key",
    /// An invitation to join an Account or to subscribe to a Service.
    InvitationId = "inv",
    /// One enrolled gateway (ARC instance).
    GatewayId = "arc",
    /// The session of an assumed role.
    RoleSessionId = "rses",
    /// A mail that waits to be sent.
    MailId = "mail",
    /// A change that an administrator made.
    EventId = "evt",
    /// A decision or its outcome at a gateway.
    AuditId = "aud",
    /// One request to the control plane or to a gateway.
    RequestId = "req",
    /// An access token (`jti`).
    TokenId = "tok",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself() {
        let id = ServiceId::new(Uuid::from_u128(0x0192_f3a4_5b6c_7d8e_9f01_2345_6789_abcd));
        assert_eq!(id.to_string(), "svc_01jbst8pvcfp79y0938nkrkayd");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn no_other_text_names_an_id() {
        for text in [
            "",
            "svc_",
            "acct_01jbst8pvcfp79y0938nkrkayd",
            "svc_01JBST8PVCFP79Y0938NKRKAXD",
            "svc_81jbst8pvcfp79y0938nkrkayd",
            "svc_01jbst8pvcfp79y0938nkrkayd ",
            "svc_01jbst8pvcfp79y0938nkrkaydd",
            "svc_01jbst8pvcfp79y0938nkrkail",
        ] {
            assert_eq!(text.parse::<ServiceId>(), Err(InvalidId { prefix: "svc" }), "{text}");
        }
    }
}
