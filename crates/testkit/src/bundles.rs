//! Bundles made by hand, and the control plane's signature on them.

use policy::bundle::{Algorithm, Bundle, FORMAT, Issuer, IssuerKey, Parts, Service};
use policy::id::{AccountId, GatewayId, ServiceId};
use policy::manifest::{HEAD_TYPE, Head, MANIFEST_TYPE, Manifest};
use policy::settings::{ServiceKind, Settings};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jws::{SigningKey, sha256_hex};

/// The Service of [`parts`].
#[must_use]
pub const fn service_id() -> ServiceId {
    ServiceId::new(Uuid::from_u128(0x5e))
}

/// The gateway of [`enrolment`].
#[must_use]
pub const fn gateway_id() -> GatewayId {
    GatewayId::new(Uuid::from_u128(0xa))
}

/// The issuer of tokens of [`parts`].
pub const ISSUER: &str = "https://control.example/s/clinic";

/// A Service at this base without operations, types and roles, whose tokens these keys sign.
#[must_use]
pub fn parts(kind: ServiceKind, base_url: &str, keys: &[&SigningKey]) -> Parts {
    let service = Service {
        id: service_id(),
        account_id: AccountId::new(Uuid::from_u128(0xacc)),
        kind,
        base_url: base_url.into(),
    };
    let issuer = Issuer {
        issuer: ISSUER.into(),
        trusted_for_roles: true,
        scp_is_scope: false,
        keys: keys.iter().map(|key| issuer_key(key)).collect(),
    };
    Parts {
        format: FORMAT,
        service,
        settings: Settings::for_kind(kind),
        operations: Vec::new(),
        types: Vec::new(),
        common: Vec::new(),
        roles: Vec::new(),
        issuers: vec![issuer],
        subscriptions: Vec::new(),
        revocations: Vec::new(),
        extension_scopes: Vec::new(),
        tag_keys: Vec::new(),
        tagged: Vec::new(),
        access_tags: Vec::new(),
        basic_keys: Vec::new(),
        security_resources: Vec::new(),
    }
}

/// A key of an issuer as a bundle carries it.
#[must_use]
pub fn issuer_key(key: &SigningKey) -> IssuerKey {
    let algorithm = match key.algorithm() {
        "ES256" => Algorithm::Es256,
        "ES384" => Algorithm::Es384,
        "EdDSA" => Algorithm::EdDsa,
        "RS256" => Algorithm::Rs256,
        "RS384" => Algorithm::Rs384,
        other => panic!("no issuer key may use {other}"),
    };
    IssuerKey { kid: key.kid().into(), algorithm, jwk: key.jwk().to_string().into() }
}

/// One version of a Service's policy, as a control plane would serve it.
#[derive(Clone, Debug)]
pub struct Published {
    /// What is signed about it.
    pub manifest: Manifest,
    /// Its content, encoded.
    pub content: Vec<u8>,
}

impl Published {
    /// Version `version` of these parts, made at `now` (seconds since 1970), good for a week.
    #[must_use]
    pub fn new(parts: Parts, version: u64, previous: Option<&Self>, now: i64) -> Self {
        let content = Bundle::new(parts).unwrap().encode().unwrap();
        let manifest = Manifest {
            format: FORMAT,
            service_id: service_id(),
            version,
            previous: previous.map(|previous| previous.manifest.digest.clone()),
            issued_at: now,
            expires_at: now + 7 * 24 * 3_600,
            digest: sha256_hex(&content),
            length: content.len() as u64,
            compiler: "test".to_owned(),
        };
        Self { manifest, content }
    }

    /// The signed bundle on the wire.
    #[must_use]
    pub fn wire(&self, key: &SigningKey) -> Vec<u8> {
        let manifest = key.sign(MANIFEST_TYPE, &serde_json::to_value(&self.manifest).unwrap());
        [manifest.as_bytes(), b"\n", &self.content].concat()
    }

    /// What a head says of it for a minute from `now` on.
    #[must_use]
    pub fn head(&self, now: i64) -> Head {
        Head {
            service_id: self.manifest.service_id,
            version: self.manifest.version,
            digest: self.manifest.digest.clone(),
            issued_at: now,
            expires_at: now + 60,
        }
    }

    /// The signed head on the wire.
    #[must_use]
    pub fn signed_head(&self, key: &SigningKey, now: i64) -> String {
        key.sign(HEAD_TYPE, &serde_json::to_value(self.head(now)).unwrap())
    }
}

/// The enrolment file that pins these keys.
#[must_use]
pub fn enrolment(control_plane_url: &str, keys: &[&SigningKey]) -> Value {
    json!({
        "gateway_id": gateway_id(),
        "service_id": service_id(),
        "key": "fw_gateway_test",
        "control_plane_url": control_plane_url,
        "bundle_keys": {"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()},
    })
}
