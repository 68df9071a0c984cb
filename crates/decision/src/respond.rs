//! Phase 9: what of an upstream's answer is released.
//!
//! Invariant: an answer that must be checked is read strictly, whole, before a byte of it is
//! released, and every resource in it is decided as a read of it would be. A released resource is
//! released byte for byte.

mod bundle;
mod instance;

use policy::decision::{Body, Decision, Released};
use policy::reason::Reason;
use policy::request::{Header, Request};

use crate::Engine;
use crate::answer;
use crate::json::{self, Value};
use crate::judge::{Judged, Plan, Trace, judge};

/// The headers that pass, of an answer that is checked: those of the instance itself.
const INSTANCE_HEADERS: &[&str] = &["etag", "last-modified"];
/// The headers that pass, of an answer that is not.
const PLAIN_HEADERS: &[&str] =
    &["content-type", "content-disposition", "content-language", "etag", "last-modified", "retry-after"];

/// An upstream's answer, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its headers; names in lower case.
    pub headers: &'a [Header<'a>],
    /// Its whole body.
    pub body: &'a [u8],
    /// The upstream's base URL, without a trailing slash.
    pub upstream_base: &'a str,
}

impl<'a> Answer<'a> {
    /// The first header of that name.
    fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value)
    }

    fn passed(&self, names: &[&str]) -> Vec<(String, Vec<u8>)> {
        names.iter().filter_map(|name| self.header(name).map(|value| ((*name).to_owned(), value.to_vec()))).collect()
    }
}

/// What all of phase 9 looks at.
pub(crate) struct Check<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) judged: &'a Judged<'a>,
    pub(crate) answer: &'a Answer<'a>,
    /// The URLs that mean this server in what is stored: the Service's own, and the upstream's.
    pub(crate) bases: [&'a str; 2],
    /// The upstream's base, without what stands in the path before FHIR's own part.
    pub(crate) upstream: &'a str,
}

/// What the client gets of an upstream's answer to a request that was permitted.
///
/// `seal` turns a paging link of the upstream into one of the gateway's own, or drops it. A decision
/// that was no permit of this request gets the answer of an internal fault.
#[must_use]
pub fn respond(
    engine: &Engine,
    request: &Request<'_>,
    decision: &Decision<'_>,
    answer: &Answer<'_>,
    seal: &mut dyn FnMut(&str) -> Option<String>,
) -> Released {
    let fault = || answer::refused(Some(engine), 502, Reason::Internal);
    if !decision.permits() {
        return fault();
    }
    let mut trace = Trace::default();
    let Ok(judged) = judge(engine, request, &mut trace) else { return fault() };
    let upstream = answer.upstream_base.trim_end_matches('/');
    let home = format!("{}{}", engine.base.url, judged.prefix);
    let theirs = if upstream.is_empty() { String::new() } else { format!("{upstream}{}", judged.prefix) };
    let check = Check { engine, judged: &judged, answer, bases: [&home, &theirs], upstream };
    match &judged.plan {
        Plan::Local => fault(),
        Plan::Unchecked => check.unchecked(),
        Plan::Read { resource_type, id, added, partial } => check.read(resource_type, id, added, *partial),
        Plan::Create { resource_type } => check.created(resource_type),
        Plan::Search(search) => check.searched(search, seal),
    }
}

impl Check<'_> {
    /// An answer that nothing is known of: its own body, under few of its headers.
    fn unchecked(&self) -> Released {
        let mut headers = self.answer.passed(PLAIN_HEADERS);
        if let Some(location) = self.location() {
            headers.push(("location".to_owned(), location.into_bytes()));
        }
        headers.extend(answer::private());
        let mut body = Body::default();
        body.keep(0..self.answer.body.len());
        Released {
            status: self.answer.status,
            headers,
            body,
            reason: None,
            released: 0,
            dropped: 0,
            read_on: None,
        }
    }

    /// `Location`, where it lies below the upstream's base, on the Service's.
    fn location(&self) -> Option<String> {
        let location = std::str::from_utf8(self.answer.header("location")?).ok()?;
        let [own, upstream] = self.bases;
        let path =
            [upstream, own].into_iter().filter(|base| !base.is_empty()).find_map(|base| location.strip_prefix(base));
        path.filter(|path| path.starts_with('/')).map(|path| format!("{own}{path}"))
    }

    /// The upstream's own refusal: its status, none of its words.
    fn failed(&self) -> Released {
        match self.answer.status {
            status @ 400..=599 => {
                Released { reason: None, ..answer::refused(Some(self.engine), status, Reason::NotFound) }
            }
            _ => self.unreadable(),
        }
    }

    fn unreadable(&self) -> Released {
        answer::refused(Some(self.engine), 502, Reason::ResponseUnreadable)
    }

    /// The body as JSON; none if it does not parse.
    fn json(&self) -> Option<Value<'_>> {
        json::parse(std::str::from_utf8(self.answer.body).ok()?).ok()
    }
}
