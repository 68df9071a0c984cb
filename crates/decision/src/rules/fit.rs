//! Which rules fit a request: context, type and letters, and the patient that its path names.

use policy::decision::Phase;
use policy::facts::Standing;
use policy::letters::Letters;
use policy::operation::Interaction;
use policy::reason::Reason;
use policy::settings::Shared;

use super::{Rule, Rules};
use crate::Engine;
use crate::denial::Denial;

/// What a request asks for, as far as rules are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The operation's index in the bundle.
    pub(crate) operation: u32,
    /// What it does; none outside FHIR.
    pub(crate) interaction: Option<Interaction>,
    /// The type.
    pub(crate) resource_type: Option<&'a str>,
    /// The letters it needs; none when only a role can name it.
    pub(crate) letters: Letters,
    /// The Patient that the path names.
    pub(crate) path_patient: Option<&'a str>,
}

/// The rules that fit, by their place in the list; or the denial of the one that got furthest.
pub(crate) fn fitting(engine: &Engine, rules: &Rules<'_>, asked: &Asked<'_>) -> Result<Vec<usize>, Denial> {
    if !rules.any {
        return Err(Denial::new(Phase::Rules, Reason::NoPermission));
    }
    let mut furthest = Denial::new(Phase::Rules, Reason::NoRule);
    let mut fitting = Vec::new();
    for (index, rule) in rules.list.iter().enumerate() {
        match fits(engine, rule, asked, rules.patient) {
            Ok(()) => fitting.push(index),
            Err(denial) if denial.step > furthest.step => furthest = denial,
            Err(_) => {}
        }
    }
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    let waits = |rule: &Rule<'_>| fits(engine, rule, &Asked { path_patient: None, ..*asked }, None).is_ok();
    if furthest.step == 0 && rules.waiting.iter().any(waits) {
        return Err(Denial::new(Phase::Rules, Reason::NoPatientContext));
    }
    Err(furthest)
}

fn fits(engine: &Engine, rule: &Rule<'_>, asked: &Asked<'_>, patient: Option<&str>) -> Result<(), Denial> {
    let refused = Denial::new(Phase::Rules, Reason::NoRule);
    if !rule.gives_operation(engine, asked.operation, asked.resource_type, asked.letters) {
        return Err(refused);
    }
    if !rule.is_patient() {
        return Ok(());
    }
    let standing =
        asked.resource_type.and_then(|name| engine.facts(name)).map_or(Standing::Undecidable, |facts| facts.standing);
    if !reaches(standing, asked, engine.settings().shared) {
        return Err(refused.at(1));
    }
    match (asked.path_patient, patient) {
        (Some(named), Some(patient)) if named != patient => Err(Denial::new(Phase::Rules, Reason::OtherPatient).at(2)),
        _ => Ok(()),
    }
}

/// Whether a `patient/` rule reaches resources of this standing at all.
fn reaches(standing: Standing, asked: &Asked<'_>, shared: Shared) -> bool {
    use Interaction as I;
    let Some(interaction) = asked.interaction else { return false };
    let creates = interaction == I::Create;
    let writes = matches!(interaction, I::Create | I::Update | I::Patch | I::Delete);
    let histories = matches!(interaction, I::HistoryType | I::HistorySystem);
    match standing {
        // No parameter narrows the history of a type to one patient.
        _ if histories => false,
        // Nobody can tell whose it is.
        Standing::Undecidable => false,
        // No patient rule makes or ends a Patient: there is none yet, or it is the context itself.
        Standing::Patient => !creates && interaction != I::Delete,
        // What other patients share is read, never written; a compartment has members only.
        Standing::Shared => !writes && interaction != I::SearchCompartment && shared != Shared::Referenced,
        Standing::Provenance => !writes && interaction != I::SearchCompartment,
        Standing::Binary => interaction != I::SearchCompartment,
        Standing::Compartment | Standing::PatientElement | Standing::NamesPatients => true,
    }
}
