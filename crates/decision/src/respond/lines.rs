//! The files of a bulk export, line by line: each is decided as an entry of a result is.
//!
//! Invariant: a resource is released byte for byte, or not at all; of all other lines no text of the upstream's is
//! released. A line says nothing about any other, so a file of any length is checked in the memory of its longest line.

use policy::request::Request;
use policy::text::FhirId;

use super::export::with_export;
use super::{Answer, Check, ExportFile};
use crate::Engine;
use crate::cover::Subject;
use crate::engine::Place;
use crate::json::{Document, Value, quote};
use crate::judge::Export;
use crate::judge::operation::export::letters;
use crate::reference::Reference;
use crate::rules::{Grants, Rule};

/// The most issues, or deletions, that are released of one line.
const MAX_PARTS: usize = 10_000;
/// The severities and codes that an issue may have (R4 issue-severity, issue-type); sorted.
const SEVERITIES: &[&str] = &["error", "fatal", "information", "warning"];
const CODES: &[&str] = &[
    "business-rule",
    "code-invalid",
    "conflict",
    "deleted",
    "duplicate",
    "exception",
    "expired",
    "extension",
    "forbidden",
    "incomplete",
    "informational",
    "invalid",
    "invariant",
    "lock-error",
    "login",
    "multiple-matches",
    "no-store",
    "not-found",
    "not-supported",
    "processing",
    "required",
    "security",
    "structure",
    "suppressed",
    "throttled",
    "timeout",
    "too-costly",
    "too-long",
    "transient",
    "unknown",
    "value",
];

/// What became of some lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// How many were released.
    pub released: u32,
    /// How many were dropped.
    pub dropped: u32,
}

/// Checks whole lines of a file of an export, and appends what the client gets of them to `out`.
///
/// `request` is the kick-off, decided again; none if it is no export any more, and then nothing is released.
#[must_use]
pub fn filter_lines(
    engine: &Engine,
    request: &Request<'_>,
    grants: &Grants,
    file: &ExportFile,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Option<Filtered> {
    let answer = Answer { status: 200, headers: &[], body: &[], upstream_base: request.upstream_base };
    with_export(engine, request, grants, &answer, |check, export| {
        let mut filtered = Filtered::default();
        for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
            let before = out.len();
            if check.line(export, file, line, out).is_some() {
                out.push(b'\n');
                filtered.released = filtered.released.saturating_add(1);
            } else {
                out.truncate(before);
                filtered.dropped = filtered.dropped.saturating_add(1);
            }
        }
        filtered
    })
}

impl Check<'_, '_> {
    /// Writes what is released of a line; none if nothing is.
    fn line(&self, export: &Export<'_>, file: &ExportFile, line: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let document = Document::read(std::str::from_utf8(line).ok()?).ok()?;
        let root = Some(document.root()).filter(|root| !root.is_ambiguous())?;
        let is = |name: &str| root.get("resourceType").is_some_and(|own| own.is_text(name));
        match file {
            ExportFile::Resources(name) => {
                let releases = is(name) && self.is_exported(export, name, &root);
                out.extend_from_slice(Some(line).filter(|_| releases)?);
            }
            ExportFile::Errors => {
                out.extend_from_slice(outcome(Some(root).filter(|_| is("OperationOutcome"))?)?.as_bytes());
            }
            ExportFile::Deleted => {
                let text = self.deletions(export, Some(root).filter(|_| is("Bundle"))?)?;
                out.extend_from_slice(text.as_bytes());
            }
        }
        Some(())
    }

    /// Where a type stands, if it was asked for and a rule lets it be exported.
    pub(super) fn exported(&self, export: &Export<'_>, name: &str) -> Option<Place> {
        let place = self.engine.place(name).filter(|place| export.types.contains(place))?;
        self.exporting(export, place).next().map(|_| place)
    }

    /// The rules by which a type is exported.
    fn exporting<'r>(&'r self, export: &Export<'_>, place: Place) -> impl Iterator<Item = &'r Rule> {
        let operation = export.operation;
        let gives = move |rule: &&Rule| rule.exports(self.engine, operation) && rule.gives_at(place, letters());
        self.judged.grants.list.iter().filter(gives)
    }

    fn is_exported(&self, export: &Export<'_>, name: &str, resource: &Value<'_>) -> bool {
        let named = resource.get("id").and_then(|id| id.as_str()).is_some_and(|id| FhirId::accepts(&id));
        let (Some(place), Some(facts)) = (self.exported(export, name), self.engine.facts(name)) else { return false };
        let subject = Subject::new(self.engine, facts, *resource, self.eyes());
        named && self.exporting(export, place).any(|rule| subject.is_covered_by(rule))
    }

    /// What is no more, of the types that a rule gives whole: of all else nobody can tell what it was.
    fn deletions(&self, export: &Export<'_>, bundle: Value<'_>) -> Option<String> {
        let whole = |name: &str| {
            let plain = |rule: &Rule| rule.is_plain(self.engine, export.operation);
            self.exported(export, name).is_some_and(|place| self.exporting(export, place).any(plain))
        };
        let mut text = String::from(r#"{"resourceType":"Bundle","type":"transaction","entry":["#);
        let from = text.len();
        for entry in bundle.get("entry")?.elements().take(MAX_PARTS) {
            let Some(request) =
                entry.get("request").filter(|one| one.get("method").is_some_and(|own| own.is_text("DELETE")))
            else {
                continue;
            };
            let Some(url) = request.text("url") else { continue };
            let Reference::Local { resource_type, id, versioned: false } = Reference::read(&url, &self.bases) else {
                continue;
            };
            if whole(resource_type) {
                text.push_str(if text.len() > from { "," } else { "" });
                text.push_str(r#"{"request":{"method":"DELETE","url":"#);
                quote(&format!("{resource_type}/{id}"), &mut text);
                text.push_str("}}");
            }
        }
        (text.len() > from).then(|| text + "]}")
    }
}

/// What went wrong, in closed words.
fn outcome(outcome: Value<'_>) -> Option<String> {
    let mut text = String::from(r#"{"resourceType":"OperationOutcome","issue":["#);
    let from = text.len();
    for issue in outcome.get("issue")?.elements().take(MAX_PARTS) {
        let known = |name: &str, list: &[&'static str]| {
            let own = issue.text(name)?;
            list.iter().find(|known| ***known == *own).copied()
        };
        let (severity, code) = (known("severity", SEVERITIES)?, known("code", CODES)?);
        text.push_str(if text.len() > from { "," } else { "" });
        text.push_str(&format!(r#"{{"severity":"{severity}","code":"{code}"}}"#));
    }
    (text.len() > from).then(|| text + "]}")
}
