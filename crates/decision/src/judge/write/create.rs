//! A new instance: `POST T`, with `If-None-Exist` too (D18).

use policy::decision::Phase;
use policy::letters::Letters;
use policy::operation::Interaction;

use super::super::search::Breadth;
use super::super::{Halt, Planned, Scene, Trace};
use super::attachments::Attached;
use super::{RESOURCE, Tie};
use crate::body::{self, BodyId};
use crate::condition::Asked;
use crate::query::{self, conditional};
use crate::upstream::Sends;

impl<'a> Scene<'_, 'a> {
    pub(in crate::judge) fn create(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let place = self.place()?;
        let condition = self.call.head.if_none_exist;
        let letters = condition.map_or(Letters::CREATE, |_| Letters::CREATE | Letters::SEARCH);
        let mut fitting = self.fitting_write(Interaction::Create, letters)?;
        trace.phase = Phase::Query;
        let shaped = query::shape_only(self.engine, self.call, &[place], self.grants, self.arena, trace)?;
        let places = self.arena.copied(&[place]);
        let scene = self.searching(places, Breadth::Type)?;
        let search = condition.map(|header| conditional::of_create(&scene, header, fitting, trace)).transpose()?;
        if let Some(search) = &search {
            fitting = self.arena.copied(search.rules());
        }
        trace.phase = Phase::Body;
        let reader = self.reader(place)?;
        let document = reader.read(body::text(self.request.body)?, BodyId::None)?;
        let new = document.root();
        let state = self.state(reader, new, Asked::Body(new));
        let attached = Attached::default();
        let permitted = self.by_each_rule(fitting, trace, |rule, trace| {
            state.reaches(rule)?;
            self.may_attach(&attached, new, None, trace)?;
            state.keeps_marks(None)?;
            state.is_whole()?;
            self.body_within(rule, new, trace)?;
            state.admits(rule, None)?;
            Ok(Tie::None)
        })?;
        let mut headers = self.arena.list_of(1);
        if let Some(search) = search {
            headers.push(("if-none-exist", search.narrowed(&scene, permitted.rules, trace)?));
        }
        let sends = Sends {
            query: shaped.query,
            media: Some(RESOURCE),
            headers: headers.into_bump_slice(),
            ..Sends::default()
        };
        self.send(permitted, sends, (false, shaped.partial), trace)
    }
}
