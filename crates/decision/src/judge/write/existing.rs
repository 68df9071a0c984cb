//! What is stored under the id that is written, and whether a rule covers it.
//!
//! Invariant: whatever keeps a write from what is stored looks as if nothing were there, unless the Service says otherwise.

use std::cell::OnceCell;

use policy::decision::{Lookup, Phase};
use policy::letters::Letters;
use policy::reason::Reason;
use policy::request::Stored;

use super::super::{Halt, Scene, Trace, internal};
use super::Tie;
use crate::body;
use crate::condition::Asked;
use crate::cover::{Eyes, Subject};
use crate::denial::Denial;
use crate::engine::Place;
use crate::json::{Document, Value};
use crate::rules::Rule;
use crate::stored::{self, Current};
use crate::upstream;

/// What is known of what is stored.
#[derive(Debug)]
pub(super) enum Existing<'a> {
    /// Nothing yet: this has to be fetched.
    Unknown(Lookup),
    /// It cannot be told.
    Unreadable,
    /// Something that nobody can cover.
    Hidden,
    /// Nothing, or no more.
    Missing,
    /// This.
    There {
        document: Document<'a>,
        text: &'a str,
        /// What `If-Match` names it by, if it has anything of the kind.
        version: Option<&'a str>,
    },
}

/// What is stored, as one rule after the other is asked about it.
#[derive(Debug)]
pub(super) struct Below<'e, 'a> {
    existing: &'e Existing<'a>,
    /// The instance; none if it is something else.
    subject: Option<Subject<'e>>,
    place: Place,
    eyes: Eyes<'e>,
    may_create: bool,
    is_owned: OnceCell<bool>,
    is_whole: OnceCell<Result<(), Denial>>,
}

impl Below<'_, '_> {
    /// Whether what is stored does not say of itself that it is a part.
    pub(super) fn is_whole(&self, stored: Value<'_>) -> Result<(), Denial> {
        *self.is_whole.get_or_init(|| body::is_whole(stored))
    }
}

impl<'a> Scene<'_, 'a> {
    /// What is stored under the path's id.
    pub(super) fn existing(&self) -> Result<Existing<'a>, Denial> {
        let (Some(name), Some(id)) = (self.target.resource_type, self.target.id) else { return Err(internal()) };
        let lookup = stored::of_instance(self.target.prefix, name, id, self.arena);
        let current = match stored::current(self.request, lookup, Phase::Body) {
            Ok(current) => current,
            Err(Halt::Lookup(lookups)) => {
                return lookups.into_iter().next().map(Existing::Unknown).ok_or_else(internal);
            }
            Err(Halt::Deny(_)) => return Ok(Existing::Unreadable),
        };
        let Current::There(stored) = current else { return Ok(Existing::Missing) };
        let read = |text: &'a str| Some((text, Document::read(text).ok()?));
        // What cannot be read is there, and covered by nobody.
        let Some((text, document)) = std::str::from_utf8(stored.body).ok().and_then(read) else {
            return Ok(Existing::Hidden);
        };
        if !document.root().is_object() {
            return Ok(Existing::Hidden);
        }
        let version = self.version(&stored, document.root());
        Ok(Existing::There { document, text, version })
    }

    /// The entity tag of what is stored (RFC 9110 section 8.8.3): its own, else the one that FHIR makes of its version.
    fn version(&self, stored: &Stored<'a>, resource: Value<'_>) -> Option<&'a str> {
        if let Some(etag) = stored.etag.filter(|etag| upstream::is_field_value(etag)) {
            return Some(etag);
        }
        let version = resource.get("meta").and_then(|meta| meta.text("versionId"))?;
        policy::text::FhirId::accepts(&version).then(|| self.arena.join(&["W/\"", &version, "\""]))
    }

    /// What is stored, for rules to be asked about; `may_create` says that the write is one that makes what is not there,
    /// where a rule allows that (D14).
    pub(super) fn below<'e>(
        &'e self,
        existing: &'e Existing<'a>,
        (place, asked): (Place, Asked<'e>),
        may_create: bool,
    ) -> Below<'e, 'a> {
        let subject = match (existing, self.target.resource_type.zip(self.target.id)) {
            (Existing::There { document, .. }, Some((name, id))) => {
                self.stored((place, name, id), document.root(), self.eyes_on_stored(asked))
            }
            _ => None,
        };
        // Who names a version wants to write over it, not to create.
        let may_create = may_create && self.call.head.if_match.is_none() && self.may_create_plainly(place);
        let eyes = self.eyes_on_stored(asked);
        Below { existing, subject, place, eyes, may_create, is_owned: OnceCell::new(), is_whole: OnceCell::new() }
    }

    /// What is stored, if the rule covers it, and what a write over it is tied to.
    pub(super) fn over<'e>(
        &self,
        rule: &Rule,
        below: &Below<'e, 'a>,
        trace: &Trace<'_>,
    ) -> Result<(Tie<'a>, Option<Value<'e>>), Halt> {
        let unreadable = Denial::new(Phase::Body, Reason::ResponseUnreadable);
        match below.existing {
            Existing::Unknown(lookup) => Err(Halt::Lookup(vec![lookup.clone()])),
            Existing::Unreadable => Err(unreadable.into()),
            Existing::Hidden => Err(self.hidden(Reason::ExistingNotCovered, trace).into()),
            Existing::Missing if below.may_create => Ok((Tie::Absence, None)),
            Existing::Missing => Err(self.hidden(Reason::NotFound, trace).into()),
            Existing::There { version, .. } => {
                let covering = below
                    .subject
                    .as_ref()
                    .filter(|subject| (!rule.is_patient() || self.is_owned_now(below)) && subject.is_covered_by(rule));
                let Some(subject) = covering else {
                    return Err(self.hidden(Reason::ExistingNotCovered, trace).into());
                };
                Ok((Tie::Version(version.ok_or(unreadable)?), Some(subject.resource)))
            }
        }
    }

    /// Whether what is stored is the context's, wholly: what is another's as well, or nobody's, is not for it to change (D61).
    fn is_owned_now(&self, below: &Below<'_, '_>) -> bool {
        let owned = || {
            let (patient, facts) = self.grants.patient.as_deref().zip(self.engine.facts_at(below.place))?;
            let resource = below.subject.as_ref()?.resource;
            body::owned(self.engine, facts, resource, patient, (&below.eyes, &[])).ok()
        };
        *below.is_owned.get_or_init(|| owned().is_some())
    }

    /// Whether a rule that asks for nothing lets the caller create instances of the type.
    fn may_create_plainly(&self, place: Place) -> bool {
        self.grants.list.iter().any(|rule| {
            rule.is_plain(self.engine, self.index)
                && rule.condition(self.engine).is_none()
                && rule.writes_at(self.engine, place, Letters::CREATE)
        })
    }

    /// Whether a write by this rule needs no look at what is stored: it covers that whatever it is, and there are no keys
    /// that the write could drop (D25).
    pub(super) fn writes_blindly(&self, rule: &Rule) -> bool {
        rule.is_plain(self.engine, self.index) && self.engine.parts().tag_keys.is_empty()
    }
}
