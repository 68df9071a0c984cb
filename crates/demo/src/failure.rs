//! Why the story cannot go on.

use std::path::PathBuf;

/// What stopped the story, for the person who started it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file or folder.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    File(PathBuf, std::io::Error),
    /// The folder holds something.
    #[error("{path} is not empty: the demo starts from nothing, name another folder", path = .0.display())]
    NotEmpty(PathBuf),
    /// A program of the story did not start, or ended.
    #[error("{name} did not start ({why}); its log is {log}", log = .log.display())]
    Program {
        /// Which.
        name: &'static str,
        /// What happened.
        why: String,
        /// Where it wrote.
        log: PathBuf,
    },
    /// Nobody answered.
    #[error("{url} does not answer: {why}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What the client says.
        why: String,
    },
    /// An answer that the rest of the story needs is not as it should be.
    #[error("{what}: {found}")]
    Unexpected {
        /// What was asked for.
        what: String,
        /// What came.
        found: String,
    },
    /// Something that has to happen did not, in time.
    #[error("waited {seconds} s for {what}")]
    Late {
        /// For what.
        what: String,
        /// How long.
        seconds: u64,
    },
}
