//! What a DocumentReference opens: the Binaries that it names (D8, D65).
//!
//! Invariant: no write makes readable what was not. A DocumentReference of the patient opens the Binary at its URL, so beside a
//! patient context it may name only what is the patient's already.

use std::cell::OnceCell;

use policy::decision::{Obligation, Phase};
use policy::reason::Reason;

use super::super::{Halt, Scene, Trace};
use crate::cover;
use crate::denial::Denial;
use crate::json::{Document, Value};
use crate::reference::Reference;
use crate::stored::{self, Current};

/// The type that opens others.
pub(super) const OPENER: &str = "DocumentReference";
const BINARY: &str = "Binary";
/// The most Binaries that one write may name anew.
const MAX_NAMED: usize = 100;

/// Whether a write may name what it names: where nothing was looked at, and over what is stored. It is the same for all rules.
#[derive(Debug, Default)]
pub(super) struct Attached {
    anew: OnceCell<Result<(), Halt>>,
    over: OnceCell<Result<(), Halt>>,
}

impl<'a> Scene<'_, 'a> {
    /// Whether the write names no Binary but the patient's own, and those that it named before.
    pub(super) fn may_attach(
        &self,
        attached: &Attached,
        new: Value<'_>,
        stored: Option<Value<'_>>,
        trace: &mut Trace<'a>,
    ) -> Result<(), Halt> {
        let known = if stored.is_some() { &attached.over } else { &attached.anew };
        known.get_or_init(|| self.attaches_own(new, stored, trace)).clone()
    }

    fn attaches_own(&self, new: Value<'_>, stored: Option<Value<'_>>, trace: &mut Trace<'a>) -> Result<(), Halt> {
        let Some(patient) = self.grants.patient.as_deref() else { return Ok(()) };
        if self.target.resource_type != Some(OPENER) {
            return Ok(());
        }
        let nobody = Denial::new(Phase::Body, Reason::NoOwner);
        if self.call.in_transaction && self.names_what_may_be_old(new) {
            return Err(nobody.into());
        }
        let before = stored.map(|stored| self.attached(stored)).unwrap_or_default();
        let mut named = self.attached(new);
        named.retain(|id| before.binary_search(id).is_err());
        if named.is_empty() {
            return Ok(());
        }
        if named.len() > MAX_NAMED {
            return Err(nobody.into());
        }
        trace.obligations.push(Obligation::CheckExisting(BINARY.into()));
        let (mut missing, mut foreign) = (Vec::new(), false);
        for id in &named {
            let lookup = stored::of_instance(self.target.prefix, BINARY, id, self.arena);
            match stored::current(self.request, lookup, Phase::Body) {
                Ok(Current::There(stored)) => foreign |= !self.is_patients_binary(stored.body, id, patient),
                Ok(Current::Missing) => foreign = true,
                Err(Halt::Lookup(lookups)) => missing.extend(lookups),
                Err(halt) => return Err(halt),
            }
        }
        match (foreign, missing.is_empty()) {
            (true, _) => Err(nobody.into()),
            (false, false) => Err(Halt::Lookup(missing)),
            (false, true) => Ok(()),
        }
    }

    /// Whether a `urn:` among the content is not one that the transaction itself makes anew: a server puts in its place the URL of
    /// what was there.
    fn names_what_may_be_old(&self, document: Value<'_>) -> bool {
        let mut old = false;
        each_url(document, &mut |url| {
            let is_new = || self.call.siblings.iter().any(|one| one.is_new && one.url == url);
            old |= url.starts_with("urn:") && !is_new();
        });
        old
    }

    /// The ids of the Binaries of this server that a DocumentReference names as its content, sorted.
    fn attached(&self, document: Value<'_>) -> Vec<String> {
        let mut ids = Vec::new();
        each_url(document, &mut |url| {
            if let Reference::Local { resource_type: BINARY, id, .. } = Reference::read(url, &self.bases) {
                ids.push(id.to_owned());
            }
        });
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn is_patients_binary(&self, body: &[u8], id: &str, patient: &str) -> bool {
        let Some(facts) = self.engine.facts(BINARY) else { return false };
        let document = Document::of(body);
        document.is_some_and(|document| {
            let resource = document.root();
            let eyes = self.eyes_on_stored(self.asked_by_query());
            cover::is_instance(&resource, BINARY, id) && cover::is_own(self.engine, facts, &resource, patient, &eyes)
        })
    }
}

/// Calls `visit` with every URL of the content.
fn each_url(document: Value<'_>, visit: &mut dyn FnMut(&str)) {
    let path = ["content".into(), "attachment".into(), "url".into()];
    cover::each_at(document, &path, &mut |url| {
        if let Some(url) = url.as_str() {
            visit(&url);
        }
    });
}
