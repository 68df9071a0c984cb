//! The story as one document, for programs: what was done, what came of it, and whether it is as it should be.

use serde::Serialize;
use serde_json::Value;

/// The whole story.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Whether every step and every request was as it should be.
    pub(crate) ok: bool,
    /// What was not, in words.
    pub(crate) failures: Vec<String>,
    /// What could not be played with this upstream or document, in words.
    pub(crate) left_out: Vec<String>,
    /// Where things are: URLs, folder, shell file, credentials.
    pub(crate) places: serde_json::Map<String, Value>,
    pub(crate) steps: Vec<Step>,
    pub(crate) requests: Vec<Request>,
    pub(crate) measured: Measured,
}

/// One call of the story that is no request at the gateway.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) chapter: String,
    pub(crate) who: &'static str,
    /// The HTTP method; none for what is no call, such as reading a mail.
    pub(crate) method: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) expected: Option<u16>,
    pub(crate) means: String,
    pub(crate) curl: Option<String>,
    pub(crate) ok: bool,
}

/// One request at the gateway, with what the audit says of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Request {
    pub(crate) key: String,
    pub(crate) chapter: String,
    pub(crate) who: &'static str,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) means: String,
    pub(crate) status: u16,
    /// `permit` or `deny`, as the audit has it.
    pub(crate) decision: Option<String>,
    /// Why: of the denial, or of the answer that was taken back after a permit.
    pub(crate) reason: Option<String>,
    /// How long the decision took.
    pub(crate) micros: Option<u64>,
    pub(crate) phase: Option<u8>,
    pub(crate) expected: Expected,
    pub(crate) ok: bool,
    /// What is not as it should be.
    pub(crate) wrong: Vec<String>,
    /// The reason in words.
    pub(crate) says: Option<String>,
    /// What would have to change for another answer.
    pub(crate) mend: Option<String>,
    pub(crate) curl: String,
}

/// What a request should come to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    pub(crate) decision: &'static str,
    pub(crate) reason: Option<String>,
}

/// What was measured on the way.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measured {
    /// Resident memory of the control plane after the story.
    pub(crate) serve_resident_bytes: Option<u64>,
    /// Resident memory of the gateway after the story.
    pub(crate) arc_resident_bytes: Option<u64>,
    /// From the start of the control plane on its existing database to the first 200 of `/readyz`.
    pub(crate) serve_ready_milliseconds: Option<u64>,
    /// Decisions that the audit tells of.
    pub(crate) decisions: usize,
    /// The middle of their times.
    pub(crate) decision_micros_median: Option<u64>,
    /// The longest of their times.
    pub(crate) decision_micros_max: Option<u64>,
}
