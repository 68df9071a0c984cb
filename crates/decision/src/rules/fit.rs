//! Which rules fit a request: context, type and letters, and the patient that its path names.

use bumpalo::collections::Vec as List;
use policy::decision::Phase;
use policy::facts::Standing;
use policy::letters::Letters;
use policy::operation::Interaction;
use policy::reason::Reason;
use policy::settings::Shared;

use super::{Grants, Rule};
use crate::Engine;
use crate::arena::Arena;
use crate::denial::Denial;
use crate::engine::Place;

/// No rule fits.
const REFUSED: Denial = Denial::new(Phase::Rules, Reason::NoRule);

/// What a request asks for, as far as rules are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The operation's index in the bundle.
    pub(crate) operation: u32,
    /// What it does; none outside FHIR.
    pub(crate) interaction: Option<Interaction>,
    /// The type; none outside FHIR, and where a request may name several.
    pub(crate) place: Option<Place>,
    /// The letters it needs; none when only a role can name it.
    pub(crate) letters: Letters,
    /// The Patient that the path names.
    pub(crate) path_patient: Option<&'a str>,
}

/// The rules that fit one type or one operation, by their place in the list; or the denial of the one that got furthest.
pub(crate) fn fitting<'a>(
    engine: &Engine,
    grants: &Grants,
    asked: &Asked<'_>,
    arena: &'a Arena,
) -> Result<&'a [u16], Denial> {
    if !grants.any {
        return Err(Denial::new(Phase::Rules, Reason::NoPermission));
    }
    let mut furthest = REFUSED;
    let mut fitting = arena.list_of(4);
    for (rule, index) in grants.list.iter().zip(0_u16..) {
        match fits(engine, rule, asked, grants.patient.as_deref()) {
            Ok(()) => fitting.push(index),
            Err(denial) if denial.step > furthest.step => furthest = denial,
            Err(_) => {}
        }
    }
    if !fitting.is_empty() {
        return Ok(fitting.into_bump_slice());
    }
    let waits = |rule: &Rule| fits(engine, rule, &Asked { path_patient: None, ..*asked }, None).is_ok();
    if furthest.step == 0 && grants.waiting.iter().any(waits) {
        return Err(Denial::new(Phase::Rules, Reason::NoPatientContext));
    }
    Err(furthest)
}

fn fits(engine: &Engine, rule: &Rule, asked: &Asked<'_>, patient: Option<&str>) -> Result<(), Denial> {
    if !rule.gives_operation(engine, asked.operation, asked.place, asked.letters) {
        return Err(REFUSED);
    }
    if !rule.is_patient() {
        return Ok(());
    }
    let standing = asked.place.and_then(|place| engine.kind(place)).map_or(Standing::Undecidable, |kind| kind.standing);
    // No patient rule makes or ends a Patient, by a condition neither.
    let ends = standing == Standing::Patient && !(asked.letters & (Letters::CREATE | Letters::DELETE)).is_empty();
    if ends || !reaches(standing, asked.interaction, engine.settings().shared) {
        return Err(REFUSED.at(1));
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

/// Whether a `patient/` rule reaches resources of this standing at all.
pub(super) fn reaches(standing: Standing, interaction: Option<Interaction>, shared: Shared) -> bool {
    use Interaction as I;
    let Some(interaction) = interaction else { return false };
    let writes = matches!(interaction, I::Create | I::Update | I::Patch | I::Delete | I::Conditional);
    let histories = matches!(interaction, I::HistoryType | I::HistorySystem);
    let compartment = interaction == I::SearchCompartment;
    match standing {
        // No parameter narrows the history of a type to one patient.
        _ if histories => false,
        // Nobody can tell whose it is.
        Standing::Undecidable => false,
        // No patient rule makes or ends a Patient: there is none yet, or it is the context itself.
        Standing::Patient => interaction != I::Create && interaction != I::Delete,
        // What other patients share is read, never written; a compartment has members only.
        Standing::Shared => !writes && !compartment && shared != Shared::Referenced,
        Standing::Provenance => !writes && !compartment,
        Standing::Binary => !compartment,
        Standing::Compartment | Standing::PatientElement | Standing::NamesPatients => true,
    }
}

/// Whether a `patient/` rule can find out whose resources of a type are, when it comes to reading one.
pub(super) fn is_told(engine: &Engine, place: Place) -> bool {
    let standing = engine.kind(place).map_or(Standing::Undecidable, |kind| kind.standing);
    reaches(standing, Some(Interaction::Read), engine.settings().shared)
}

/// Rules that are judged together (D1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// `patient/`.
    Own,
    /// All others.
    Others,
    /// Of these, the `system/` rules and Basic keys: by which alone a bulk export is made (D13).
    Systems,
}

/// The types that a request of several types asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Several<'a> {
    /// What is asked, but for the type.
    pub(crate) asked: Asked<'a>,
    /// The types named; none: all of them.
    pub(crate) types: Option<&'a [Place]>,
}

