//! Secrets as they may be kept: hashed or sealed. None of these shows what it holds.

use std::fmt;

/// SHA-256 of a secret of 256 random bits (a key's secret, a session's token, a link's token).
///
/// Two are compared in constant time.
#[derive(Clone, Copy, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Wraps the digest.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        let differing = self.0.iter().zip(&other.0).fold(0, |seen, (one, two)| seen | (one ^ two));
        std::hint::black_box(differing) == 0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretHash(..)")
    }
}

/// An Argon2id hash of a password, as a PHC string.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps the PHC string (`$argon2id$v=19$…`).
    #[must_use]
    pub const fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordHash(..)")
    }
}

/// Bytes that only the holder of the sealing key can read.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Wraps bytes that are sealed already.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The sealed bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes the sealed bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealed(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_equal_when_every_byte_is() {
        let mut other = [7; 32];
        assert_eq!(SecretHash::new([7; 32]), SecretHash::new(other));
        other[31] = 8;
        assert_ne!(SecretHash::new([7; 32]), SecretHash::new(other));
    }

    #[test]
    fn nothing_kept_secret_is_shown() {
        let shown = format!(
            "{:?} {:?} {:?}",
            SecretHash::new([7; 32]),
            PasswordHash::new("$argon2id$x".into()),
            Sealed::new(vec![7])
        );
        assert_eq!(shown, "SecretHash(..) PasswordHash(..) Sealed(..)");
    }
}
