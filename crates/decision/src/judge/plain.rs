//! An operation outside FHIR: the query that its document declares, and the body as it came.

use policy::decision::Phase;
use policy::letters::Letters;
use policy::operation::{Operation, Segment};

use super::{Plan, Planned, Scene, Trace};
use crate::admit::Named;
use crate::denial::Denial;
use crate::json::Document;
use crate::normalise::Call;
use crate::query;
use crate::rules::{Asked, fitting};
use crate::upstream;

impl<'a> Scene<'_, 'a> {
    pub(super) fn plain(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Denial> {
        let asked =
            Asked { operation: self.index, interaction: None, place: None, letters: Letters::NONE, path_patient: None };
        let fitting = fitting(self.engine, self.grants, &asked, self.arena)?;
        if self.engine.is_fhir() {
            self.async_only_for_systems(fitting)?;
        }
        trace.phase = Phase::Query;
        let query = query::declared(self.call, self.operation, self.arena, trace)?;
        let fitting = self.within_fields(fitting, true, trace)?;
        let operation = Some(self.operation);
        let body = self.body_for_conditions();
        let permitting = self.tags(fitting, body.as_ref().map(Document::root), trace)?;
        let upstream = upstream::plainly(self.engine, self.request, self.call, operation, query, self.arena, trace);
        Ok(Planned { plan: Plan::Unchecked, permitting, upstream })
    }
}

/// What a plain path is about (D23): its last parameter that follows a literal segment.
pub(super) fn resource<'a>(call: &Call<'a>, operation: &'a Operation) -> Option<Named<'a>> {
    let segments = operation.template.segments();
    let pairs = segments.iter().zip(segments.iter().skip(1)).zip(1_u32..);
    let found = pairs.filter_map(|((before, after), index)| match (before, after) {
        (Segment::Literal(name), Segment::Parameter { .. }) => Some((&**name, index)),
        _ => None,
    });
    let (resource_type, index) = found.last()?;
    Some(Named { resource_type, id: call.segment(Some(index)) })
}
