//! The answer of the decision point.
//!
//! Invariant: whatever is enforced and whatever is written to the audit is read from the same [`Decision`].
//! A decision borrows from its bundle, its request and the arena that it was made in; what has to outlive them
//! is taken with [`Decision::into_owned`].

use std::borrow::Cow;
use std::ops::Range;

use crate::operation::{Interaction, Method};
use crate::reason::Reason;

/// A list that is borrowed on the way of a request, and owned afterwards.
pub type List<'a, T> = Cow<'a, [T]>;
/// Names of parameters, elements or rules.
pub type Names<'a> = List<'a, Cow<'a, str>>;

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

/// Permit or deny, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Forward it, or answer it locally, as [`Decision::action`] says.
    Permit,
    /// Only what is stored can tell: [`Decision::action`] says what to fetch before the request is decided again.
    Undecided,
    /// Refuse it.
    Deny {
        /// The status to send.
        status: u16,
        /// Why.
        reason: Reason,
    },
}

/// What the gateway does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Nothing is forwarded: the request was denied.
    None,
    /// The gateway answers by itself with this status and no body (`OPTIONS`: 204).
    Answer(u16),
    /// Answer by itself with this body: a batch of which nothing is forwarded.
    Reply(u16, Cow<'a, str>),
    /// Fetch these, and ask again with what came ([`crate::request::Request::stored`]).
    Lookup(List<'a, Lookup>),
    /// Send this upstream, in place of what the client sent.
    Forward(Upstream<'a>),
}

/// A `GET` of the gateway's own, for what only the stored resource can tell. Nothing of its answer is ever released.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lookup {
    /// The path below the upstream's base, encoded, with its leading slash.
    pub path: String,
    /// The query, encoded, without `?`; empty for none.
    pub query: String,
}

/// A header that goes upstream.
pub type UpstreamHeader<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

/// The request that goes upstream, rebuilt from what was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream<'a> {
    /// The method; `HEAD` goes as `GET`.
    pub method: Method,
    /// The path below the upstream's base, encoded, with its leading slash.
    pub path: Cow<'a, str>,
    /// The query, encoded, without `?`; empty for none.
    pub query: Cow<'a, str>,
    /// What replaces the client's body: the form of a search by POST, the entries of a batch; else it goes as it came.
    pub body: Option<Cow<'a, str>>,
    /// The headers to send, from the client's by list, and those that obligations set. `Host`, `Content-Length` and the
    /// client's `Authorization` are the gateway's own business.
    pub headers: List<'a, UpstreamHeader<'a>>,
}

/// What the gateway must do; each is already carried out in [`Upstream`], where it is about the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obligation<'a> {
    /// The client's parameter was left out.
    DropQuery(Cow<'a, str>),
    /// This parameter was added, to be ANDed.
    AddQuery(Cow<'a, str>, Cow<'a, str>),
    /// This value stands in place of the client's.
    SetQuery(Cow<'a, str>, Cow<'a, str>),
    /// This header is sent.
    SetHeader(Cow<'a, str>, Cow<'a, str>),
    /// This header of the client is not.
    StripHeader(Cow<'a, str>),
    /// What is stored was looked up: of this type.
    CheckExisting(Cow<'a, str>),
    /// The answer goes through phase 9 before a byte of it is released.
    CheckResponse,
    /// The entries of the batch have verdicts of their own ([`Decision::entries`]).
    PerEntry,
}

impl Obligation<'_> {
    /// Its name in the audit, without any value: `add_query(patient)`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::DropQuery(name) => format!("drop_query({name})"),
            Self::AddQuery(name, _) => format!("add_query({name})"),
            Self::SetQuery(name, _) => format!("set_query({name})"),
            Self::SetHeader(name, _) => format!("set_header({name})"),
            Self::StripHeader(name) => format!("strip_header({name})"),
            Self::CheckExisting(name) => format!("check_existing({name})"),
            Self::CheckResponse => "check_response".to_owned(),
            Self::PerEntry => "per_entry".to_owned(),
        }
    }

    fn into_owned(self) -> Obligation<'static> {
        match self {
            Self::DropQuery(name) => Obligation::DropQuery(owned(name)),
            Self::AddQuery(name, value) => Obligation::AddQuery(owned(name), owned(value)),
            Self::SetQuery(name, value) => Obligation::SetQuery(owned(name), owned(value)),
            Self::SetHeader(name, value) => Obligation::SetHeader(owned(name), owned(value)),
            Self::StripHeader(name) => Obligation::StripHeader(owned(name)),
            Self::CheckExisting(name) => Obligation::CheckExisting(owned(name)),
            Self::CheckResponse => Obligation::CheckResponse,
            Self::PerEntry => Obligation::PerEntry,
        }
    }
}

/// The verdict on one include (K40).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related<'a> {
    /// The parameter: `_include=Observation:subject`.
    pub via: Cow<'a, str>,
    /// The type it would bring in; `*` when any.
    pub resource_type: Cow<'a, str>,
    /// Whether it may.
    pub permit: bool,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Permit or deny.
    pub verdict: Verdict,
    /// The phase that denied, or the last one gone through.
    pub phase: Phase,
    /// A reason that accompanies a permit (`dev_mode`).
    pub note: Option<Reason>,
    /// What to do.
    pub action: Action<'a>,
    /// The index of the operation in the bundle, once phase 3 found it.
    pub operation: Option<u32>,
    /// What it does in FHIR's terms.
    pub interaction: Option<Interaction>,
    /// The resource type it works on.
    pub resource_type: Option<Cow<'a, str>>,
    /// The id of the instance it works on.
    pub resource_id: Option<Cow<'a, str>>,
    /// The rules that permit it, as names (a scope, a role's id), in the token's order.
    pub rules: Names<'a>,
    /// What the gateway must do.
    pub obligations: List<'a, Obligation<'a>>,
    /// The verdicts on includes.
    pub related: List<'a, Related<'a>>,
    /// The names of parameters and elements that the decision rests on, sorted; never values.
    pub fields_used: Names<'a>,
    /// The names of those that it passed over, sorted; never values.
    pub fields_ignored: Names<'a>,
    /// The decisions on the entries of a batch, in order; empty for all else.
    pub entries: List<'a, Decision<'a>>,
}

