//! The answer to a batch: each entry of it checked as the answer to the request that the entry is (D34).
//!
//! Invariant: the answers are told apart by their number and order alone, so an answer with more or fewer entries than
//! were forwarded releases nothing. The Bundle is written anew; the denied entries stand in their places.

use std::collections::BTreeSet;

use policy::decision::{Body, Lookup, Piece, Released};
use policy::request::Header;

use super::entries::{Entries, Entry, Unreadable};
use super::{Answer, Check, fault, released};
use crate::answer;
use crate::batch::{Batch, Item, Permitted, refusal};
use crate::decide::MAX_LOOKUPS;
use crate::json::{Value, quote};

/// The longest tag or time that an entry's `response` keeps.
const MAX_NOTE_BYTES: usize = 64;
/// The members of an entry's `response` that stand for headers of an answer.
const NOTES: &[(&str, &str)] = &[("location", "location"), ("etag", "etag"), ("last-modified", "lastModified")];

/// The answer on its way out.
struct Out {
    body: Body,
    separator: &'static str,
    lookups: BTreeSet<Lookup>,
    released: u32,
    dropped: u32,
}

impl Check<'_, '_> {
    pub(super) fn batch(&self, batch: &Batch<'_>) -> Result<Released, Vec<Lookup>> {
        if self.judged.upstream.is_none() {
            return Ok(fault(self.engine));
        }
        if !matches!(self.answer.status, 200..=299) {
            return Ok(self.failed());
        }
        let Ok(Out { body, lookups, released, dropped, .. }) = self.entries(batch) else {
            return Ok(self.unreadable());
        };
        if !lookups.is_empty() {
            return Err(lookups.into_iter().collect());
        }
        let mut headers = vec![("content-type".to_owned(), answer::FHIR_JSON.to_vec())];
        headers.extend(answer::private());
        Ok(Released { status: self.answer.status, headers, body, reason: None, released, dropped, read_on: None })
    }

    fn entries(&self, batch: &Batch<'_>) -> Result<Out, Unreadable> {
        let kind = batch.kind.response();
        let mut out = Out {
            body: Body::from(format!(r#"{{"resourceType":"Bundle","type":"{kind}""#)),
            separator: r#","entry":["#,
            lookups: BTreeSet::new(),
            released: 0,
            dropped: 0,
        };
        let mut answers = Entries::of(self.answer.body)?;
        for item in &batch.entries {
            match item {
                Item::Denied { status, reason } => {
                    let mut text = String::new();
                    refusal(self.engine, *status, *reason, &mut text);
                    out.next(&text);
                }
                Item::Permitted(permitted) => {
                    let answer = answers.next_entry()?.ok_or(Unreadable)?;
                    self.entry(permitted, answer, &mut out)?;
                }
            }
        }
        if answers.next_entry()?.is_some() || !answers.envelope()?.is_bundle(kind) {
            return Err(Unreadable);
        }
        out.body.write(if out.separator == "," { "]}" } else { "}" });
        Ok(out)
    }

    /// Puts one answer through what the answer to its request alone would go through.
    fn entry(&self, permitted: &Permitted<'_>, entry: Entry<'_>, out: &mut Out) -> Result<(), Unreadable> {
        let response = entry.value.get("response").filter(Value::is_object).ok_or(Unreadable)?;
        if entry.value.repeats_a_name() || response.repeats_a_name() {
            return Err(Unreadable);
        }
        let status = response.text("status").and_then(|text| status(&text)).ok_or(Unreadable)?;
        let notes: Vec<(&str, String)> = NOTES
            .iter()
            .filter_map(|(name, member)| {
                let text = response.text(member)?;
                let text = if *name == "location" { self.absolute(permitted, &text) } else { text.into_owned() };
                (*name == "location" || text.len() <= MAX_NOTE_BYTES).then_some((*name, text))
            })
            .collect();
        let headers: Vec<Header<'_>> =
            notes.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        let resource = entry.resource();
        let body = resource.map(|resource| resource.raw()).unwrap_or_default().as_bytes();
        let at = resource.map(|resource| resource.range().start).unwrap_or_default();
        let answer = Answer { status, headers: &headers, body, upstream_base: self.answer.upstream_base };
        // A sealed link stands for a whole request of its own, and the entry's was none that came.
        match released(self.engine, &permitted.request, &permitted.judged, &answer, &mut |_| None) {
            Ok(released) => out.add(&released, at),
            Err(lookups) => {
                let new = lookups.iter().filter(|one| !out.lookups.contains(*one)).count();
                if self.stored.len() + out.lookups.len() + new > MAX_LOOKUPS {
                    out.add(&self.unreadable(), at);
                } else {
                    out.lookups.extend(lookups);
                }
            }
        }
        Ok(())
    }

    /// `location` as the answer to a single request has it: an entry's may be relative to the base.
    fn absolute(&self, permitted: &Permitted<'_>, location: &str) -> String {
        if location.contains("://") || location.starts_with('/') {
            return location.to_owned();
        }
        let base = if self.upstream.is_empty() { &self.engine.base.url } else { self.upstream };
        format!("{base}{}/{location}", permitted.judged.prefix)
    }
}

impl Out {
    /// Adds an entry that is written here.
    fn next(&mut self, text: &str) {
        self.body.write(self.separator);
        self.separator = ",";
        self.body.write(text);
    }

    /// Adds what is released of an answer, whose resource begins at this place of the body.
    fn add(&mut self, released: &Released, at: usize) {
        self.released = self.released.saturating_add(released.released);
        self.dropped = self.dropped.saturating_add(released.dropped);
        let failed = released.status >= 400;
        self.next("{");
        if !failed && !released.body.is_empty() {
            self.body.write(r#""resource":"#);
            self.copy(&released.body, at);
            self.body.write(",");
        }
        let mut text = String::from(r#""response":{"status":"#);
        quote(&answer::status_line(released.status), &mut text);
        for (name, member) in NOTES {
            let value = released.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice());
            if let Some(value) = value.and_then(|value| std::str::from_utf8(value).ok()) {
                text.push(',');
                quote(member, &mut text);
                text.push(':');
                quote(value, &mut text);
            }
        }
        self.body.write(&text);
        // Of a failure only our own words are told.
        let own = released.body.pieces().iter().all(|piece| matches!(piece, Piece::Written(_)));
        if failed && own && !released.body.is_empty() {
            self.body.write(r#","outcome":"#);
            self.copy(&released.body, at);
        }
        self.body.write("}}");
    }

    fn copy(&mut self, body: &Body, at: usize) {
        for piece in body.pieces() {
            match piece {
                Piece::Kept(range) => self.body.keep(range.start + at..range.end + at),
                Piece::Written(text) => self.body.write(text),
            }
        }
    }
}

/// The number that a `status` begins with.
fn status(text: &str) -> Option<u16> {
    let number = text.split(' ').next()?;
    let digits = number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| digits)
}
