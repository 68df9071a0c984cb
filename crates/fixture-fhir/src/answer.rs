//! What a request is answered with.
//!
//! Invariant: a fault is an OperationOutcome, and the status codes of faults are all named here.

use serde::Serialize;
use serde_json::json;

/// The media type of nearly every answer.
pub(crate) const FHIR_JSON: &str = "application/fhir+json;charset=UTF-8";

/// An answer, as it would go on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The status code.
    pub status: u16,
    /// The header fields, each named once.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body; empty for HEAD, 204 and 304.
    pub body: Vec<u8>,
}

impl Served {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::empty(status).with("Content-Type", FHIR_JSON).body(body.as_bytes().to_vec())
    }

    /// The JSON of a value; what cannot be written down is a 500.
    pub(crate) fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::text(status, &text),
            Err(_) => Self::empty(500),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    pub(crate) fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// The first header field of that name, in any case, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Why a request cannot be done: a status, a code of IssueType, and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) words: String,
}

impl Fault {
    fn new(status: u16, code: &'static str, words: impl Into<String>) -> Self {
        Self { status, code, words: words.into() }
    }

    pub(crate) fn invalid(words: impl Into<String>) -> Self {
        Self::new(400, "invalid", words)
    }

    pub(crate) fn not_supported(words: impl Into<String>) -> Self {
        Self::new(400, "not-supported", words)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "not-found", "there is no such resource")
    }

    pub(crate) fn gone() -> Self {
        Self::new(410, "deleted", "the resource is deleted")
    }

    pub(crate) fn method() -> Self {
        Self::new(405, "not-supported", "the method is not supported here")
    }

    pub(crate) fn not_acceptable() -> Self {
        Self::new(406, "not-supported", "only FHIR 4.0 in JSON is served")
    }

    pub(crate) fn conflict() -> Self {
        Self::new(409, "conflict", "the id is that of another resource")
    }

    pub(crate) fn precondition(words: impl Into<String>) -> Self {
        Self::new(412, "conflict", words)
    }

    pub(crate) fn too_large() -> Self {
        Self::new(413, "too-long", "the request is too large")
    }

    pub(crate) fn media_type() -> Self {
        Self::new(415, "not-supported", "the media type of the body is not supported")
    }

    pub(crate) fn unprocessable(words: impl Into<String>) -> Self {
        Self::new(422, "processing", words)
    }

    pub(crate) fn costly() -> Self {
        Self::new(503, "too-costly", "the search is too costly")
    }

    pub(crate) fn full() -> Self {
        Self::new(507, "no-store", "the server holds no more")
    }

    pub(crate) fn served(&self) -> Served {
        Served::json(self.status, &outcome("error", self.code, &self.words))
    }
}

/// An OperationOutcome of one issue.
pub(crate) fn outcome(severity: &str, code: &str, words: &str) -> serde_json::Value {
    json!({"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code, "diagnostics": words}]})
}
