//! The answer to a search: a searchset, decided entry by entry.
//!
//! Invariant: an entry is released only if a rule covers it, and, unless it is a match, only if a
//! released entry leads to it. The envelope is written anew; of the upstream's own it keeps little. Of an
//! entry no more is remembered than where it stands and what leads to it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use policy::decision::{Body, Lookup, Released};
use policy::facts::Standing;
use policy::letters::Letters;
use policy::reason::Reason;
use policy::settings::{Shared, Uncovered};
use policy::text::FhirId;

use super::entries::{Entries, Entry, Envelope, Unreadable};
use super::instance::sorted;
use super::lead::{Found, Refers, Span, Texts, Way, follow};
use super::{Check, prune};
use crate::answer;
use crate::cover::{Eyes, contains_patient, is_own};
use crate::json::{Kind, Value, quote};
use crate::query::Search;

/// The relations of paging (RFC 5988, R4 http.html "paging").
const PAGING: &[&str] = &["next", "prev", "previous", "first", "last"];
/// The one type that is decided by what else is released.
const LAST: &str = "Provenance";

/// What is remembered of the entries of one answer.
struct Findings<'e> {
    texts: Texts<'e>,
    found: Vec<Found<'e>>,
    refers: Refers,
    /// The parts that are left of resources that lose elements.
    runs: Vec<Span>,
    /// How many entries there are.
    all: usize,
    /// How many tell of the search, not of a patient: they are never released, and nobody misses them.
    outcomes: usize,
}

/// Why a result is not released now.
enum Stop {
    /// It cannot be read.
    Unreadable,
    /// Only what is stored can tell.
    Lookup(Vec<Lookup>),
}

impl From<Unreadable> for Stop {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

impl Check<'_, '_> {
    pub(super) fn searched(
        &self,
        search: &Search<'_>,
        seal: &mut dyn FnMut(&str) -> Option<String>,
    ) -> Result<Released, Vec<Lookup>> {
        if self.answer.status != 200 {
            return Ok(self.failed());
        }
        match self.searchset(search, seal) {
            Ok(released) => Ok(released),
            Err(Stop::Unreadable) => Ok(self.unreadable()),
            Err(Stop::Lookup(lookups)) => Err(lookups),
        }
    }

    fn searchset(&self, search: &Search<'_>, seal: &mut dyn FnMut(&str) -> Option<String>) -> Result<Released, Stop> {
        let mut entries = Entries::of(self.answer.body)?;
        let findings = self.decide(search, &mut entries)?;
        let envelope = entries.envelope()?;
        let released = findings.found.iter().filter(|one| one.is_kept()).count();
        let dropped = findings.all.saturating_sub(released + findings.outcomes);
        if dropped > 0 && search.uncovered == Uncovered::Reject {
            return Ok(answer::refused(Some(self.engine), 403, Reason::ResponseNotCovered));
        }
        let mut head = String::from(r#"{"resourceType":"Bundle","type":"searchset""#);
        plain(envelope, "timestamp", &mut head);
        if dropped == 0 && !search.inexact {
            plain(envelope, "total", &mut head);
        }
        write_links(&self.links(envelope, search.link, seal), &mut head);
        // The upstream filled a page with what is not the caller's: an empty one would tell where those lie.
        let read_on = (search.inexact && released == 0).then(|| self.page(envelope, "next")).flatten();
        let mut headers = vec![("content-type".to_owned(), answer::FHIR_JSON.to_vec())];
        headers.extend(answer::private());
        Ok(Released {
            status: 200,
            headers,
            body: self.write(head, &findings),
            reason: None,
            released: u32::try_from(released).unwrap_or(u32::MAX),
            dropped: u32::try_from(dropped).unwrap_or(u32::MAX),
            read_on,
        })
    }

    /// Goes through all entries, and finds those that are released.
    fn decide<'e>(&'e self, search: &Search<'_>, entries: &mut Entries<'e>) -> Result<Findings<'e>, Stop> {
        let mut findings = Findings {
            texts: Texts::of(entries.text()),
            found: Vec::new(),
            refers: Refers::default(),
            runs: Vec::new(),
            all: 0,
            outcomes: 0,
        };
        let eyes = Eyes { partial: search.partial, ..self.eyes() };
        while let Some(entry) = entries.next_entry()? {
            findings.all += 1;
            let found = self.find(search, entry, &eyes, &mut findings);
            findings.found.extend(found);
        }
        // Before anything is looked up for it.
        if !entries.envelope()?.is_bundle("searchset") {
            return Err(Stop::Unreadable);
        }
        follow(&mut findings.found, &findings.refers, &findings.texts);
        self.decide_last(search, entries, &eyes, &mut findings)?;
        Ok(findings)
    }

