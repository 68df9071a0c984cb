//! How large a document may be. The bounds are counts and bytes, never a time.

use policy::bundle::MAX_OPERATIONS;

/// The bounds of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes; the largest real document that was met has 6 MiB.
    pub bytes: usize,
    /// How deep lists and maps may nest; the deepest real document that was met has 27. Reading YAML takes up to
    /// 21 KiB of stack for a level in a debug build, and a thread has 2 MiB; past 126 the JSON reader gives up on its own.
    pub depth: usize,
    /// The most values and keys; the largest real document that was met has 430,000.
    pub nodes: usize,
    /// How many `$ref` may lead from one to the next.
    pub reference_chain: usize,
    /// The most operations, as many as a bundle holds.
    pub operations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 * 1024 * 1024, depth: 64, nodes: 2_000_000, reference_chain: 16, operations: MAX_OPERATIONS }
    }
}
