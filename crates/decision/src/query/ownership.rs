//! Ownership parameters: the client names the patient of what it asks for, and may only name its own.

use policy::decision::Phase;
use policy::facts::{ElementPath, ParameterKind, SearchParameter, Standing, TypeFacts};
use policy::reason::Reason;
use policy::settings::Compartment;

use super::Scene;
use super::class::Modifier;
use crate::Engine;
use crate::cover::owner_paths;
use crate::denial::Denial;
use crate::normalise::{alternatives, unescape};
use crate::reference::Reference;

/// Whether a parameter names the owner, under the Service's setting.
pub(super) fn is_owner(engine: &Engine, facts: &TypeFacts, parameter: &SearchParameter) -> bool {
    if !parameter.owner || parameter.kind != ParameterKind::Reference {
        return false;
    }
    match engine.settings().compartment {
        Compartment::R4 => true,
        Compartment::SubjectOnly => {
            let owners = owner_paths(engine, facts);
            let owns = |path: &ElementPath| owners.iter().any(|owner| owner.elements == path.elements);
            !parameter.paths.is_empty() && parameter.paths.iter().all(owns)
        }
    }
}

/// The parameter that narrows a search of this type to one patient; none where nothing can.
pub(super) fn narrowing<'e>(engine: &Engine, facts: &'e TypeFacts) -> Option<&'e str> {
    if facts.standing == Standing::Patient {
        return Some("_id");
    }
    if matches!(facts.standing, Standing::Shared | Standing::Binary | Standing::Provenance | Standing::Undecidable) {
        return None;
    }
    let owners = || facts.parameters.iter().filter(|one| is_owner(engine, facts, one));
    let first = owner_paths(engine, facts).first();
    let by_table =
        || owners().find(|one| first.is_some_and(|first| one.paths.iter().any(|path| path.elements == first.elements)));
    let found = owners().find(|one| &*one.name == "patient").or_else(by_table).or_else(|| owners().next());
    found.map(|parameter| &*parameter.name)
}

/// The value that names a patient under a narrowing parameter.
pub(super) fn value(name: &str, patient: &str) -> String {
    if name == "_id" { patient.to_owned() } else { format!("Patient/{patient}") }
}

/// Whether a value proves that the client asks for its own patient; a denial when it asks for another.
pub(super) fn prove(
    scene: &Scene<'_, '_>,
    parameter: &SearchParameter,
    modifier: Modifier,
    value: &str,
) -> Result<bool, Denial> {
    let malformed = Denial::new(Phase::Query, Reason::MalformedQuery);
    let other = Denial::new(Phase::Query, Reason::OtherPatient);
    let patient = scene.rules.patient.ok_or(Denial::new(Phase::Query, Reason::Internal))?;
    match modifier {
        Modifier::NoProof => return Ok(false),
        Modifier::Not => return Err(malformed),
        Modifier::OtherType | Modifier::Other => return Err(other),
        Modifier::Plain => {}
    }
    let base = [scene.home];
    for one in alternatives(value) {
        let one = unescape(one);
        // `_id` is a token and has no type; everywhere else a bare id is read as the patient's.
        let untyped = *one == *patient;
        let typed = || match Reference::read(&one, &base) {
            Reference::Local { versioned: true, .. } => Err(malformed),
            reference => Ok(reference.is_patient(patient)),
        };
        if !untyped && (parameter.kind != ParameterKind::Reference || !typed()?) {
            return Err(other);
        }
    }
    Ok(true)
}
