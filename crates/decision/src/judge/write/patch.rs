//! `PATCH T/id`: decided on what the patch makes of what is stored (D16).

use std::cell::OnceCell;

use policy::decision::Phase;
use policy::letters::Letters;
use policy::operation::Interaction;
use policy::reason::Reason;

use super::super::{Halt, Planned, Scene, Trace, internal};
use super::RESOURCE;
use super::attachments::Attached;
use super::existing::Existing;
use crate::body::{self, BodyId, Reader, State};
use crate::condition::Asked;
use crate::denial::Denial;
use crate::fields;
use crate::json::Document;
use crate::patch::{self, Patch, PatchFault};
use crate::query;
use crate::rules::Rule;
use crate::upstream::Sends;

const JSON_PATCH: &str = "application/json-patch+json";

impl<'a> Scene<'_, 'a> {
    pub(in crate::judge) fn patch(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let place = self.place()?;
        let id = self.target.id.ok_or_else(internal)?;
        let fitting = self.fitting_write(Interaction::Patch, Letters::UPDATE)?;
        trace.phase = Phase::Query;
        let shaped = query::shape_only(self.engine, self.call, &[place], self.grants, self.arena, trace)?;
        trace.phase = Phase::Body;
        let body = self.body_for_conditions();
        let asked = body.as_ref().map_or(Asked::Query(&[]), |body| Asked::Body(body.root()));
        let reader = self.reader(place)?;
        let patch = self.read_patch(&reader)?;
        let existing = self.existing()?;
        let below = self.below(&existing, (place, asked), false);
        // What the patch makes of what is stored is worked out for the first rule that covers that; it is not for the arena,
        // which a batch of patches would fill.
        let (text, document, state) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        let (attached, names_fit) = (Attached::default(), OnceCell::new());
        let permitted = self.by_each_rule(fitting, trace, |rule, trace| {
            let (tie, stored) = self.over(rule, &below, trace)?;
            self.may_test(rule, &patch)?;
            let text: &Result<String, Denial> = text.get_or_init(|| patched(&existing, &patch, false));
            let document: &Result<Document<'_>, Denial> =
                document.get_or_init(|| reader.read(text.as_ref().map_err(|denial| *denial)?, BodyId::Is(id)));
            let new = document.as_ref().map_err(|denial| *denial)?.root();
            if rule.lists_fields(self.engine, self.index) {
                (*names_fit.get_or_init(|| patched(&existing, &patch, true).map(drop)))?;
            }
            let state: &State<'_> = state.get_or_init(|| self.state(reader, new, asked));
            state.reaches(rule)?;
            self.may_attach(&attached, new, stored, trace)?;
            state.keeps_marks(stored)?;
            state.is_whole()?;
            stored.map_or(Ok(()), |stored| below.is_whole(stored))?;
            let mut lists = rule.fields(self.engine, self.index);
            self.no_field(lists.find_map(|list| fields::outside_of_paths(list, &patch.touched())), trace)?;
            state.admits(rule, Some(id))?;
            Ok(tie)
        })?;
        let sends = Sends { query: shaped.query, media: Some(self.media_of_patch()), ..Sends::default() };
        self.send(permitted, sends, (false, shaped.partial), trace)
    }

    /// The patch of the body; what it brings in has one reading.
    pub(super) fn read_patch(&self, reader: &Reader<'_>) -> Result<Patch<'a>, Denial> {
        let text = std::str::from_utf8(self.request.body).map_err(|_| refused(PatchFault::Malformed))?;
        let patch = if self.call.json_patch { Patch::read_json(text) } else { Patch::read_parameters(text) };
        let patch = patch.map_err(refused)?;
        let decisive = reader.decisive();
        let unclear = |text: &&str| {
            let document = Document::read(text).ok();
            document.is_none_or(|document| body::has_two_readings(document.root(), &decisive))
        };
        // A path in another case finds nothing here, and something at an upstream that compares without it.
        let disguised = |name: &&str| !name.is_ascii() || body::is_disguised(name, &decisive);
        let touches = patch.touched().iter().flatten().any(disguised);
        if touches || patch.values().iter().any(unclear) {
            return Err(refused(PatchFault::Malformed));
        }
        Ok(patch)
    }

    pub(super) fn media_of_patch(&self) -> &'static str {
        if self.call.json_patch { JSON_PATCH } else { RESOURCE }
    }

    /// A `test` tells what is stored, which needs `r` by the same rule.
    pub(super) fn may_test(&self, rule: &Rule, patch: &Patch<'_>) -> Result<(), Denial> {
        let reads = self.target.place.is_some_and(|place| rule.gives_at(place, Letters::READ));
        if reads || !patch.has_test() { Ok(()) } else { Err(Denial::new(Phase::Body, Reason::NoRule)) }
    }
}

/// What the patch makes of what is stored.
fn patched(existing: &Existing<'_>, patch: &Patch<'_>, by_names: bool) -> Result<String, Denial> {
    let Existing::There { text, .. } = existing else { return Err(internal()) };
    let new = if by_names { patch::apply_by_names(text, patch) } else { patch::apply(text, patch) };
    // Whatever keeps it from being applied: it was well formed, and what is stored is covered.
    let new = new.ok().filter(|new| new.len() <= crate::MAX_BODY_BYTES);
    new.ok_or(Denial::new(Phase::Body, Reason::MalformedBody))
}

/// How a patch is refused for its form.
fn refused(fault: PatchFault) -> Denial {
    let reason = if fault == PatchFault::TooLarge { Reason::TooLarge } else { Reason::MalformedBody };
    Denial::new(Phase::Body, reason)
}
