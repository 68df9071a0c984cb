//! The answer of the decision point.
//!
//! Invariant: whatever is enforced and whatever is written to the audit is read from the same [`Decision`].

use crate::operation::{Interaction, Method};
use crate::reason::Reason;

/// The phases of a decision, in their fixed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// URL, query, headers and limits.
    Normalise = 1,
    /// Credentials.
    Token = 2,
    /// The operation of the Service.
    Operation = 3,
    /// The rules that fit.
    Rules = 4,
    /// The query.
    Query = 5,
    /// The body.
    Body = 6,
    /// The entries of a batch.
    Batch = 7,
    /// Tags and `where`.
    Tags = 8,
    /// The answer of the upstream.
    Response = 9,
}

/// Permit or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Forward it, or answer it locally, as [`Decision::action`] says.
    Permit,
    /// Refuse it.
    Deny {
        /// The status to send.
        status: u16,
        /// Why.
        reason: Reason,
    },
}

/// What the gateway does with a permitted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing is forwarded: the request was denied.
    None,
    /// The gateway answers by itself with this status and no body (`OPTIONS`: 204).
    Answer(u16),
    /// Send this upstream, in place of what the client sent.
    Forward(Upstream),
}

/// The request that goes upstream, rebuilt from what was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The method; `HEAD` goes as `GET`.
    pub method: Method,
    /// The path below the upstream's base, encoded, with its leading slash.
    pub path: String,
    /// The query, encoded, without `?`; empty for none.
    pub query: String,
    /// The form that replaces the body of a search by POST; else the client's body goes as it came.
    pub form: Option<String>,
    /// The headers to send, from the client's by list, and those that obligations set. `Host`, `Content-Length` and the
    /// client's `Authorization` are the gateway's own business.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// What the gateway must do; each is already carried out in [`Upstream`], where it is about the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obligation {
    /// The client's parameter was left out.
    DropQuery(String),
    /// This parameter was added, to be ANDed.
    AddQuery(String, String),
    /// This value stands in place of the client's.
    SetQuery(String, String),
    /// This header is sent.
    SetHeader(String, String),
    /// This header of the client is not.
    StripHeader(String),
    /// The answer goes through phase 9 before a byte of it is released.
    CheckResponse,
}

impl Obligation {
    /// Its name in the audit, without any value: `add_query(patient)`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::DropQuery(name) => format!("drop_query({name})"),
            Self::AddQuery(name, _) => format!("add_query({name})"),
            Self::SetQuery(name, _) => format!("set_query({name})"),
            Self::SetHeader(name, _) => format!("set_header({name})"),
            Self::StripHeader(name) => format!("strip_header({name})"),
            Self::CheckResponse => "check_response".to_owned(),
        }
    }
}

/// The verdict on one include (K40).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// The parameter: `_include=Observation:subject`.
    pub via: String,
    /// The type it would bring in; `*` when any.
    pub resource_type: String,
    /// Whether it may.
    pub permit: bool,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Permit or deny.
    pub verdict: Verdict,
    /// The phase that denied, or the last one gone through.
    pub phase: Phase,
    /// A reason that accompanies a permit (`dev_mode`).
    pub note: Option<Reason>,
    /// What to do.
    pub action: Action,
    /// The index of the operation in the bundle, once phase 3 found it.
    pub operation: Option<u32>,
    /// What it does in FHIR's terms.
    pub interaction: Option<Interaction>,
    /// The resource type it works on.
    pub resource_type: Option<String>,
    /// The id of the instance it works on.
    pub resource_id: Option<String>,
    /// The rules that permit it, as names (a scope, a role's id), in the token's order.
    pub rules: Vec<String>,
    /// What the gateway must do.
    pub obligations: Vec<Obligation>,
    /// The verdicts on includes.
    pub related: Vec<Related>,
    /// The names of parameters and elements that the decision rests on, sorted; never values.
    pub fields_used: Vec<String>,
    /// The names of those that it passed over, sorted; never values.
    pub fields_ignored: Vec<String>,
}

impl Decision {
    /// Whether it was permitted.
    #[must_use]
    pub const fn permits(&self) -> bool {
        matches!(self.verdict, Verdict::Permit)
    }

    /// The reason of a denial, or the note of a permit.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self.verdict {
            Verdict::Permit => self.note,
            Verdict::Deny { reason, .. } => Some(reason),
        }
    }
}

/// What phase 9 lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The status for the client.
    pub status: u16,
    /// The headers for the client.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body for the client.
    pub body: Vec<u8>,
    /// The reason, when the answer was taken back or replaced.
    pub reason: Option<Reason>,
    /// How many resources it holds.
    pub released: u32,
    /// How many were dropped.
    pub dropped: u32,
}
