//! Reads of one instance.

use policy::decision::Phase;
use policy::facts::Standing;
use policy::letters::Letters;
use policy::operation::Interaction;
use policy::reason::Reason;
use policy::settings::Shared;

use super::{Halt, Instance, Plan, Planned, Scene, Trace, internal};
use crate::denial::Denial;
use crate::json::Document;
use crate::query;
use crate::rules::{Asked, fitting};
use crate::upstream::{self, Sends};

impl<'a> Scene<'_, 'a> {
    pub(super) fn read(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let place = self.place()?;
        let asked = Asked {
            operation: self.index,
            interaction: Some(Interaction::Read),
            place: Some(place),
            letters: Letters::READ,
            path_patient: self.target.path_patient,
        };
        let fitting = match fitting(self.engine, self.grants, &asked, self.arena) {
            Ok(fitting) => fitting,
            Err(_) if self.may_be_referenced() => {
                return Err(Denial::new(Phase::Rules, Reason::NotBuilt).into());
            }
            Err(denial) => return Err(denial.into()),
        };
        self.async_only_for_systems(fitting)?;
        let (Some(resource_type), Some(id)) = (self.target.resource_type, self.target.id) else {
            return Err(internal().into());
        };
        trace.phase = Phase::Query;
        let fitting = self.within_fields(fitting, false, trace)?;
        let shaped = query::shape_only(self.engine, self.call, &[place], self.grants, self.arena, trace)?;
        let sends = Sends { query: shaped.query, ..Sends::default() };
        let upstream = upstream::fhir(self.request, self.call, self.operation, sends, self.arena, trace);
        let body = self.body_for_conditions();
        let fitting = self.tags(fitting, body.as_ref().map(Document::root), trace)?;
        let instance = Instance { resource_type, id, added: shaped.added, partial: shaped.partial, referenced: false };
        Ok(Planned { plan: Plan::Read(instance), permitting: fitting, upstream })
    }

    /// Whether a read of a shared resource would be permitted if the context Patient referred to it.
    fn may_be_referenced(&self) -> bool {
        let kind = self.target.place.and_then(|place| self.engine.kind(place));
        kind.is_some_and(|kind| kind.standing == Standing::Shared)
            && self.engine.settings().shared != Shared::Scope
            && self
                .grants
                .list
                .iter()
                .any(|rule| rule.is_patient() && rule.gives(self.engine, "Patient", Letters::READ))
    }
}
