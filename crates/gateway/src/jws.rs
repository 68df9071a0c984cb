//! Signed texts: compact JWS (RFC 7515) with a strict header, and the keys that verify them.
//!
//! Invariant: the algorithm belongs to the key. The header's `alg` is compared with it, never obeyed.

use std::borrow::Cow;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::bundle::Algorithm;

use crate::json::{self, Json, Object};

/// The longest `kid` that is looked up; real ones are thumbprints of 43 characters.
const MAX_KID_BYTES: usize = 256;
/// Members of a header that change what is verified, or with what: refused whenever they are there.
const FORBIDDEN: [&str; 8] = ["b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip"];
/// Members that change nothing here, but are texts by RFC 7515; what is none is no header.
const INFORMATIVE: [&str; 3] = ["cty", "x5t", "x5t#S256"];

/// The text is not a compact JWS with a header that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a compact JWS")]
pub struct Malformed;

/// A compact JWS, read but not verified. It borrows from its text, and from the buffer that it was decoded into.
#[derive(Debug)]
pub struct Compact<'a> {
    /// The header's `alg`, as it says.
    pub algorithm: Cow<'a, str>,
    /// The header's `kid`.
    pub kid: Option<Cow<'a, str>>,
    /// The header's `typ`.
    pub typ: Option<Cow<'a, str>>,
    /// The payload's bytes.
    pub payload: &'a [u8],
    signed: &'a str,
    /// None when it is not base64url, which no key verifies.
    signature: Option<&'a [u8]>,
}

impl<'a> Compact<'a> {
    /// Takes a compact JWS apart; whether it is signed is for [`Key::verifies`] to say.
    pub fn parse(text: &'a str, max_bytes: usize, buffer: &'a mut Vec<u8>) -> Result<Self, Malformed> {
        if text.len() > max_bytes {
            return Err(Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed)?;
        if payload.contains('.') {
            return Err(Malformed);
        }
        buffer.clear();
        buffer.resize(text.len().saturating_add(ROUNDING), 0);
        let (header, rest) = decode(header, buffer).ok_or(Malformed)?;
        let (payload, rest) = decode(payload, rest).ok_or(Malformed)?;
        let header = json::object(header).ok_or(Malformed)?;
        if FORBIDDEN.iter().any(|name| header.get(name).is_some()) {
            return Err(Malformed);
        }
        let member = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) if text.len() <= MAX_KID_BYTES => Ok(Some(text.clone())),
            Some(_) => Err(Malformed),
        };
        for name in INFORMATIVE {
            member(name)?;
        }
        Ok(Self {
            algorithm: member("alg")?.ok_or(Malformed)?,
            kid: member("kid")?,
            typ: member("typ")?,
            payload,
            signed,
            signature: decode(signature, rest).map(|(signature, _)| &*signature),
        })
    }
}

/// Decoding wants room for whole groups of three bytes: at most two too many for each of three parts.
const ROUNDING: usize = 6;

/// Decodes base64url, in its one spelling, to the start of `room`, and gives back what room is left.
fn decode<'a>(text: &str, room: &'a mut [u8]) -> Option<(&'a mut [u8], &'a mut [u8])> {
    let length = URL_SAFE_NO_PAD.decode_slice(text, room).ok()?;
    room.split_at_mut_checked(length)
}

/// The key cannot be used with its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a public JWK for {0}")]
pub struct InvalidKey(&'static str);

/// A public key, parsed once, and the one algorithm that it verifies.
#[derive(Clone, Debug)]
pub struct Key {
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl Key {
    /// Reads a public JWK (RFC 7517), whose type and curve must be those of the algorithm.
    pub fn from_jwk(algorithm: Algorithm, jwk: &str) -> Result<Self, InvalidKey> {
        let read = json::object(jwk.as_bytes()).and_then(|jwk| parsed(algorithm, &jwk));
        read.map(|key| Self { algorithm, key }).ok_or(InvalidKey(name(algorithm)))
    }

    /// Whether the header names this key's algorithm.
    #[must_use]
    pub fn is_for(&self, jws: &Compact<'_>) -> bool {
        jws.algorithm == name(self.algorithm)
    }

    /// Whether the signature is this key's.
    #[must_use]
    pub fn verifies(&self, jws: &Compact<'_>) -> bool {
        jws.signature.is_some_and(|signature| self.key.verify_sig(jws.signed.as_bytes(), signature).is_ok())
    }
}

fn parsed(algorithm: Algorithm, jwk: &Object<'_>) -> Option<ParsedPublicKey> {
    if jwk.get("d").is_some() || jwk.get("k").is_some() {
        return None;
    }
    match algorithm {
        Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(jwk, "P-256", 32)?).ok(),
        Algorithm::Es384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point(jwk, "P-384", 48)?).ok(),
        Algorithm::EdDsa => {
            is(jwk, "kty", "OKP")?;
            is(jwk, "crv", "Ed25519")?;
            ParsedPublicKey::new(&ED25519, coordinate(jwk, "x", 32)?).ok()
        }
        Algorithm::Rs256 => rsa(jwk)?.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok(),
        Algorithm::Rs384 => rsa(jwk)?.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA384).ok(),
    }
}

/// What a point with both coordinates starts with (SEC 1).
const UNCOMPRESSED: u8 = 4;

/// The point of an EC key.
fn point(jwk: &Object<'_>, curve: &str, size: usize) -> Option<Vec<u8>> {
    is(jwk, "kty", "EC")?;
    is(jwk, "crv", curve)?;
    let (x, y) = (coordinate(jwk, "x", size)?, coordinate(jwk, "y", size)?);
    Some([&[UNCOMPRESSED][..], &x, &y].concat())
}

fn rsa(jwk: &Object<'_>) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
    is(jwk, "kty", "RSA")?;
    Some(RsaPublicKeyComponents { n: bytes(jwk, "n")?, e: bytes(jwk, "e")? })
}

fn is(jwk: &Object<'_>, name: &str, value: &str) -> Option<()> {
    (text(jwk, name)? == value).then_some(())
}

fn coordinate(jwk: &Object<'_>, name: &str, size: usize) -> Option<Vec<u8>> {
    bytes(jwk, name).filter(|bytes| bytes.len() == size)
}

fn bytes(jwk: &Object<'_>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}

fn text<'j>(jwk: &'j Object<'_>, name: &str) -> Option<&'j str> {
    match jwk.get(name)? {
        Json::Text(text) => Some(text),
        _ => None,
    }
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
