//! Ownership parameters: the client names the patient of what it asks for, and may only name its own.

use policy::decision::Phase;
use policy::facts::{ParameterKind, SearchParameter, TypeFacts};
use policy::reason::Reason;

use super::class::Modifier;
use crate::Engine;
use crate::denial::Denial;
use crate::engine::Known;
use crate::normalise::{alternatives, unescape};
use crate::reference::Reference;
use crate::rules::Grants;

/// Whether a parameter names the owner, under the Service's setting.
pub(crate) fn is_owner(engine: &Engine, facts: &TypeFacts, parameter: &SearchParameter) -> bool {
    let known = engine.kind_named(facts.name.as_str()).and_then(|kind| kind.known(&parameter.name));
    known.is_some_and(Known::is_owner)
}

/// The parameter that narrows a search of this type to one patient; none where nothing can.
pub(crate) fn narrowing<'e>(engine: &'e Engine, facts: &TypeFacts) -> Option<&'e str> {
    engine.kind_named(facts.name.as_str())?.narrowing.as_deref()
}

/// The value that names the context under a narrowing parameter.
pub(crate) fn value<'g>(name: &str, grants: &'g Grants) -> &'g str {
    if name == "_id" { grants.patient.as_deref().unwrap_or_default() } else { &grants.patient_reference }
}

/// Whether a value proves that the client asks for its own patient; a denial when it asks for another.
#[inline(never)]
pub(crate) fn prove(
    grants: &Grants,
    home: &str,
    parameter: &SearchParameter,
    modifier: Modifier,
    value: &str,
) -> Result<bool, Denial> {
    const MALFORMED: Denial = Denial::new(Phase::Query, Reason::MalformedQuery);
    const OTHER: Denial = Denial::new(Phase::Query, Reason::OtherPatient);
    let patient = grants.patient.as_deref().ok_or_else(|| Denial::new(Phase::Query, Reason::Internal))?;
    match modifier {
        Modifier::NoProof => return Ok(false),
        Modifier::OtherType | Modifier::Other => return Err(OTHER),
        Modifier::Plain => {}
    }
    let base = [home];
    for one in alternatives(value) {
        let one = unescape(one);
        // `_id` is a token and has no type; everywhere else a bare id is read as the patient's.
        let untyped = *one == *patient;
        let typed = || match Reference::read(&one, &base) {
            Reference::Local { versioned: true, .. } => Err(MALFORMED),
            reference => Ok(reference.is_patient(patient)),
        };
        if !untyped && (parameter.kind != ParameterKind::Reference || !typed()?) {
            return Err(OTHER);
        }
    }
    Ok(true)
}
