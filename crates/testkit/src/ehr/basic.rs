//! The Keys of the fixture that count as Basic credentials: `reader`, `writer`, `both` and `nobody`.

use policy::basic::{BasicKey, Privilege, SecurityResource};
use policy::id::KeyId;
use uuid::Uuid;

use super::account;
use crate::jws::sha256;

/// The security resource that the fixture requires; on `public-api` everybody holds R.
pub(super) const RESOURCE: &str = "ehr-api";
const PUBLIC: &str = "public-api";

/// Each key, and whether it holds R and W.
const KEYS: &[(&str, bool, bool)] =
    &[("reader", true, false), ("writer", false, true), ("both", true, true), ("nobody", false, false)];

/// The id of a key: the user of its Basic credentials.
///
/// # Panics
/// When there is no such key.
#[must_use]
pub fn key(name: &str) -> KeyId {
    let index = KEYS.iter().position(|(known, ..)| *known == name);
    let index = index.unwrap_or_else(|| panic!("there is no key {name}"));
    KeyId::new(Uuid::from_u128(700 + index as u128))
}

/// The secret of a key: the password of its Basic credentials.
#[must_use]
pub fn basic_secret(name: &str) -> String {
    format!("secret-of-{name}")
}

/// A key, as the bundle holds it. On both security resources it holds the same; `nobody` holds nothing.
///
/// # Panics
/// When there is no such key.
#[must_use]
pub fn basic_key(name: &str) -> BasicKey {
    let id = key(name);
    let (read, write) =
        KEYS.iter().find(|(known, ..)| *known == name).map_or((false, false), |(_, read, write)| (*read, *write));
    let held: &[&str] = if read || write { &[RESOURCE, PUBLIC] } else { &[] };
    let privileges = held.iter().map(|name| Privilege { resource: (*name).into(), read, write }).collect();
    BasicKey { id, account_id: account("owner"), secret_hash: sha256(basic_secret(name).as_bytes()), privileges }
}

pub(super) fn keys() -> Vec<BasicKey> {
    KEYS.iter().map(|(name, ..)| basic_key(name)).collect()
}

pub(super) fn resources() -> Vec<SecurityResource> {
    vec![
        SecurityResource { name: RESOURCE.into(), public_read: false },
        SecurityResource { name: PUBLIC.into(), public_read: true },
    ]
}
