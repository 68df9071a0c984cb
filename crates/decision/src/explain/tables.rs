//! The tables and settings in force for what a request is about.

use policy::explanation::{Setting, Table};
use policy::facts::{ElementPath, Standing};
use policy::operation::Interaction;

use crate::Engine;
use crate::engine::Place;
use crate::rules::Grants;

/// How resources of a type belong to a patient.
pub(super) fn table(engine: &Engine, place: Place) -> Option<Table> {
    let (facts, kind) = (engine.facts_at(place)?, engine.kind(place)?);
    let (standing, says) = standing(kind.standing);
    let mut parameters: Vec<String> = kind.owner_names().map(str::to_owned).collect();
    parameters.sort_unstable();
    Some(Table {
        resource_type: facts.name.as_str().to_owned(),
        standing,
        says,
        owners: kind.owners.iter().map(path).collect(),
        parameters,
        narrowing: kind.narrowing.as_deref().map(str::to_owned),
        security: kind.is_security,
    })
}

const fn standing(standing: Standing) -> (&'static str, &'static str) {
    match standing {
        Standing::Patient => ("patient", "a Patient is its own only, by its id"),
        Standing::Compartment => ("compartment", "it is a patient's if one of these elements refers to that Patient"),
        Standing::Shared => (
            "shared",
            "patients share it: read when something kept refers to it, or by a scope of its own; never written",
        ),
        Standing::PatientElement => ("patient_element", "it is a patient's by this element alone"),
        Standing::NamesPatients => ("names_patients", "it is a patient's if every Patient that it names is that one"),
        Standing::Binary => {
            ("binary", "it is a patient's by its securityContext, or a DocumentReference that names it")
        }
        Standing::Provenance => ("provenance", "it is a patient's if every target of it is"),
        Standing::Undecidable => ("undecidable", "nobody can tell whose it is: no `patient/` rule reaches it"),
    }
}

/// `participant.actor (Patient)`.
fn path(path: &ElementPath) -> String {
    let elements = path.elements.join(".");
    path.only.as_ref().map_or_else(|| elements.clone(), |only| format!("{elements} ({})", only.as_str()))
}

/// The types that patients share.
pub(super) fn shared(engine: &Engine) -> Vec<String> {
    let types = engine.parts().types.iter().filter(|facts| facts.standing == Standing::Shared);
    types.map(|facts| facts.name.as_str().to_owned()).collect()
}

/// What of a request makes a setting matter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matters<'m> {
    pub(super) engine: &'m Engine,
    pub(super) grants: &'m Grants,
    pub(super) interaction: Option<Interaction>,
    pub(super) everything: bool,
    pub(super) joins: bool,
    pub(super) includes: bool,
    /// The places of the types that the request is about.
    pub(super) places: &'m [Place],
}

/// The settings that the decision looked at.
pub(super) fn settings(matters: &Matters<'_>) -> Vec<Setting> {
    use Interaction as I;
    let Matters { engine, grants, interaction, .. } = *matters;
    let (settings, fhir) = (engine.settings(), engine.is_fhir());
    let own = grants.list.iter().chain(&grants.waiting).any(crate::rules::Rule::is_patient);
    let search = matches!(interaction, Some(I::SearchType | I::SearchSystem | I::SearchCompartment));
    let results = search || matches!(interaction, Some(I::HistoryInstance | I::HistoryType | I::HistorySystem));
    let instance =
        matches!(interaction, Some(I::Read | I::Vread | I::HistoryInstance | I::Update | I::Patch | I::Delete));
    let is =
        |standing| matters.places.iter().any(|place| engine.kind(*place).is_some_and(|kind| kind.standing == standing));
    let labels = engine.enforces_labels();
    [
        ("compartment", own && fhir && interaction.is_some()),
        ("search_without_context", own && search),
        ("results", results),
        ("related", matters.includes),
        ("chains", own && matters.joins),
        ("shared", own && (is(Standing::Shared) || matters.includes)),
        ("everything", matters.everything),
        ("hide_existence", instance),
        ("untagged_resources", engine.tags_bind),
        ("labels", fhir && interaction.is_some()),
        ("default_label", labels),
        ("default_user_role", !fhir),
        ("basic", settings.basic.is_some()),
        ("excluded_paths", !settings.excluded_paths.is_empty()),
        ("unauthenticated_until", settings.unauthenticated_until.is_some()),
        ("legacy_400", settings.legacy_400),
    ]
    .into_iter()
    .filter(|(_, counts)| *counts)
    .filter_map(|(name, _)| Some(Setting { name, value: settings.said(name)? }))
    .collect()
}
