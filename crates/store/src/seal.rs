//! Secrets at rest: AES-256-GCM under the server's sealing key.
//!
//! Invariant: what is sealed opens only at its own place. The place (account, purpose, id) is
//! authenticated with the content, so a sealed value copied to another row does not open there.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, rand};

/// Bytes of a sealing key.
pub const KEY_BYTES: usize = 32;
/// Says how a sealed value is laid out: version, nonce, ciphertext and tag.
const VERSION: u8 = 1;

/// Why a value was not sealed or opened. It says nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key has another length, or is the same byte throughout.
    #[error("the sealing key must be {KEY_BYTES} random bytes")]
    Key,
    /// The system's source of randomness failed.
    #[error("no randomness for a nonce")]
    Random,
    /// Another key, another place, or a changed value.
    #[error("a sealed value does not open here: another sealing key, or a changed value")]
    Closed,
}

/// Where a sealed value stands: what a copy of it elsewhere would not match.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The owner's id (`acct_…`), or `platform`.
    pub account: &'a str,
    /// What the value is for (`signing_key`, `outbox`).
    pub purpose: &'a str,
    /// The id of the row.
    pub id: &'a str,
}

impl Place<'_> {
    /// The place as bytes; the lengths keep two places from reading the same.
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96);
        for part in [self.account, self.purpose, self.id] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// Seals and opens values under one key.
pub struct Sealer {
    key: RandomizedNonceKey,
    root: hkdf::Prk,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealer(..)")
    }
}

/// The length of a derived key, as HKDF asks for it.
struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl Sealer {
    /// Takes the server's key; a key of one repeated byte is nobody's key.
    pub fn new(key: &[u8]) -> Result<Self, SealError> {
        let first = key.first().ok_or(SealError::Key)?;
        if key.len() != KEY_BYTES || key.iter().all(|byte| byte == first) {
            return Err(SealError::Key);
        }
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"firewarden").extract(key);
        let derived = derive(&root, "secrets")?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &derived).map_err(|_| SealError::Key)?;
        Ok(Self { key, root })
    }

    /// Draws a new key.
    pub fn draw_key() -> Result<[u8; KEY_BYTES], SealError> {
        let mut key = [0; KEY_BYTES];
        rand::fill(&mut key).map_err(|_| SealError::Random)?;
        Ok(key)
    }

    /// A sealer for one use (`cursor`): its values open under no other use.
    pub fn derived(&self, usage: &str) -> Result<Self, SealError> {
        Self::new(&derive(&self.root, usage)?)
    }

    /// Seals a value for its place.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut content = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(place.to_bytes()), &mut content)
            .map_err(|_| SealError::Random)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + content.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut content);
        Ok(sealed)
    }

    /// Opens what [`Sealer::seal`] made for this place.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (&VERSION, rest) = sealed.split_first().ok_or(SealError::Closed)? else {
            return Err(SealError::Closed);
        };
        let (nonce, content) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Closed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Closed)?;
        let mut content = content.to_vec();
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(place.to_bytes()), &mut content)
            .map_err(|_| SealError::Closed)?
            .len();
        content.truncate(plain);
        Ok(content)
    }
}

fn derive(root: &hkdf::Prk, usage: &str) -> Result<[u8; KEY_BYTES], SealError> {
    let mut key = [0; KEY_BYTES];
    root.expand(&[usage.as_bytes()], KeyLength)
        .and_then(|derived| derived.fill(&mut key))
        .map_err(|_| SealError::Key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { account: "acct_a", purpose: "signing_key", id: "1" };

    fn sealer() -> Sealer {
        Sealer::new(&Sealer::draw_key().unwrap()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_at_its_own_place() {
        let sealer = sealer();
        let bytes = sealer.seal(PLACE, b"secret").unwrap();
        assert_eq!(sealer.open(PLACE, &bytes).unwrap(), b"secret");
        assert!(!bytes.windows(6).any(|part| part == b"secret"));
        assert_ne!(sealer.seal(PLACE, b"secret").unwrap(), bytes, "no two seals of one value are alike");
    }

    #[test]
    fn e22_it_opens_nowhere_else() {
        let sealer = sealer();
        let bytes = sealer.seal(PLACE, b"secret").unwrap();
        for place in [
            Place { account: "acct_b", ..PLACE },
            Place { purpose: "outbox", ..PLACE },
            Place { id: "2", ..PLACE },
            Place { account: "acct_asigning_key", purpose: "", ..PLACE },
        ] {
            assert_eq!(sealer.open(place, &bytes), Err(SealError::Closed), "{place:?}");
        }
        assert_eq!(self::sealer().open(PLACE, &bytes), Err(SealError::Closed), "another key");
        assert_eq!(sealer.derived("cursor").unwrap().open(PLACE, &bytes), Err(SealError::Closed), "another use");
    }

    #[test]
    fn a_changed_value_does_not_open() {
        let sealer = sealer();
        let bytes = sealer.seal(PLACE, b"secret").unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert_eq!(sealer.open(PLACE, &changed), Err(SealError::Closed), "byte {index}");
            assert_eq!(sealer.open(PLACE, &bytes[..index]), Err(SealError::Closed), "cut at {index}");
        }
    }

    #[test]
    fn a_default_key_is_refused() {
        for key in [&[][..], &[0; 32], &[7; 32], &[1; 31], &[1, 2, 3]] {
            assert_eq!(Sealer::new(key).err(), Some(SealError::Key));
        }
    }
}
