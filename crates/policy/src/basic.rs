//! Basic credentials: Keys whose privileges on security resources the bundle holds (I01 to I13).

use minicbor::{Decode, Encode};

use crate::id::{AccountId, KeyId};

/// A Key that may be sent as Basic credentials: user = key id, password = secret.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BasicKey {
    /// Its id.
    #[n(0)]
    pub id: KeyId,
    /// The Account that it belongs to.
    #[n(1)]
    pub account_id: AccountId,
    /// SHA-256 of its secret, which has 256 random bits.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub secret_hash: [u8; 32],
    /// What it holds, sorted by resource, none twice.
    #[n(3)]
    pub privileges: Vec<Privilege>,
}

/// What a key may do on what a security resource guards.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Privilege {
    /// The security resource's name.
    #[n(0)]
    pub resource: Box<str>,
    /// R: every interaction that writes nothing, operations too.
    #[n(1)]
    pub read: bool,
    /// W: create, update, patch and delete, conditional or not. It does not imply R.
    #[n(2)]
    pub write: bool,
}

/// A security resource that everybody with valid credentials holds R on (I09).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct SecurityResource {
    /// Its name.
    #[n(0)]
    pub name: Box<str>,
    /// Whether R is public.
    #[n(1)]
    pub public_read: bool,
}
