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
    if may_be_referenced(engine, rules, asked) {
        // I26: only the stored Patient could tell, and it is not looked up yet.
        return Err(Denial::new(Phase::Rules, Reason::NotBuilt));
    }
    Err(furthest)
}

/// Whether a read of a shared resource would be permitted if the context Patient referred to it.
fn may_be_referenced(engine: &Engine, rules: &Rules<'_>, asked: &Asked<'_>) -> bool {
    let standing = asked.resource_type.and_then(|name| engine.facts(name)).map(|facts| facts.standing);
    asked.interaction == Some(Interaction::Read)
        && standing == Some(Standing::Shared)
        && engine.settings().shared != Shared::Scope
        && rules.list.iter().any(|rule| rule.is_patient() && rule.gives(engine, "Patient", Letters::READ))
}

fn fits(engine: &Engine, rule: &Rule<'_>, asked: &Asked<'_>, patient: Option<&str>) -> Result<(), Denial> {
    let refused = Denial::new(Phase::Rules, Reason::NoRule);
    let gives = match asked.interaction {
        Some(interaction) if asked.resource_type.is_none() => fits_everywhere(rule, asked, interaction),
        _ => rule.gives_operation(engine, asked.operation, asked.resource_type, asked.letters),
    };
    if !gives {
        return Err(refused);
    }
    if !rule.is_patient() {
        return Ok(());
    }
    if asked.resource_type.is_none() {
        return names_context(asked, patient);
    }
    let standing =
        asked.resource_type.and_then(|name| engine.facts(name)).map_or(Standing::Undecidable, |facts| facts.standing);
    if !reaches(standing, asked, engine.settings().shared) {
        return Err(refused.at(1));
    }
    names_context(asked, patient)
}

/// A path that names a Patient names the context.
fn names_context(asked: &Asked<'_>, patient: Option<&str>) -> Result<(), Denial> {
    match (asked.path_patient, patient) {
        (Some(named), Some(patient)) if named != patient => Err(Denial::new(Phase::Rules, Reason::OtherPatient).at(2)),
        _ => Ok(()),
    }
}

/// Whether a rule could permit what names no one type (`GET /?…`, `POST /`, `Patient/ME/*`); which types
/// it means is decided after this phase.
fn fits_everywhere(rule: &Rule<'_>, asked: &Asked<'_>, interaction: Interaction) -> bool {
    match interaction {
        Interaction::Batch => true,
        Interaction::HistorySystem if rule.is_patient() => false,
        _ => rule.names(asked.operation) || rule.has_somewhere(asked.letters),
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
