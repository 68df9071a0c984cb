//! The versions of a whole type, or of the whole system (D7): never by a rule that is limited to a patient.

use policy::decision::Phase;
use policy::letters::Letters;
use policy::operation::Interaction;

use super::{History, Plan, Planned, Scene, Trace};
use crate::denial::Denial;
use crate::engine::Place;
use crate::query;
use crate::rules::{Asked, Group, Several, fitting, fitting_all};
use crate::upstream::{self, Sends};

impl<'a> Scene<'_, 'a> {
    pub(super) fn history_of_types(
        &self,
        interaction: Interaction,
        trace: &mut Trace<'a>,
    ) -> Result<Planned<'a>, Denial> {
        let asked = Asked {
            operation: self.index,
            interaction: Some(interaction),
            place: self.target.place,
            letters: Letters::SEARCH,
            path_patient: None,
        };
        let (fitting, places) = if let Some(place) = self.target.place {
            (fitting(self.engine, self.grants, &asked, self.arena)?, self.arena.copied(&[place]))
        } else {
            let types = self.named_types()?;
            let several = Several { asked, types };
            let fitting = fitting_all(self.engine, self.grants, &several, &[Group::Others], self.arena)?;
            (fitting, types.unwrap_or_else(|| self.every_place()))
        };
        self.async_only_for_systems(fitting)?;
        trace.phase = Phase::Query;
        let fitting = self.within_fields(fitting, false, trace)?;
        let shaped = query::history(
            self.engine,
            self.call,
            (places, self.target.place.is_none()),
            self.grants,
            self.arena,
            trace,
        )?;
        let permitting = self.tags_of_request(fitting, trace)?;
        let plain = self.rules(permitting).any(|rule| {
            rule.is_plain(self.engine, self.index)
                && (rule.names(self.engine, self.index)
                    || places.iter().all(|place| rule.gives_at(*place, Letters::SEARCH)))
        });
        let sends = Sends { query: shaped.query, ..Sends::default() };
        let upstream = upstream::fhir(self.request, self.call, self.operation, sends, self.arena, trace);
        let history = History {
            instance: None,
            types: places,
            letters: Letters::SEARCH,
            added: shaped.added,
            partial: shaped.partial,
            exact: plain,
            current_is_covered: plain,
            link: shaped.query,
        };
        Ok(Planned { plan: Plan::History(history), permitting, upstream })
    }

    pub(super) fn every_place(&self) -> &'a [Place] {
        let mut all = self.arena.list();
        all.extend(self.engine.all_places());
        all.into_bump_slice()
    }
}
