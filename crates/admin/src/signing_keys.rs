//! The keys that a Service signs with: ES256 for access tokens, Ed25519 for bundles.
//!
//! Invariant: a private half is sealed for its own row before it leaves this module, and opened only to sign. A `kid` is
//! the thumbprint of its key (RFC 7638), so no two keys share one.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{AdminEvent, Call, KeyPurpose, KeyState, Sealed, SigningKey};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use policy::id::ServiceId;
use serde::Serialize;
use serde_json::{Value, json};
use store::Tx;
use store::seal::Place;

use crate::secret::sha256;
use crate::{Error, Platform};

/// What the first byte of an uncompressed point says (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;
/// Bytes of one coordinate of P-256.
const COORDINATE_BYTES: usize = 32;

/// A private key, ready to sign. It shows nothing of itself.
pub struct Signer {
    kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Signer {
    /// Signs a value as a compact JWS (RFC 7515) of that `typ`.
    pub fn sign(&self, typ: &str, value: &impl Serialize) -> Result<String, Error> {
        let header = Header { typ: Some(typ.to_owned()), kid: Some(self.kid.clone()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, value, &self.key).map_err(|_| Error::Internal("a signature could not be made"))
    }
}

/// Draws both keys of a new Service; they sign from now on.
pub fn create(tx: &mut Tx<'_>, call: &Call, platform: Platform<'_>, service_id: ServiceId) -> Result<(), Error> {
    for purpose in [KeyPurpose::Token, KeyPurpose::Bundle] {
        let (public_jwk, private) = drawn(purpose)?;
        let kid = public_jwk.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let account = tx.account_id().to_string();
        let private = Sealed::new(platform.sealer.seal(place(&account, &kid), &private)?);
        let key =
            SigningKey { kid, service_id, purpose, public_jwk, private, state: KeyState::Active, created_at: call.now };
        store::signing_keys::insert(tx, &key)?;
        let event = AdminEvent::new(call, "signing_key.create", &key.kid)
            .changing(None, Some(json!({ "service_id": service_id, "purpose": purpose, "jwk": key.public_jwk })));
        store::admin_events::append(tx, &event)?;
    }
    Ok(())
}

/// The key that signs for a Service of this Account.
pub fn active(
    tx: &mut Tx<'_>,
    platform: Platform<'_>,
    service_id: ServiceId,
    purpose: KeyPurpose,
) -> Result<Signer, Error> {
    let key = store::signing_keys::active(tx, service_id, purpose)?;
    let account = tx.account_id().to_string();
    let private = platform.sealer.open(place(&account, &key.kid), key.private.as_bytes())?;
    let (algorithm, private) = match purpose {
        KeyPurpose::Token => (Algorithm::ES256, EncodingKey::from_ec_der(&private)),
        KeyPurpose::Bundle => (Algorithm::EdDSA, EncodingKey::from_ed_der(&private)),
    };
    Ok(Signer { kid: key.kid, algorithm, key: private })
}

/// The public keys of a Service as a JWK Set (RFC 7517 section 5): what signs, what will, and what did.
pub fn published(tx: &mut Tx<'_>, service_id: ServiceId, purpose: KeyPurpose) -> Result<Value, Error> {
    let keys = store::signing_keys::all(tx, service_id, purpose)?;
    Ok(json!({ "keys": keys.into_iter().map(|key| key.public_jwk).collect::<Vec<_>>() }))
}

fn place<'a>(account: &'a str, kid: &'a str) -> Place<'a> {
    Place { account, purpose: "signing_key", id: kid }
}

/// A fresh key: the public JWK and the private half (PKCS #8). The library draws it from the system's randomness, because
/// a key from a test's seed must never sign.
fn drawn(purpose: KeyPurpose) -> Result<(Value, Vec<u8>), Error> {
    let failed = |_| Error::Internal("a signing key could not be drawn");
    match purpose {
        KeyPurpose::Token => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
            let private = pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec();
            let point = pair.public_key().as_ref().strip_prefix(&[UNCOMPRESSED]);
            let (x, y) = point
                .and_then(|point| point.split_at_checked(COORDINATE_BYTES))
                .ok_or(Error::Internal("a signing key has an unexpected form"))?;
            let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
            let kid = thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
            let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig", "alg": "ES256" });
            Ok((jwk, private))
        }
        KeyPurpose::Bundle => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            let private = pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec();
            let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
            let kid = thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
            let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA" });
            Ok((jwk, private))
        }
    }
}

/// SHA-256 of the required members in order, without spaces (RFC 7638 section 3).
fn thumbprint(members: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(members.as_bytes()))
}
