//! Writes: what goes in, and what it would do to what is stored.

use policy::decision::{Obligation, Phase};
use policy::letters::Letters;
use policy::operation::{Interaction, Method};
use policy::reason::Reason;

use super::{Halt, Plan, Planned, Scene, Trace, internal};
use crate::body;
use crate::denial::Denial;
use crate::query;
use crate::rules::{Asked, fitting};
use crate::upstream::{self, Sends};

impl<'a> Scene<'_, 'a> {
    /// A write of what is stored, a batch or an export: this version recognises them and does not decide them yet, so
    /// whatever the rules would let through is denied.
    pub(super) fn not_built(&self, interaction: Interaction) -> Halt {
        let letters = match (interaction, self.operation.method) {
            (Interaction::Update | Interaction::Patch, _) => Letters::UPDATE,
            (Interaction::Delete, _) => Letters::DELETE,
            (Interaction::Conditional, Method::Delete) => Letters::SEARCH | Letters::DELETE,
            (Interaction::Conditional, _) => Letters::SEARCH | Letters::UPDATE,
            _ => Letters::NONE,
        };
        let asked = Asked {
            operation: self.index,
            interaction: Some(interaction),
            place: self.target.place,
            letters,
            path_patient: self.target.path_patient,
        };
        let decided = if letters.is_empty() {
            let reason = if self.grants.any { Reason::NotBuilt } else { Reason::NoPermission };
            Denial::new(Phase::Rules, reason)
        } else {
            match fitting(self.engine, self.grants, &asked, self.arena) {
                Ok(_) => Denial::new(Phase::Rules, Reason::NotBuilt),
                Err(denial) => denial,
            }
        };
        decided.into()
    }

    pub(super) fn create(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let place = self.place()?;
        let conditional = self.call.head.if_none_exist.is_some();
        let asked = Asked {
            operation: self.index,
            interaction: Some(Interaction::Create),
            place: Some(place),
            letters: if conditional { Letters::CREATE | Letters::SEARCH } else { Letters::CREATE },
            path_patient: None,
        };
        let fitting = fitting(self.engine, self.grants, &asked, self.arena)?;
        self.async_only_for_systems(fitting)?;
        trace.phase = Phase::Query;
        if conditional {
            return Err(Denial::new(Phase::Query, Reason::NotBuilt).into());
        }
        let shaped = query::shape_only(self.engine, self.call, &[place], self.grants, self.arena, trace)?;
        trace.phase = Phase::Body;
        let facts = self.engine.facts_at(place).ok_or_else(internal)?;
        let fitting = self.within_fields(fitting, true, trace)?;
        let write = body::Write {
            engine: self.engine,
            facts,
            home: self.home,
            grants: self.grants,
            arena: self.arena,
            method: self.operation.method,
        };
        let permitting = write.check_new(self.request.body, fitting, trace)?;
        let sends = Sends {
            query: shaped.query,
            media: Some("application/fhir+json"),
            headers: self.preference(place, trace),
            ..Sends::default()
        };
        let upstream = upstream::fhir(self.request, self.call, self.operation, sends, self.arena, trace);
        let resource_type = self.target.resource_type.ok_or_else(internal)?;
        Ok(Planned { plan: Plan::Create { resource_type }, permitting, upstream })
    }

    /// What a write prefers: nothing comes back to a caller whose rules do not let it read (D19).
    fn preference(&self, place: crate::engine::Place, trace: &mut Trace<'a>) -> &'a [(&'static str, &'a str)] {
        let reads = self.grants.list.iter().any(|rule| rule.gives_at(place, Letters::READ));
        let value = match (reads, self.call.prefer.returns) {
            (false, _) => "minimal",
            (true, Some(value)) => value,
            (true, None) => return &[],
        };
        let header = self.arena.join(&["return=", value]);
        if self.call.prefer.returns != Some(value) {
            trace.obligations.push(Obligation::SetHeader("prefer".into(), header.into()));
        }
        self.arena.copied(&[("prefer", header)])
    }
}
