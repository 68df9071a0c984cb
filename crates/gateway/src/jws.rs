//! Signed texts: compact JWS (RFC 7515) with a strict header, and the keys that verify them.
//!
//! Invariant: the algorithm belongs to the key. The header's `alg` is compared with it, never obeyed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use policy::bundle::Algorithm;
use serde_json::Value;

use crate::json;

/// The longest `kid` that is looked up; real ones are thumbprints of 43 characters.
const MAX_KID_BYTES: usize = 256;
/// Members of a header that change what is verified, or with what: refused whenever they are there.
const FORBIDDEN: [&str; 8] = ["b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip"];

/// The text is not a compact JWS with a header that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a compact JWS")]
pub struct Malformed;

/// A compact JWS, read but not verified.
#[derive(Debug)]
pub struct Compact<'a> {
    /// The header's `alg`, as it says.
    pub algorithm: String,
    /// The header's `kid`.
    pub kid: Option<String>,
    /// The header's `typ`.
    pub typ: Option<String>,
    /// The payload's bytes.
    pub payload: Vec<u8>,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Compact<'a> {
    /// Takes a compact JWS apart; whether it is signed is for [`Key::verifies`] to say.
    pub fn parse(text: &'a str, max_bytes: usize) -> Result<Self, Malformed> {
        if text.len() > max_bytes {
            return Err(Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed)?;
        if payload.contains('.') {
            return Err(Malformed);
        }
        let header = URL_SAFE_NO_PAD.decode(header).ok().and_then(|bytes| json::object(&bytes)).ok_or(Malformed)?;
        if FORBIDDEN.iter().any(|name| header.contains_key(*name)) {
            return Err(Malformed);
        }
        let member = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= MAX_KID_BYTES => Ok(Some(text.clone())),
            Some(_) => Err(Malformed),
        };
        Ok(Self {
            algorithm: member("alg")?.ok_or(Malformed)?,
            kid: member("kid")?,
            typ: member("typ")?,
            payload: URL_SAFE_NO_PAD.decode(payload).map_err(|_| Malformed)?,
            signed,
            signature,
        })
    }
}

/// The key cannot be used with its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a public JWK for {0}")]
pub struct InvalidKey(&'static str);

/// A public key, parsed once, and the one algorithm that it verifies.
#[derive(Clone, Debug)]
pub struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Key {
    /// Reads a public JWK (RFC 7517), whose type and curve must be those of the algorithm.
    pub fn from_jwk(algorithm: Algorithm, jwk: &str) -> Result<Self, InvalidKey> {
        let invalid = InvalidKey(name(algorithm));
        let jwk = json::object(jwk.as_bytes()).ok_or(invalid)?;
        let text = |member: &str| jwk.get(member).and_then(Value::as_str).ok_or(invalid);
        if jwk.contains_key("d") || jwk.contains_key("k") {
            return Err(invalid);
        }
        let key = match algorithm {
            Algorithm::Es256 | Algorithm::Es384 => {
                let (curve, size) = if algorithm == Algorithm::Es256 { ("P-256", 32) } else { ("P-384", 48) };
                expect(text("kty")? == "EC" && text("crv")? == curve, invalid)?;
                expect(bytes(text("x")?) == Some(size) && bytes(text("y")?) == Some(size), invalid)?;
                DecodingKey::from_ec_components(text("x")?, text("y")?)
            }
            Algorithm::EdDsa => {
                expect(text("kty")? == "OKP" && text("crv")? == "Ed25519", invalid)?;
                expect(bytes(text("x")?) == Some(32), invalid)?;
                DecodingKey::from_ed_components(text("x")?)
            }
            Algorithm::Rs256 | Algorithm::Rs384 => {
                expect(text("kty")? == "RSA", invalid)?;
                DecodingKey::from_rsa_components(text("n")?, text("e")?)
            }
        };
        key.map(|key| Self { algorithm, key }).map_err(|_| invalid)
    }

    /// Whether the header names this key's algorithm.
    #[must_use]
    pub fn is_for(&self, jws: &Compact<'_>) -> bool {
        jws.algorithm == name(self.algorithm)
    }

    /// Whether the signature is this key's.
    #[must_use]
    pub fn verifies(&self, jws: &Compact<'_>) -> bool {
        let verified =
            jsonwebtoken::crypto::verify(jws.signature, jws.signed.as_bytes(), &self.key, jose(self.algorithm));
        matches!(verified, Ok(true))
    }
}

fn expect(holds: bool, invalid: InvalidKey) -> Result<(), InvalidKey> {
    if holds { Ok(()) } else { Err(invalid) }
}

fn bytes(text: &str) -> Option<usize> {
    URL_SAFE_NO_PAD.decode(text).ok().map(|bytes| bytes.len())
}

const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => "ES256",
        Algorithm::Es384 => "ES384",
        Algorithm::EdDsa => "EdDSA",
        Algorithm::Rs256 => "RS256",
        Algorithm::Rs384 => "RS384",
    }
}

const fn jose(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
    }
}
