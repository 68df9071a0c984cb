//! An operation outside FHIR: the query that its document declares, and the body as it came.

use policy::decision::Phase;
use policy::letters::Letters;

use super::{Plan, Planned, Scene, Trace};
use crate::denial::Denial;
use crate::query;
use crate::rules::{Asked, fitting};
use crate::upstream;

impl<'a> Scene<'_, 'a> {
    pub(super) fn plain(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Denial> {
        let asked = Asked {
            operation: self.index,
            interaction: None,
            place: None,
            letters: Letters::NONE,
            path_patient: None,
        };
        let fitting = fitting(self.engine, self.grants, &asked, self.arena)?;
        if self.engine.is_fhir() {
            self.async_only_for_systems(fitting)?;
        }
        trace.phase = Phase::Query;
        let query = query::declared(self.call, self.operation, self.arena, trace)?;
        let operation = Some(self.operation);
        let upstream =
            upstream::plainly(self.engine, self.request, self.call, operation, query, self.arena, trace);
        Ok(Planned { plan: Plan::Unchecked, permitting: fitting, upstream })
    }
}
