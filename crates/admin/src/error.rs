//! Why a use case did not do it. The door gives each a status; nothing else does.

use std::borrow::Cow;

use store::StoreError;

/// One thing that is wrong with what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: a JSON pointer into the body.
    pub pointer: String,
    /// Stable, for programs.
    pub code: Cow<'static, str>,
    /// What is wrong.
    pub message: String,
    /// How to mend it; empty where the message says it.
    pub fix: String,
}

impl Fault {
    /// A fault whose message says how to mend it.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), message: message.into(), fix: String::new() }
    }
}

/// Why a use case did not do it; whatever it had written is undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is none by that id in this Account.
    #[error("not found")]
    NotFound,
    /// It stands against something that is there.
    #[error("{detail}")]
    Conflict {
        /// Stable, for programs.
        code: &'static str,
        /// What is in the way.
        detail: String,
        /// Each thing that is in the way.
        faults: Vec<Fault>,
    },
    /// It can be read, and is wrong.
    #[error("invalid in {} places", .0.len())]
    Invalid(Vec<Fault>),
    /// The caller may not.
    #[error("{detail}")]
    Forbidden {
        /// Stable, for programs.
        code: &'static str,
        /// Why not.
        detail: String,
    },
    /// The credential does not open this.
    #[error("{detail}")]
    Unauthenticated {
        /// Stable, for programs.
        code: &'static str,
        /// Why not, as far as it may be told.
        detail: &'static str,
    },
    /// Its time has passed, or it was used.
    #[error("{0}")]
    Gone(&'static str),
    /// Somebody changed it meanwhile.
    #[error("it has changed since it was read")]
    Changed,
    /// A fault of the server; the text is for its log.
    #[error("{0}")]
    Internal(&'static str),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl Error {
    /// A conflict with one thing.
    #[must_use]
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict { code, detail: detail.into(), faults: Vec::new() }
    }

    /// One thing is wrong.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(pointer, code, message)])
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound,
            StoreError::Changed => Self::Changed,
            StoreError::Conflict(what) => {
                Self::conflict("taken", format!("the {what} is already taken, or still in use"))
            }
            other => Self::Store(other),
        }
    }
}

impl From<store::seal::SealError> for Error {
    fn from(error: store::seal::SealError) -> Self {
        match error {
            store::seal::SealError::Closed => {
                Self::Internal("a sealed value does not open: is the sealing key the same?")
            }
            _ => Self::Internal("a value could not be sealed"),
        }
    }
}
