//! What is stored under the id that is written, and whether a rule covers it.
//!
//! Invariant: whatever keeps a write from what is stored looks as if nothing were there, unless the Service says otherwise.

use policy::decision::{Lookup, Phase};
use policy::letters::Letters;
use policy::reason::Reason;
use policy::request::Stored;

use super::super::{Halt, Scene, Trace, internal};
use super::Tie;
use crate::body;
use crate::condition::Asked;
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

    /// What is stored, if the rule covers it, and what a write over it is tied to; `may_create` says that the write is one
    /// that makes what is not there, where a rule allows that (D14).
    pub(super) fn over<'e>(
        &self,
        rule: &Rule,
        existing: &'e Existing<'a>,
        (place, asked): (Place, Asked<'_>),
        may_create: bool,
        trace: &Trace<'_>,
    ) -> Result<(Tie<'a>, Option<Value<'e>>), Halt> {
        let unreadable = Denial::new(Phase::Body, Reason::ResponseUnreadable);
        match existing {
            Existing::Unknown(lookup) => Err(Halt::Lookup(vec![lookup.clone()])),
            Existing::Unreadable => Err(unreadable.into()),
            Existing::Hidden => Err(self.hidden(Reason::ExistingNotCovered, trace).into()),
            // Who names a version wants to write over it, not to create.
            Existing::Missing if may_create && self.call.head.if_match.is_none() && self.may_create_plainly(place) => {
                Ok((Tie::Absence, None))
            }
            Existing::Missing => Err(self.hidden(Reason::NotFound, trace).into()),
            Existing::There { document, version, .. } => {
                let (Some(name), Some(id)) = (self.target.resource_type, self.target.id) else {
                    return Err(internal().into());
                };
                let own = !rule.is_patient() || self.is_owned_now(place, document.root(), asked);
                if !own || !self.covers_stored(rule, (place, name, id), document.root(), asked) {
                    return Err(self.hidden(Reason::ExistingNotCovered, trace).into());
                }
                Ok((Tie::Version(version.ok_or(unreadable)?), Some(document.root())))
            }
        }
    }

    /// Whether what is stored is the context's, wholly: what is another's as well, or nobody's, is not for it to change (D61).
    fn is_owned_now(&self, place: Place, resource: Value<'_>, asked: Asked<'_>) -> bool {
        let eyes = self.eyes_on_stored(asked);
        let own = |patient: &str, facts| body::owned(self.engine, facts, resource, patient, (&eyes, &[])).is_ok();
        self.grants
            .patient
            .as_deref()
            .zip(self.engine.facts_at(place))
            .is_some_and(|(patient, facts)| own(patient, facts))
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
