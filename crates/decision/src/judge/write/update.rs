//! `PUT T/id` (D14).

use policy::decision::Phase;
use policy::letters::Letters;
use policy::operation::Interaction;

use super::super::{Halt, Planned, Scene, Trace, internal};
use super::attachments::Attached;
use super::{RESOURCE, Tie};
use crate::body::{self, BodyId};
use crate::condition::Asked;
use crate::query;
use crate::upstream::Sends;

impl<'a> Scene<'_, 'a> {
    pub(in crate::judge) fn update(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let place = self.place()?;
        let id = self.target.id.ok_or_else(internal)?;
        let fitting = self.fitting_write(Interaction::Update, Letters::UPDATE)?;
        trace.phase = Phase::Query;
        let shaped = query::shape_only(self.engine, self.call, &[place], self.grants, self.arena, trace)?;
        trace.phase = Phase::Body;
        let reader = self.reader(place)?;
        let document = reader.read(body::text(self.request.body)?, BodyId::Is(id))?;
        let new = document.root();
        let asked = Asked::Body(new);
        let state = self.state(reader, new, asked);
        let attached = Attached::default();
        let existing = self.existing()?;
        let below = self.below(&existing, (place, asked), true);
        let permitted = self.by_each_rule(fitting, trace, |rule, trace| {
            state.reaches(rule)?;
            let creates = self.writes_blindly(rule) && rule.writes_at(self.engine, place, Letters::CREATE);
            let (tie, stored) = if creates { (Tie::None, None) } else { self.over(rule, &below, trace)? };
            self.may_attach(&attached, new, stored, trace)?;
            state.keeps_marks(stored)?;
            state.is_whole()?;
            stored.map_or(Ok(()), |stored| below.is_whole(stored))?;
            self.body_within(rule, new, trace)?;
            state.admits(rule, Some(id))?;
            Ok(tie)
        })?;
        let sends = Sends { query: shaped.query, media: Some(RESOURCE), ..Sends::default() };
        self.send(permitted, sends, (false, shaped.partial), trace)
    }
}
