//! The keys that a Service signs with.

use chrono::{DateTime, Utc};
use policy::id::ServiceId;

use crate::{Sealed, words};

words! {
    /// What a key signs.
    KeyPurpose {
        /// Access tokens: ES256.
        Token = "token",
        /// Bundles: Ed25519.
        Bundle = "bundle",
    }
    /// Where a key stands in its rotation.
    KeyState {
        /// Published, so that everybody knows it before it signs.
        Next = "next",
        /// Signs.
        Active = "active",
        /// Still published, signs no more.
        Retired = "retired",
    }
}

/// One key pair of a Service; the private half is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Its `kid`; no two keys of an Account have the same.
    pub kid: String,
    /// Whose tokens or bundles it signs.
    pub service_id: ServiceId,
    /// What it signs.
    pub purpose: KeyPurpose,
    /// The public half as a JWK (RFC 7517).
    pub public_jwk: serde_json::Value,
    /// The private half, sealed.
    pub private: Sealed,
    /// Where it stands in its rotation.
    pub state: KeyState,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}
