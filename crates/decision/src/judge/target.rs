//! What an operation works on, in one request.

use policy::decision::Phase;
use policy::operation::{Interaction, Operation};
use policy::reason::Reason;
use policy::text::TypeName;

use crate::Engine;
use crate::arena::Arena;
use crate::denial::Denial;
use crate::engine::Place;
use crate::normalise::Call;
use crate::upstream;

/// What an operation works on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Target<'a> {
    /// What it does in FHIR's terms; none outside FHIR.
    pub(crate) interaction: Option<Interaction>,
    /// The type; none for the whole system.
    pub(crate) resource_type: Option<&'a str>,
    pub(crate) place: Option<Place>,
    /// The instance.
    pub(crate) id: Option<&'a str>,
    /// The Patient that the path names, as the instance or as the compartment.
    pub(crate) path_patient: Option<&'a str>,
    /// What stands in the path before FHIR's own part (`/tenants/7/fhir`).
    pub(crate) prefix: &'a str,
}

impl<'a> Target<'a> {
    pub(crate) fn of(
        engine: &'a Engine,
        call: &Call<'a>,
        operation: &'a Operation,
        arena: &'a Arena,
    ) -> Result<Self, Denial> {
        let Some(fhir) = operation.fhir.as_ref().filter(|_| engine.is_fhir()) else {
            return Ok(Self::default());
        };
        let resource_type =
            call.segment(fhir.type_segment).or_else(|| fhir.resource_type.as_ref().map(TypeName::as_str));
        let place = resource_type.and_then(|name| engine.place(name));
        if resource_type.is_some() && place.is_none() {
            return Err(Denial::new(Phase::Operation, Reason::NotInService));
        }
        let id = call.segment(fhir.id_segment);
        let compartment = fhir.interaction == Interaction::SearchCompartment;
        let (id, path_patient) = match (compartment, resource_type) {
            (true, _) => (None, id),
            (false, Some("Patient")) => (id, id),
            (false, _) => (id, None),
        };
        Ok(Self {
            interaction: Some(fhir.interaction),
            resource_type,
            place,
            id,
            path_patient,
            prefix: upstream::prefix(call, fhir, arena),
        })
    }
}
