//! Passwords: bounded before they are hashed, and hashed with Argon2id.
//!
//! Invariant: checking a password costs the same whether its person is known or not.

use std::fmt;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::{PasswordHash, Random};

/// Shorter ones are guessed offline too fast (NIST SP 800-63B asks for 8, and for 15 where nothing else protects).
pub const MIN_CHARACTERS: usize = 12;
/// Longer ones only cost time.
pub const MAX_CHARACTERS: usize = 128;
/// See [`MAX_CHARACTERS`]: 128 characters of four bytes.
pub const MAX_BYTES: usize = 512;
/// Memory of one hash in KiB, its passes and lanes: OWASP's first choice for Argon2id.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// What an unknown person's password is compared with; no password gives it.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$ZmlyZXdhcmRlbi1kZWNveQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The text is too short or too long for a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters")]
pub struct InvalidPassword;

/// A password of a length that can be hashed. It shows nowhere.
#[derive(Clone)]
pub struct Password(String);

impl TryFrom<String> for Password {
    type Error = InvalidPassword;

    fn try_from(text: String) -> Result<Self, InvalidPassword> {
        if text.len() > MAX_BYTES || !(MIN_CHARACTERS..=MAX_CHARACTERS).contains(&text.chars().count()) {
            return Err(InvalidPassword);
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Password(..)")
    }
}

/// The hash could not be made: no memory, or parameters that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashFailed;

impl Password {
    /// Hashes it with a fresh salt; takes 19 MiB and tens of milliseconds.
    pub fn hash(&self, random: &Random) -> Result<PasswordHash, HashFailed> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| HashFailed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let salt: [u8; 16] = random.bytes();
        let hash = argon2.hash_password_with_salt(self.0.as_bytes(), &salt).map_err(|_| HashFailed)?;
        Ok(PasswordHash::new(hash.to_string()))
    }

    /// Whether it is the password of that hash. Without a hash the work is the same, and the answer no.
    #[must_use]
    pub fn verify(&self, hash: Option<&PasswordHash>) -> bool {
        let text = hash.map_or(DECOY, PasswordHash::as_str);
        Argon2::default().verify_password(self.0.as_bytes(), text).is_ok() && hash.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_password_verifies_against_its_own_hash_only() {
        let random = Random::seeded(1);
        let hash = password("correct horse battery").hash(&random).unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(password("correct horse battery").verify(Some(&hash)));
        assert!(!password("correct horse batterz").verify(Some(&hash)));
        assert!(!password("correct horse battery").verify(None));
        let again = password("correct horse battery").hash(&random).unwrap();
        assert_ne!(again, hash, "a salt of its own");
    }

    #[test]
    fn e08_a_password_is_bounded_before_it_is_hashed() {
        let accepts = |text: String| Password::try_from(text).is_ok();
        assert!(accepts("x".repeat(12)) && accepts("é".repeat(128)) && accepts("😀".repeat(128)));
        assert!(!accepts("x".repeat(11)) && !accepts("x".repeat(129)) && !accepts("x".repeat(10_000_000)));
    }

    #[test]
    fn the_decoy_is_a_hash_that_costs_the_same() {
        let hash = PasswordHash::new(DECOY.to_owned());
        assert!(argon2::password_hash::phc::PasswordHash::new(DECOY).is_ok());
        assert!(!password("correct horse battery").verify(Some(&hash)));
    }
}