/// The rules that fit a request of several types (D1), by their place in the list, group by group.
pub(crate) fn fitting_all<'a>(
    engine: &Engine,
    grants: &Grants,
    several: &Several<'_>,
    groups: &[Group],
    arena: &'a Arena,
) -> Result<&'a [u16], Denial> {
    if !grants.any {
        return Err(Denial::new(Phase::Rules, Reason::NoPermission));
    }
    let mut fitting = arena.list_of(4);
    let mut other_patient = false;
    for group in groups {
        let found = members(engine, &grants.list, several, *group);
        let Some(found) = found else { continue };
        let named = several.asked.path_patient;
        if *group == Group::Own && named.is_some_and(|named| grants.patient.as_deref() != Some(named)) {
            other_patient = true;
            continue;
        }
        fitting.extend(found);
    }
    if !fitting.is_empty() {
        fitting.sort_unstable();
        return Ok(fitting.into_bump_slice());
    }
    if other_patient {
        return Err(Denial::new(Phase::Rules, Reason::OtherPatient).at(2));
    }
    let waits = groups.contains(&Group::Own) && members(engine, &grants.waiting, several, Group::Own).is_some();
    let reason = if waits { Reason::NoPatientContext } else { Reason::NoRule };
    Err(Denial::new(Phase::Rules, reason))
}

/// The rules of a group that count, if the group fits.
fn members(engine: &Engine, list: &[Rule], several: &Several<'_>, group: Group) -> Option<Vec<u16>> {
    let Asked { operation, letters, interaction, .. } = several.asked;
    let is_of_group = |rule: &Rule| match group {
        Group::Own => rule.is_patient(),
        Group::Others => !rule.is_patient(),
        Group::Systems => rule.exports(engine, operation),
    };
    // What bounds a scope has to have the operation itself; a role's letters count for a chart alone.
    let usable = |rule: &Rule| rule.is_role() || rule.is_within(engine, operation);
    let of_group = || list.iter().zip(0_u16..).filter(|(rule, _)| is_of_group(rule) && usable(rule));
    let reaches = |rule: &Rule, place: Place| {
        let standing = engine.kind(place).map_or(Standing::Undecidable, |kind| kind.standing);
        let read = Some(if interaction == Some(Interaction::Operation) { Interaction::Read } else { interaction? });
        // A role gives exactly its operations; only for `$everything` it counts as letters too.
        let counts = !rule.is_role() || interaction == Some(Interaction::Operation);
        (counts
            && rule.gives_at(place, letters)
            && (!rule.is_patient() || reaches(standing, read, engine.settings().shared)))
        .then_some(())
    };
    let names = |rule: &Rule| rule.names(engine, operation);
    let Some(types) = several.types else {
        // One rule has to give all of them; beside it those count that give some.
        let whole = |rule: &Rule| rule.gives_everywhere(letters) || names(rule);
        let some = |rule: &Rule| names(rule) || engine.all_places().any(|place| reaches(rule, place).is_some());
        if !of_group().any(|(rule, _)| whole(rule)) {
            return None;
        }
        return Some(of_group().filter(|(rule, _)| some(rule)).map(|(_, index)| index).collect());
    };
    let covers = |place: &Place| of_group().any(|(rule, _)| names(rule) || reaches(rule, *place).is_some());
    if !types.iter().all(covers) {
        return None;
    }
    let counts = |rule: &Rule| names(rule) || types.iter().any(|place| reaches(rule, *place).is_some());
    let found: Vec<u16> = of_group().filter(|(rule, _)| counts(rule)).map(|(_, index)| index).collect();
    (!found.is_empty()).then_some(found)
}

/// The places of rules, as a list that grows.
pub(crate) type Places<'a> = List<'a, u16>;
