//! Why there is no token.

use oauth::TokenError;
use store::StoreError;

/// Why there is no token; whatever was written is undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The caller is told, in the words of OAuth.
    #[error(transparent)]
    Refused(#[from] TokenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of the server; the text is for its log.
    #[error("{0}")]
    Internal(String),
}

impl From<admin::Error> for Error {
    fn from(error: admin::Error) -> Self {
        match error {
            admin::Error::Store(error) => Self::Store(error),
            other => Self::Internal(other.to_string()),
        }
    }
}
