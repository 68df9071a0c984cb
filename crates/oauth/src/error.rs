//! The errors of token endpoints (RFC 6749 section 5.2), with a description that says what would help.

use std::fmt;

/// The most characters of a caller's own word that a description repeats.
const MAX_QUOTED_CHARACTERS: usize = 80;

/// The code of an error, as programs read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// Something is missing, repeated, or not well formed.
    InvalidRequest,
    /// The key is not known, or its secret is wrong.
    InvalidClient,
    /// The caller has nothing at that Service: no active Subscription, or no such Service.
    InvalidGrant,
    /// More, or something else, was asked for than the caller holds.
    InvalidScope,
    /// The access token that was sent does not count (RFC 6750 section 3.1).
    InvalidToken,
    /// The caller may not do this at all.
    AccessDenied,
}

impl ErrorCode {
    /// The code's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidToken => "invalid_token",
            Self::AccessDenied => "access_denied",
        }
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct TokenError {
    code: ErrorCode,
    description: String,
}

impl TokenError {
    /// An error; of the description, only characters that RFC 6749 allows are kept.
    #[must_use]
    pub fn new(code: ErrorCode, description: &str) -> Self {
        let description = description.chars().map(|char| match char {
            '"' | '\\' => '\'',
            ' '..='~' => char,
            _ => '?',
        });
        Self { code, description: description.collect() }
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What is wrong and what would help, in printable ASCII without quotation marks and backslashes.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }
}

/// A caller's own word, cut to a length that a description can bear.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        let start: String = chars.by_ref().take(MAX_QUOTED_CHARACTERS).collect();
        write!(out, "`{start}{}`", if chars.next().is_some() { "..." } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_only_characters_of_rfc_6749_and_bounded_words() {
        let error = TokenError::new(ErrorCode::InvalidScope, "\"é\\\n");
        assert_eq!(error.description(), "'?'?");
        assert_eq!(Quoted(&"x".repeat(100)).to_string().len(), 85);
        assert_eq!(Quoted("x").to_string(), "`x`");
    }
}
