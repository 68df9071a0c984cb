//! Phase 9: what of an upstream's answer is released.
//!
//! Invariant: an answer that must be checked is read strictly, whole, before a byte of it is
//! released, and every resource in it is decided as a read of it would be. A released resource is
//! released byte for byte.

mod batch;
mod bundle;
mod entries;
mod export;
mod history;
mod instance;
mod lead;
mod lines;
mod looked;
mod operation;
mod prune;

use policy::decision::{Body, Lookup, Released};
use policy::reason::Reason;
use policy::request::{Header, Request, Stored};

use crate::Engine;
use crate::answer;
use crate::arena::Arena;
use crate::condition::Asked;
use crate::json::Document;
use crate::judge::{Judged, Plan, Trace, judge};
use crate::rules::Grants;

pub use export::{ExportFile, respond_to_cancel, respond_to_status};
pub use lines::{Filtered, filter_lines};

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
pub(crate) struct Check<'c, 'a> {
    pub(crate) engine: &'c Engine,
    pub(crate) judged: &'c Judged<'a>,
    pub(crate) answer: &'c Answer<'c>,
    /// The URLs that mean this server in what is stored: the Service's own, and the upstream's.
    pub(crate) bases: [&'c str; 2],
    /// The upstream's base, without what stands in the path before FHIR's own part.
    pub(crate) upstream: &'c str,
    /// What `$request` of a `where` reads.
    pub(crate) asked: Asked<'c>,
    /// What was fetched because an earlier answer asked for it.
    pub(crate) stored: &'c [Stored<'c>],
    /// Whether the gateway can look things up.
    pub(crate) may_look: bool,
}

/// What phase 9 comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client gets this.
    Release(Released),
    /// Only what is stored can tell: fetch these, and ask again with what came.
    Lookup(Vec<Lookup>),
}

/// What the client gets of an upstream's answer to a request that was permitted.
///
/// The request is decided again, so nothing has to be remembered in between, and one that is no permit gets the answer
/// of an internal fault. `seal` turns a link of the upstream, to a page or to the job of an export, into one of the
/// gateway's own, or drops it.
#[must_use]
pub fn respond(
    engine: &Engine,
    request: &Request<'_>,
    grants: &Grants,
    answer: &Answer<'_>,
    seal: &mut dyn FnMut(&str) -> Option<String>,
) -> Outcome {
    let arena = Arena::new();
    let mut trace = Trace::new(&arena);
    let Ok(judged) = judge(engine, request, grants, &arena, &mut trace) else {
        return Outcome::Release(fault(engine));
    };
    released(engine, request, &judged, answer, seal).map_or_else(Outcome::Lookup, Outcome::Release)
}

fn fault(engine: &Engine) -> Released {
    answer::refused(Some(engine), 502, Reason::Internal)
}

/// What is released of the answer to one request, or to one entry of a batch.
fn released(
    engine: &Engine,
    request: &Request<'_>,
    judged: &Judged<'_>,
    answer: &Answer<'_>,
    seal: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<Released, Vec<Lookup>> {
    with_check(engine, request, judged, answer, |check| check.released(seal))
}

/// Gives `work` all that the answer to a request is checked by.
fn with_check<T>(
    engine: &Engine,
    request: &Request<'_>,
    judged: &Judged<'_>,
    answer: &Answer<'_>,
    work: impl FnOnce(&Check<'_, '_>) -> T,
) -> T {
    let upstream = answer.upstream_base.trim_end_matches('/');
    let home = format!("{}{}", engine.base.url, judged.prefix);
    let theirs = if upstream.is_empty() { String::new() } else { format!("{upstream}{}", judged.prefix) };
    let body = body(engine, request, judged);
    let asked = body.as_ref().map_or(Asked::Query(judged.parameters), |body| Asked::Body(body.root()));
    let check = Check {
        engine,
        judged,
        answer,
        bases: [&home, &theirs],
        upstream,
        asked,
        stored: request.stored,
        may_look: request.capabilities.lookup,
    };
    work(&check)
}

/// The body of the request, where a `where` may look at it.
fn body<'b>(engine: &Engine, request: &Request<'b>, judged: &Judged<'_>) -> Option<Document<'b>> {
    if request.body.is_empty() || judged.form || !judged.grants.has_conditions(engine) {
        return None;
    }
    Document::of(request.body)
}

impl Check<'_, '_> {
    fn released(&self, seal: &mut dyn FnMut(&str) -> Option<String>) -> Result<Released, Vec<Lookup>> {
        match &self.judged.plan {
            Plan::Local => Ok(fault(self.engine)),
            Plan::Unchecked => Ok(self.unchecked()),
            Plan::Read(instance) => self.read(instance),
            Plan::Write(written) => Ok(self.written(written)),
            Plan::Search(search) => self.searched(search, seal),
            Plan::History(history) => self.history(history, seal),
            Plan::Operation { guarded } => Ok(self.operated(*guarded)),
            Plan::Export(_) => Ok(self.kicked_off(seal)),
            Plan::Batch(batch) => self.batch(batch),
        }
    }

    /// An answer that nothing is known of: its own body, under few of its headers.
    fn unchecked(&self) -> Released {
        let mut headers = self.answer.passed(PLAIN_HEADERS);
        if let Some(location) = self.location() {
            headers.push(("location".to_owned(), location.into_bytes()));
        }
        headers.extend(answer::private());
        let mut body = Body::default();
        body.keep(0..self.answer.body.len());
        Released { status: self.answer.status, headers, body, reason: None, released: 0, dropped: 0, read_on: None }
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
            // That something was there is not told, wherever an instance stands in the path.
            410 => self.absent(),
            404 if self.judged.on_instance && !matches!(self.judged.plan, Plan::Export(_)) => self.absent(),
            status @ 400..=599 => {
                // It is the upstream's denial, not one of ours: `legacy_400` says nothing of it.
                Released { reason: None, ..answer::with_status(Some(self.engine), status, Reason::NotFound) }
            }
            _ => self.unreadable(),
        }
    }

    fn unreadable(&self) -> Released {
        answer::refused(Some(self.engine), 502, Reason::ResponseUnreadable)
    }

    /// The body as JSON; none if it does not parse.
    fn json(&self) -> Option<Document<'_>> {
        Document::of(self.answer.body)
    }
}

#[cfg(test)]
mod tests;
