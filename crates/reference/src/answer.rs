//! What the interpreter answers, in a form that is easy to compare.

use policy::Reason;
use policy::decision::{Lookup, Phase, Verdict};
use policy::operation::Interaction;
use serde_json::Value;

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Permit, deny, or not yet.
    pub verdict: Verdict,
    /// The phase that denied, or the last one gone through.
    pub phase: Phase,
    /// A reason that accompanies a permit (`dev_mode`).
    pub note: Option<Reason>,
    /// What the request does in FHIR's terms.
    pub interaction: Option<Interaction>,
    /// The type that it works on.
    pub resource_type: Option<String>,
    /// The instance that it works on.
    pub resource_id: Option<String>,
    /// The rules that permit it, in the token's order.
    pub rules: Vec<String>,
    /// The names that the decision rests on, sorted, none twice.
    pub used: Vec<String>,
    /// The names that it passed over, sorted, none twice.
    pub ignored: Vec<String>,
    /// The verdicts on includes: parameter, type, whether it may.
    pub related: Vec<(String, String, bool)>,
    /// What to do.
    pub next: Next,
    /// The answers to the entries of a batch.
    pub entries: Vec<Answer>,
}

/// What the gateway does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing: it was denied.
    Nothing,
    /// Answer with this status and no body.
    Answer(u16),
    /// Answer with this body.
    Reply(u16, Value),
    /// Fetch these, sorted, and ask again.
    Lookup(Vec<Lookup>),
    /// Send this upstream.
    Forward(Sent),
}

/// What goes upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The method; `HEAD` goes as `GET`.
    pub method: String,
    /// The path below the upstream's base, each segment encoded once.
    pub path: String,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// What replaces the client's body.
    pub body: Option<SentBody>,
    /// The headers that change a meaning, sorted by name.
    pub headers: Vec<(String, String)>,
}

/// A body that replaces the client's.
#[derive(Clone, Debug, PartialEq)]
pub enum SentBody {
    /// A search form, decoded, in order.
    Form(Vec<(String, String)>),
    /// The permitted entries of a batch.
    Json(Value),
}

/// What the upstream answered.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its whole body.
    pub body: &'a [u8],
    /// Its base URL, which references in stored resources may bear.
    pub base: &'a str,
}

/// What phase 9 makes of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// Fetch these, sorted, and ask again.
    Lookup(Vec<Lookup>),
    /// Release this.
    Released {
        /// The status for the client.
        status: u16,
        /// Why the answer was taken back or replaced.
        reason: Option<Reason>,
        /// The body that goes to the client; none for none, and for an answer of the gateway's own.
        body: Option<Value>,
        /// The resources in it.
        released: Vec<Value>,
        /// How many were dropped.
        dropped: usize,
    },
}
