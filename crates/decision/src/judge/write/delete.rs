//! `DELETE T/id` (D15).

use policy::decision::Phase;
use policy::letters::Letters;
use policy::operation::Interaction;

use super::super::{Halt, Planned, Scene, Trace, internal};
use super::Tie;
use crate::admit::Named;
use crate::condition::Asked;
use crate::query;
use crate::upstream::Sends;

impl<'a> Scene<'_, 'a> {
    pub(in crate::judge) fn delete(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let place = self.place()?;
        let named = self.target.resource_type.zip(self.target.id).ok_or_else(internal)?;
        let named = Named { resource_type: named.0, id: Some(named.1) };
        let fitting = self.fitting_write(Interaction::Delete, Letters::DELETE)?;
        trace.phase = Phase::Query;
        let fitting = self.within_fields(fitting, false, trace)?;
        let shaped = query::shape_only(self.engine, self.call, &[place], self.grants, self.arena, trace)?;
        trace.phase = Phase::Body;
        let asked = Asked::Query(self.call.parameters);
        let writer = self.party(asked);
        let existing = self.existing()?;
        let below = self.below(&existing, (place, asked), false);
        let permitted = self.by_each_rule(fitting, trace, |rule, trace| {
            let tie = if rule.is_plain(self.engine, self.index) {
                Tie::None
            } else {
                let (tie, stored) = self.over(rule, &below, trace)?;
                stored.map_or(Ok(()), |stored| below.is_whole(stored))?;
                tie
            };
            writer.before(rule, Some(named))?;
            Ok(tie)
        })?;
        let sends = Sends { query: shaped.query, ..Sends::default() };
        self.send(permitted, sends, (true, shaped.partial), trace)
    }
}
