//! The enrolment of a gateway: the file `arc.json` that the control plane hands out once.
//!
//! It pins the keys that sign the Service's bundles: nothing that another key signed is ever loaded.

use std::fmt;

use policy::bundle::Algorithm;
use policy::id::{GatewayId, ServiceId};
use serde::Deserialize;
use serde_json::Value;

use crate::jws::Key;

/// The largest enrolment file that is read; a real one has under 1 KiB.
pub const MAX_ENROLMENT_BYTES: u64 = 64 * 1024;
/// The most bundle keys that are pinned: the active one, its successor and predecessor, and some room.
const MAX_KEYS: usize = 16;

/// Who signs bundles for which Service.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The only Service whose bundles count.
    pub service_id: ServiceId,
    /// The pinned keys, each with its `kid`.
    pub keys: Vec<(String, Key)>,
}

/// What a gateway needs to speak with its control plane.
#[derive(Clone)]
pub struct Enrolment {
    /// The gateway's own id.
    pub gateway_id: GatewayId,
    /// The secret that it shows to the control plane.
    pub key: String,
    /// The control plane's base, without a trailing slash.
    pub control_plane_url: String,
    /// What it trusts.
    pub trust: Trust,
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Enrolment")
            .field("gateway_id", &self.gateway_id)
            .field("control_plane_url", &self.control_plane_url)
            .finish_non_exhaustive()
    }
}

/// Why a file is not an enrolment.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEnrolment {
    /// Not JSON, or a member is missing or of the wrong type.
    #[error("it is not the JSON that enrolling a gateway gives: {0}")]
    Unreadable(String),
    /// The URL is not one.
    #[error("`control_plane_url` must begin with https:// or http://")]
    Url,
    /// The key cannot stand in a header.
    #[error("`key` must be printable ASCII")]
    Key,
    /// A pinned key cannot be used.
    #[error("`bundle_keys.keys[{index}]` {reason}")]
    BundleKey {
        /// Its place in the list.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// No key is pinned, or far too many.
    #[error("`bundle_keys` must hold 1 to {MAX_KEYS} keys")]
    KeyCount,
}

#[derive(Deserialize)]
struct File {
    gateway_id: GatewayId,
    service_id: ServiceId,
    key: String,
    control_plane_url: String,
    bundle_keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

impl Enrolment {
    /// Reads `arc.json`.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidEnrolment> {
        let file: File =
            serde_json::from_slice(text).map_err(|fault| InvalidEnrolment::Unreadable(fault.to_string()))?;
        let url = file.control_plane_url.trim_end_matches('/');
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            return Err(InvalidEnrolment::Url);
        }
        if file.key.is_empty() || !file.key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidEnrolment::Key);
        }
        if file.bundle_keys.keys.is_empty() || file.bundle_keys.keys.len() > MAX_KEYS {
            return Err(InvalidEnrolment::KeyCount);
        }
        let keys = file.bundle_keys.keys.iter().enumerate().map(|(index, jwk)| pinned(index, jwk));
        Ok(Self {
            gateway_id: file.gateway_id,
            control_plane_url: url.to_owned(),
            trust: Trust { service_id: file.service_id, keys: keys.collect::<Result<_, _>>()? },
            key: file.key,
        })
    }
}

fn pinned(index: usize, jwk: &Value) -> Result<(String, Key), InvalidEnrolment> {
    let kid = jwk.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty());
    let kid = kid.ok_or_else(|| InvalidEnrolment::BundleKey { index, reason: "has no `kid`".to_owned() })?.to_owned();
    let key = Key::from_jwk(Algorithm::EdDsa, &jwk.to_string());
    key.map(|key| (kid, key)).map_err(|invalid| InvalidEnrolment::BundleKey { index, reason: invalid.to_string() })
}
