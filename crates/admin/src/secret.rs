//! Random tokens for sessions and links: 256 bits behind a prefix that says what it is, kept as their SHA-256.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Random, SecretHash};

/// 256 bits: nobody guesses one, so one fast hash is enough at rest.
const BYTES: usize = 32;
/// The prefix and 43 characters; all else is no token.
const TEXT_BYTES: usize = 4 + 43;

/// What a token is for; a token of one kind is never taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A member's session.
    Session,
    /// A one-use link in a mail.
    Link,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "fws_",
            Self::Link => "fwl_",
        }
    }
}

/// A token; its text leaves through [`Token::expose`] only.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Draws one.
    #[must_use]
    pub fn draw(kind: Kind, random: &Random) -> Self {
        let bytes: [u8; BYTES] = random.bytes();
        Self(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads one of that kind in its one spelling.
    #[must_use]
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(kind.prefix()).filter(|_| text.len() == TEXT_BYTES)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        (bytes.len() == BYTES).then(|| Self(text.to_owned()))
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::new(sha256(self.0.as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(..)")
    }
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a17_a_token_has_one_spelling_and_one_kind() {
        let token = Token::draw(Kind::Session, &Random::seeded(1));
        let text = token.expose();
        assert_eq!(Token::parse(Kind::Session, text).unwrap().hash(), token.hash());
        assert!(Token::parse(Kind::Link, text).is_none());
        let mut last = text.to_owned();
        let end = last.pop().unwrap();
        for other in [
            last.clone(),
            format!("{text}="),
            format!("{text} "),
            text.to_uppercase(),
            // The two bits that 43 characters have over 256 must be zero.
            format!("{last}{}", if end == 'B' { 'D' } else { 'B' }),
        ] {
            assert!(Token::parse(Kind::Session, &other).is_none(), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