impl Decision<'_> {
    /// Whether it was permitted.
    #[must_use]
    pub const fn permits(&self) -> bool {
        matches!(self.verdict, Verdict::Permit)
    }

    /// The reason of a denial, or the note of a permit.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self.verdict {
            Verdict::Permit | Verdict::Undecided => self.note,
            Verdict::Deny { reason, .. } => Some(reason),
        }
    }

    /// A decision of nothing but its verdict.
    #[must_use]
    pub const fn bare(verdict: Verdict, phase: Phase) -> Decision<'static> {
        Decision {
            verdict,
            phase,
            note: None,
            action: Action::None,
            operation: None,
            interaction: None,
            resource_type: None,
            resource_id: None,
            rules: Cow::Borrowed(&[]),
            obligations: Cow::Borrowed(&[]),
            related: Cow::Borrowed(&[]),
            fields_used: Cow::Borrowed(&[]),
            fields_ignored: Cow::Borrowed(&[]),
            entries: Cow::Borrowed(&[]),
        }
    }

    /// The same, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Decision<'static> {
        Decision {
            verdict: self.verdict,
            phase: self.phase,
            note: self.note,
            action: self.action.into_owned(),
            operation: self.operation,
            interaction: self.interaction,
            resource_type: self.resource_type.map(owned),
            resource_id: self.resource_id.map(owned),
            rules: names(self.rules),
            obligations: list(self.obligations, Obligation::into_owned),
            related: list(self.related, |one| Related {
                via: owned(one.via),
                resource_type: owned(one.resource_type),
                permit: one.permit,
            }),
            fields_used: names(self.fields_used),
            fields_ignored: names(self.fields_ignored),
            entries: list(self.entries, Decision::into_owned),
        }
    }
}

impl Action<'_> {
    fn into_owned(self) -> Action<'static> {
        match self {
            Self::None => Action::None,
            Self::Answer(status) => Action::Answer(status),
            Self::Reply(status, body) => Action::Reply(status, owned(body)),
            Self::Lookup(lookups) => Action::Lookup(Cow::Owned(lookups.into_owned())),
            Self::Forward(upstream) => Action::Forward(upstream.into_owned()),
        }
    }
}

impl Upstream<'_> {
    /// The same, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Upstream<'static> {
        let header = |(name, value): UpstreamHeader<'_>| (owned(name), Cow::Owned(value.into_owned()));
        Upstream {
            method: self.method,
            path: owned(self.path),
            query: owned(self.query),
            body: self.body.map(owned),
            headers: list(self.headers, header),
        }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn names(names: Names<'_>) -> Names<'static> {
    list(names, owned)
}

fn list<'a, T: Clone, U: Clone>(list: List<'a, T>, change: impl FnMut(T) -> U) -> List<'static, U> {
    Cow::Owned(list.into_owned().into_iter().map(change).collect())
}

/// What phase 9 lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The status for the client.
    pub status: u16,
    /// The headers for the client.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body for the client.
    pub body: Body,
    /// The reason, when the answer was taken back or replaced.
    pub reason: Option<Reason>,
    /// How many resources it holds.
    pub released: u32,
    /// How many were dropped.
    pub dropped: u32,
    /// The upstream's next page (an absolute URL of its own), where a search was narrowed inexactly, nothing of this
    /// page was kept and there is one: the gateway reads on, and this answer counts only if it may read no further.
    pub read_on: Option<String>,
}

/// A body for the client: parts of the upstream's own body, and text between them.
///
/// An answer that mostly passes is not copied: it takes as much memory as it has seams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    pieces: Vec<Piece>,
    bytes: usize,
}

/// A part of a [`Body`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes of the upstream's body, as they came.
    Kept(Range<usize>),
    /// Text of our own.
    Written(String),
}

impl Body {
    /// How many bytes it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Its parts, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Adds text of our own.
    pub fn write(&mut self, text: &str) {
        self.bytes += text.len();
        match self.pieces.last_mut() {
            Some(Piece::Written(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Written(text.to_owned())),
        }
    }

    /// Adds bytes of the upstream's body.
    pub fn keep(&mut self, range: Range<usize>) {
        self.bytes += range.len();
        match self.pieces.last_mut() {
            Some(Piece::Kept(last)) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.pieces.push(Piece::Kept(range)),
        }
    }

    /// All of it in one, given the upstream's body; a range outside that body has no bytes.
    #[must_use]
    pub fn bytes(&self, upstream: &[u8]) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.bytes);
        for piece in &self.pieces {
            match piece {
                Piece::Kept(range) => all.extend_from_slice(upstream.get(range.clone()).unwrap_or_default()),
                Piece::Written(text) => all.extend_from_slice(text.as_bytes()),
            }
        }
        all
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        let bytes = text.len();
        Self { pieces: if text.is_empty() { Vec::new() } else { vec![Piece::Written(text)] }, bytes }
    }
}
