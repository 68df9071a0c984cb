//! A new instance: `POST T`, with `If-None-Exist` too (D18).

use policy::decision::Phase;
use policy::letters::Letters;
use policy::operation::Interaction;

use super::super::{Halt, Planned, Scene, Trace, internal};
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
        let scene = self.searching(places)?;
        let search = condition.map(|header| conditional::of_create(&scene, header, fitting, trace)).transpose()?;
        if let Some(search) = &search {
            fitting = self.arena.copied(search.rules());
        }
        trace.phase = Phase::Body;
        let reader = self.writing(place, Asked::Query(&[]))?;
        let document = reader.read(body::text(self.request.body)?, BodyId::None)?;
        let new = document.root();
        let write = self.writing(place, Asked::Body(new))?;
        let permitted = self.by_each_rule(fitting, trace, |rule, trace| {
            write.reaches(rule, new)?;
            self.may_attach(new, None, trace)?;
            write.keeps_marks(None, new)?;
            body::is_whole(new)?;
            self.body_within(rule, new, trace)?;
            write.admits(rule, None, new)?;
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

    /// A search of these types beside the write, as far as phase 5 is concerned.
    pub(super) fn searching(&self, places: &'a [crate::engine::Place]) -> Result<query::Scene<'a>, Halt> {
        let facts = places.first().and_then(|place| self.engine.facts_at(*place)).ok_or_else(internal)?;
        Ok(query::Scene {
            engine: self.engine,
            places,
            facts,
            grants: self.grants,
            home: self.home,
            arena: self.arena,
            operation: self.operation,
            in_compartment: false,
            types_named: false,
            index: self.index,
        })
    }
}
