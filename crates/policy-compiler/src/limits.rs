//! How large a document may be. The bounds are counts and bytes, never a time.

use policy::bundle::MAX_OPERATIONS;

/// The bounds of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes; the largest real document that was met has 6 MiB.
    pub bytes: usize,
    /// How deep lists and maps may nest. It lies below the 127 at which the JSON reader gives up, so that our own
    /// message, with its pointer, comes first; real documents stay under 40.
    pub depth: usize,
    /// The most values and keys; GitHub's document has 500,000.
    pub nodes: usize,
    /// How many `$ref` may lead from one to the next.
    pub reference_chain: usize,
    /// The most operations, as many as a bundle holds.
    pub operations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 * 1024 * 1024, depth: 120, nodes: 2_000_000, reference_chain: 16, operations: MAX_OPERATIONS }
    }
}
