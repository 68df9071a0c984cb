//! The answers of a bulk export beside its files: to the kick-off, to whoever asks for its job, to whoever ends it.
//!
//! Invariant: every link that the client gets is sealed, and lies below the upstream's base; what a manifest says of
//! types that were not granted, and of how much there is, is left out.

use std::borrow::Cow;
use std::fmt::Write as _;

use policy::decision::{Body, Released};
use policy::request::Request;

use super::{Answer, Check, fault, with_check};
use crate::Engine;
use crate::answer;
use crate::arena::Arena;
use crate::json::{Value, quote};
use crate::judge::{Export, Plan, Trace, judge};
use crate::rules::Grants;

/// The most files that a manifest names.
const MAX_FILES: usize = 5_000;
/// The longest manifest; each link has the kick-off sealed in it.
const MAX_MANIFEST_BYTES: usize = 16 * 1024 * 1024;
/// The longest `Retry-After`, in digits: eleven days.
const MAX_WAIT_DIGITS: usize = 6;
/// The longest instant.
const MAX_INSTANT_BYTES: usize = 40;

/// What a file of an export holds, by which each of its lines is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportFile {
    /// Resources of this type.
    Resources(String),
    /// What went wrong, as OperationOutcomes.
    Errors,
    /// What is no more, as Bundles of deletions.
    Deleted,
}

/// What the client gets of the upstream's answer to whoever asks for the job of an export.
///
/// `request` is the kick-off, decided again. `seal` turns the upstream's link to a file into one of the gateway's own;
/// where it cannot, there is no manifest, as one that lacks a file would look complete.
#[must_use]
pub fn respond_to_status(
    engine: &Engine,
    request: &Request<'_>,
    grants: &Grants,
    answer: &Answer<'_>,
    seal: &mut dyn FnMut(&str, &ExportFile) -> Option<String>,
) -> Released {
    with_export(engine, request, grants, answer, |check, export| match answer.status {
        202 => check.waits(),
        200 => check.manifest(export, seal).unwrap_or_else(|| check.unreadable()),
        _ => check.failed(),
    })
    .unwrap_or_else(|| fault(engine))
}

/// What the client gets of the upstream's answer to whoever ends the job of an export.
#[must_use]
pub fn respond_to_cancel(engine: &Engine, request: &Request<'_>, grants: &Grants, answer: &Answer<'_>) -> Released {
    with_export(engine, request, grants, answer, |check, _| match answer.status {
        200..=299 => own(202, Vec::new(), Body::default()),
        _ => check.failed(),
    })
    .unwrap_or_else(|| fault(engine))
}

