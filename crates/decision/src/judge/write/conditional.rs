//! `PUT`, `PATCH` and `DELETE` of what a search finds (D17).
//!
//! Invariant: what the upstream will find cannot be looked at first, so only a rule that covers whatever that is counts.

use policy::decision::Phase;
use policy::letters::Letters;
use policy::operation::{Interaction, Method};
use policy::reason::Reason;

use super::super::search::Breadth;
use super::super::{Halt, Planned, Scene, Trace};
use super::attachments::{Attached, OPENER};
use super::{Permitted, RESOURCE, Tie};
use crate::admit::Named;
use crate::body::{self, BodyId};
use crate::condition::Asked;
use crate::denial::Denial;
use crate::engine::Place;
use crate::query::conditional;
use crate::rules::Rule;
use crate::upstream::Sends;

impl<'a> Scene<'_, 'a> {
    pub(in crate::judge) fn conditional(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let place = self.place()?;
        let deletes = self.operation.method == Method::Delete;
        let letters = if deletes { Letters::DELETE } else { Letters::UPDATE };
        let fitting = self.fitting_write(Interaction::Conditional, Letters::SEARCH | letters)?;
        let fitting = self.covering_anything(fitting, place)?;
        trace.phase = Phase::Query;
        let scene = self.searching(self.arena.copied(&[place]), Breadth::Type)?;
        let query = conditional::of_write(&scene, self.call.parameters, trace)?;
        trace.phase = Phase::Body;
        let (permitted, media) = match self.operation.method {
            Method::Put => (self.conditional_update(place, fitting, trace)?, Some(RESOURCE)),
            Method::Patch => (self.conditional_patch(place, fitting, trace)?, Some(self.media_of_patch())),
            _ => (self.conditional_delete(fitting, trace)?, None),
        };
        self.send(permitted, Sends { query, media, ..Sends::default() }, (deletes, false), trace)
    }

    /// The rules that cover whatever the upstream finds; a PUT that finds nothing creates.
    fn covering_anything(&self, fitting: &[u16], place: Place) -> Result<&'a [u16], Denial> {
        // What a patch makes of it cannot be looked at, and it may open a Binary (D65).
        let opens = self.grants.patient.is_some() && self.target.resource_type == Some(OPENER);
        let covers = |rule: &Rule| match self.operation.method {
            Method::Patch if opens => false,
            Method::Delete => rule.is_plain(self.engine, self.index),
            Method::Put => self.writes_blindly(rule) && rule.writes_at(self.engine, place, Letters::CREATE),
            _ => self.writes_blindly(rule),
        };
        let mut left = self.arena.list_of(fitting.len());
        let covers = |index: &&u16| self.grants.list.get(usize::from(**index)).is_some_and(covers);
        left.extend(fitting.iter().filter(covers).copied());
        if left.is_empty() {
            return Err(Denial::new(Phase::Rules, Reason::ConditionalDenied));
        }
        Ok(left.into_bump_slice())
    }

    fn conditional_update(&self, place: Place, fitting: &[u16], trace: &mut Trace<'a>) -> Result<Permitted<'a>, Halt> {
        let reader = self.reader(place)?;
        let document = reader.read(body::text(self.request.body)?, BodyId::Any)?;
        let new = document.root();
        let state = self.state(reader, new, Asked::Body(new));
        let attached = Attached::default();
        self.by_each_rule(fitting, trace, |rule, trace| {
            state.reaches(rule)?;
            self.may_attach(&attached, new, None, trace)?;
            state.is_whole()?;
            state.admits(rule, None)?;
            Ok(Tie::None)
        })
    }

    fn conditional_patch(&self, place: Place, fitting: &[u16], trace: &mut Trace<'a>) -> Result<Permitted<'a>, Halt> {
        let body = self.body_for_conditions();
        let asked = body.as_ref().map_or(Asked::Query(&[]), |body| Asked::Body(body.root()));
        let writer = self.party(asked);
        let patch = self.read_patch(&self.reader(place)?)?;
        let conditional = patch.values().iter().any(|value| body::holds_conditional(value, self.home));
        self.by_each_rule(fitting, trace, |rule, _| {
            self.may_test(rule, &patch)?;
            if conditional {
                return Err(Denial::new(Phase::Body, Reason::ConditionalDenied).into());
            }
            writer.before(rule, self.named_type())?;
            Ok(Tie::None)
        })
    }

    fn conditional_delete(&self, fitting: &[u16], trace: &mut Trace<'a>) -> Result<Permitted<'a>, Halt> {
        let writer = self.party(Asked::Query(self.call.parameters));
        self.by_each_rule(fitting, trace, |rule, _| {
            writer.before(rule, self.named_type())?;
            Ok(Tie::None)
        })
    }

    fn named_type(&self) -> Option<Named<'_>> {
        self.target.resource_type.map(|resource_type| Named { resource_type, id: None })
    }
}