    /// Decides an entry; none if it is dropped, or has no certain type and id.
    fn find<'e>(
        &'e self,
        search: &Search<'_>,
        entry: Entry<'_>,
        eyes: &Eyes<'_>,
        findings: &mut Findings<'e>,
    ) -> Option<Found<'e>> {
        let resource = entry.resource()?;
        let name = resource.text("resourceType");
        if name.as_deref() == Some("OperationOutcome") {
            findings.outcomes += 1;
        }
        let facts = self.engine.facts(name.as_deref().filter(|_| !entry.value.is_ambiguous())?)?;
        let (id, name) = (resource.get("id")?, facts.name.as_str());
        let says = id.as_str().filter(|id| FhirId::accepts(id))?;
        let matched = search.is_chart() || (search.is_for(name) && entry.is_match());
        let way = if name == LAST { Way::Last } else { self.way(search, &resource, name, matched, eyes)? };

        let texts = &mut findings.texts;
        let reverse = matches!(way, Way::Last | Way::Led { reverse: true, .. });
        let refers = if search.has_includes() {
            let matters = |target: &str| reverse || search.included.contains(&target);
            findings.refers.add(&resource, &self.bases, texts, &matters)
        } else {
            Span::default()
        };
        let id = texts.remember(&id, &says, 0..says.len());
        let mut found = Found::new(facts, id, Span::of(resource.range()), way).with_refers(refers);
        found.matched = matched;
        if let Some(score) = entry.score().filter(|score| score.kind() == Kind::Number) {
            found.score = Span::of(score.range());
        }
        let own = |patient| is_own(self.engine, facts, &resource, patient, eyes);
        found.own = search.may_hold(LAST) && eyes.patient.is_some_and(own);
        if search.is_for(name) && prune::has_any(&resource, search.added) {
            let from = findings.runs.len();
            findings.runs.extend(prune::runs(&resource, search.added).into_iter().map(Span::of));
            found.runs = Some(Span::of(from..findings.runs.len()));
        }
        Some(found)
    }

    /// What may become of an entry: a match, or what a kept entry leads to; none if neither.
    fn way(
        &self,
        search: &Search<'_>,
        resource: &Value<'_>,
        name: &str,
        matched: bool,
        eyes: &Eyes<'_>,
    ) -> Option<Way> {
        let covered = |letters| self.is_covered(name, resource, letters, eyes);
        if matched {
            return covered(search.letters).then_some(Way::Kept);
        }
        let standing = self.engine.facts(name).map(|facts| facts.standing);
        let shared = || {
            standing == Some(Standing::Shared)
                && self.engine.settings().shared != Shared::Scope
                && !contains_patient(resource)
        };
        let include = search.included.contains(&name) && (shared() || covered(Letters::READ));
        let reverse = search.reverse.contains(&name) && covered(Letters::SEARCH);
        (include || reverse).then_some(Way::Led { include, reverse })
    }

    /// Decides Provenance, which rests on what is kept.
    fn decide_last(
        &self,
        search: &Search<'_>,
        entries: &mut Entries<'_>,
        eyes: &Eyes<'_>,
        findings: &mut Findings<'_>,
    ) -> Result<(), Stop> {
        let Findings { texts, found, refers, .. } = findings;
        if !found.iter().any(|one| one.way == Way::Last) {
            return Ok(());
        }
        // What another rule let in says nothing of the context.
        let (own, others): (Vec<&Found<'_>>, Vec<_>) =
            found.iter().filter(|one| one.is_kept()).partition(|one| one.own);
        let mut kept: Vec<String> = own.iter().map(|one| one.name(texts)).collect();
        let others: Vec<String> = others.iter().map(|one| one.name(texts)).collect();
        kept.sort_unstable();
        let mut room = BTreeSet::new();
        for one in found.iter().filter(|one| one.way == Way::Last && (one.matched || search.may_include(LAST))) {
            self.make_room(entries.again(one.resource.range())?, &mut room);
        }
        let mut targets = Vec::new();
        for one in found.iter().filter(|one| one.way == Way::Last) {
            let resource = entries.again(one.resource.range())?;
            let Some(named) = self.targets(resource).filter(|named| !named.iter().any(|one| others.contains(one)))
            else {
                continue;
            };
            let may_count = |one: &&String| room.contains(*one) || kept.binary_search(one).is_ok();
            let all = sorted(named.iter().filter(may_count).cloned().collect());
            let way = |kept: &[String]| self.way(search, &resource, LAST, one.matched, &Eyes { kept, ..*eyes });
            // What is open without them, or closed even with them, asks for no look.
            if way(&[]).is_none() && way(&all).is_some() {
                targets.extend(named);
            }
        }
        kept.extend(self.covered_targets(targets, &kept).map_err(Stop::Lookup)?);
        let kept = sorted(kept);
        let eyes = Eyes { kept: &kept, ..*eyes };
        for one in found.iter_mut().filter(|one| one.way == Way::Last) {
            let resource = entries.again(one.resource.range())?;
            let way = self.way(search, &resource, LAST, one.matched, &eyes);
            one.way = way.unwrap_or(Way::Led { include: false, reverse: false });
        }
        follow(found, refers, texts);
        Ok(())
    }

    /// The search itself, and the pages around it as the gateway's own links.
    pub(super) fn links(
        &self,
        envelope: &Envelope<'_>,
        link: &str,
        seal: &mut dyn FnMut(&str) -> Option<String>,
    ) -> Vec<(String, String)> {
        let base = &self.engine.base.url;
        let path = self.judged.upstream.as_ref().map(|upstream| &*upstream.path).unwrap_or_default();
        let path = path.strip_suffix("/_search").unwrap_or(path);
        let query = if link.is_empty() { String::new() } else { format!("?{link}") };
        let mut links = vec![("self".to_owned(), format!("{base}{path}{query}"))];
        for (relation, url) in self.pages(envelope) {
            if let Some(sealed) = seal(&url) {
                links.push((relation, sealed));
            }
        }
        links
    }

    /// The upstream's link to a page of that relation, if it lies below its base.
    fn page(&self, envelope: &Envelope<'_>, relation: &str) -> Option<String> {
        self.pages(envelope).into_iter().find_map(|(own, url)| (own == relation).then_some(url))
    }

    /// The upstream's links to pages that lie below its base, one of each relation.
    fn pages(&self, envelope: &Envelope<'_>) -> Vec<(String, String)> {
        let upstream = self.upstream;
        let mut pages: Vec<(String, String)> = Vec::new();
        let document = envelope.read("link");
        for link in document.iter().flat_map(|document| document.root().elements()) {
            let (Some(relation), Some(url)) = (link.text("relation"), link.text("url")) else { continue };
            let own =
                !upstream.is_empty() && url.strip_prefix(upstream).is_some_and(|rest| rest.starts_with(['/', '?']));
            let first = pages.iter().all(|(known, _)| *known != relation);
            if PAGING.contains(&&*relation) && own && first && !link.is_ambiguous() {
                pages.push((relation.into_owned(), url.into_owned()));
            }
        }
        pages
    }

    /// The released entries after what stands before them; the text between two of them is one piece.
    fn write(&self, mut text: String, findings: &Findings<'_>) -> Body {
        let mut body = Body::default();
        let [home, _] = self.bases;
        let mut separator = r#","entry":["#;
        for one in findings.found.iter().filter(|one| one.is_kept()) {
            text.push_str(separator);
            separator = ",";
            text.push_str(r#"{"fullUrl":"#);
            quote(&format!("{home}/{}", one.name(&findings.texts)), &mut text);
            text.push_str(r#","resource":"#);
            body.write(&text);
            text.clear();
            match one.runs {
                None => body.keep(one.resource.range()),
                Some(runs) => {
                    let runs = findings.runs.get(runs.range()).unwrap_or_default();
                    prune::write(runs.iter().map(|run| run.range()), &mut body);
                }
            }
            text.push_str(if one.matched { r#","search":{"mode":"match""# } else { r#","search":{"mode":"include""# });
            if !one.score.is_empty() {
                text.push_str(r#","score":"#);
                text.push_str(findings.texts.get(one.score));
            }
            text.push_str("}}");
        }
        text.push_str(if separator == "," { "]}" } else { "}" });
        body.write(&text);
        body
    }
}

/// Writes an element of the envelope that is a text or a number.
pub(super) fn plain(envelope: &Envelope<'_>, name: &str, out: &mut String) {
    let Some(document) = envelope.read(name) else { return };
    let value = document.root();
    if matches!(value.kind(), Kind::String | Kind::Number) {
        // Writing to a String cannot fail.
        let _ = write!(out, r#","{name}":{}"#, value.raw());
    }
}

pub(super) fn write_links(links: &[(String, String)], out: &mut String) {
    out.push_str(r#","link":["#);
    for (index, (relation, url)) in links.iter().enumerate() {
        out.push_str(if index > 0 { r#",{"relation":"# } else { r#"{"relation":"# });
        quote(relation, out);
        out.push_str(r#","url":"#);
        quote(url, out);
        out.push('}');
    }
    out.push(']');
}