/// Gives `work` an export that is decided again; none if it is no permit any more, or none at all.
pub(super) fn with_export<T>(
    engine: &Engine,
    request: &Request<'_>,
    grants: &Grants,
    answer: &Answer<'_>,
    work: impl FnOnce(&Check<'_, '_>, &Export<'_>) -> T,
) -> Option<T> {
    let arena = Arena::new();
    let judged = judge(engine, request, grants, &arena, &mut Trace::new(&arena)).ok()?;
    let Plan::Export(export) = &judged.plan else { return None };
    Some(with_check(engine, request, &judged, answer, |check| work(check, export)))
}

fn own(status: u16, mut headers: Vec<(String, Vec<u8>)>, body: Body) -> Released {
    headers.extend(answer::private());
    Released { status, headers, body, reason: None, released: 0, dropped: 0, read_on: None }
}

impl Check<'_, '_> {
    /// The job of an export that was kicked off, as a link of the gateway's own.
    pub(super) fn kicked_off(&self, seal: &mut dyn FnMut(&str) -> Option<String>) -> Released {
        if self.answer.status != 202 {
            return self.failed();
        }
        let location = self.answer.header("content-location").and_then(|value| std::str::from_utf8(value).ok());
        match location.filter(|url| self.is_below(url)).and_then(seal) {
            Some(link) => own(202, vec![("content-location".to_owned(), link.into_bytes())], Body::default()),
            None => self.unreadable(),
        }
    }

    /// Whether a URL lies below the upstream's base.
    fn is_below(&self, url: &str) -> bool {
        !self.upstream.is_empty() && url.strip_prefix(self.upstream).is_some_and(|rest| rest.starts_with(['/', '?']))
    }

    /// The job is under way: how long to wait, and nothing of what `X-Progress` says.
    fn waits(&self) -> Released {
        let seconds =
            |value: &&[u8]| (1..=MAX_WAIT_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        let wait = self.answer.header("retry-after").filter(seconds);
        own(202, wait.map(|value| ("retry-after".to_owned(), value.to_vec())).into_iter().collect(), Body::default())
    }

    /// The manifest, written anew; none if the upstream's cannot be read, or leads elsewhere.
    fn manifest(
        &self,
        export: &Export<'_>,
        seal: &mut dyn FnMut(&str, &ExportFile) -> Option<String>,
    ) -> Option<Released> {
        let document = self.json()?;
        let root = document.root();
        if root.is_ambiguous() || !root.is_object() {
            return None;
        }
        let at = root.text("transactionTime").filter(|at| is_instant(at))?;
        let mut text = String::from(r#"{"transactionTime":"#);
        quote(&at, &mut text);
        text.push_str(r#","request":"#);
        quote(&self.asked_again(export), &mut text);
        text.push_str(r#","requiresAccessToken":true"#);
        let mut dropped = 0_u32;
        let mut files = 0;
        for (list, needed) in [("output", true), ("deleted", false), ("error", true)] {
            let given = match root.get(list) {
                Some(given) if given.is_array() => Some(given),
                Some(_) => return None,
                None => None,
            };
            if given.is_none() && !needed {
                continue;
            }
            // Writing to a String cannot fail.
            let _ = write!(text, r#","{list}":["#);
            let mut separator = "";
            for item in given.iter().flat_map(Value::elements) {
                files += 1;
                let (kind, url) = (item.text("type")?, item.text("url")?);
                let Some(file) = self.file(export, list, &kind) else {
                    dropped = dropped.saturating_add(1);
                    continue;
                };
                let link = Some(url).filter(|url| files <= MAX_FILES && self.is_below(url));
                let link = link.and_then(|url| seal(&url, &file))?;
                if text.len().saturating_add(link.len()) > MAX_MANIFEST_BYTES {
                    return None;
                }
                text.push_str(separator);
                separator = ",";
                text.push_str(r#"{"type":"#);
                quote(&kind, &mut text);
                text.push_str(r#","url":"#);
                quote(&link, &mut text);
                text.push('}');
            }
            text.push(']');
        }
        text.push('}');
        let media = ("content-type".to_owned(), b"application/json; charset=utf-8".to_vec());
        Some(Released { dropped, ..own(200, vec![media], Body::from(text)) })
    }

    /// The kick-off on the Service's base.
    fn asked_again(&self, export: &Export<'_>) -> String {
        let path = self.judged.upstream.as_ref().map_or(Cow::Borrowed(""), |upstream| upstream.path.clone());
        let query = if export.link.is_empty() { String::new() } else { format!("?{}", export.link) };
        format!("{}{path}{query}", self.engine.base.url)
    }

    /// What a file of the manifest holds; none for what was not granted.
    fn file(&self, export: &Export<'_>, list: &str, kind: &str) -> Option<ExportFile> {
        match (list, kind) {
            ("output", name) => self.exported(export, name).map(|_| ExportFile::Resources(name.to_owned())),
            ("deleted", "Bundle") => Some(ExportFile::Deleted),
            ("error", "OperationOutcome") => Some(ExportFile::Errors),
            _ => None,
        }
    }
}

/// Whether a text looks like an instant, and like nothing else.
fn is_instant(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'.' | b'T' | b'Z' | b'+');
    !text.is_empty() && text.len() <= MAX_INSTANT_BYTES && text.bytes().all(plain)
}
